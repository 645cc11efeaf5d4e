"""Reads a log while it is written: what has come since the last look, wherever the log is now.

A log that is followed may be renamed, deleted, cut short, copied and cut short, or written anew in
its place. It stays open, so what a renamed or deleted one holds can still be read to its end. What
was cut off is looked for in a copy in its folder.
"""

import dataclasses
import io
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress

from fixfeed.io.files.compression import Damaged
from fixfeed.io.files.content import look
from fixfeed.io.files.find import File
from fixfeed.io.files.planned import Planned, Replaced, file_id_of
from fixfeed.io.files.ranges import LONGEST, Range, blocks_of, with_context
from fixfeed.io.files.reading import read_blocks
from fixfeed.io.ledger.witness import EXACT, TAIL, Trail
from fixfeed.transforms.batch import Block, ends_within_line
from fixfeed.transforms.protocol import Protocol

__all__ = ["GrowingFile"]

_HEAD = 64 << 10  # bytes at the beginning that show how a file is laid out
_MOST_LOOKED_AT = 100  # files with a similar name, among which a copy is looked for


class GrowingFile:
    """A plain file that may grow, read from the border `at` on.

    `file` is how it was found, `path` is where it was last. `changed` is when it was last seen to
    have changed, by the clock of `time.monotonic`. `was_moved` is true once it has another name
    than when it was found, or none, and `is_gone` if it has none now.

    What it ends with waits while it may be read otherwise when more comes, but for `patience`
    seconds at most: then it is read as it is now.
    """

    def __init__(
        self,
        file: File,
        protocol: Protocol,
        *,
        at: int = 0,
        longest: int = LONGEST,
        patience: float,
    ):
        """Open it. Raises `Replaced` if it is no longer the file that was found, or `OSError`."""
        self.file = file
        self.path = file.path
        self.at = at
        self.changed = time.monotonic()
        self.was_moved = False
        self.is_gone = False
        self._protocol = protocol
        self._longest = longest
        self._framing = file.framing
        self._planned = file.content.planned
        self._looked = (-1, 0)  # the state that it was read in
        self._unfinished: Block | None = None
        self._patience = patience
        self._waits = (-1, 0.0)  # where it was last unfinished, and since when
        self._is_settled = False  # whether it was last read so that more changes nothing
        self._raw = io.FileIO(file.path)
        try:
            if file_id_of(self._raw) != self._planned.file_id:
                raise Replaced("another file has taken its name")
            self._planned.check(self._raw)
            self._trail = self._trail_to(at)
            self._context: Mapping[str, str] | None = None
        except BaseException:
            self._raw.close()
            raise

    @property
    def file_id(self) -> str:
        """Device and inode."""
        return self._planned.file_id

    @property
    def behind(self) -> int:
        """How many bytes had come that were not read yet, when it was last looked at."""
        return max(0, self._planned.size - self.at)

    @property
    def unfinished(self) -> bool:
        """Whether it ended inside a message."""
        return self._unfinished is not None

    @property
    def is_linked(self) -> bool:
        """Whether it has a name, if need be elsewhere: it is not deleted."""
        return os.fstat(self._raw.fileno()).st_nlink > 0

    @property
    def waits(self) -> bool:
        """Whether it ends with something that may become something else, but not for long."""
        return self.unfinished and self._is_settled

    def has_changed(self) -> bool:
        """Return whether it is to be read: it has changed, or what waits has waited enough."""
        return self._state() != self._looked or (self.waits and self._has_waited())

    def _has_waited(self) -> bool:
        at, since = self._waits
        return at == self.at and time.monotonic() - since >= self._patience

    def _state(self) -> tuple[int, int]:
        state = os.fstat(self._raw.fileno())
        return state.st_size, state.st_ctime_ns

    @property
    def signature(self) -> tuple[str, int, int]:
        """Device and inode, size, and time of the last change, when it was last read."""
        return self.file_id, *self._looked

    def moved_to(self, path: str | None) -> bool:
        """Note where it is now, None if nowhere that is looked at; return whether that is news."""
        is_news = path != (None if self.is_gone else self.path)
        self.is_gone = path is None
        self.path = path or self.path
        self.was_moved = self.was_moved or path != self.file.path
        return is_news

    def blocks(self) -> Iterator[Block]:
        """Yield what has come since the last time, up to the last border; see `read_blocks`.

        Raises `Replaced` if what was there is not there any more: nothing that was read after that
        is yielded.
        """
        state = self._state()
        self._planned.check(self._raw)
        looked = Planned.look(self.path, self._raw)
        now = time.monotonic()
        if state != self._looked:
            self.changed = now
        if self.at < _HEAD:
            head = os.pread(self._raw.fileno(), _HEAD, 0)
            framing = self._protocol.sniff(head)
            if framing != self._framing:
                self._framing, self._context = framing, None
        self._unfinished = None
        self._planned = looked
        waited, begun = self._has_waited(), self.at
        self._is_settled = True
        yield from self._read(looked, now)
        if waited and self.at == begun and self._unfinished is not None:
            # What has come since it waits for has not settled it.
            self._unfinished, self._is_settled = None, False
            yield from self._read(looked, now)
        after = Planned.look(self.path, self._raw)
        looked.check(self._raw)
        if after.size < self.at:
            raise Replaced(f"it has become shorter than the {self.at:,} bytes that were read")
        self._planned, self._looked = after, state

    def _read(self, looked: Planned, now: float) -> Iterator[Block]:
        """Yield what can be read from where it is, and note what is unfinished."""
        settled = self._is_settled
        part = dataclasses.replace(self._part(), settled=settled, waited=not settled)
        with os.fdopen(os.dup(self._raw.fileno()), "rb") as file:
            for block in blocks_of(part, file):
                looked.check(self._raw)
                if block.provisional and not block.error:
                    self._unfinished = block
                    if self._waits[0] != self.at:
                        self._waits = self.at, now
                    break
                yield self._passed(block)

    def end(self) -> Iterator[Block]:
        """Yield what it ends with: nothing more is expected. Half a message is a failure."""
        if self._unfinished is None:
            return
        block, self._unfinished = self._unfinished, None
        data, within = block.data, block.within_line
        end = self._framing.resumed(within_line=within).end_of_source(data)
        if end:
            read = dataclasses.replace(block, data=data[:end], provisional=False)
            for one in self._framing.carry(read, self._context or {}):
                yield self._passed(one)
        if end < len(data):
            within = ends_within_line(data[:end], within)
            start = block.start + end
            yield dataclasses.replace(block, start=start, data=data[end:], within_line=within)

    def from_copy(self) -> Iterator[Block]:
        """Yield what it held after what was read, from a copy of it in its folder, if there is one.

        To be called when it is known to be replaced. Without a copy, the message that it ended
        inside when it was last looked at is a failure.
        """
        found = self._copy()
        if found is None:
            yield from self.end()
            return
        planned, compression = found
        yield from read_blocks(
            dataclasses.replace(
                self._part(),
                planned=planned,
                compression=compression,
                skip=((0, self.at),) if compression and self.at else (),
            )
        )

    def close(self) -> None:
        """Close it."""
        self._raw.close()

    def _part(self) -> Range:
        part = Range(
            self.file.source,
            self._planned,
            "",
            self._framing,
            start=self.at,
            longest=self._longest,
            begin=self._protocol.begin,
        )
        if self._context is None:
            (part,) = with_context([part]) if self.at else [part]
            if part.unread:
                raise Replaced(part.unread)
            self._context = part.context
        return dataclasses.replace(part, context=self._context)

    def _passed(self, block: Block) -> Block:
        if not block.error:
            self._trail.add(block.data)
            block = dataclasses.replace(block, witness=self._trail.witness())
            self.at, self._context = block.end, block.context
        return block

    def _trail_to(self, position: int) -> Trail:
        if position > EXACT:
            tail = os.pread(self._raw.fileno(), TAIL, position - TAIL)
            return Trail.beyond(position, tail)
        trail = Trail()
        trail.add(os.pread(self._raw.fileno(), position, 0))
        return trail

    def _copy(self) -> tuple[Planned, str] | None:
        """Return a file in its folder that holds what this one held, and how it is compressed."""
        folder, name = os.path.split(self.path)
        stem = name.partition(".")[0]
        try:
            with os.scandir(folder or ".") as entries:
                there = [
                    (entry.stat().st_mtime, entry.path)
                    for entry in entries
                    if entry.name.startswith(stem) and entry.name != name and entry.is_file()
                ]
        except OSError:
            return None
        for _, path in sorted(there, reverse=True)[:_MOST_LOOKED_AT]:
            with suppress(Damaged, Replaced, OSError):
                content, _ = look(path, path, self._protocol.begin)
                if self._is_in(path, content.compression) or (
                    self.at and content.holds({self.at: self._trail.witness()})
                ):
                    return content.planned, content.compression
        return None

    def _is_in(self, path: str, compression: str) -> bool:
        """Return whether a plain file begins and goes on like this one when it was looked at."""
        if compression or not self._planned.size:
            return False
        with io.FileIO(path) as file, suppress(Replaced):
            self._planned.check(file)  # type: ignore[arg-type]
            return True
        return False
