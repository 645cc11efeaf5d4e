"""How topics stand: which records brokers have, and which of them sinks have."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from fixfeed.io.kafka.address import Address
from fixfeed.io.kafka.beginning import Beginning, Begins
from fixfeed.io.kafka.client import Cluster, Consumer, KafkaTrouble, consumer_of
from fixfeed.io.kafka.group import group_of
from fixfeed.io.kafka.lacked import lost
from fixfeed.io.kafka.looking import topics_now
from fixfeed.io.kafka.records import PartitionId
from fixfeed.io.stream import Remembered

__all__ = ["PartitionStanding", "asking", "partitions_now", "standings"]


@dataclass(frozen=True)
class PartitionStanding:
    """A partition as it stands now.

    Brokers have the offsets from `first` to before `end`; with transactions and compaction there
    are fewer records than that. Reading begins at `begins`. By the name of a sink, `stored` is how
    many of the offsets that are there it has, and `deleted` how many it lacks of those that it was
    to get, before `first`.
    """

    topic: str
    number: int
    first: int
    end: int
    begins: int
    stored: Mapping[str, int]
    deleted: Mapping[str, int]


def partitions_now(address: Address) -> tuple[list[PartitionId], list[KafkaTrouble]]:
    """Return the partitions that an address names now, and what is wrong with topics.

    Raises `KafkaTrouble` if brokers do not answer.
    """
    brokers = Cluster(address)
    cluster = brokers.identity()  # if nobody can be asked, it says why, and sooner
    troubles, partitions = [], []
    for name, found in topics_now(brokers, address).items():
        if isinstance(found, KafkaTrouble):
            troubles.append(found)
            continue
        for number in range(found.partitions):
            if number in found.leaderless:
                why = f"no broker leads partition {number} of {name}"
                troubles.append(KafkaTrouble(f"{address.shown}: {why}"))
            else:
                partitions.append(PartitionId(cluster, found.topic_id, name, number))
    return partitions, troubles


@contextmanager
def asking(address: Address) -> Iterator[Consumer]:
    """Give a consumer that only asks, in the group of an address."""
    consumer = consumer_of(address, {"group.id": group_of(address), "enable.auto.commit": False})
    try:
        yield consumer
    finally:
        consumer.close()


def standings(
    address: Address,
    everywhere: Remembered,
    sinks: Mapping[str, Remembered],
    begins: Begins | None = None,
) -> tuple[list[PartitionStanding], list[KafkaTrouble]]:
    """Return how the partitions stand that a reader would read now, and what is wrong with topics.

    `everywhere` is what all sinks have, which says where reading begins, and `sinks` what each has,
    by name, in the same order. Where none remembers, the group is asked; `begins` is as in
    `Beginning`. Nothing is changed anywhere. Raises `KafkaTrouble` if brokers do not answer.
    """
    partitions, troubles = partitions_now(address)
    if not partitions:
        return [], troubles
    with asking(address) as consumer:
        beginning = Beginning(address, consumer, everywhere, begins=begins)
        ends = {one: beginning.watermarks(one.topic, one.number) for one in partitions}
        starts = beginning.starts(ends, at_start=True)
    found = []
    for one in partitions:
        (first, end), start = ends[one], starts[one]
        if start.read > end:
            troubles.append(KafkaTrouble(f"{address.shown}: {lost(one, end, start.read)}"))
        found.append(
            PartitionStanding(
                one.topic,
                one.number,
                first,
                end,
                start.offset,
                {name: _stored(one, first, end, stored) for name, stored in sinks.items()},
                {
                    name: max(0, first - at) - _stored(one, at, first, sinks[name])
                    for name, at in zip(sinks, start.outputs, strict=False)
                },
            )
        )
    return found, troubles


def _stored(partition: PartitionId, first: int, end: int, stored: Remembered) -> int:
    """Return how many of the offsets from `first` to before `end` are stored."""
    ranges: Sequence[tuple[int, int]] = ()
    if first < end:
        asked = stored.stored(partition.sources(first, end))
        ranges = partition.done(first, end, asked)
    return sum(max(0, min(stop, end) - max(start, first)) for start, stop in ranges)
