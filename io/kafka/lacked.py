"""What outputs lack of a partition: they may be at different places, and each is told its own."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from fixfeed.io.kafka.records import STRETCH, PartitionId
from fixfeed.io.stream import Remembered

__all__ = ["Part", "lacked_from", "lost", "parts_of"]


class Part(NamedTuple):
    """The offsets from `begin` to before `end`, all or nothing of which each output has.

    `lacked` tells whether one of them has nothing of it.
    """

    begin: int
    end: int
    lacked: bool


def parts_of(stored: Remembered, partition: PartitionId, begin: int, end: int) -> list[Part]:
    """Return the offsets from `begin` to before `end` in parts, in order.

    An output takes what it lacks by where it begins. So what is said of records that are missing
    is to be said of each part, as an output has another part already.
    """
    each = [
        [
            (max(first, begin), min(stop, end))
            for first, stop in partition.done(begin, end, has)
            if first < end and begin < stop
        ]
        for has in stored.each(partition.sources(begin, end))
    ]
    borders = {begin, end, *(at for ranges in each for one in ranges for at in one)}
    return [
        Part(first, stop, not each or any(not _has(ranges, first) for ranges in each))
        for first, stop in pairwise(sorted(borders))
    ]


def lost(partition: PartitionId, end: int, read: int) -> str:
    """Return what is wrong with a partition that ends before what was read, up to `read`."""
    return (
        f"partition {partition.number} of {partition.topic} now ends at offset {end:,}, and was "
        f"read up to {read:,}: the brokers have lost records. It is not read on, as others will "
        "come at their offsets: copy the topic, and read the copy"
    )


def lacked_from(stored: Remembered, partition: PartitionId, at: int) -> list[int]:
    """Return the offsets, from `at` on, from which outputs lack the records of a partition."""
    end = at
    while True:
        end += STRETCH
        found = set()
        for has in stored.each(partition.sources(at, end)):
            ranges = partition.done(at, end, has)
            found.add(next((stop for first, stop in ranges if first <= at < stop), at))
        if max(found, default=at) < end:
            return sorted(found or {at})


def _has(ranges: Sequence[tuple[int, int]], at: int) -> bool:
    return any(first <= at < stop for first, stop in ranges)
