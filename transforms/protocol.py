"""What a protocol brings to be read from any source and stored in any sink; FIX is the first.

A protocol is three things. `Protocol` reads blocks into batches. `Framing` says where one source
may be cut, as the source's own head shows. `Table` says what the rows of its messages are. Sources
are handed a protocol, sinks its table, and neither knows more of it: a new protocol is one class of
each, and nothing else changes. `tests/protocols/fixed_width.py` is a small whole one.

All three are given to worker processes, so they can be pickled, and never change.
"""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from fixfeed.transforms.batch import TIME, Batch, Block

__all__ = ["Framing", "Protocol", "Table", "default_protocol"]


class Protocol(ABC):
    """A protocol, and how its messages are to be read.

    `name` is what people call it, `table` what its messages are as rows. `reasons` are the reasons
    of its failures and `defects` the kinds of defects of its messages, each with what it means;
    those of `batch.READING_REASONS` are among the reasons. `digest` tells how messages are read
    from other ways: rows that were made under another one are not taken for the same.
    """

    name: str
    table: "Table"
    reasons: Mapping[str, str]
    defects: Mapping[str, str]

    @property
    @abstractmethod
    def digest(self) -> str:
        """A text that differs where the same block would give another batch."""

    @abstractmethod
    def sniff(self, head: bytes) -> "Framing":
        """Return how a source is laid out that begins with `head`, which may be empty.

        Raises nothing: what cannot be told is taken as the protocol has it by itself.
        """

    @abstractmethod
    def parse(self, block: Block) -> Batch:
        """Read the messages of a block; the same block gives the same batch (`Batch.of` makes it).

        Every byte ends up once: in a message, with its defects, in a failure, with its reason, or
        in a line counted as `skipped`. Input never makes it raise. A block that is `provisional`
        or `too_long` has no messages: its bytes are failures, for `TRUNCATED`, or `UNREADABLE`
        where it has an `error`, and `TOO_LONG`.
        """


class Framing(ABC):
    """How one source is laid out: where its records begin and end. Equal ones are alike.

    A record is a message with what belongs to it, or other bytes that are read on their own.
    Borders lie between records. What is found depends on the bytes alone, not on how much of them
    came at once: whoever cuts a source at any borders gets, block by block, what is read of the
    whole. Those who read and those who cut meet at the same borders by that.
    """

    @property
    def layout(self) -> Any:
        """What the protocol's `parse` has to know of the source: `Block.layout`."""
        return None

    @property
    def has_context(self) -> bool:
        """Whether messages before a block say something of those in it: `carry` is asked then.

        All of the source before a block is read for it.
        """
        return False

    @abstractmethod
    def first_border(
        self, window: bytes, at: int, *, start: int, synced: bool = False
    ) -> int | None:
        """Return the first border at or after `at` in `window`, None if `window` shows none.

        `window` begins at position `start` of the source, at a border if it is `synced`, else
        anywhere; its end, after which more may follow, is no border. From any two windows that
        begin at most 256 KiB before it, a border must be found alike.
        """

    @abstractmethod
    def last_border(self, data: bytes) -> int:
        """Return the last border in `data`, which begins at one; 0 if there is none after that.

        More may follow `data`. That it is at its end is no border unless nothing that follows can
        change what is read of it.
        """

    def end_of_source(self, data: bytes) -> int:
        """Return where in `data`, with which a source ends, the unfinished record begins.

        `len(data)` if there is none. The source may grow: what may become another record by that is
        unfinished, is kept as a failure, and is read again then.
        """
        return self.last_border(data)

    def torn(self, data: bytes) -> tuple[int, int]:
        """Return where in `data` a record begins that is too long, and where it says that it ends.

        `data` begins at a border and has no last one. The end is counted from the beginning of the
        record, 0 where it does not say.
        """
        return 0, 0

    def next_record(self, data: bytes, *, start: int, claimed: int, lines: bool) -> int | None:
        """Return where in `data`, which begins inside a record that is too long, the next begins.

        None if not in `data`, which is at `start` in the source. `claimed` is where in `data` the
        record says that it ends, 0 or less if it does not. With `lines` nothing is known of the
        record's beginning, so each line may be a record of its own.
        """
        return self.first_border(data, 1, start=start)

    def piece_end(self, data: bytes, begin: int, end: int) -> int:
        """Return where after `begin`, and at or before `end`, to cut a record that is too long."""
        return end

    def carry(self, block: Block, context: Mapping[str, str]) -> list[Block]:
        """Cut a block so that what its `context` says holds for all messages of each part.

        `context` is what holds where the block begins; that of the last part holds after it.
        """
        return [dataclasses.replace(block, context=context)]


_ALWAYS = {
    "position": pa.int64(),
    "ingested_at": TIME,
    "enriched": pa.string(),
    "defects": pa.string(),
    "raw": pa.binary(),
}


def _no_codes() -> Iterable[tuple[str, str, str]]:
    return ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """What the messages of a protocol are as rows, for every sink.

    `schema` has the columns of `Batch.messages`, of the types `int64`, `bool`, `string`, `binary`,
    `TIME` and `DECIMAL`. These are always there:

    * `position`, the first: with the source it tells a message from all others. Sinks put the keys
      `message_id` and `source_id` in its place.
    * `ingested_at` (`TIME`) and `enriched` (JSON): null until `Enrich` sets them.
    * `defects`: the names of a message's defects joined by commas, null if it has none.
    * `raw`: the message as it came.

    Args:
      schema: As above; `ValueError` if one of these columns is missing or of another type.
      lines: Makes of a batch, and the name of its source, one JSON text a message, without line
        breaks, for sinks of JSON lines. `ValueError` says how to read it if it was read otherwise
        than that needs.
      json: The text columns that hold JSON, `enriched` among them.
      json_only: Columns after those of the schema that are there for `lines` alone.
      named: The columns of codes whose names people ask for, and what `codes` calls their field.
      codes: Yields (field, value, name) for all codes that have names.
      times: The columns that say when a message was; the first that is not null counts.
      in_order: The column that grows with the position, as far as one does; `` if none.
      indexes: What rows are looked up by: columns, where the first of them is not null.
      unique: Columns whose values hardly ever come again.
      finer: Decimal columns, and the key under which the column `fields`, a JSON object, has the
        text of a number with more places than a decimal has.
      partition_by: What files of messages are sorted into folders by, unless the user says.
    """

    schema: pa.Schema
    lines: Callable[[Batch, str], pa.StringArray]
    json: Sequence[str] = ("enriched",)
    json_only: Sequence[str] = ()
    named: Mapping[str, str] = field(default_factory=dict)
    codes: Callable[[], Iterable[tuple[str, str, str]]] = _no_codes
    times: Sequence[str] = ()
    in_order: str = ""
    indexes: Sequence[tuple[str, ...]] = ()
    unique: Sequence[str] = ()
    finer: Mapping[str, str] = field(default_factory=dict)
    partition_by: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Check the columns that are always there."""
        if self.schema.names[:1] != ["position"]:
            raise ValueError(f"expected position as the first column of {self.schema.names}")
        for name, kind in _ALWAYS.items():
            if name not in self.schema.names or self.schema.field(name).type != kind:
                raise ValueError(f"expected a column {name} of type {kind} in {self.schema.names}")

    @property
    def names_of_codes(self) -> tuple[str, ...]:
        """The columns that `Enrich(names=True)` adds: `side_name` for `side`."""
        return tuple(f"{name}_name" for name in self.named)

    @property
    def keyed(self) -> tuple[str, ...]:
        """The columns with the keys in the place of `position`, as sinks have them."""
        return ("message_id", "source_id", *self.schema.names[1:])

    def missing(self, found: pa.Schema) -> str:
        """Return a column that is never null and that messages of a schema lack, `` if none.

        They are of another protocol then.
        """
        given = set(found.names)
        lacking = (one.name for one in self.schema if not one.nullable and one.name not in given)
        return next(lacking, "")


def default_protocol() -> Protocol:
    """Return the protocol that is meant where none is named: FIX."""
    # Only here, and only if it is asked for: who reads another one does without it.
    from fixfeed.transforms.fix.protocol import FIX

    return FIX
