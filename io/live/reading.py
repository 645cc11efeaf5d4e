"""Reads a connection of the spool as blocks, while a gateway writes it."""

import dataclasses
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fixfeed.io.files.planned import Planned
from fixfeed.io.files.ranges import LONGEST, Range, blocks_of
from fixfeed.io.ledger.source import Source
from fixfeed.io.ledger.witness import EXACT, TAIL, Trail
from fixfeed.io.live.index import Index
from fixfeed.io.live.intact import Intact
from fixfeed.io.live.parts import Part, Parts
from fixfeed.io.live.segments import SegmentsFile
from fixfeed.io.live.spool import RECORD, Kind, Record, records, segments_of, source_of
from fixfeed.transforms.batch import Block, Piece
from fixfeed.transforms.protocol import Framing, Protocol

__all__ = ["SpooledConnection"]

_PATIENCE = 20  # times as long as a look at an unfinished message took, until the next one
_WINDOW = 1 << 14  # records that are read at once: of many small chunks, blocks are small
_FAR = 1 << 62
_CHUNK = 256  # bytes, as above: 4 MiB of larger chunks are read at once, after a look at their CRCs


class SpooledConnection:
    """A connection of the spool, read from the border `at` on.

    `end` is where what the index names ends; `ended` is the record of the connection's end, None if
    it has not ended as far as is known. `source` is what ledgers know it by.
    """

    def __init__(self, folder: Path, protocol: Protocol, *, longest: int = LONGEST):
        """Nothing is opened."""
        self.folder = folder
        self.source: Source = source_of(folder)
        self.at = 0
        self.end = 0
        self.ended: Record | None = None
        self._longest = longest
        self._parts = Parts(protocol, longest)
        self._layout: Any = None
        self._context: Mapping[str, str] | None = None
        self._trail: Trail | None = Trail()
        self._size = 0  # of the index, when it was last looked at
        self._index = Index(folder)  # from the first record that ends after `at`
        self._window = _WINDOW
        self._intact = Intact(folder, self._index)
        self._next_look = 0.0
        self._is_broken = False

    @property
    def behind(self) -> int:
        """How many bytes are there and not read yet."""
        return max(0, self.end - self.at)

    def has_news(self, *, at_once: bool = False) -> bool:
        """Look at the index; return whether there is more than the last time.

        While a long message is unfinished, it is looked at more and more rarely, unless `at_once`.
        """
        if self._is_broken or (time.monotonic() < self._next_look and not at_once):
            return False
        try:
            return self._looked_at(os.stat(self._index.path).st_size)
        except FileNotFoundError:
            return False

    def _looked_at(self, size: int) -> bool:
        if size == self._size or size < RECORD:
            return False
        count = size // RECORD
        while count:
            # The last ones may be about to be written.
            last = next(records(self._index.path, count - 1, 1), None)
            if last is not None:
                self.end = last.end
                self.ended = last if last.kind != Kind.CHUNK else None
                break
            count -= 1
        self._size = size if count == size // RECORD else count * RECORD
        return count > 0

    def start_at(self, position: int) -> int:
        """Read from a border on, that was read up to before; return where that is.

        It is a later one if what follows it was removed from the spool.
        """
        there = [
            max(start, position)
            for start, path in segments_of(self.folder)
            if start + path.stat().st_size > position
        ]
        begin = min(there, default=max(position, self.end))
        self.at = begin
        self._trail = self._trail_to(begin)
        low, high = 0, self._size // RECORD
        while low < high:
            middle = (low + high) // 2
            record = next(records(self._index.path, middle, 1), None)
            is_before = record is not None and record.end <= begin
            low, high = (middle + 1, high) if is_before else (low, middle)
        self._index.pass_to(low)
        self._intact = self._intact_at(begin, is_first=begin > position)
        return begin

    def _intact_at(self, begin: int, *, is_first: bool) -> Intact:
        """Look at chunks from the one on that holds `begin`.

        If `begin` `is_first` of what is there, the beginning of that chunk may have been removed.
        """
        index, number = self._index, self._index.number
        before = next(records(index.path, number - 1, 1), None) if number else None
        start = before.end if before else 0
        inside = next(index.ahead(number, 1), None)
        if is_first and start < begin and inside:
            return Intact(self.folder, index, inside.end, number + 1)
        return Intact(self.folder, index, start, number)

    def blocks(self) -> Iterator[Block]:
        """Yield what is there and was not read, up to the last border; the blocks tile it.

        The message that it ends inside waits. If the connection has ended, it is a failure. Bytes
        that are not what was received come with an error, provisionally, and the rest is read on.
        The last block has an error if the connection cannot be read on.
        """
        try:
            yield from self._blocks()
        except OSError as error:
            self._is_broken = True
            why = error.strerror or error
            yield self._block(error=f"{self.folder}: cannot be read on: {why}", provisional=True)

    def _blocks(self) -> Iterator[Block]:
        begin = time.monotonic()
        while self.at < self.end and not self._is_broken:
            wanted = self._window_end()
            before = self.at
            with SegmentsFile(self.folder, _FAR) as file:
                file.stop = stop = self._intact.up_to(wanted, file)
                has_ended = self.ended is not None and stop == self.end
                for part in self._parts.settled(file, self.at, has_ended=has_ended):
                    for block in self._blocks_of(part):
                        yield self._passed(block)
            if self._intact.is_damaged:
                yield self._unreadable()
            elif self.at > before:
                self._window = _WINDOW
                begin = time.monotonic()
            elif stop == self.end:
                self._next_look = time.monotonic() + _PATIENCE * (time.monotonic() - begin)
                break
            elif (
                stop - self.at < self._window * _CHUNK
                and self._index.number + self._window > self._size // RECORD
            ):
                self._is_broken = True
                error = f"{self._index.path} is damaged; name {self.folder}/*.log as an input"
                yield self._block(error=f"{error} to read what was received", provisional=True)
            else:
                self._window *= 2
        if self.ended and self.at < self.end and not self._is_broken:
            with SegmentsFile(self.folder, self.end) as file:
                for part in self._parts.rest(file, self.at):
                    for block in self._blocks_of(part):
                        yield self._passed(block)

    def _blocks_of(self, part: Part) -> list[Block]:
        """Return a part as blocks, each with the context that holds for all messages in it."""
        framing, self._layout = part.framing, part.framing.layout
        block = self._block(
            part.data,
            too_long=part.too_long,
            within_line=part.within_line,
            unfinished=0 if part.is_unfinished else None,
        )
        if not framing.has_context or part.is_unfinished:
            return [block]
        if self._context is None:
            self._context = self._context_at(framing)
        return framing.carry(block, self._context)

    def _block(self, data: bytes = b"", **flags: Any) -> Block:
        return Block(self.source.key, self.at, data, self._layout, origin=self.source, **flags)

    def _unreadable(self) -> Block:
        """Pass over damaged chunks, and the message that is cut by them; return what is there."""
        damage = self._intact.pass_damage()
        with SegmentsFile(self.folder, damage.end) as file:
            data = b""
            for start, end in file.stretches(self.at):
                file.seek(start)
                data += file.read(end - start)
        if damage.lacking:
            why = f"{damage.lacking:,} of them are not there any more"
        else:
            why = "their checksum differs"
        block = self._block(
            data,
            error=f"{self.folder}: its bytes {damage.start:,} to {damage.end:,} are not what was "
            f"received: {why}. What is there of them is kept as a failure, and what comes after "
            "them is read. Put back the segment from a copy, or remove the folder",
            provisional=True,
        )
        self.at, self._trail = damage.end, None
        self._index.pass_to(self._intact.number)
        return block

    def _window_end(self) -> int:
        """Return how far to read now."""
        end = self.at
        for record in self._index.ahead(self._index.number, self._window):
            end = record.end
            if end - self.at >= self._window * _CHUNK:
                break
        self.end = max(self.end, end)  # more may have come since the index was looked at
        return end

    def _context_at(self, framing: Framing) -> Mapping[str, str]:
        """Return what the messages that are still there before `at` determine for those after."""
        context: Mapping[str, str] = {}
        planned = Planned(str(self.folder), "", 0, "", "")
        whole = Range(self.source, planned, "", framing, longest=self._longest)
        with SegmentsFile(self.folder, self.at) as file:
            for begin, stop in file.stretches():
                before = dataclasses.replace(whole, start=begin, stop=stop, context=context)
                for block in blocks_of(before, file):  # type: ignore[arg-type]
                    context = block.context
        return context

    def _passed(self, block: Block) -> Block:
        if block.error:
            return block
        if self._trail is not None:
            self._trail.add(block.data)
            block = dataclasses.replace(block, witness=self._trail.witness())
        self.at, self._context = block.end, block.context
        return dataclasses.replace(block, pieces=self._pieces(block))

    def _pieces(self, block: Block) -> tuple[Piece, ...]:
        """Return the chunks of a block, with the times at which they were received."""
        found = []
        at = block.start
        passed = self._index.number
        for record in self._index.ahead(passed):
            if record.end > at:
                found.append(Piece(at - block.start, at, record.received))
                at = record.end
            if at > block.end:
                break
            passed += 1
            if at == block.end:
                break
        self._index.pass_to(passed)
        return tuple(found)

    def _trail_to(self, position: int) -> Trail | None:
        """Return the trail at a position, None if what is before it is not there any more."""
        with SegmentsFile(self.folder, position) as file:
            if position > EXACT:
                file.seek(position - TAIL)
                tail = file.read(TAIL)
                return Trail.beyond(position, tail) if len(tail) == TAIL else None
            trail = Trail()
            trail.add(file.read(position))
            return trail if trail.position == position else None
