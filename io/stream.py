"""Blocks that come without end: a feed of this process as a source of Beam.

    batches = pipeline | ReadFromFeed(feed) | ParseFix()

A feed waits for what comes: bytes that programs write to files, or send. Beam's local runner hands
elements on at once only inside one stage, from an unbounded source through ParDos to the sinks, and
only with one worker; so the feed is an object of this process (notes of Beam 2.77, measured).
"""

import dataclasses
import itertools
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import apache_beam as beam
from apache_beam import coders
from apache_beam.io.unbounded_source import (
    CheckpointMark,
    ReadFromUnboundedSource,
    UnboundedReader,
    UnboundedSource,
)
from apache_beam.utils.timestamp import MAX_TIMESTAMP, Timestamp

from fixfeed.io.lag import Lag
from fixfeed.io.ledger.ledger import Stretch, everywhere
from fixfeed.io.ledger.source import Source
from fixfeed.transforms.batch import TICK, Block

__all__ = ["Feed", "FeedState", "ReadFromFeed", "Remembered", "Stored", "in_all"]

_WAIT = 0.1  # seconds without a block after which the sinks may look at the clock
_QUIET = 2.0  # seconds without a block after which they look more rarely
_QUIET_WAIT = 0.25
_BUNDLE = 300.0  # seconds; at the end of a bundle all is committed, and Beam keeps 20 kB of it
_TOGETHER = 64 << 10  # bytes of blocks that are read in one go
_MANY = 1 << 40  # records in a bundle: time ends it


class Remembered(Protocol):
    """What the ledgers of all sinks have of sources."""

    def each(self, sources: Sequence[Source]) -> Sequence[Mapping[str, Sequence[Stretch]]]:
        """Return the stretches, by key of the source, that each ledger has; register none.

        It waits while a ledger cannot be read, and raises `SinkFailed` once the run is to stop.
        Sinks that remember nothing, as standard output, do not count.
        """

    def stored(self, sources: Sequence[Source]) -> Mapping[str, Sequence[Stretch]]:
        """Return what all of them have."""
        return in_all(sources, self.each(sources))

    @property
    def remember(self) -> bool:
        """Whether any sink remembers what it has."""


def in_all(
    sources: Sequence[Source], each: Sequence[Mapping[str, Sequence[Stretch]]]
) -> dict[str, Sequence[Stretch]]:
    """Return what all ledgers have of sources, by key, given what each has; nothing of none."""
    return {one.key: everywhere([has[one.key] for has in each]) if each else () for one in sources}


class Stored(Remembered, Protocol):
    """The same, of ledgers that sources are registered with."""

    def done(self, sources: Sequence[Source]) -> Mapping[str, Sequence[Stretch]]:
        """Register the sources with all ledgers; return what `stored` returns."""


class FeedState(Protocol):
    """What is read without end, and how far behind its reader is. Any thread may ask."""

    @property
    def state(self) -> str:
        """What is read from now, for people: `following 3 files`."""

    @property
    def behind(self) -> str:
        """How much is known to be there and not read yet, for people; `` if nothing is."""

    @property
    def lag(self) -> Lag | None:
        """The same as a number; None if there is no such thing, as in a replay, or unknown."""


class Feed(FeedState, Protocol):
    """Blocks as they come. `next` and `close` are used by one thread, the rest by others too."""

    @property
    def ended(self) -> bool:
        """Whether no block comes any more."""

    def next(self, seconds: float) -> Block | None:
        """Return the next block; None if none has come within so many seconds, or it has ended.

        What the ledgers of all sinks have is left out. A block that is lost before it is stored
        comes again in the next run.
        """

    def close(self) -> None:
        """Close all that is open."""


class ReadFromFeed(beam.PTransform):
    """Read a feed until it ends: `PBegin` to `PCollection[Block]`. Unbounded.

    Ten times a second at least there is a block, if need be `TICK`; four times once nothing has
    come for two seconds, as each costs some two milliseconds. Small ones that are there at the same
    time come as one (`Block.together`), as from hundreds of logs or peers. The feed must be read in
    the process that made it: on the local runner, with one worker.
    """

    def __init__(self, feed: Feed):
        """`feed` is used until it ends; closing it is its owner's work."""
        super().__init__()
        self._number = next(_numbers)
        _feeds[self._number] = feed

    def expand(self, begin: beam.pvalue.PBegin):
        """Read it in bundles of five minutes."""
        return begin | "Feed" >> ReadFromUnboundedSource(
            _FeedSource(self._number),
            poll_interval=0,
            max_records_per_bundle=_MANY,
            max_read_time_seconds=_BUNDLE,
        ).with_output_types(Block)


_numbers = itertools.count()
_feeds: dict[int, Feed] = {}
"""The feeds of this process: Beam copies a source, and a feed cannot be copied."""


class _Nowhere(CheckpointMark):
    """Beam's mark of a position. The positions are in the sinks' ledgers, so it holds nothing."""


class _FeedReader(UnboundedReader):
    def __init__(self, feed: Feed):
        self._feed = feed
        self._block = TICK
        self._tick: Block | None = None  # what came after the block
        self._given = time.monotonic()  # when there was a block

    def start(self) -> bool:
        return self.advance()

    def advance(self) -> bool:
        wait = _WAIT if time.monotonic() - self._given < _QUIET else _QUIET_WAIT
        block, self._tick = self._tick or self._feed.next(wait), None
        if block:
            self._given = time.monotonic()
        self._block = self._with_others(block) if block else TICK
        return block is not None or not self._feed.ended

    def _with_others(self, block: Block) -> Block:
        """Return a block together with those that are there already, if they are small."""
        others: list[Block] = []
        size = len(block.data)
        while block.source and size < _TOGETHER and (one := self._feed.next(0)) is not None:
            if not one.source:
                self._tick = one
                break
            others.append(one)
            size += len(one.data)
        return dataclasses.replace(block, together=others) if others else block

    def get_current(self) -> Block:
        return self._block

    def get_current_timestamp(self) -> Timestamp:
        return Timestamp.of(time.time())

    def get_watermark(self) -> Timestamp:
        return MAX_TIMESTAMP if self._feed.ended else Timestamp.of(time.time())

    def get_checkpoint_mark(self) -> CheckpointMark:
        return _Nowhere()


class _FeedSource(UnboundedSource):
    def __init__(self, number: int):
        self._number = number

    def split(self, desired_num_splits: int, options: Any = None) -> list[UnboundedSource]:
        return [self]

    def create_reader(self, options: Any, checkpoint_mark: Any) -> UnboundedReader:
        return _FeedReader(_feeds[self._number])

    def get_checkpoint_mark_coder(self) -> coders.Coder:
        return coders.PickleCoder()
