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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from fixfeed.io.ledger.ledger import Stretch, merged
from fixfeed.io.ledger.source import Source
from fixfeed.transforms.batch import LARGEST_SOURCE, Block, Piece
from fixfeed.transforms.protocol import Framing, Protocol

__all__ = ["ROOM", "STRETCH", "Partition", "PartitionId", "Record"]

ROOM = 1 << 20
"""Positions of a record: Kafka takes none that is longer, unless its settings were changed."""

STRETCH = LARGEST_SOURCE // ROOM
"""Offsets of a source."""

_BLOCK = 1 << 20  # bytes of records that are read together
_HEAD = 64 << 10  # bytes of a record that show its layout


class Record(NamedTuple):
    """A record as it was read. `time` is in microseconds, `said` its key and headers, or None."""

    offset: int
    value: bytes | None
    time: int | None
    said: str | None


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

    Records that are whole messages come many in a block; any other one is a block of its own, and
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

    def blocks(self, records: Iterable[Record]) -> Iterator[Block]:
        """Yield the blocks of records, which come in order; those that came before are left out."""
        left = [one for one in records if one.offset >= self.next]
        if not left:
            return
        self.next = left[-1].offset + 1
        left = [one for one in left if one.value]
        while left:
            base = left[0].offset - left[0].offset % STRETCH
            yield from self._up_to(base)
            count = sum(one.offset < base + STRETCH for one in left)
            yield from self._of_source(left[:count], base)
            left = left[count:]

    def missed(self, offset: int, why: str) -> Iterator[Block]:
        """Yield what says that all records before `offset` that are not read are not there."""
        blocks = self._up_to(offset, within=True)
        for block in blocks:
            yield dataclasses.replace(block, unfinished=0, error=why)
            break
        yield from blocks
        self.next = max(self.next, offset)

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
            yield self._block(b"", end, (), None)

    def _of_source(self, records: Sequence[Record], base: int) -> Iterator[Block]:
        """Yield the blocks of records of one source that have bytes."""
        values = [one.value or b"" for one in records]
        ends = np.fromiter(accumulate(map(len, values)), np.int64, len(values))
        ends += np.arange(len(values))
        begins = np.append(0, ends[:-1] + 1)
        data = b"\n".join(values)
        fits = ends - begins <= min(ROOM, self._longest)
        odd = np.flatnonzero(~(fits & self._framing.whole(data, begins, ends)))
        at = 0
        while at < len(records):
            stop = next(iter(odd[odd.searchsorted(at) :][:1].tolist()), len(records))
            while at < stop:
                first = int(begins[at])
                end = max(at + 1, int(ends.searchsorted(first + _BLOCK, side="right")))
                end = min(end, stop)
                last = int(ends[end - 1])
                offsets = (begins[at:end] - first).tolist()
                pieces = [
                    Piece(offset, (one.offset - base) * ROOM, one.time, one.said)
                    for offset, one in zip(offsets, records[at:end], strict=True)
                ]
                yield self._block(
                    data[first:last], records[end - 1].offset + 1, pieces, self._framing
                )
                at = end
            if at < len(records):
                framing = self._protocol.sniff(values[at][:_HEAD])
                yield from self._alone(records[at], base, framing)
                if framing.layout != self._framing.layout:
                    own = begins[at : at + 1], ends[at : at + 1]
                    if framing.whole(data, *own)[0]:
                        self._framing = framing
                        odd = np.flatnonzero(~(fits & framing.whole(data, begins, ends)))
                at += 1

    def _alone(self, record: Record, base: int, framing: Framing) -> Iterator[Block]:
        data = record.value or b""
        if len(data) > ROOM:
            source = self.identity.of_record(record.offset)
            block = Block(source.key, 0, data, framing.layout, origin=source)
            piece = Piece(0, 0, record.time, record.said)
        else:
            piece = Piece(0, (record.offset - base) * ROOM, record.time, record.said)
            block = self._block(data, record.offset + 1, [piece], framing)
        end = None
        if len(data) <= self._longest:
            end = framing.end_of_source(data)
        yield dataclasses.replace(
            block,
            pieces=[piece],
            unfinished=end if end != len(data) else None,
            too_long=len(data) > self._longest,
            room=max(block.room, len(data)),
        )
        if len(data) > ROOM:
            yield self._block(b"", record.offset + 1, (), None)

    def _block(
        self, data: bytes, end: int, pieces: Sequence[Piece], framing: Framing | None
    ) -> Block:
        """Return a block from what was given last to before the offset `end`."""
        source = self.identity.source(self.given)
        base = self.given - self.given % STRETCH
        block = Block(
            source.key,
            (self.given - base) * ROOM,
            data,
            framing.layout if framing else None,
            origin=source,
            room=(end - self.given) * ROOM,
            pieces=pieces,
        )
        self.given = end
        return block
