"""Where a group is in partitions, and whether reading has begun there with `from=latest`."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from fixfeed.io.kafka.address import Address
from fixfeed.io.kafka.client import (
    Consumer,
    KafkaError,
    KafkaException,
    KafkaTrouble,
    TopicPartition,
    reason_of,
)
from fixfeed.io.kafka.group import BEGINNING, passes
from fixfeed.io.kafka.marks import is_any, note_of, noted
from fixfeed.io.kafka.records import PartitionId

__all__ = ["ANSWER", "Committed", "GroupPlaces", "answered", "begun_by"]

T = TypeVar("T")

ANSWER = 8.0
"""Seconds that a broker may take to answer."""
_PAUSE = 0.1  # seconds

Committed = Mapping[PartitionId, TopicPartition]
"""What a group has of partitions, of those that it has anything of."""


def answered(address: Address, ask: Callable[[], T | None]) -> T:
    """Return the answer of a consumer; raise `KafkaTrouble` if there is none."""
    try:
        found = _once_served(ask)
    except KafkaException as error:
        raise _trouble(address, error) from None
    if found is None:
        raise KafkaTrouble(f"{address.shown}: no answer within {ANSWER:.0f} seconds")
    return found


def _once_served(ask: Callable[[], T]) -> T:
    """Return the answer to what is asked again while a broker begins to serve the group.

    A cluster that nobody has used a group of makes room for groups first, for some seconds.
    """
    until = time.monotonic() + ANSWER
    while True:
        try:
            return ask()
        except KafkaException as error:
            if error.args[0].code() not in BEGINNING or time.monotonic() > until:
                raise
        time.sleep(_PAUSE)


def begun_by(committed: Committed) -> tuple[set[str], set[str]]:
    """Return the names and patterns that a group has begun (`kafka.marks`), and the topics."""
    found = {one: names for one, place in committed.items() if (names := noted(place.metadata))}
    return {name for names in found.values() for name in names}, {one.topic for one in found}


class GroupPlaces:
    """Asks and tells the group of a consumer, at the start of a run.

    Its methods raise `KafkaTrouble` if the brokers do not answer.
    """

    def __init__(self, address: Address, consumer: Consumer, refused: Callable[[KafkaError], None]):
        """Nothing is asked yet. `refused` is told once if nothing can be committed."""
        self._address = address
        self._consumer = consumer
        self._tell_refused = refused
        self._is_told = False
        self._refused: KafkaTrouble | None = None

    def committed(self, partitions: Iterable[PartitionId]) -> Committed:
        """Return what the group has of partitions."""
        if self._refused is not None:  # librdkafka tells the reason only once
            raise self._refused
        by_place = {(one.topic, one.number): one for one in partitions}
        places = [TopicPartition(*key) for key in by_place]
        if not places:
            return {}
        found: list[Any]
        try:
            found = answered(self._address, lambda: self._consumer.committed(places, ANSWER))
        except KafkaTrouble:
            self._check()
            raise
        return {by_place[one.topic, one.partition]: one for one in found if one.offset >= 0}

    def _check(self) -> None:
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

    def reserve(self, ends: Mapping[PartitionId, tuple[int, int]]) -> None:
        """Commit the ends of what the group has not begun, and that it has.

        Outputs may be away for long, and what comes meanwhile is not to be left out if the run is
        killed before one of them has anything.
        """
        try:
            committed = self.committed(ends)
        except KafkaTrouble as trouble:
            if trouble.lasting:  # the right is missing, which is told once it is needed
                self._refused = trouble
                return
            raise
        names, topics = begun_by(committed)
        offsets = {}
        for one, (_, high) in ends.items():
            if one.topic in topics:
                continue
            if one in committed:
                offsets[one] = committed[one].offset
            elif not is_any(one.topic, names):
                offsets[one] = high
        self.begin(offsets)

    def begin(self, offsets: Mapping[PartitionId, int]) -> None:
        """Commit that reading begins at these offsets.

        An output that has nothing is to begin there again if the run is killed before it has.
        """
        if not offsets:
            return
        places = [
            TopicPartition(one.topic, one.number, at, metadata=self.note_of(one.topic))
            for one, at in offsets.items()
        ]
        try:
            _once_served(lambda: self._consumer.commit(offsets=places, asynchronous=False))
        except KafkaException as error:
            if error.args[0].code() < 0 or passes(error.args[0]):
                raise _trouble(self._address, error) from None
            if not self._is_told:
                self._is_told = True
                self._tell_refused(error.args[0])  # as that a consumer is a member of it

    def note_of(self, topic: str) -> str:
        """Return what is committed beside the offsets of a topic (`kafka.marks`)."""
        return note_of(topic, self._address.topics)


def _trouble(address: Address, error: KafkaException) -> KafkaTrouble:
    return KafkaTrouble(f"{address.shown}: {reason_of(error.args[0], address.properties)}")
