"""Topics of Kafka as a feed: records are read from where the sinks' ledgers end.

The consumer has partitions assigned, each at an offset: no group gives and takes them. What is
stored decides where reading begins, in the transaction of the rows; the group of the URI is only
told afterwards what is stored, for tools that show lag. Where no sink remembers what it has (the
standard output), reading begins where the group has committed, and what was printed and not
committed yet comes again.
"""

import gc
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from fixfeed.io.background import in_background
from fixfeed.io.kafka.address import Address
from fixfeed.io.kafka.assigned import Assigned
from fixfeed.io.kafka.assignment import Assignment
from fixfeed.io.kafka.beginning import LATEST, Beginning, Begins
from fixfeed.io.kafka.beside import beside
from fixfeed.io.kafka.client import (
    Consumer,
    KafkaError,
    KafkaException,
    KafkaTrouble,
    consumer_of,
    is_damage,
    is_lasting,
    reason_of,
)
from fixfeed.io.kafka.group import Group, group_of
from fixfeed.io.kafka.looking import Looking, Topics
from fixfeed.io.kafka.marks import block_of_mark
from fixfeed.io.kafka.records import Records
from fixfeed.io.kafka.topic_ids import TopicIds
from fixfeed.io.kafka.troubles import Troubles
from fixfeed.io.lag import Lag
from fixfeed.io.stream import Stored
from fixfeed.transforms.batch import FLUSH, Block
from fixfeed.transforms.protocol import Protocol

__all__ = ["OURS", "KafkaTopics"]

OURS: Mapping[str, str] = {
    "auto.offset.reset": "write from=earliest or from=latest",
    "enable.auto.commit": "a group's offsets are committed after what was read is stored",
    "enable.auto.offset.store": "a group's offsets are committed after what was read is stored",
    "enable.partition.eof": "leave it out",
    "group.id": "write group=NAME",
}
"""The properties that this source sets itself, and what to do instead."""

_MANY = 10_000  # records that are taken at once
_PASS = 5.0  # seconds between two looks at what is passed over
_CLOSE = 1.0  # seconds that closing may take: a commit may wait for brokers that are away


def _all(_topic: str, _number: int) -> bool:
    return True


class KafkaTopics:
    """The blocks of the records of topics, as they come (`io.stream.Feed`).

    A name that begins with `^` is a pattern: topics that match it now or later are read, whole
    names alone. Partitions that are added are read from their beginning, and so is a topic that is
    deleted and made again, as another one. `from` of the URI says where reading begins in topics
    that no sink has anything of; `latest` means their end when reading begins for the first time.
    What was deleted before it was read is a failure that tells how many records are missing.

    It ends once `stop` returns true, without reading on, and is closed then.
    """

    def __init__(
        self,
        address: Address,
        protocol: Protocol,
        stored: Stored,
        *,
        stop: Callable[[], bool],
        say: Callable[[str], None],
        away: Callable[[str], None],
        longest: int,
        ours: Callable[[str, int], bool] = _all,
        begins: Begins | None = None,
        mark_after: float | None = 0.0,
    ):
        """Find the topics, once brokers answer or the run is to stop.

        Raises `KafkaTrouble` within ten seconds for what waiting does not mend: topics that are not
        there, rights, passwords, certificates.

        `say` is given a sentence about what goes wrong, once, and when it has ended. `away` is
        given why no broker can be asked, as long as that is so, and then ``. Of the partitions,
        given by topic and number, those that are `ours` are read; `begins` is as in `Beginning`.
        After `mark_after` seconds it has marks stored (`kafka.marks`), unless another reader does.
        """
        self._address = address
        self._stored = stored
        self._stop = stop
        self._mark_at = math.inf if mark_after is None else time.monotonic() + mark_after
        self._troubles = Troubles(address.shown, say, away)
        self._looking = Looking(address)
        self.ended = not self._looking.until_answered(_check, self._troubles.away, stop)
        # Not before: a client that was made earlier would tell now that no broker answered.
        self._assigned: dict[tuple[str, int], Assigned] = {}
        self._group = Group(
            group_of(address),
            self._assigned,
            stored,
            self._troubles.about,
            latest=address.own.get("from") == LATEST,
            begun=lambda: not self._beginning.unmarked(self._looking.cluster),
        )
        self._topic_ids = TopicIds()
        self._consumer: Consumer = consumer_of(
            address,
            {
                "group.id": self._group.name,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "error_cb": self._heard,
                "on_commit": self._group.committed,
                **self._topic_ids.settings,
            },
        )
        self._group.use(self._consumer)
        self._beginning = Beginning(
            address, self._consumer, stored, begins=begins, refused=self._group.not_noted
        )
        self._assignment = Assignment(
            self._assigned,
            self._consumer,
            self._beginning,
            self._looking,
            self._troubles,
            stored=stored,
            wait=self._wait,
            protocol=protocol,
            longest=longest,
            ours=ours,
        )
        self._blocks: deque[tuple[Block, Assigned | None, int]] = deque()
        self._flushed: dict[tuple[str, int], int] | None = None
        self._closed = self._stopping = False
        self._next_pass = time.monotonic() + _PASS
        if not stored.remember:
            say(
                f"no output remembers what it has of a topic, so reading begins where group "
                f"{self._group.name} has committed, and some messages may come twice"
            )
        try:
            if not self.ended:
                self.ended = not self._looking.until_answered(
                    self._begin, self._troubles.away, stop
                )
            if self.ended and not self._troubles.brokers and (why := self._looking.so_far()):
                say(f"{why}; it was stopped before a broker answered, so nothing was read")
            # Each message is an object that the collector looks at. Without this it would look at
            # all that is loaded, too, every few thousand records: a quarter of the time of reading.
            gc.freeze()
            if self.ended:
                self.close()
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
        return f"{text}, no broker answers" if self._troubles.brokers else text

    @property
    def behind(self) -> str:
        """See `Feed`."""
        return str(self.lag)

    @property
    def lag(self) -> Lag:
        """See `Feed`."""
        records = 0
        with suppress(KafkaException, RuntimeError):  # it is closed, or knows no end yet
            for one in list(self._assigned.values()):
                _, high = self._consumer.get_watermark_offsets(one.at(0), cached=True)
                records += max(0, high - one.partition.next)
        return Lag(records, "records")

    def next(self, seconds: float) -> Block | None:
        """See `Feed`."""
        if self.ended:
            return None
        stopping = self._stop()
        if stopping and not self._stopping:
            self._stopping = True
            self._blocks.clear()
            self._pass()
        if self._blocks:
            return self._handed()
        if self._flushed is not None:
            if not self._troubles.brokers:
                self._group.tell(self._flushed)
            self._flushed = None
            if stopping:
                if not self._troubles.brokers:
                    self._group.wait()
                self.ended = True
                self.close()
                return None
        due = self._group.is_due() and not self._troubles.brokers
        if stopping or (due and not self._stored.remember):
            self._flushed = {key: one.handed for key, one in self._assigned.items()}
            return FLUSH
        if due:
            self._group.tell({})
        self._see_topics()
        self._mark()
        first = self._consumer.poll(seconds)
        messages = [] if first is None else [first, *self._consumer.consume(_MANY - 1, 0)]
        for topic, topic_id in self._topic_ids.news():
            self._assignment.fetched_as(topic, topic_id)
        if messages:
            self._read(messages)
        elif time.monotonic() > self._next_pass:
            self._pass()
        return self._handed() if self._blocks else None

    def close(self) -> None:
        """Close the consumer, or leave that to a thread, unless that is done."""
        if not self._closed:
            self._closed = True
            with suppress(TimeoutError):
                in_background(self._consumer.close).result(_CLOSE)

    def _wait(self, one: Assigned, blocks: Iterable[Block]) -> None:
        """Have blocks of a partition wait for their turn, each with the offset where it ends."""
        self._blocks += ((block, one, one.partition.given) for block in blocks)

    def _handed(self) -> Block:
        block, one, end = self._blocks.popleft()
        if one is not None:
            one.handed = end
        return block

    def _read(self, messages: Iterable[Any]) -> None:
        """Make blocks of messages of librdkafka, whose types say less than there is."""
        by_partition: dict[tuple[str, int], list[Any]] = {}
        failed = []
        damaged = set()
        for message in messages:
            key = message.topic(), message.partition()
            if message.error() is not None and message.error().code() == KafkaError._PARTITION_EOF:
                if key in self._assigned and key not in damaged:
                    self._assigned[key].seen_end = message.offset()
            elif message.error() is not None:
                failed.append(message)
                if is_damage(message.error()):
                    # librdkafka goes on anywhere.
                    damaged.add(key)
            elif key not in damaged:
                by_partition.setdefault(key, []).append(message)
        for key, some in by_partition.items():
            if key in self._assigned:
                self._assignment.works(key)
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
            if message.error().code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
                self._group.committed(message.error(), ())
                continue
            self._assignment.failed((message.topic(), message.partition()), message.error())

    def _pass(self) -> None:
        """Have it stored, too, how far partitions are read that end with other than messages.

        Otherwise these records would be missed once they are deleted.
        """
        self._next_pass = time.monotonic() + _PASS
        for one in self._assigned.values():
            end = max(one.partition.next, one.seen_end)
            if one.handed == one.partition.given < end:
                self._wait(one, one.partition.passed(end))

    # The topics.

    def _see_topics(self) -> None:
        """Take what is new since the last look at the topics."""
        look = self._looking.ended(away=self._troubles.brokers)
        if look is None:
            return
        try:
            topics = look.result()
            self._troubles.answered()
            self._assignment.take(topics)
        except KafkaTrouble as trouble:
            self._troubles.away(trouble)

    def _begin(self, topics: Topics) -> None:
        """Take the topics that there are at the start."""
        _check(topics)
        self._assignment.take(topics, at_start=True)
        if note := self._beginning.note:
            self._troubles.say(note)
        self._mark()
        self._troubles.answered()
        if not topics:
            self._troubles.say(f"no topic matches {', '.join(self._address.topics)} yet")

    def _mark(self) -> None:
        """Have it stored that reading has begun, after what is left out, and soon.

        What comes before that may be taken for what was there at the beginning.
        """
        if time.monotonic() >= self._mark_at:
            self._mark_at = math.inf
            if new := self._beginning.unmarked(self._looking.cluster):
                self._blocks += ((block_of_mark(one), None, 0) for one in new)
                self._blocks.append((FLUSH, None, 0))

    # What goes wrong.

    def _heard(self, error: KafkaError) -> None:
        if self.ended:  # a consumer that is being closed tells that it had found no broker
            return
        if error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION):
            self._looking.soon()
        elif error.code() == KafkaError._ALL_BROKERS_DOWN:
            if not self._troubles.brokers:
                self._looking.soon()
            self._troubles.away()
        elif is_lasting(error):
            text = reason_of(error, self._address.properties)
            self._troubles.about("", f"{self._address.shown}: {text}; it is tried again")
            self._looking.soon()


def _check(topics: Topics) -> None:
    """Raise what is wrong with one of the topics."""
    for one in topics.values():
        if isinstance(one, KafkaTrouble):
            raise one
