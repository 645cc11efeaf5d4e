"""Topics of Kafka as a feed: records are read from where the sinks' ledgers end.

The consumer has partitions assigned, each at an offset: no group gives and takes them. What is
stored decides where reading begins, in the transaction of the rows; the group of the URI is only
told afterwards what is stored, for tools that show lag. Where no sink remembers what it has (the
standard output), reading begins where the group has committed, and what was printed and not
committed yet comes again.
"""

import gc
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from fixfeed.io.kafka.address import Address
from fixfeed.io.kafka.assigned import Assigned
from fixfeed.io.kafka.beginning import EARLIEST, Beginning
from fixfeed.io.kafka.beside import beside
from fixfeed.io.kafka.client import (
    Cluster,
    Consumer,
    KafkaError,
    KafkaException,
    KafkaTrouble,
    Topic,
    consumer_of,
    is_lasting,
    reason_of,
)
from fixfeed.io.kafka.group import Group
from fixfeed.io.kafka.records import Partition, PartitionId, Records
from fixfeed.io.stream import Stored
from fixfeed.transforms.batch import FLUSH, Block
from fixfeed.transforms.protocol import Protocol

__all__ = ["OURS", "KafkaTopics", "patterns_of"]

T = TypeVar("T")

OURS: Mapping[str, str] = {
    "auto.offset.reset": "write from=earliest or from=latest",
    "bootstrap.servers": "name the brokers before the topic",
    "enable.auto.commit": "a group's offsets are committed after what was read is stored",
    "enable.auto.offset.store": "a group's offsets are committed after what was read is stored",
    "enable.partition.eof": "leave it out",
    "group.id": "write group=NAME",
}
"""The properties that this source sets itself, and what to do instead."""

_GROUP = "fixfeed"
_MANY = 10_000  # records that are taken at once
_LOOK = 10.0  # seconds between two looks at topics and rights
_LOOK_FOR_BROKERS = 1.0  # seconds between two looks while none answers


def patterns_of(topics: Iterable[str]) -> list[re.Pattern[str]]:
    """Return the patterns among names of topics. Raises `ValueError` for one that is none."""
    patterns = []
    for one in topics:
        if one.startswith("^"):
            try:
                patterns.append(re.compile(one))
            except re.error as error:
                raise ValueError(f"{one} is no pattern of names: {error}") from None
    return patterns


class KafkaTopics:
    """The blocks of the records of topics, as they come (`io.stream.Feed`).

    A name that begins with `^` is a pattern: topics that match it now or later are read, whole
    names alone. Partitions that are added are read from their beginning, and so is a topic that is
    deleted and made again, as another one. `from` of the URI says where reading begins in topics
    that no sink has anything of. What was deleted before it was read is a failure that tells how
    many records are missing.

    It ends once `stop` returns true, without reading on.
    """

    def __init__(
        self,
        address: Address,
        protocol: Protocol,
        stored: Stored,
        *,
        stop: Callable[[], bool],
        say: Callable[[str], None],
        longest: int,
    ):
        """Find the topics. Raises `KafkaTrouble` within ten seconds, if they cannot be read.

        `say` is given a sentence about what goes wrong later, once, and when it has ended.
        """
        self.ended = False
        self._address = address
        self._protocol = protocol
        self._stored = stored
        self._stop = stop
        self._say = say
        self._longest = longest
        self._names = [one for one in address.topics if not one.startswith("^")]
        self._patterns = patterns_of(address.topics)
        self._cluster = Cluster(address)
        self._cluster_id = self._cluster.identity()
        topics = self._look()
        for one in topics.values():
            if isinstance(one, KafkaTrouble):
                raise one
        self._complaints: dict[str, str] = {}
        self._assigned: dict[tuple[str, int], Assigned] = {}
        self._group = Group(
            address.own.get("group", _GROUP), self._assigned, stored, self._complain
        )
        self._consumer: Consumer = consumer_of(
            address,
            {
                "group.id": self._group.name,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "error",
                "error_cb": self._heard,
                "on_commit": self._group.committed,
            },
        )
        self._group.use(self._consumer)
        self._beginning = Beginning(address, self._consumer, stored)
        self._ids: dict[str, str] = {}
        self._blocks: deque[tuple[Block, Assigned, int]] = deque()
        self._away = self._looking_for_brokers = False
        self._beyond: dict[tuple[str, int], int] = {}
        self._looking: Future[dict[str, Topic | KafkaTrouble]] | None = None
        self._next_look = time.monotonic() + _LOOK
        self._flushed: dict[tuple[str, int], int] | None = None
        if not stored.remember:
            say(
                f"no output remembers what it has of a topic, so reading begins where group "
                f"{self._group.name} has committed, and some messages may come twice"
            )
        try:
            self._take(topics, at_start=True)
            # Each message is an object that the collector looks at. Without this it would look at
            # all that is loaded, too, every few thousand records: a quarter of the time of reading.
            gc.freeze()
        except BaseException:
            self.close()
            raise

    @property
    def state(self) -> str:
        """See `Feed`."""
        count = len(self._assigned)
        topics = {topic for topic, _ in list(self._assigned)}
        shown = next(iter(topics)) if len(topics) == 1 else f"{len(topics):,} topics"
        text = f"reading {count:,} partition{'' if count == 1 else 's'} of {shown}"
        return f"{text}, no broker answers" if self._away else text

    @property
    def behind(self) -> str:
        """See `Feed`."""
        records = 0
        with suppress(KafkaException, RuntimeError):  # it is closed, or knows no end yet
            for one in list(self._assigned.values()):
                _, high = self._consumer.get_watermark_offsets(one.at(0), cached=True)
                records += max(0, high - one.partition.next)
        return f"{records:,} records behind" if records else ""

    def next(self, seconds: float) -> Block | None:
        """See `Feed`."""
        stopping = self._stop()
        if self._blocks and not stopping:
            return self._handed()
        if self._flushed is not None:
            self._group.tell(self._flushed)
            self._flushed = None
            if stopping:
                self._group.wait()
                self.ended = True
                return None
        if stopping or (not self._stored.remember and self._group.is_due()):
            self._flushed = {key: one.handed for key, one in self._assigned.items()}
            return FLUSH
        if self._group.is_due():
            self._group.tell({})
        self._see_topics()
        first = self._consumer.poll(seconds)
        if first is not None:
            self._read([first, *self._consumer.consume(_MANY - 1, 0)])
        return self._handed() if self._blocks else None

    def close(self) -> None:
        """Close the consumer."""
        self._consumer.close()

    def _wait(self, one: Assigned, blocks: Iterable[Block]) -> None:
        """Have blocks of a partition wait for their turn, each with the offset where it ends."""
        self._blocks += ((block, one, one.partition.given) for block in blocks)

    def _handed(self) -> Block:
        block, one, end = self._blocks.popleft()
        one.handed = end
        return block

    def _read(self, messages: Iterable[Any]) -> None:
        """Make blocks of messages of librdkafka, whose types say less than there is."""
        by_partition: dict[tuple[str, int], list[Any]] = {}
        failed = []
        for message in messages:
            if message.error() is None:
                by_partition.setdefault((message.topic(), message.partition()), []).append(message)
            else:
                failed.append(message)
        for key, some in by_partition.items():
            if key in self._assigned:
                known = [beside(message) for message in some]
                records = Records(
                    [message.offset() for message in some],
                    [message.value() for message in some],
                    [time for time, _ in known],
                    [said for _, said in known],
                )
                self._wait(self._assigned[key], self._assigned[key].partition.blocks(records))
        # After the records that came before them: what is missing begins where they end.
        for message in failed:
            self._failed((message.topic(), message.partition()), message.error())

    def _failed(self, key: tuple[str, int], error: KafkaError) -> None:
        """Go on after an error of a partition, if there is a way."""
        one = self._assigned.get(key)
        topic, number = key
        if one is None:
            return
        if error.code() != KafkaError._AUTO_OFFSET_RESET:
            self._next_look = 0.0
            if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                self._complain(topic, f"the right READ on topic {topic} is missing")
            elif error.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                self._complain(f"{topic}/{number}", f"partition {number} of {topic}: {error.str()}")
            return
        try:
            low, high = self._beginning.watermarks(topic, number)
        except KafkaTrouble as trouble:
            self._complain("", str(trouble))
            low, high = 0, one.partition.next
        if one.partition.next < low:
            missed = low - one.partition.next
            why = (
                f"partition {number} of {topic}: {missed:,} records from offset "
                f"{one.partition.next:,} on were deleted (retention) before they were read"
            )
            self._say(why)
            self._wait(one, one.partition.missed(low, why))
        elif one.partition.next > high:
            # Or the topic is another one by now, as a look at it tells.
            self._consumer.incremental_unassign([one.at(0)])
            self._beyond[key] = high
            self._next_look = 0.0
            return
        self._assign([one])

    def _assign(self, some: Sequence[Assigned]) -> None:
        """Have partitions read on from their next offset."""
        again = [one.at(0) for one in some]
        known = {(one.topic, one.partition) for one in self._consumer.assignment()}
        old = [one for one in again if (one.topic, one.partition) in known]
        if old:
            self._consumer.incremental_unassign(old)
        self._consumer.incremental_assign([one.at(one.partition.next) for one in some])

    # The topics.

    def _look(self) -> dict[str, Topic | KafkaTrouble]:
        names = list(self._names)
        if self._patterns:
            for name in self._cluster.names():
                if any(one.fullmatch(name) for one in self._patterns):
                    names.append(name)
        return self._cluster.topics(dict.fromkeys(names)) if names else {}

    def _see_topics(self) -> None:
        """Look at the topics now and then, beside all else, and take what is new."""
        if self._looking is None:
            if time.monotonic() >= self._next_look:
                self._looking_for_brokers = self._away
                self._looking = _beside(self._look)
            return
        if not self._looking.done():
            return
        looking, self._looking = self._looking, None
        self._next_look = time.monotonic() + (_LOOK_FOR_BROKERS if self._away else _LOOK)
        try:
            topics = looking.result()
            if self._looking_for_brokers:
                self._is_back()
            self._take(topics, at_start=False)
        except KafkaTrouble as trouble:
            if trouble.lasting:
                self._complain("", str(trouble))

    def _take(self, topics: Mapping[str, Topic | KafkaTrouble], *, at_start: bool) -> None:
        for topic in [one for one in self._ids if one not in topics]:
            self._complain(topic, f"topic {topic} is gone; it is read again once it is there")
            self._drop(topic)
        new: list[PartitionId] = []
        for name, found in topics.items():
            if isinstance(found, KafkaTrouble):
                self._complain(name, f"{found}; it is tried again")
                if found.gone:
                    self._drop(name)
                continue
            if self._ids.get(name, found.topic_id) != found.topic_id:
                self._complain(name, f"topic {name} was deleted and made again; it is read anew")
                self._drop(name)
            elif self._complaints.pop(name, ""):
                self._say(f"topic {name} is read again")
                self._assign([one for key, one in self._assigned.items() if key[0] == name])
            self._ids[name] = found.topic_id
            self._complain_of_lost(name)
            for number in range(found.partitions):
                if (name, number) not in self._assigned:
                    new.append(PartitionId(self._cluster_id, found.topic_id, name, number))
        if not topics and at_start:
            self._say(f"no topic matches {', '.join(self._address.topics)} yet")
        if new:
            self._begin(new, at_start=at_start)

    def _complain_of_lost(self, topic: str) -> None:
        for key in [one for one in self._beyond if one[0] == topic and one in self._assigned]:
            number, high, one = key[1], self._beyond.pop(key), self._assigned[key]
            why = (
                f"partition {number} of {topic} now ends at offset {high:,}, and was read up to "
                f"{one.partition.next:,}: the brokers have lost records. It is not read on, as "
                "others will come at their offsets: copy the topic, and read the copy"
            )
            self._complain(f"{topic}/{number}", why)
            self._wait(one, [one.partition.not_read_on(why)])

    def _drop(self, topic: str) -> None:
        self._beyond = {key: high for key, high in self._beyond.items() if key[0] != topic}
        gone = [key for key in self._assigned if key[0] == topic]
        self._ids.pop(topic, None)
        if gone:
            self._consumer.incremental_unassign([self._assigned.pop(key).at(0) for key in gone])

    def _begin(self, new: Sequence[PartitionId], *, at_start: bool) -> None:
        for topic in {one.topic for one in new}:
            self._beginning.refresh(topic)
        ends = {one: self._beginning.watermarks(one.topic, one.number) for one in new}
        starts = self._beginning.after_stored(ends)
        begun = {one.topic for one in starts}
        assigned = []
        for one in new:
            low, high = ends[one]
            at = starts.get(one)
            fresh = at is None and at_start and one.topic not in begun
            if at is None:
                at = self._beginning.as_said(one, low, high) if fresh else low
            partition = Partition(one, self._protocol, at=at, longest=self._longest)
            reading = self._assigned[one.topic, one.number] = Assigned(partition, at)
            assigned.append(reading)
            if fresh and self._beginning.says != EARLIEST:
                self._wait(reading, partition.left_out(at))
        self._assign(assigned)

    # What goes wrong.

    def _heard(self, error: KafkaError) -> None:
        if error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION):
            self._next_look = 0.0
        elif error.code() == KafkaError._ALL_BROKERS_DOWN:
            if not self._away:
                self._away = True
                self._next_look = 0.0
                self._say(f"{self._address.shown}: no broker answers; it goes on once one does")
        elif is_lasting(error):
            text = reason_of(error, self._address.properties)
            self._complain("", f"{self._address.shown}: {text}; it is tried again")

    def _is_back(self) -> None:
        if self._away:
            self._away = False
            self._complaints.pop("", None)
            self._say("brokers answer again, and it goes on")

    def _complain(self, about: str, text: str) -> None:
        if self._complaints.get(about, "") != text:
            self._complaints[about] = text
            if text:
                self._say(text)


def _beside(work: Callable[[], T]) -> Future[T]:
    """Have work done in a thread that the end of the process does not wait for."""
    future: Future[T] = Future()

    def do() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=do, daemon=True).start()
    return future
