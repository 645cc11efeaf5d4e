"""The partitions that a consumer reads: which ones, from where, and what goes wrong with one."""

import math
import time
from collections.abc import Callable, Iterable, Sequence

from fixfeed.io.kafka.assigned import Assigned
from fixfeed.io.kafka.beginning import Beginning
from fixfeed.io.kafka.client import Consumer, KafkaError, KafkaTrouble, Topic, is_damage
from fixfeed.io.kafka.lacked import lacked_from, lost, parts_of
from fixfeed.io.kafka.looking import Looking, Topics
from fixfeed.io.kafka.records import Partition, PartitionId
from fixfeed.io.kafka.troubles import Troubles
from fixfeed.io.ledger.ledger import SinkError
from fixfeed.io.stream import Remembered
from fixfeed.transforms.batch import Block
from fixfeed.transforms.protocol import Protocol

__all__ = ["Assignment"]

_BRIEF = 3.0  # seconds for which a partition may be without a leader, as when brokers change
_AGAIN = 1.0  # seconds until topics are looked at again meanwhile
_STALE = 10.0  # seconds for which some brokers may still tell of a topic that was made again since


class Assignment:
    """Gives a consumer the partitions of topics, and takes away those that are gone."""

    def __init__(
        self,
        assigned: dict[tuple[str, int], Assigned],
        consumer: Consumer,
        beginning: Beginning,
        looking: Looking,
        troubles: Troubles,
        *,
        stored: Remembered,
        wait: Callable[[Assigned, Iterable[Block]], None],
        protocol: Protocol,
        longest: int,
        ours: Callable[[str, int], bool],
    ):
        """`assigned` are the partitions by topic and number, kept up to date here.

        `stored` says what each output has of records that are missing.
        `wait` is given what is to be read of a partition beside its records: what tells of records
        that are missing or not wanted. `longest` and `protocol` are as in `Partition`.
        Partitions, by topic and number, that are not `ours` are left to others.
        """
        self._assigned = assigned
        self._consumer = consumer
        self._beginning = beginning
        self._looking = looking
        self._troubles = troubles
        self._stored = stored
        self._wait = wait
        self._protocol = protocol
        self._longest = longest
        self._ours = ours
        self._ids: dict[str, str] = {}
        self._replaced: dict[str, float] = {}  # ids of topics, and since when
        self._anew: set[str] = set()
        self._beyond: dict[tuple[str, int], int] = {}  # those that end before what was read
        self._lost: set[tuple[str, int]] = set()  # those of them that are not read on
        self._damaged: dict[tuple[str, int], int] = {}  # from which offset on
        self._resting: set[tuple[str, int]] = set()  # those of them that are not assigned
        self._leaderless: dict[str, float] = {}  # since when

    def take(self, topics: Topics, *, at_start: bool = False) -> None:
        """Read the topics that there are now. Raises `KafkaTrouble` if brokers cannot be asked."""
        for topic in [one for one in self._ids if one not in topics]:
            self._troubles.about(topic, f"topic {topic} is gone; it is read again once it is there")
            self._drop(topic)
        new: list[PartitionId] = []
        for name, found in topics.items():
            if isinstance(found, KafkaTrouble):
                self._troubles.unread(name, f"{found}; it is tried again")
                if found.gone:
                    self._drop(name)
                continue
            if time.monotonic() - self._replaced.get(found.topic_id, -math.inf) < _STALE:
                self._looking.soon(_AGAIN)
                continue
            if self._ids.get(name, found.topic_id) != found.topic_id:
                self._troubles.about(
                    name, f"topic {name} was deleted and made again; it is read anew"
                )
                self._drop(name)
                self._anew.add(name)
            elif self._troubles.ended(name):
                self._troubles.say(f"topic {name} is read again")
                self._assign(
                    [
                        one
                        for key, one in self._assigned.items()
                        if key[0] == name and key not in self._lost
                    ]
                )
            self._ids[name] = found.topic_id
            self._complain_of_lost(name)
            self._complain_of_leaders(found, at_start=at_start)
            for number in range(found.partitions):
                key = name, number
                if key in self._assigned or number in found.leaderless or not self._ours(*key):
                    continue
                new.append(PartitionId(self._looking.cluster, found.topic_id, name, number))
        if new:
            self._begin_reading(new, at_start=at_start)
        # Other replicas may lead by now, or the damaged records have been deleted.
        self._assign([self._assigned[key] for key in self._resting if key in self._assigned])
        self._resting.clear()

    def fetched_as(self, topic: str, topic_id: str) -> None:
        """Read a topic no more that is fetched by another id than it is read by.

        Records that come from now on would be taken for those of the topic that was there before.
        It is read anew once a look has found it.
        """
        known = self._ids.get(topic, topic_id)
        if known and known != topic_id:
            self._replaced[known] = time.monotonic()
            self._unassign(self._taken(topic))
            self._looking.soon()

    def _complain_of_lost(self, topic: str) -> None:
        for key in [one for one in self._beyond if one[0] == topic and one in self._assigned]:
            one = self._assigned[key]
            _, end = self._beginning.watermarks(*key)  # a new leader may have told an earlier one
            read = self._beyond.pop(key)
            if end >= read:
                self._assign([one])
                continue
            why = lost(one.partition.identity, end, read)
            self._lost.add(key)
            self._troubles.unread(f"{topic}/{one.number}", why)
            self._not_read_on(one, why)

    def _not_read_on(self, one: Assigned, why: str) -> None:
        """Have each output told that it gets nothing more of a partition, where it is."""
        reading = one.partition
        places = lacked_from(self._stored, reading.identity, reading.given)
        self._wait(one, [reading.not_read_on(why, at) for at in places])

    def _complain_of_leaders(self, topic: Topic, *, at_start: bool) -> None:
        """Tell of partitions that no broker leads, if that lasts: brokers that start have none."""
        what = f"{topic.name}/leaders"
        if not topic.leaderless:
            self._leaderless.pop(topic.name, None)
            if self._troubles.ended(what):
                self._troubles.say(f"all partitions of {topic.name} are read again")
            return
        numbers = ", ".join(map(str, topic.leaderless))
        why = (
            f"no broker leads partition{'s' * (len(topic.leaderless) > 1)} {numbers} of "
            f"{topic.name}: the brokers that have {'them' if ',' in numbers else 'it'} are away"
        )
        if at_start:  # where reading begins cannot be said without them
            raise KafkaTrouble(why)
        self._looking.soon(_AGAIN)
        since = self._leaderless.setdefault(topic.name, time.monotonic())
        if time.monotonic() - since >= _BRIEF:
            self._troubles.unread(what, f"{why}; the others are read")

    def _drop(self, topic: str) -> None:
        for by_partition in (self._beyond, self._damaged):
            for key in [one for one in by_partition if one[0] == topic]:
                del by_partition[key]
                self._troubles.ended(f"{topic}/{key[1]}")
        for key in [one for one in self._lost if one[0] == topic]:
            self._lost.remove(key)
            self._troubles.ended(f"{topic}/{key[1]}")
        self._ids.pop(topic, None)
        self._leaderless.pop(topic, None)
        self._troubles.ended(f"{topic}/leaders")
        self._unassign(self._taken(topic))

    def _taken(self, topic: str) -> list[Assigned]:
        """Return the partitions of a topic, which are not among the assigned ones any more."""
        return [self._assigned.pop(key) for key in [*self._assigned] if key[0] == topic]

    def _begin_reading(self, new: Sequence[PartitionId], *, at_start: bool) -> None:
        for topic in {one.topic for one in new}:
            self._beginning.refresh(topic)
        ends = {one: self._beginning.watermarks(one.topic, one.number) for one in new}
        if at_start:
            self._beginning.reserve(ends)
        starts = self._beginning.starts(ends, at_start=at_start, anew=self._anew)
        if at_start:
            self._beginning.settle(starts)
        # Nothing asks the brokers from here on, so all are taken or none.
        assigned = []
        for one in new:
            at, said, _, read = starts[one]
            partition = Partition(one, self._protocol, at=at, longest=self._longest)
            reading = self._assigned[one.topic, one.number] = Assigned(
                partition, at, self._beginning.note_of(one.topic)
            )
            if said:
                self._wait(reading, partition.left_out(at))
            if read > ends[one][1]:
                self._is_beyond(reading, read)
            else:
                assigned.append(reading)
        self._assign(assigned)

    def failed(self, key: tuple[str, int], error: KafkaError) -> None:
        """Go on after an error of a partition, if there is a way."""
        one = self._assigned.get(key)
        topic, number = key
        if one is None:
            return
        try:
            if is_damage(error):
                self._complain_of_damage(one, error)
                return
            if error.code() == KafkaError._AUTO_OFFSET_RESET:
                self._go_on_beyond(one)
                return
        except SinkError:  # an output is away that is to be told, or the run is stopping
            self._unassign([one])
            self._resting.add(key)
            return
        self._looking.soon()
        if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            self._troubles.about(topic, f"the right READ on topic {topic} is missing")
        elif error.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
            text = f"partition {number} of {topic}: {error.str()}"
            self._troubles.about(f"{topic}/{number}", text)

    def _go_on_beyond(self, one: Assigned) -> None:
        """Read on a partition that has no record at the offset that comes next."""
        try:
            low, high = self._beginning.watermarks(one.topic, one.number)
        except KafkaTrouble as trouble:
            self._troubles.away(trouble)
            low, high = 0, one.partition.next
        if one.partition.next < low:
            self._complain_of_deleted(one, low)
        elif one.partition.next > high:
            self._is_beyond(one, one.partition.next)
            return
        self._assign([one])

    def _is_beyond(self, one: Assigned, read: int) -> None:
        """Read a partition no more that ends before what was read of it.

        Or the topic is another one by now, as a look at it tells.
        """
        self._unassign([one])
        self._beyond[one.topic, one.number] = read
        self._looking.soon()

    def _complain_of_deleted(self, one: Assigned, low: int) -> None:
        """Have each output told how many records it lacks that are before the first one, `low`."""
        reading = one.partition
        for begin, end, lacked in parts_of(self._stored, reading.identity, reading.next, low):
            if not lacked:
                self._wait(one, reading.passed(end))
                continue
            why = (
                f"partition {one.number} of {one.topic}: {end - begin:,} records from offset "
                f"{begin:,} on were deleted (retention) before they were read"
            )
            self._troubles.say(why)
            self._wait(one, reading.missed(end, why))

    def _complain_of_damage(self, one: Assigned, error: KafkaError) -> None:
        """Read a partition no more until topics are looked at again, as records are damaged."""
        self._unassign([one])
        key, offset = (one.topic, one.number), one.partition.next
        self._resting.add(key)
        if self._damaged.get(key) == offset:
            return
        why = (
            f"partition {one.number} of {one.topic} cannot be read on from offset {offset:,}, as "
            f"the brokers have damaged records there ({error.str()}); it is tried again. Have "
            "another replica lead it, or the damaged records deleted (kafka-delete-records.sh)"
        )
        self._troubles.unread(f"{one.topic}/{one.number}", why)
        self._not_read_on(one, why)
        self._damaged[key] = offset

    def works(self, key: tuple[str, int]) -> None:
        """Records of a partition have come."""
        if self._damaged and self._damaged.pop(key, None) is not None:
            topic, number = key
            self._troubles.ended(f"{topic}/{number}")
            self._troubles.say(f"partition {number} of {topic} is read again")

    def _assign(self, some: Sequence[Assigned]) -> None:
        """Have partitions read on from their next offset."""
        self._unassign(some)
        self._consumer.incremental_assign([one.at(one.partition.next) for one in some])

    def _unassign(self, some: Sequence[Assigned]) -> None:
        """Have partitions read no more, if they are; those that were lost are not any more."""
        known = {(one.topic, one.partition) for one in self._consumer.assignment()}
        old = [one.at(0) for one in some if (one.topic, one.number) in known]
        if old:
            self._consumer.incremental_unassign(old)
