"""A file's messages with the times they came at, in its own order, cut between messages.

The time of a message is the first that it has of `Table.clock`. One that has none, and one whose
time is earlier than that of a message before it, count as come together with that one: so the
times of a file never fall. What lies between two messages (lines that hold none, failures) goes
with the one before it; what a file begins with, with its first.
"""

import dataclasses
import re
from collections.abc import Generator, Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from fixfeed.io.files.compression import Damaged
from fixfeed.io.files.planned import Replaced
from fixfeed.io.files.ranges import Range, with_context
from fixfeed.io.files.reading import read_blocks, trail_at
from fixfeed.io.files.window import UNTIMED, Times, Window
from fixfeed.io.ledger.witness import Trail
from fixfeed.transforms.batch import Block, ends_within_line
from fixfeed.transforms.protocol import Framing, Protocol

__all__ = ["Timed", "TimedFile"]

_SHOWN = 64
"""A message shows that it begins within so many bytes, if it is that long."""


_A_FEW = 16
_LINE_END = re.compile(rb"[\r\n]+")


class Timed(NamedTuple):
    """A block, the times of its messages, and which column of `Table.clock` each is from.

    Where a message has no time of its own, the number of the column is -1. A block without messages
    has no columns, and one time, that of the message before it.
    """

    block: Block
    times: Times
    columns: NDArray[np.int8]


@dataclasses.dataclass
class _Read:
    """A block that was read: what is known of its messages, and how far it was given.

    `starts` is where the messages begin in it, and `shown` where each is seen to begin, and is not
    whole. The next message is number `at`; what comes next begins at `base`.
    """

    block: Block
    framing: Framing
    starts: Times
    shown: Times
    timed: Timed
    wanted: NDArray[np.bool_]
    in_lines: bool
    at: int = 0
    base: int = 0


class TimedFile:
    """What is lacking of a file, `parts` in order, as far as it is in a window.

    `look` has to return true before each use of `head` and `take`. Memory is bounded by the block.
    """

    def __init__(
        self, parts: Sequence[Range], protocol: Protocol, window: Window, *, block_size: int
    ):
        """Nothing is opened yet; blocks of about `block_size` are read."""
        self.ended = False
        self._protocol = protocol
        self._clock = protocol.table.clock
        self._window = window
        self._blocks = _blocks_of(parts, block_size)
        self._read: _Read | None = None
        self._latest = UNTIMED
        self._trail: Trail | None = None

    @property
    def head(self) -> int:
        """When the next message came."""
        assert self._read is not None
        return int(self._read.timed.times[self._read.at])

    def look(self) -> bool:
        """Read on, by one block at the most; return whether `head` is known, or it has `ended`."""
        if self._read is None:
            found = next(self._blocks, None)
            if found is None:
                self.ended = True
                return True
            self._read = self._timed(*found)
        return self._skip(self._read)

    def take(self, until: int) -> Timed:
        """Return the next message, and those after it that came before `until`, as a block."""
        one = self._read
        assert one is not None
        stop = max(one.at + 1, int(np.searchsorted(one.timed.times, until)))
        unwanted = np.flatnonzero(~one.wanted[one.at : stop])
        if len(unwanted):
            stop = one.at + int(unwanted[0])
        end, stop = self._border(one, stop, least=one.at + 1)
        begin, data = one.base, one.block.data[one.base : end]
        witness = self._passed(one, end)
        block = dataclasses.replace(
            one.block,
            start=one.block.start + begin,
            data=data,
            last=one.block.last and end == len(one.block.data),
            within_line=ends_within_line(one.block.data[:begin], one.block.within_line),
            witness=witness,
        )
        taken = slice(one.at, stop)
        one.at = stop
        if stop == len(one.starts):
            self._read = None
        return Timed(block, one.timed.times[taken], one.timed.columns[taken])

    def close(self) -> None:
        """Close it."""
        self._blocks.close()

    def _timed(self, part: Range, block: Block) -> _Read:
        """Return a block with the times of its messages."""
        if not (self._trail and self._trail.position == block.start):
            self._trail = None
            with suppress(Damaged, Replaced, OSError):
                self._trail = trail_at(part, block.start)
        messages = self._protocol.parse(block).messages
        count = messages.num_rows
        starts, lengths = np.zeros(1, np.int64), np.ones(1, np.int64)
        times, columns = np.full(max(1, count), UNTIMED), np.full(count, -1, np.int8)
        if count:
            starts = messages["position"].to_numpy() - block.start
            lengths = pc.binary_length(messages["raw"]).to_numpy().astype(np.int64)
            for number, name in reversed([*enumerate(self._clock)]):
                column = messages[name]
                told = column.is_valid().to_numpy(zero_copy_only=False)
                micros = column.cast("int64").fill_null(0).to_numpy(zero_copy_only=False)
                times[told], columns[told] = micros[told], number
        times[0] = max(times[0], self._latest)
        times = np.maximum.accumulate(times)
        known = times[times != UNTIMED]
        if len(known):
            times = np.maximum(times, known[0])
        self._latest = int(times[-1])
        shown = starts + np.clip(lengths - 1, 1, _SHOWN)
        timed = Timed(block, times, columns)
        line_ends = max(map(block.data.count, (b"\n", b"\r"))) if self._protocol.begin else 0
        return _Read(
            block,
            part.framing,
            starts,
            shown,
            timed,
            wanted=self._window.inside(times),
            in_lines=_A_FEW * line_ends >= count > 0,
        )

    def _skip(self, one: _Read) -> bool:
        """Pass over what is not wanted; return whether a wanted message follows, or it ended."""
        wanted = np.flatnonzero(one.wanted[one.at :])
        if not len(wanted):
            self._passed(one, len(one.block.data))
            self._read = None
            if self._window.is_over(self._latest):
                self.ended = True
                self.close()
            return self.ended
        if wanted[0]:
            first = one.at + int(wanted[0])
            border, begin = self._border(one, _first_on_line(one, first), least=one.at)
            self._passed(one, border)
            one.wanted[begin:first] = True  # they are in one record, or on one line
            one.at = begin
        return True

    def _border(self, one: _Read, number: int, *, least: int) -> tuple[int, int]:
        """Return the border before a message, and how many messages are before that.

        Several messages may be in one record: then it is the first border with at least `least`.
        Those on one line stay together too, as each may decide how the others are read.
        """
        data, step = one.block.data, 1
        while number < len(one.starts):
            window = data[one.base : one.shown[number]]
            byte = data[max(0, one.base - 1) : one.base]
            within = ends_within_line(byte, one.block.within_line)
            framing = one.framing.resumed(within_line=within)
            border = one.base + framing.last_border(window)
            before = int(np.searchsorted(one.starts, border))
            torn = one.in_lines and ends_within_line(
                data[border - 1 : border] if border else b"", False
            )
            if before >= least and not torn:
                return border, before
            line_end = _LINE_END.search(data, one.starts[number]) if torn else None
            after = int(np.searchsorted(one.starts, line_end.end())) if line_end else 0
            number, step = (after, step) if after > number else (number + step, 2 * step)
        return len(data), len(one.starts)

    def _passed(self, one: _Read, end: int) -> str:
        """Advance in a block; return the witness of the place that is reached, `` if unknown."""
        data, one.base = one.block.data[one.base : end], end
        if self._trail is None or one.block.provisional or one.block.error:
            return ""
        self._trail.add(data)
        return self._trail.witness()


def _first_on_line(one: _Read, number: int) -> int:
    """Return the first message that is not given yet on the line of a message."""
    if not one.in_lines:
        return number
    start = int(one.starts[number])
    line = max(one.block.data.rfind(end, one.base, start) for end in (b"\n", b"\r"))
    return max(one.at, int(np.searchsorted(one.starts, line)))


def _blocks_of(
    parts: Sequence[Range], block_size: int
) -> Generator[tuple[Range, Block], None, None]:
    for part in parts:
        for one in with_context([part]):
            for block in read_blocks(one, block_size=block_size):
                yield one, block
