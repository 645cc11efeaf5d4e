"""Writes the bytes of one connection to its folder of the spool."""

import os
import zlib
from collections import deque
from pathlib import Path
from typing import NamedTuple

from fixfeed.io.fsync import sync
from fixfeed.io.live.spool import INDEX, PRIVATE, RECORD, Kind, Record, packed, segment_name

__all__ = ["SEGMENT", "SpoolWriter"]

SEGMENT = 64 << 20
"""A segment ends at the first message that begins after so many bytes, or at twice of that."""


class _Part(NamedTuple):
    """What is to be written: bytes, or the end of the connection."""

    data: bytes
    received: int
    kind: Kind = Kind.CHUNK
    rolls: bool = False  # a segment begins with it


class SpoolWriter:
    """Writes a connection. Its folder is made when its first bytes are written.

    Bytes are given to the system at once, so that they survive this process. After `sync` they
    survive the machine, and `publish` lets readers see them. `position` is how many were written.

    An `OSError` of `write`, `sync` and `publish` leaves everything as it was: they may be called
    again.
    """

    def __init__(self, folder: Path, *, begin: bytes = b"", segment: int = SEGMENT):
        """`begin` is how a message begins: if possible, segments are cut before one."""
        self.position = 0
        self._folder = folder
        self._begin = begin
        self._segment = segment
        self._parts: deque[_Part] = deque()
        self._written = 0  # of the first part
        self._records: list[Record] = []
        self._published = 0
        self._file = self._index = -1
        self._start = 0
        self._full: list[int] = []
        self._new_names: list[Path] = []
        self._index_is_new = False

    @property
    def is_written(self) -> bool:
        """Whether nothing waits to be written or published."""
        return not (self._parts or self._records)

    @property
    def is_removed(self) -> bool:
        """Whether somebody has removed its files, so that nobody reads what is written."""
        return self._index >= 0 and os.fstat(self._index).st_nlink == 0

    @property
    def unwritten(self) -> int:
        """How many bytes wait to be written."""
        return sum(len(part.data) for part in self._parts) - self._written

    def append(self, data: bytes, received: int) -> None:
        """Write a chunk that was received at a time in microseconds.

        Raises `OSError`, as of a full disk: the rest of the chunk is kept, and `write` goes on.
        """
        rolls = False
        size = self.position - self._start
        if size >= self._segment:
            cut = data.find(self._begin)
            if cut < 0 and size >= 2 * self._segment:
                cut = 0
            if cut > 0:
                self._parts.append(_Part(data[:cut], received))
            if cut >= 0:
                data, rolls = data[cut:], True
        self._parts.append(_Part(data, received, rolls=rolls))
        self.write()

    def end(self, kind: Kind, received: int) -> None:
        """Note that the connection has ended, and why. Raises `OSError` as `append` does."""
        self._parts.append(_Part(b"", received, kind))
        self.write()

    def write(self) -> None:
        """Write what could not be written before."""
        while self._parts:
            part = self._parts[0]
            if self._file < 0:
                self._open()
            if part.rolls and not self._written and self.position > self._start:
                self._roll()
            while self._written < len(part.data):
                rest = memoryview(part.data)[self._written :]
                count = os.pwrite(self._file, rest, self.position - self._start)
                self.position += count
                self._written += count
            self._records.append(
                Record(self.position, part.received, zlib.crc32(part.data), part.kind)
            )
            self._parts.popleft()
            self._written = 0

    def _open(self) -> None:
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        self._folder.mkdir(mode=PRIVATE, exist_ok=True)
        if self._index < 0:
            self._index = _opened(self._folder / INDEX)
        self._file = _opened(self._folder / segment_name(0))
        self._new_names += [self._folder, self._folder.parent]

    def _roll(self) -> None:
        file = _opened(self._folder / segment_name(self.position))
        self._full.append(self._file)
        self._file, self._start = file, self.position
        self._new_names.append(self._folder)

    def to_sync(self) -> "Group":
        """Return what was written since the last time, for `Group.sync` and `publish`."""
        return Group(
            [*self._full, self._file] if self._records else [],
            [self._index] if self._index_is_new else [],
            self._new_names[:],
            len(self._records),
            len(self._full),
        )

    def publish(self, group: "Group") -> None:
        """Let readers see what was synced."""
        if group.indexes:
            self._index_is_new = False
        if group.records:
            data = b"".join(map(packed, self._records[: group.records]))
            at = self._published * RECORD
            while data:
                count = os.pwrite(self._index, data, at)
                data, at = data[count:], at + count
            self._published += group.records
            self._index_is_new = True
            del self._records[: group.records]
        for file in self._full[: group.full]:
            os.close(file)
        del self._full[: group.full]
        del self._new_names[: len(group.names)]

    @property
    def is_synced(self) -> bool:
        """Whether all that was written is on disk, its records too."""
        return self.is_written and not self._index_is_new

    def close(self) -> None:
        """Close its files."""
        for file in (self._file, self._index, *self._full):
            if file >= 0:
                os.close(file)
        self._file = self._index = -1
        self._full = []


class Group(NamedTuple):
    """What of a connection is synced together."""

    files: list[int]
    indexes: list[int]
    names: list[Path]
    records: int
    full: int

    def sync(self) -> None:
        """Wait until it is on disk; in any thread."""
        for file in (*self.files, *self.indexes):
            os.fdatasync(file)
        for folder in self.names:
            sync(folder)


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o640)
