"""Where the reading of a partition begins: after what is stored, else as the user says."""

import datetime
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from fixfeed.io.kafka.address import Address
from fixfeed.io.kafka.client import (
    Consumer,
    KafkaError,
    KafkaException,
    KafkaTrouble,
    TopicPartition,
    reason_of,
)
from fixfeed.io.kafka.marks import is_any, mark_of, marked, note_of, noted
from fixfeed.io.kafka.records import PartitionId
from fixfeed.io.ledger.source import Source
from fixfeed.io.stream import Remembered

__all__ = ["EARLIEST", "LATEST", "Beginning", "Begins", "Start", "read_from"]

EARLIEST, LATEST = "earliest", "latest"
_ANSWER = 8.0  # seconds that a broker may take to answer


def read_from(text: str) -> str | int:
    """Return where reading begins if nothing says it: `earliest`, `latest`, or milliseconds UTC.

    Times before 1970, which records do not have, are that of 1970. Raises `ValueError` for any
    other text.

    >>> read_from("2026-11-27T09:30"), read_from("2026-11-27T10:30:00+01:00")
    (1795771800000, 1795771800000)
    >>> read_from("1960-01-01")
    0
    """
    if text in (EARLIEST, LATEST):
        return text
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"from is {text!r}, expected earliest, latest or a time such as 2026-11-27T09:30 (UTC)"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return max(0, int(moment.timestamp() * 1000))  # less means something else to brokers


Begins = Mapping[tuple[str, int], int]
"""Where reading begins, by the id of a topic and the number of a partition."""


class Start(NamedTuple):
    """Where the reading of a partition begins; `said` if `from` says so, not what is stored."""

    offset: int
    said: bool


class Beginning:
    """Finds where partitions are read from. Each question is answered within eight seconds.

    Its methods raise `KafkaTrouble` if it is not.
    """

    def __init__(
        self,
        address: Address,
        consumer: Consumer,
        stored: Remembered,
        *,
        begins: Begins | None = None,
    ):
        """`from` of the address says where reading begins in what no sink has anything of.

        If that was found out before, `begins` has it, and what is not in it came later.
        """
        self._address = address
        self._consumer = consumer
        self._stored = stored
        self._begins = begins
        self._refused: KafkaTrouble | None = None
        self.says = read_from(address.own.get("from", EARLIEST))

    def starts(
        self, ends: Mapping[PartitionId, tuple[int, int]], *, at_start: bool
    ) -> dict[PartitionId, Start]:
        """Return where the reading of partitions begins, given the first offset and end of each.

        After what is stored of it. Where nothing is stored of a topic, `from` decides, for what is
        there `at_start` of a run; any other partition was added, and is read from its first record.
        """
        stored, begun = self._after_stored(ends)
        new = [one for one in ends if one not in stored]
        if self._begins is not None:
            places = self._begins
            said = {one: places[key] for one in new if (key := _place(one)) in places}
        else:
            fresh = [one for one in new if at_start and one.topic not in begun]
            said = self._as_said({one: ends[one] for one in fresh}, ends)
        starts = {one: Start(at, said=False) for one, at in stored.items()}
        starts |= {one: Start(ends[one][0], said=False) for one in new}
        return starts | {one: Start(at, said=True) for one, at in said.items()}

    def unmarked(self, cluster: str) -> list[Source]:
        """Return the marks to store (`kafka.marks`), after what is left out."""
        if self.says != LATEST or not self._stored.remember:
            return []
        there = self._marked(cluster)
        return [mark_of(name, cluster) for name in self._address.topics if name not in there]

    def note_of(self, topic: str) -> str:
        """Return what is committed beside the offsets of a topic (`kafka.marks`)."""
        return note_of(topic, self._address.topics) if self.says == LATEST else ""

    def _marked(self, cluster: str) -> set[str]:
        """Return the names and patterns that any output has the mark of."""
        names = self._address.topics
        found = self._stored.each([mark_of(name, cluster) for name in names])
        return {name for stored in found for name in marked(names, cluster, stored)}

    def _after_stored(
        self, ends: Mapping[PartitionId, tuple[int, int]]
    ) -> tuple[dict[PartitionId, int], set[str]]:
        """Return up to where what is stored of partitions goes, and the topics that were begun.

        Each goes from the first record that is stored on. From the first record of all, outputs
        that are new get all there is. Otherwise they get what comes after what another one has.
        """
        if not self._stored.remember:
            committed = self._committed(ends)
            topics = {one.topic for one in committed}
            if self.says == LATEST:
                _, topics = _begun(committed)
            return {one: place.offset for one, place in committed.items()}, topics
        asked = [source for one, (_, high) in ends.items() for source in one.sources(0, high + 1)]
        everywhere = self.says == EARLIEST
        found = [self._stored.stored(asked)] if everywhere else self._stored.each(asked)
        after: dict[PartitionId, int] = {}
        for stored in found:
            for one, (_, high) in ends.items():
                if ranges := one.done(0, high + 1, stored):
                    after[one] = min(ranges[0][1], after.get(one, ranges[0][1]))
        return after, {one.topic for one in after}

    def _committed(self, partitions: Iterable[PartitionId]) -> dict[PartitionId, TopicPartition]:
        """Return what the group has of partitions, those that it has anything of."""
        if self._refused is not None:  # librdkafka tells the reason only once
            raise self._refused
        by_place = {(one.topic, one.number): one for one in partitions}
        places = [TopicPartition(*key) for key in by_place]
        try:
            committed = self._asked(lambda: self._consumer.committed(places, _ANSWER))
        except KafkaTrouble:
            self._check_group()
            raise
        return {by_place[one.topic, one.partition]: one for one in committed if one.offset >= 0}

    def _check_group(self) -> None:
        """Raise `KafkaTrouble` if the group did not answer as it may not be asked.

        librdkafka only says so in place of a record, which nobody waits for at the start.
        """
        told = None if self._consumer.assignment() else self._consumer.poll(0)
        error = told.error() if told is not None else None
        if error is not None and error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
            raise KafkaTrouble(
                f"{self._address.shown}: the group says where reading begins, and the right READ "
                "on it is missing: have it granted (kafka-acls --add), or name another one, as in "
                "group=NAME",
                lasting=True,
            )

    def _as_said(
        self,
        fresh: Mapping[PartitionId, tuple[int, int]],
        ends: Mapping[PartitionId, tuple[int, int]],
    ) -> dict[PartitionId, int]:
        """Return where reading begins as `from` says, in what is `fresh` of the partitions.

        Those that came after reading had begun are not in it.
        """
        if self.says == EARLIEST:
            return {one: low for one, (low, _) in fresh.items()}
        if not fresh:
            return {}
        if self.says == LATEST:
            return self._latest(fresh, ends)
        places = [TopicPartition(one.topic, one.number, int(self.says)) for one in fresh]
        found = self._asked(lambda: self._consumer.offsets_for_times(places, _ANSWER))
        by_place = {(one.topic, one.partition): one.offset for one in found}
        offsets = {one: by_place[one.topic, one.number] for one in fresh}
        return {one: at if at >= 0 else fresh[one][1] for one, at in offsets.items()}

    def _latest(
        self,
        fresh: Mapping[PartitionId, tuple[int, int]],
        ends: Mapping[PartitionId, tuple[int, int]],
    ) -> dict[PartitionId, int]:
        """Return where reading begins in what is there when it begins for the first time.

        That is where the group has committed, as what came since it has stopped is not to be lost,
        else the end. What an output has a mark of, and what the group has begun, came later.
        """
        committed = self._committed(ends)
        names, topics = _begun(committed)
        marks = self._marked(next(iter(ends)).cluster) if self._stored.remember else set()
        found = {}
        for one, (_, high) in fresh.items():
            if is_any(one.topic, marks):
                continue
            if one in committed:
                # An offset beyond the end is of a topic that was there before. One before the first
                # record says that records are missed, as is told.
                if committed[one].offset <= high:
                    found[one] = committed[one].offset
            elif one.topic not in topics and not is_any(one.topic, names):
                found[one] = high
        return found

    def reserve(self, ends: Mapping[PartitionId, tuple[int, int]]) -> None:
        """With `from=latest`, commit the ends of what the group has not begun, and that it has.

        Outputs may be away for long, and what comes meanwhile is not to be left out if the run is
        killed before one of them has anything.
        """
        if self.says != LATEST or self._begins is not None:
            return
        try:
            committed = self._committed(ends)
        except KafkaTrouble as trouble:
            if trouble.lasting:  # the right is missing, which is told once it is needed
                self._refused = trouble
                return
            raise
        names, topics = _begun(committed)
        places = []
        for one, (_, high) in ends.items():
            if one in committed:
                at = committed[one].offset
            elif one.topic in topics or is_any(one.topic, names):
                continue
            else:
                at = high
            if one.topic not in topics:
                note = self.note_of(one.topic)
                places.append(TopicPartition(one.topic, one.number, at, metadata=note))
        try:
            if places:
                self._consumer.commit(offsets=places, asynchronous=False)
        except KafkaException as error:
            # That is told by the commits that come later.
            if error.args[0].code() != KafkaError.GROUP_AUTHORIZATION_FAILED:
                raise self._trouble(error) from None

    def refresh(self, topic: str) -> None:
        """Have the consumer learn the partitions of a topic; otherwise it does so in minutes."""
        self._asked(lambda: self._consumer.list_topics(topic, _ANSWER))

    def watermarks(self, topic: str, number: int) -> tuple[int, int]:
        """Return the first offset of a partition, and the one after its last."""
        place = TopicPartition(topic, number)
        return self._asked(lambda: self._consumer.get_watermark_offsets(place, _ANSWER))

    def _asked(self, ask: Callable[[], Any]) -> Any:
        try:
            found = ask()
        except KafkaException as error:
            raise self._trouble(error) from None
        if found is None:
            raise KafkaTrouble(f"{self._address.shown}: no answer within {_ANSWER:.0f} seconds")
        return found

    def _trouble(self, error: KafkaException) -> KafkaTrouble:
        why = reason_of(error.args[0], self._address.properties)
        return KafkaTrouble(f"{self._address.shown}: {why}")


def _begun(committed: Mapping[PartitionId, TopicPartition]) -> tuple[set[str], set[str]]:
    """Return the names and patterns that a group has begun, and the topics."""
    found = {one: name for one, place in committed.items() if (name := noted(place.metadata))}
    return set(found.values()), {one.topic for one in found}


def _place(one: PartitionId) -> tuple[str, int]:
    return one.topic_id, one.number
