"""The offsets of a consumer group, committed after what was read is stored.

Tools show lag by them. They decide where reading begins only where no sink remembers what it has.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from fixfeed.io.kafka.address import Address
from fixfeed.io.kafka.assigned import Assigned
from fixfeed.io.kafka.client import Consumer, KafkaError, KafkaException, TopicPartition
from fixfeed.io.ledger.ledger import SinkError
from fixfeed.io.stream import Stored

__all__ = ["BEGINNING", "Group", "group_of", "passes"]

_COMMIT = 5.0  # seconds between two commits of the group's offsets
_LAST = 2.0  # seconds that the last commit of a run may take
BEGINNING = (
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
)
"""Errors of a group that no broker serves yet, as one has just begun or gone."""
_PASSING = (
    *BEGINNING,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
)
"""Errors while brokers start, or a topic is gone or closed: others tell that.

librdkafka does not call them retriable.
"""


def passes(error: KafkaError) -> bool:
    """Return whether the next commit to a group may do, though brokers have refused one."""
    return error.code() in _PASSING or error.retriable()


def group_of(address: Address) -> str:
    """Return the name of the group that is told what is stored: that of the URI, or `fixfeed`."""
    return address.own.get("group", "fixfeed")


class Group:
    """Tells a group up to where all sinks have what was read of each partition."""

    def __init__(
        self,
        name: str,
        assigned: Mapping[tuple[str, int], Assigned],
        stored: Stored,
        complain: Callable[[str, str], None],
        *,
        latest: bool,
        begun: Callable[[], bool],
    ):
        """`assigned` are the partitions now; `complain` is given what goes wrong, `` if nothing.

        With `latest` the group alone knows where reading began, until all sinks have stored that it
        has, which `begun` asks them.
        """
        self.name = name
        self._latest = latest
        self._ask_begun = begun
        self._begun = False
        self._refusal: KafkaError | None = None
        self._assigned = assigned
        self._stored = stored
        self._complain = complain
        self._consumer: Consumer | None = None
        self._committing = False
        self._next_commit = time.monotonic() + _COMMIT

    def use(self, consumer: Consumer) -> None:
        """Commit by this consumer, whose `on_commit` is `committed`."""
        self._consumer = consumer

    def is_due(self) -> bool:
        """Return whether something was read since, and the last commit is some time ago."""
        if time.monotonic() < self._next_commit:
            return False
        if self._refusal is not None and self._latest and self._stored.remember and not self._begun:
            return True  # what was told of that may be true no more
        return any(
            one.stored < one.partition.given or one.told < one.stored
            for one in self._assigned.values()
        )

    def tell(self, flushed: Mapping[tuple[str, int], int]) -> None:
        """Commit what all sinks have, in the group; `flushed` if none remembers what it has."""
        self._next_commit = time.monotonic() + _COMMIT
        assert self._consumer is not None
        if self._stored.remember:
            try:
                self._ask_sinks()
            except SinkError:
                return  # the run is stopping
            if self._refusal is not None and not self._begun:
                self.committed(self._refusal, ())
        else:
            for key, given in flushed.items():
                if key in self._assigned:
                    self._assigned[key].stored = given
        offsets = []
        for one in self._assigned.values():
            offset = one.stored
            if offset >= one.partition.given:
                # Also what is after it and has no bytes, as the marks of transactions.
                (place,) = self._consumer.position([one.at(0)])
                offset = max(offset, one.partition.next, place.offset)
            if offset > one.told:
                one.told = offset
                offsets.append(one.in_group(offset))
        self._commit(offsets)

    def _commit(self, places: Sequence[TopicPartition]) -> None:
        assert self._consumer is not None
        if places:
            try:
                self._committing = True
                self._consumer.commit(offsets=[*places], asynchronous=True)
            except KafkaException as error:
                self.committed(error.args[0], places)

    def wait(self) -> None:
        """Wait until the brokers have the last commit, for two seconds at the most."""
        assert self._consumer is not None
        until = time.monotonic() + _LAST
        while self._committing and time.monotonic() < until:
            self._consumer.poll(0.05)

    def _ask_sinks(self) -> None:
        some = [one for one in self._assigned.values() if one.stored < one.partition.given]
        asked = {
            one: one.partition.identity.sources(one.stored, one.partition.given) for one in some
        }
        stored = self._stored.done([source for sources in asked.values() for source in sources])
        for one in some:
            given = one.partition.given
            for begin, end in one.partition.identity.done(one.stored, given, stored):
                if begin <= one.stored < end:
                    one.stored = end

    def not_noted(self, error: KafkaError) -> None:
        """Tell that the brokers refuse to note where reading begins; sinks cannot be asked yet."""
        self._refusal = error
        self._complain("group", self._refused(error))

    def committed(self, error: KafkaError | None, _offsets: Any) -> None:
        """Take the brokers' answer to a commit: `on_commit` of the consumer."""
        self._committing = False
        if error is None:
            self._refusal = None
            self._complain("group", "")
        elif error.code() >= 0 and not passes(error):
            if self._latest and self._stored.remember and not self._begun:
                with suppress(SinkError):
                    self._begun = self._ask_begun()
            self.not_noted(error)

    def _refused(self, error: KafkaError) -> str:
        """Return what is wrong, what it means, and what to do."""
        if error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
            why = f"the right READ on group {self.name} is missing, so its offsets cannot be "
            return f"{why}committed: {self._meaning()}"
        why = error.str().removeprefix("Commit failed: ")  # so said by one that is waited for
        return (
            f"the offsets of group {self.name} cannot be committed: {why}; "
            f"{self._meaning()}; check the right READ on the group, and that no other consumer is "
            "a member of it"
        )

    def _meaning(self) -> str:
        if self._latest and not self._begun:
            kept = " until each output has stored it" if self._stored.remember else ""
            return (
                f"with from=latest it alone knows where reading began{kept}: if the job ends "
                "before that is mended, the next one begins at the end, and what comes in between "
                "is not read"
            )
        if not self._stored.remember:
            return "the next job reads again what this one reads"
        return "nothing is lost, only tools that show its lag are wrong"
