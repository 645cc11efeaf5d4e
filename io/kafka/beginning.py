"""Where the reading of a partition begins: after what is stored, else as the user says."""

import datetime
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from fixfeed.io.kafka.address import Address
from fixfeed.io.kafka.client import Consumer, KafkaError, TopicPartition
from fixfeed.io.kafka.group import group_of
from fixfeed.io.kafka.group_places import ANSWER, GroupPlaces, answered, begun_by
from fixfeed.io.kafka.marks import is_any, mark_of, marked, noted
from fixfeed.io.kafka.records import PartitionId
from fixfeed.io.ledger.source import Source
from fixfeed.io.stream import Remembered

__all__ = ["EARLIEST", "LATEST", "Beginning", "Begins", "Start", "read_from"]

EARLIEST, LATEST = "earliest", "latest"


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


def _say_nothing(_: KafkaError) -> None:
    """Nothing is to be told: the group is only asked."""


Begins = Mapping[tuple[str, int], int]
"""Where reading begins, by the id of a topic and the number of a partition."""


class Start(NamedTuple):
    """Where the reading of a partition begins; `said` if `from` says so, not what is stored.

    `outputs` are the offsets from which each output is to get what it lacks, in their order.
    Before `read` is all that any of them has.
    """

    offset: int
    said: bool
    outputs: Sequence[int]
    read: int


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
        refused: Callable[[KafkaError], None] = _say_nothing,
    ):
        """`from` of the address says where reading begins in what no sink has anything of.

        If that was found out before, `begins` has it, and what is not in it came later. `refused`
        is told why the group cannot be told where reading begins (`reserve`, `settle`).
        """
        self._address = address
        self._consumer = consumer
        self._stored = stored
        self._begins = begins
        self._group = GroupPlaces(address, consumer, refused)
        self._before_end: dict[PartitionId, int] = {}  # records, by what the group has
        self._left_out = 0  # records before a time
        self.says = read_from(address.own.get("from", EARLIEST))

    def starts(
        self,
        ends: Mapping[PartitionId, tuple[int, int]],
        *,
        at_start: bool,
        anew: Collection[str] = (),
    ) -> dict[PartitionId, Start]:
        """Return where the reading of partitions begins, given the first offset and end of each.

        Each output goes on after what it has of a partition, from the first record that is stored
        on. Where one has nothing of it, `from` decides (`_decide`) for what is there `at_start` of
        a run; any other partition was added, and is read from its first record. What one of the
        outputs lacks is read for all. Topics that were made again are read `anew`: the group may
        have offsets of those before.
        """
        outputs = self._outputs(ends, anew)
        lacked = [one for one in ends if any(one not in has.after for has in outputs)]
        asks = at_start and self._begins is None
        decide = self._decide([one for one in lacked if asks], ends, outputs)
        starts = {}
        for one, (low, high) in ends.items():
            places = [
                has.after[one] if one in has.after else decide(one, has, low) for has in outputs
            ]
            at = min((place for place in places if place is not None), default=high)
            each = [at if place is None else place for place in places]
            said = one in lacked and self._says_so(one, at_start)
            starts[one] = Start(at, said, each, max(has.read.get(one, 0) for has in outputs))
            if said and self.says != LATEST:
                self._left_out += max(0, at - low)
        return starts

    @property
    def note(self) -> str:
        """What people may not expect of where reading begins, as `starts` has said; or ``."""
        if self._left_out:
            return (
                f"{self._left_out:,} records are left out as they are before "
                f"{self._address.own['from']}, and count as done"
            )
        count = sum(self._before_end.values())
        if not count:
            return ""
        return (
            "an output that has nothing of a topic yet begins where group "
            f"{group_of(self._address)} is, {count:,} records before the end; to begin at the end, "
            "name a group that nothing has used, as in group=NAME"
        )

    def _says_so(self, one: PartitionId, at_start: bool) -> bool:
        if self._begins is not None:
            return _place(one) in self._begins
        return at_start and self.says != EARLIEST

    def unmarked(self, cluster: str) -> list[Source]:
        """Return the marks that an output lacks (`kafka.marks`), stored after what is left out."""
        if self.says == EARLIEST or not self._stored.remember:
            return []
        there = self._marked(cluster)
        names = self._address.topics
        return [mark_of(name, cluster) for name in names if not all(name in has for has in there)]

    def note_of(self, topic: str) -> str:
        """Return what is committed beside the offsets of a topic (`kafka.marks`)."""
        return self._group.note_of(topic) if self.says == LATEST else ""

    def _marked(self, cluster: str) -> list[set[str]]:
        """Return the names and patterns that each output has the mark of."""
        names = self._address.topics
        found = self._stored.each([mark_of(name, cluster) for name in names])
        return [set(marked(names, cluster, stored)) for stored in found]

    def _outputs(
        self, ends: Mapping[PartitionId, tuple[int, int]], anew: Collection[str]
    ) -> list["_Has"]:
        """Return what each output has; where none remembers anything, what the group has."""
        if not self._stored.remember:
            committed = self._group.committed([one for one in ends if one.topic not in anew])
            after, topics = {one: at.offset for one, at in committed.items()}, set[str]()
            if self.says != LATEST:
                topics = {one.topic for one in committed}
            return [_Has(after, {}, set(), topics)]
        asked = [source for one, (_, high) in ends.items() for source in one.sources(0, high + 1)]
        each = self._stored.each(asked)
        marks = [set[str]() for _ in each]
        if self.says != EARLIEST and ends:
            marks = self._marked(next(iter(ends)).cluster)
        outputs = []
        for stored, names in zip(each, marks, strict=True):
            ranges = {one: one.done(0, high + 1, stored) for one, (_, high) in ends.items()}
            after = {one: some[0][1] for one, some in ranges.items() if some}
            read = {one: some[-1][1] for one, some in ranges.items() if some}
            outputs.append(_Has(after, read, {one.topic for one in after}, names))
        return outputs or [_Has({}, {}, set(), set())]  # where nobody is asked, all is read

    def _decide(
        self,
        lacked: Sequence[PartitionId],
        ends: Mapping[PartitionId, tuple[int, int]],
        outputs: Sequence["_Has"],
    ) -> Callable[[PartitionId, "_Has", int], int | None]:
        """Return what says where an output begins in a partition that it has nothing of.

        `lacked` are the partitions that some output has nothing of, and in which `from` decides.
        An output that has the mark of a topic had begun, so the partition came later, or was empty:
        it is read from offset 0 on, and what is not there any more is missed, as is told.
        """
        if not lacked or self.says == EARLIEST:
            begins = self._begins or {}
            return lambda one, _, low: begins.get(_place(one), low)
        if self.says == LATEST:
            return self._decide_latest(lacked, ends, outputs)
        places = [TopicPartition(one.topic, one.number, int(self.says)) for one in lacked]
        found = answered(self._address, lambda: self._consumer.offsets_for_times(places, ANSWER))
        by_place = {(one.topic, one.partition): one.offset for one in found}
        times = {one: by_place[one.topic, one.number] for one in lacked}
        times = {one: at if at >= 0 else ends[one][1] for one, at in times.items()}
        return lambda one, has, _: 0 if has.is_marked(one.topic) else times[one]

    def _decide_latest(
        self,
        lacked: Sequence[PartitionId],
        ends: Mapping[PartitionId, tuple[int, int]],
        outputs: Sequence["_Has"],
    ) -> Callable[[PartitionId, "_Has", int], int | None]:
        """As `_decide`: where the reading began for the first time, None if that is now.

        An output without the mark may have been killed before it had stored anything: then the
        group says where reading began, as it goes on only when all outputs have what was read.
        """
        marked = all(has.is_marked(one.topic) for one in lacked for has in outputs)
        committed = {} if marked else self._group.committed(ends)
        names, topics = begun_by(committed)

        def decide(one: PartitionId, has: _Has, _low: int) -> int | None:
            if has.is_marked(one.topic):
                return 0
            place = committed.get(one)
            if place is not None and (noted(place.metadata) or one.topic not in has.begun):
                # An offset beyond the end is of a topic that was there before. One before the first
                # record says that records are missed, as is told.
                if place.offset > ends[one][1]:
                    return 0
                self._before_end[one] = ends[one][1] - place.offset
                return place.offset
            if one.topic in has.begun or one.topic in topics or is_any(one.topic, names):
                return 0
            return None

        return decide

    def reserve(self, ends: Mapping[PartitionId, tuple[int, int]]) -> None:
        """With `from=latest`, note in the group where reading begins, before outputs are asked."""
        if self.says == LATEST and self._begins is None:
            self._group.reserve(ends)

    def settle(self, starts: Mapping[PartitionId, Start]) -> None:
        """The same once they have said it: an output may go on from before the end."""
        if self.says == LATEST and self._begins is None:
            self._group.begin({one: start.offset for one, start in starts.items() if start.said})

    def refresh(self, topic: str) -> None:
        """Have the consumer learn the partitions of a topic; otherwise it does so in minutes."""
        answered(self._address, lambda: self._consumer.list_topics(topic, ANSWER))

    def watermarks(self, topic: str, number: int) -> tuple[int, int]:
        """Return the first offset of a partition, and the one after its last."""
        place = TopicPartition(topic, number)
        return answered(self._address, lambda: self._consumer.get_watermark_offsets(place, ANSWER))


class _Has(NamedTuple):
    """What an output has: up to where without a gap, and with gaps, of which topics, the marks."""

    after: Mapping[PartitionId, int]
    read: Mapping[PartitionId, int]
    begun: Collection[str]
    marks: Collection[str]

    def is_marked(self, topic: str) -> bool:
        """Return whether the reading of the topic had begun for this output."""
        return is_any(topic, self.marks)


def _place(one: PartitionId) -> tuple[str, int]:
    return one.topic_id, one.number
