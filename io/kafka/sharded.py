"""Topics of Kafka, read by many workers of a cluster, each some of their partitions.

    blocks = pipeline | ReadFromTopics(TopicsElsewhere(address, protocol, stored, ...), shards=8)

Each shard is an element that a runner puts on any of its workers, where it is read without end
(Beam, "Splittable DoFns"), and has the partitions that a hash gives it, those that are added later,
too. A reader begins where the sinks' ledgers end, as on one machine, so the runner's checkpoints
hold no positions: after a failure, from a savepoint, on more or fewer workers, what is stored says
what is left.
"""

import dataclasses
import logging
import threading
import time
import uuid
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import apache_beam as beam
from apache_beam.io.iobase import RestrictionProgress, RestrictionTracker
from apache_beam.transforms.core import RestrictionProvider

from fixfeed.io.kafka.address import Address
from fixfeed.io.kafka.beginning import LATEST, Beginning, Begins
from fixfeed.io.kafka.client import KafkaTrouble
from fixfeed.io.kafka.group import Group, group_of
from fixfeed.io.kafka.standing import asking, partitions_now, standings
from fixfeed.io.kafka.topics import KafkaTopics
from fixfeed.io.lag import Lag
from fixfeed.io.stream import Stored
from fixfeed.transforms.batch import Block
from fixfeed.transforms.protocol import Protocol

__all__ = ["ReadFromTopics", "TopicsElsewhere"]

_WAIT = 0.02  # seconds without a record after which another shard of the worker may read
_MARK = 60.0  # seconds after which all readers have stored what they leave out
_IDLE = 60.0  # seconds after which another worker has the shard of a reader
_log = logging.getLogger("fixfeed.kafka.sharded")


@dataclass(frozen=True)
class TopicsElsewhere:
    """What a worker needs to read topics (`KafkaTopics`); all of it can be pickled."""

    address: Address
    protocol: Protocol
    stored: Stored
    longest: int
    begins: Begins | None = None

    def at_start(self, say: Callable[[str], None]) -> tuple["TopicsElsewhere", int]:
        """Return the same for a job that is begun now, and how many partitions there are.

        With `from=latest` it has where its readers begin, who come later, and the group is told.
        `say` is given a sentence if that does not take it, or outputs begin before the end.
        Raises `KafkaTrouble`, and what the outputs raise if they cannot be asked.
        """
        partitions, troubles = partitions_now(self.address)
        for trouble in troubles:
            raise trouble
        with asking(self.address) as consumer:
            group = Group(
                group_of(self.address),
                {},
                self.stored,
                lambda _, text: say(text),
                latest=True,
                begun=_never,
            )
            beginning = Beginning(self.address, consumer, self.stored, refused=group.not_noted)
            if beginning.says != LATEST:
                return self, len(partitions)
            ends = {one: beginning.watermarks(one.topic, one.number) for one in partitions}
            beginning.reserve(ends)
            starts = beginning.starts(ends, at_start=True)
            beginning.settle(starts)
            if beginning.note:
                say(beginning.note)
        begins = {
            (one.topic_id, one.number): start.offset for one, start in starts.items() if start.said
        }
        return dataclasses.replace(self, begins=begins), len(partitions)

    def lag(self) -> tuple[Lag, list[KafkaTrouble]]:
        """Return how many records are there that an output lacks, and what is wrong with topics.

        Raises `KafkaTrouble` if brokers do not answer, and what the outputs raise if they cannot be
        asked.
        """
        found, troubles = standings(self.address, self.stored, {}, self.begins)
        records = sum(max(0, one.end - max(one.first, one.begins)) for one in found)
        return Lag(records, "records"), troubles

    def read(self, shard: int, shards: int) -> KafkaTopics:
        """Return the feed of the partitions of a shard. Raises `KafkaTrouble`, `SinkFailed`."""

        return KafkaTopics(
            self.address,
            self.protocol,
            self.stored,
            stop=_never,
            say=_log.warning,
            away=_tell_away,
            longest=self.longest,
            ours=partial(_is_in, shard=shard, shards=shards),
            begins=self.begins,
            mark_after=None if shard else _MARK,
        )


def _is_in(topic: str, number: int, shard: int, shards: int) -> bool:
    return (zlib.crc32(topic.encode()) + number) % shards == shard


def _never() -> bool:
    return False


def _tell_away(why: str) -> None:
    if why:
        _log.warning("%s", why)


class ReadFromTopics(beam.PTransform):
    """Read topics until the job is stopped: `PBegin` to `PCollection[Block]`. Unbounded.

    What was read is handed on after `seconds` at the most.
    """

    def __init__(self, topics: TopicsElsewhere, *, shards: int, seconds: float):
        """`shards` readers share the partitions."""
        super().__init__()
        self._shards = [_Shard(number, shards) for number in range(shards)]
        self._read = _Read(topics, seconds)

    def expand(self, begin: beam.pvalue.PBegin):
        """Read all shards.

        Flink puts all parts of an element where it has put the element (it keys by it, measured),
        so there is an element for each shard.
        """
        return (
            begin
            | "Shards" >> beam.Create(self._shards)
            | "Records" >> beam.ParDo(self._read).with_output_types(Block)
        )


@dataclass(frozen=True)
class _Shard:
    """A reader, as a savepoint has it: what is read, and which outputs lack it, says the job."""

    number: int
    shards: int


class _Moment(NamedTuple):
    """How far a shard is read: by which reader, and how often that has paused since it began.

    After a failure the runner goes back to an earlier moment, of which no reader is left: then a
    new one asks the ledgers.
    """

    reader: str = ""
    pauses: int = 0


class _Tracker(RestrictionTracker):
    """Ends a bundle, and has the next one go on with the same reader.

    Beam's own wrapper of unbounded sources would do, but has each of its bundles finalized, and
    until that has come, after a checkpoint, each bundle gets new sinks and readers (measured).
    """

    def __init__(self, moment: _Moment):
        self._moment = moment
        self._paused = False

    def current_restriction(self) -> _Moment:
        return self._moment

    def try_claim(self, position: _Moment) -> bool:
        """Take the next block of a reader, which is at this moment, unless the bundle is to end."""
        if not self._paused:
            self._moment = position
        return not self._paused

    def try_split(self, fraction_of_remainder: float) -> tuple[_Moment, _Moment] | None:
        if fraction_of_remainder or self._paused:
            return None
        self._paused = True
        return self._moment, _after(self._moment)

    def current_progress(self) -> RestrictionProgress:
        return RestrictionProgress(completed=float(self._paused), remaining=1.0 - self._paused)

    def check_done(self) -> bool:
        """Raise if the bundle has ended without a pause: a stream has no other end."""
        if not self._paused:
            raise ValueError("a shard of topics has no end")
        return True

    def is_bounded(self) -> bool:
        return False


def _after(moment: _Moment) -> _Moment:
    return _Moment(moment.reader, moment.pauses + 1)


class _Moments(RestrictionProvider):
    def initial_restriction(self, element: _Shard) -> _Moment:
        return _Moment()

    def create_tracker(self, restriction: _Moment) -> _Tracker:
        return _Tracker(_Moment(*restriction))

    def restriction_size(self, element: _Shard, restriction: _Moment) -> int:
        return 1


_MOMENT = beam.DoFn.RestrictionParam(_Moments())


class _Read(beam.DoFn):
    """Reads shards of topics, in turns of `seconds` if a worker has several."""

    def __init__(self, topics: TopicsElsewhere, seconds: float):
        self._topics = topics
        self._seconds = seconds
        self._job = uuid.uuid4().hex

    @beam.DoFn.unbounded_per_element()
    def process(self, shard: _Shard, tracker=_MOMENT):
        key = self._job, shard.number
        moment, feed = _taken(key, tracker.current_restriction())
        if feed is None:
            feed = self._topics.read(shard.number, shard.shards)
        until = time.monotonic() + self._seconds
        try:
            while tracker.try_claim(moment):
                block = feed.next(_WAIT)
                if block is not None:
                    yield block
                if block is None or time.monotonic() > until:
                    tracker.defer_remainder()
                    break
        except BaseException:
            feed.close()
            raise
        _park(key, _after(moment), feed)


class _Parked(NamedTuple):
    moment: _Moment
    feed: KafkaTopics
    since: float


_parked: dict[tuple[str, int], _Parked] = {}
"""Readers between two bundles, by job and shard. Several objects of a process may run these."""
_parking = threading.Lock()


def _taken(key: tuple[str, int], moment: _Moment) -> tuple[_Moment, KafkaTopics | None]:
    """Return the reader that has come to this moment, else the moment of a new one, and None."""
    now = time.monotonic()
    with _parking:
        found = _parked.pop(key, None)
        idle = [key for key, one in _parked.items() if now - one.since > _IDLE]
        stale = [_parked.pop(key) for key in idle]
    if found is not None and found.moment != moment:
        stale.append(found)
        found = None
    for one in stale:
        one.feed.close()
    if found is not None:
        return moment, found.feed
    return _Moment(uuid.uuid4().hex), None


def _park(key: tuple[str, int], moment: _Moment, feed: KafkaTopics) -> None:
    with _parking:
        _parked[key] = _Parked(moment, feed, time.monotonic())
