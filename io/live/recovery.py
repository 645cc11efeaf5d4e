"""Ends the connections of a gateway that died, and tells which of its bytes were received.

A gateway writes the bytes of a chunk, syncs them, and then names them in the index. What was killed
in between leaves bytes at the end that no record names:

* Since then the machine was not started anew: they are what was received, as the system kept them
  for the dead process. They get a record, with the time at which they were written.
* It was: they may never have reached the disk, or in part. They are torn: they are cut off, and
  kept beside, in a file `.torn`.

A chunk that is not what its record says, and all after it, is torn as well.
"""

import os
import shutil
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from fixfeed.io.fsync import sync
from fixfeed.io.live.lock import Lock
from fixfeed.io.live.spool import (
    INDEX,
    RECORD,
    Kind,
    Record,
    connections_in,
    packed,
    records,
    segments_of,
)

__all__ = ["recover", "recovered"]

_TORN = ".torn"
_PIECE = 1 << 20

Segment = tuple[int, Path]


def recovered(address: Path, say: Callable[[str], None]) -> bool:
    """Recover an address that has no gateway now; return whether that is so.

    Raises `OSError` if its files cannot be written.
    """
    try:
        lock = Lock(address)
    except BlockingIOError:
        return False
    try:
        recover(address, lock, say)
    finally:
        lock.release()
    return True


def recover(address: Path, lock: Lock, say: Callable[[str], None]) -> None:
    """End all connections of an address that have no end. The caller holds its lock.

    `say` is given a sentence about each that had torn bytes. Interrupted, it can be done again.
    """
    for connection in connections_in(address):
        if not _has_ended(connection / INDEX):
            _end(connection, lock.same_boot, say)


def _has_ended(index: Path) -> bool:
    try:
        count, rest = divmod(index.stat().st_size, RECORD)
        last = next(records(index, count - 1), None) if count else None
    except FileNotFoundError:
        return False
    return not rest and last is not None and last.kind != Kind.CHUNK


def _end(connection: Path, same_boot: bool, say: Callable[[str], None]) -> None:
    segments = segments_of(connection)
    index = os.open(connection / INDEX, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        count, end, intact = _checked(connection / INDEX, segments)
        os.ftruncate(index, count * RECORD)
        there = max((start + path.stat().st_size for start, path in segments), default=0)
        new = []
        if there > end and intact and same_boot:
            new.append(_unnamed(segments, end))
        elif there > end:
            _cut(segments, end)
            say(
                f"{connection}: the last {there - end:,} bytes are torn, as the machine went down "
                f"while they were written; they are cut off, and kept in *{_TORN}"
            )
        last = new[-1].end if new else end
        new.append(Record(last, time.time_ns() // 1000, 0, Kind.DIED))
        for _, path in segments:
            if path.exists():
                sync(path)
        os.pwrite(index, b"".join(map(packed, new)), count * RECORD)
        os.fsync(index)
    finally:
        os.close(index)
    sync(connection)


def _checked(index: Path, segments: Sequence[Segment]) -> tuple[int, int, bool]:
    """Return how many records are whole, where their chunks end, and whether no chunk is torn.

    The chunks of the last segment are read for that; those before were synced long ago.
    """
    count = end = 0
    start, path = segments[-1] if segments else (0, index)
    with open(path, "rb") as file:
        for record in records(index):
            if end >= start and segments:
                file.seek(end - start)
                size = record.end - end
                if record.end < end or _crc(file, size) != (size, record.crc):
                    return count, end, False
            count, end = count + 1, record.end
    return count, end, True


def _crc(file: BinaryIO, size: int) -> tuple[int, int]:
    """Return how many of the next bytes there are, and their CRC-32."""
    crc = done = 0
    while done < size and (data := file.read(min(size - done, _PIECE))):
        crc, done = zlib.crc32(data, crc), done + len(data)
    return done, crc


def _unnamed(segments: Sequence[Segment], end: int) -> Record:
    """Return the record of the bytes after `end`."""
    crc = received = 0
    for start, path in segments:
        with open(path, "rb") as file:
            file.seek(max(0, end - start))
            while data := file.read(_PIECE):
                crc, end = zlib.crc32(data, crc), end + len(data)
            received = os.fstat(file.fileno()).st_mtime_ns // 1000
    return Record(end, received, crc, Kind.CHUNK)


def _cut(segments: Sequence[Segment], end: int) -> None:
    """Cut off the bytes after `end`, and keep them beside."""
    for start, path in segments:
        if start >= end and start:
            path.rename(path.with_suffix(_TORN))
        elif start + path.stat().st_size > end:
            torn = path.with_name(f"{end:012d}{_TORN}")
            with open(path, "rb") as file, open(torn, "wb") as beside:
                file.seek(end - start)
                shutil.copyfileobj(file, beside)
                beside.flush()
                os.fsync(beside.fileno())
            os.truncate(path, end - start)
