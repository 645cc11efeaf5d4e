"""Block and Batch: what flows from sources through the transforms to the sinks, in any protocol."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = [
    "DATE",
    "DECIMAL",
    "EARLIEST",
    "FAILURES",
    "FLUSH",
    "LARGEST_SOURCE",
    "LATEST",
    "NO_KEY",
    "NO_POSITIONS",
    "READING_REASONS",
    "ROUND",
    "TICK",
    "TIME",
    "TOO_LARGE",
    "TOO_LONG",
    "TRUNCATED",
    "UNREADABLE",
    "Batch",
    "Block",
    "Failure",
    "Piece",
    "ends_within_line",
]

TIME = pa.timestamp("us", "UTC")
"""The type of times: UTC in microseconds."""

EARLIEST, LATEST = -62_135_596_800_000_000, 253_402_300_799_999_999
"""The first and the last time that a column may hold, as numbers of `TIME`: years 1 to 9999.

SQL, JSON's texts of times and Python's `datetime` know no others.
"""

DATE = pa.date32()
"""The type of days, which have no time zone: those of a market's calendar."""

DECIMAL = pa.decimal128(38, 10)
"""The type of prices and quantities: exact to ten places."""

LARGEST_SOURCE = 1 << 40
"""A source has fewer positions than this: `message_id` has 40 bits for the position."""

RECORD = 1 << 16
"""How many positions a record of a queue takes, unless the user names another number."""

NO_KEY = "no_key"
TOO_LARGE = "too_large"
TOO_LONG = "too_long"
TRUNCATED = "truncated"
UNREADABLE = "unreadable"

READING_REASONS = {
    NO_KEY: "a message without a key, for a topic of Kafka that is compacted and takes none",
    TOO_LARGE: "a message that is larger than its topic of Kafka takes",
    TOO_LONG: "a piece of a message or line that is longer than --max-message",
    TRUNCATED: "the source, or a record of a topic, ends inside a message; if a file "
    "grows, a later run has it whole",
    UNREADABLE: "the source cannot be read beyond this position",
}
"""Why bytes are a failure, and what that means, whatever the protocol."""

FAILURES = pa.schema(
    [
        pa.field("position", pa.int64(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string()),
        pa.field("raw", pa.binary(), nullable=False),
    ]
)
"""A batch of failures: bytes that are not a message, where they are, and why they are none."""


NO_POSITIONS = pa.array([], pa.int64())
"""The positions of nothing."""


class Failure(NamedTuple):
    """Bytes that are not a message: where in their block they begin, and why they are none.

    `raw` has all of them, unless the reason says that it has only some.
    """

    position: int
    reason: str
    detail: str
    raw: bytes


class Piece(NamedTuple):
    """Where a part of a block comes from: see `Block.pieces`.

    It begins at `offset` in the data of the block, and at `position` in the source. `captured_at`
    is when it came, in microseconds UTC, None if that is not known; one before `EARLIEST` or after
    `LATEST` is taken for None, so what gives it says it in `said`. `said` is what came with it
    beside its bytes, as the key of a record, None if nothing did.
    """

    offset: int
    position: int
    captured_at: int | None = None
    said: str | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """Bytes of one source that begin and end between messages.

    `source` is the key of the source (`file:/logs/day.log`), `start` the position of the first byte
    of `data`. The blocks of a source tile it: each ends where the next begins, with no gap and no
    overlap, so `[start, end)` is the stretch that is done once the block is stored.

    `layout` is how the source is laid out, in the terms of its protocol (`protocol.Framing`; in FIX
    the delimiter of fields), None for the protocol's usual layout.
    `last` marks the last block of a range of work. `provisional` marks bytes at the end of a source
    that do not make a message yet: they are kept as a failure, and read again by the next run.
    `too_long` marks a piece of a record that is too long to be read, all of which are failures.
    `within_line` means that `data` begins on the line on which a message already read ends.
    `room` is how many positions the block takes if they are more than its bytes: that of a record,
    or of several, which then have a line feed between them.
    `error` is why the source could not be read beyond `end`. `context` is what the messages before
    the block determine for those in it (in FIX, DefaultApplVerID by session). `witness` identifies
    the bytes of the source before `end`, `` if its reader gives none. `origin` is what a sink
    registers the source by, None if there is only the key.

    `pieces` are the parts of `data`, in order, if they do not follow each other in the source or
    came at times that are known: records of a queue, or what a socket gave. Messages, failures and
    children get the positions of their pieces (`transforms.pieces`). Messages get `captured_at`
    where they have none of their own, and what was said comes before their `prefix`. `start` and
    `end` stay those of the whole stretch.
    `apart` are blocks of the same stretch that are read by themselves, as records that are no whole
    messages; their rows come in the same batch, in order.
    `unfinished` is where in `data` a message begins that its record ends inside: nothing will make
    it whole, so it is a failure for good, in the same batch.
    `together` are blocks of other sources, or later ones of this, that came at the same time. They
    are read in one go, and each gives a batch of its own (`transforms.together`).

    A block of a FIX log with a message and a line without one, and its batch:

    >>> from fixfeed.transforms.fix.parser import parse_block
    >>> data = b"in: 8=FIX.4.4|9=11|35=0|112=A|10=227|\\nlog closed\\n"
    >>> block = Block("file:/logs/day.log", 1000, data, layout=b"|")
    >>> batch = parse_block(block)
    >>> (batch.start, batch.end) == (block.start, block.end) == (1000, 1049)
    True
    >>> (message,) = batch.messages.to_pylist()
    >>> message["position"], message["prefix"], message["raw"]
    (1004, 'in: ', b'8=FIX.4.4|9=11|35=0|112=A|10=227|')
    >>> message["msg_type"], message["fields"], message["defects"]
    ('0', '{"TestReqID":"A"}', None)
    >>> batch.failures.num_rows, batch.skipped, batch.read
    (0, 1, 1)
    """

    source: str
    start: int
    data: bytes
    layout: Any = None
    last: bool = False
    provisional: bool = False
    too_long: bool = False
    within_line: bool = False
    error: str | None = None
    context: Mapping[str, str] = field(default_factory=dict)
    witness: str = ""
    origin: object = None
    room: int = 0
    pieces: Sequence[tuple[int, int, int | None, str | None]] = ()
    apart: "Sequence[Block]" = ()
    unfinished: int | None = None
    together: "Sequence[Block]" = ()

    @classmethod
    def of(
        cls,
        data: bytes,
        source: str,
        *,
        start: int = 0,
        offset: int | None = None,
        room: int = RECORD,
        layout: Any = None,
    ) -> "Block":
        """Return a block of bytes that did not come from a file.

        `data` begins and ends between messages; the protocol finds its layout unless it is named.
        Bytes of one long source are at their position, `start`. A record of a queue, which may
        hold several messages, is at its `offset`, and takes `room` positions: those of its
        messages are unique, and the same whenever the record comes. So `room` has to be the same
        for all records of a source, and each partition is a source of its own.

        Raises `ValueError` for a record longer than its room, and for a place that a source does
        not have (`LARGEST_SOURCE`): with the usual room, offsets from 16,777,216 on.

        >>> Block.of(b"8=FIX.4.4|9=5|35=0|10=161|", "kafka:orders/0", offset=7).start
        458752
        """
        if offset is None:
            block = cls(source, start, data, layout)
        elif len(data) > room:
            raise ValueError(
                f"the record at offset {offset:,} of {source} has {len(data):,} bytes, and there "
                f"is room for {room:,}; give all records of a source more room"
            )
        else:
            block = cls(source, start + offset * room, data, layout, room=room)
        if not 0 <= block.start <= block.end <= LARGEST_SOURCE:
            place = f"position {start:,}"
            if offset is not None:
                place = f"offset {offset:,}, with room for {room:,} bytes a record"
            raise ValueError(
                f"{source} has no {place}: a source has {LARGEST_SOURCE:,} positions, from 0 on; "
                "give its records less room, or begin another source"
            )
        return block

    @property
    def end(self) -> int:
        """The position after the block."""
        return self.start + max(len(self.data), self.room)


TICK = Block("", 0, b"")
"""A block without source and bytes. A reader that waits gives one now and then, so that what was
gathered before can be stored: without elements, nothing runs in a graph."""

FLUSH = Block("", 0, b"", last=True)
"""A tick after which all that came before is stored, when the next block is asked for."""

ROUND = Block("", 0, b"", provisional=True)
"""A tick after what came together: sinks that store within the time of the run do so now."""


def ends_within_line(data: bytes, before: bool) -> bool:
    """Tell whether `data` ends inside a line; `before` if it is empty."""
    return data[-1:] not in (b"\r", b"\n") if data else before


@dataclass(frozen=True, slots=True)
class Batch:
    """What one block held: its messages and failures as columns, and what was left out.

    `[start, end)` is the stretch of `source` that the batch covers. `messages` has the columns of
    its protocol (`protocol.Table`), possibly with further ones after them, `failures` the schema
    `FAILURES`, both in the order of `position`. `children` are the rows that belong to `messages`,
    by the name of their table (`Table.children`), in the order of `position` and `entry`.
    `filtered_positions` are those of messages that a filter took out, `skipped_positions` those at
    which lines begin that hold no message, each in any order and inside the stretch: a sink that
    has a part of the stretch already counts those of the rest. `read` is how many messages and
    failures the block held: at every step
    `messages.num_rows + failures.num_rows + filtered == read`. `joined` counts, by the name of each
    lookup, the messages that it added something to. `witness` and `origin` are those of the block.
    `octets` is how many bytes came, None if that is the length of the stretch.
    """

    source: str
    start: int
    end: int
    messages: pa.RecordBatch
    failures: pa.RecordBatch = field(
        default_factory=lambda: pa.RecordBatch.from_pylist([], FAILURES)
    )
    children: Mapping[str, pa.RecordBatch] = field(default_factory=dict)
    filtered_positions: pa.Int64Array = field(default_factory=lambda: NO_POSITIONS)
    skipped_positions: pa.Int64Array = field(default_factory=lambda: NO_POSITIONS)
    read: int = 0
    joined: Mapping[str, int] = field(default_factory=dict)
    last: bool = False
    provisional: bool = False
    error: str | None = None
    witness: str = ""
    origin: object = None
    octets: int | None = None

    @property
    def filtered(self) -> int:
        """How many messages a filter took out."""
        return len(self.filtered_positions)

    @property
    def skipped(self) -> int:
        """How many lines hold no message."""
        return len(self.skipped_positions)

    @property
    def nbytes(self) -> int:
        """About how many bytes it has in memory."""
        own = self.messages.nbytes + self.failures.nbytes + 8 * (self.filtered + self.skipped)
        return own + sum(rows.nbytes for rows in self.children.values())

    @property
    def is_tick(self) -> bool:
        """Whether it comes from `TICK`, and only says that time has passed."""
        return not self.source

    @property
    def ends_round(self) -> bool:
        """Whether it comes from `ROUND`."""
        return not self.source and self.provisional

    def only(self, keep: pa.BooleanArray) -> "Batch":
        """Return the batch with the messages for which `keep` is true; the others are `filtered`.

        Rows of `children` go with their messages. If none goes, the result is the batch itself.

        >>> from fixfeed.transforms.fix.parser import parse_block
        >>> log = b"8=FIX.4.4|9=5|35=0|10=161|8=FIX.4.4|9=5|35=1|10=162|"
        >>> batch = parse_block(Block("file:/logs/day.log", 1000, log, layout=b"|"))
        >>> tests = batch.only(pc.equal(batch.messages["msg_type"], "1"))
        >>> tests.messages["position"].to_pylist(), tests.filtered_positions.to_pylist()
        ([1026], [1000])
        """
        kept = self.messages.filter(keep)
        gone = self.messages.num_rows - kept.num_rows
        if not gone:
            return self
        children = {
            name: rows.filter(pc.is_in(rows["position"], value_set=kept["position"]))
            for name, rows in self.children.items()
        }
        # A condition may be null, which is not true either.
        left_out = self.messages["position"].filter(pc.invert(pc.fill_null(keep, False)))
        return replace(
            self,
            messages=kept,
            children=children,
            filtered_positions=pa.concat_arrays([self.filtered_positions, left_out]),
        )

    @classmethod
    def of(
        cls,
        block: Block,
        messages: pa.RecordBatch,
        failures: Sequence[Failure],
        *,
        children: Mapping[str, pa.RecordBatch] | None = None,
        skipped: Sequence[int] = (),
    ) -> "Batch":
        """Return what a block held.

        Positions of `messages` and `children` are in its source, those of `failures` in the block.
        `skipped` are the positions in the block at which lines begin that hold no message.
        """
        columns = [
            pa.array([block.start + failure.position for failure in failures], pa.int64()),
            pa.array([failure.reason for failure in failures], pa.string()),
            pa.array([failure.detail for failure in failures], pa.string()),
            pa.array([failure.raw for failure in failures], pa.binary()),
        ]
        return cls(
            source=block.source,
            start=block.start,
            end=block.end,
            messages=messages,
            failures=pa.RecordBatch.from_arrays(columns, schema=FAILURES),
            children=children or {},
            skipped_positions=pa.array(np.array(skipped, np.int64) + block.start)
            if len(skipped)
            else NO_POSITIONS,
            read=messages.num_rows + len(failures),
            last=block.last,
            provisional=block.provisional,
            error=block.error,
            witness=block.witness,
            origin=block.origin,
        )
