"""From the records of a partition to blocks, and from offsets to positions and back.

A source of the ledger has 2^40 positions, a record takes `ROOM` of them, 2^20: so the bytes of a
record have places of their own, and those of the next never come near. A source therefore holds the
records of `STRETCH` offsets, and a partition is as many sources as it needs, however long it lives:

    kafka:fix.raw/0/0/CLUSTER/TOPIC_ID           offsets         0 to 1,048,575 of partition 0
    kafka:fix.raw/0/1048576/CLUSTER/TOPIC_ID     offsets 1,048,576 to 2,097,151
    kafka:fix.raw/0/record-7/CLUSTER/TOPIC_ID    the record at offset 7, which is longer than ROOM

So ids never repeat and never wrap, and the same record has the same whenever and by whomever it is
read. Another cluster, and a topic that was deleted and made again, is another source.
"""

import dataclasses
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from fixfeed.io.kafka.alike import alike, as_lines, framing_of
from fixfeed.io.ledger.ledger import Stretch, merged
from fixfeed.io.ledger.source import Source
from fixfeed.transforms.batch import LARGEST_SOURCE, Block
from fixfeed.transforms.protocol import Protocol

__all__ = ["ROOM", "STRETCH", "Partition", "PartitionId", "Records"]

ROOM = 1 << 20
"""Positions of a record: Kafka takes none that is longer, unless its settings were changed."""

STRETCH = LARGEST_SOURCE // ROOM
"""Offsets of a source."""

_BLOCK = 1 << 20  # bytes of records that are read together


class Records(NamedTuple):
    """Records of a partition as they were read, in order, as columns of one length.

    `times` are in microseconds UTC, `said` has what came beside the values: keys and headers.
    """

    offsets: Sequence[int]
    values: Sequence[bytes | None]
    times: Sequence[int | None]
    said: Sequence[str | None]

    def part(self, begin: int, end: int) -> "Records":
        """Return some of them."""
        return Records(*(column[begin:end] for column in self))  # type: ignore[arg-type]

    def these(self, numbers: Sequence[int]) -> "Records":
        """Return those with these numbers."""
        columns = ([column[number] for number in numbers] for column in self)
        return Records(*columns)  # type: ignore[arg-type]


@dataclasses.dataclass(frozen=True, slots=True)
class PartitionId:
    """A partition of a topic, told from all others that are or were."""

    cluster: str
    topic_id: str
    topic: str
    number: int

    def source(self, offset: int) -> Source:
        """Return the source that has the record at `offset`.

        >>> PartitionId("C", "T", "fix.raw", 0).source(2_000_000).key
        'kafka:fix.raw/0/1048576/C/T'
        """
        return self._source(str(offset - offset % STRETCH))

    def of_record(self, offset: int) -> Source:
        """Return the source of a single record that is longer than its room."""
        return self._source(f"record-{offset}")

    def _source(self, part: str) -> Source:
        key = f"kafka:{self.topic}/{self.number}/{part}/{self.cluster}/{self.topic_id}"
        return Source(key, "kafka", key)

    def sources(self, first: int, end: int) -> list[Source]:
        """Return the sources with the offsets from `first` to before `end`, in order."""
        return [self.source(at) for at in range(first - first % STRETCH, end, STRETCH)]

    def done(self, first: int, end: int, stored: Mapping[str, Sequence[Stretch]]) -> list[Stretch]:
        """Return the offsets that are done, as ranges that do not touch, of those sources.

        `stored` has the stretches of each source, by key. A record counts if all of it is done.

        >>> partition = PartitionId("C", "T", "t", 0)
        >>> keys = [one.key for one in partition.sources(0, 2_000_000)]
        >>> stored = {keys[0]: [(5 * ROOM, STRETCH * ROOM)], keys[1]: [(0, 3 * ROOM)]}
        >>> partition.done(0, 2_000_000, stored)
        [(5, 1048579)]
        """
        ranges = []
        for at in range(first - first % STRETCH, end, STRETCH):
            for begin, stop in stored.get(self.source(at).key, ()):
                ranges.append((at - -begin // ROOM, at + stop // ROOM))
        return [one for one in merged(ranges) if one[0] < one[1]]


class Partition:
    """A partition as it is read: the blocks of its records, which tile its sources.

    Records that end at a border, whatever follows, are read together; any other one by itself, and
    what it ends inside is a failure. Offsets without a record (of transactions, or compacted away)
    belong to the block after them. No block ends inside a record.

    `next` is the offset of the next record to come; what is before `given` is in blocks.
    """

    def __init__(self, identity: PartitionId, protocol: Protocol, *, at: int, longest: int):
        """Begin at an offset. A record of more than `longest` bytes is a failure."""
        self.identity = identity
        self.next = self.given = at
        self._protocol = protocol
        self._framing = protocol.sniff(b"")
        self._longest = longest

    def blocks(self, records: Records) -> Iterator[Block]:
        """Yield the blocks of records, which come in order; those that came before are left out."""
        count = len(records.offsets)
        at = bisect_left(records.offsets, self.next)
        if at == count:
            return
        self.next = records.offsets[-1] + 1
        if at or not all(records.values):
            kept = [number for number in range(at, count) if records.values[number]]
            records = records.these(kept)
        at, count = 0, len(records.offsets)
        while at < count:
            base = records.offsets[at] - records.offsets[at] % STRETCH
            yield from self._up_to(base)
            end = bisect_left(records.offsets, base + STRETCH, at)
            yield from self._of_source(records.part(at, end), base)
            at = end

    def missed(self, offset: int, why: str) -> Iterator[Block]:
        """Yield what says that all records from `next` to before `offset` are not there."""
        yield from self.passed(self.next)
        blocks = self._up_to(offset, within=True)
        for block in blocks:
            yield dataclasses.replace(block, unfinished=0, error=why)
            break
        yield from blocks
        self.next = max(self.next, offset)

    def passed(self, offset: int) -> Iterator[Block]:
        """Yield what says that there are no messages before `offset` but those that were given.

        Records without a value and the marks of transactions may be the last of a partition.
        """
        yield from self._up_to(offset, within=True)
        self.next = max(self.next, offset)

    def not_read_on(self, why: str, offset: int) -> Block:
        """Return what says that nothing from `offset` on is read by this run."""
        source, place = self.identity.source(offset), offset % STRETCH * ROOM
        return Block(source.key, place, b"", origin=source, provisional=True, error=why)

    def left_out(self, offset: int) -> Iterator[Block]:
        """Yield what says that the records before `offset` are not wanted."""
        if offset:
            self.given = offset - 1 - (offset - 1) % STRETCH
            yield from self._up_to(offset, within=True)

    def _up_to(self, offset: int, *, within: bool = False) -> Iterator[Block]:
        """Yield empty blocks to the end of each source before `offset`; to `offset` if `within`."""
        while self.given < offset:
            end = self.given - self.given % STRETCH + STRETCH
            if end > offset:
                if not within:
                    return
                end = offset
            yield self._block(end)

    def _of_source(self, records: Records, base: int) -> Iterator[Block]:
        """Yield the blocks of records of one source that have bytes."""
        values = [value or b"" for value in records.values]
        ends = np.fromiter(accumulate(map(len, values)), np.int64, len(values))
        cuts = ends // _BLOCK
        at = 0
        for end in [*(np.flatnonzero(np.diff(cuts)) + 1).tolist(), len(values)]:
            yield from self._together(records.part(at, end), values[at:end], base)
            at = end

    def _together(self, records: Records, values: Sequence[bytes], base: int) -> Iterator[Block]:
        """Yield the block of records, before it those of records that are longer than their room.

        Its layout is that of most of them. Those of each other layout are a block of its own in it.
        """
        places = ((np.array(records.offsets, np.int64) - base) * ROOM).tolist()
        longest = min(ROOM, self._longest)
        self._framing, together, alone = alike(self._protocol, self._framing, values, longest)
        apart = []
        for number in alone:
            block = self._alone(records.part(number, number + 1), places[number])
            if len(block.data) > ROOM:
                yield block
            else:
                apart.append(block)
        data, pieces = _joined(records, values, places, together.pop(self._framing.layout, []))
        for layout, numbers in together.items():
            source, start = self.identity.source(records.offsets[0]), places[numbers[0]]
            others, their_pieces = _joined(records, values, places, numbers)
            apart.append(
                Block(
                    source.key,
                    start,
                    others,
                    layout,
                    origin=source,
                    room=places[numbers[-1]] + ROOM - start,
                    pieces=their_pieces,
                )
            )
        yield self._block(records.offsets[-1] + 1, data, pieces, self._framing.layout, apart=apart)

    def _alone(self, record: Records, place: int) -> Block:
        """Return the block of a record that is read by itself, not of its whole stretch."""
        data = record.values[0] or b""
        framing = framing_of(self._protocol, data)
        source, room = self.identity.source(record.offsets[0]), ROOM
        if len(data) > ROOM:
            source, place, room = self.identity.of_record(record.offsets[0]), 0, len(data)
        too_long = len(data) > self._longest
        end = len(data) if too_long else framing.end_of_source(data, grows=False)
        return Block(
            source.key,
            place,
            data,
            framing.layout,
            origin=source,
            room=room,
            pieces=[(0, place, record.times[0], record.said[0])],
            unfinished=end if end < len(data) else None,
            too_long=too_long,
        )

    def _block(
        self,
        end: int,
        data: bytes = b"",
        pieces: Sequence[tuple[int, int, int | None, str | None]] = (),
        layout: Any = None,
        *,
        apart: Sequence[Block] = (),
    ) -> Block:
        """Return a block from what was given last to before the offset `end`."""
        source = self.identity.source(self.given)
        base = self.given - self.given % STRETCH
        block = Block(
            source.key,
            (self.given - base) * ROOM,
            data,
            layout,
            origin=source,
            room=(end - self.given) * ROOM,
            pieces=pieces,
            apart=apart,
        )
        self.given = end
        return block


def _joined(
    records: Records, values: Sequence[bytes], places: Sequence[int], numbers: Sequence[int]
) -> tuple[bytes, list[tuple[int, int, int | None, str | None]]]:
    """Return the bytes of records with these numbers, a line feed between them, as pieces."""
    if len(numbers) < len(values):
        records, values = records.these(numbers), [values[number] for number in numbers]
        places = [places[number] for number in numbers]
    data, begins, _ = as_lines(values)
    return data, list(zip(begins.tolist(), places, records.times, records.said, strict=True))
