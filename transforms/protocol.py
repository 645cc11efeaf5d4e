"""What a protocol provides so that any source can read it and any sink store it; FIX is the first.

A protocol is three things. `Protocol` reads blocks into batches. `Framing` decides where one source
may be cut, from the source's own head. `Table` describes its messages as rows. Sources get a
protocol, sinks its table, and neither knows more about it: a new protocol is one class of each, and
nothing else changes. `tests/protocols/fixed_width.py` is a small, complete one.

Where a message holds entries, such as the legs of a spread, they are rows of a table of their own
(`Table.children`), each with the position of its message and its number in it. `parse` gives them
beside the messages (`Batch.children`), and each sink stores, replaces and leaves them out together
with their messages. JSON lines have no such table: there `Table.lines` puts them into the line.

All three are given to worker processes, so they can be pickled, and never change.
"""

import dataclasses
import re
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fixfeed.transforms.batch import TIME, Batch, Block
from fixfeed.transforms.codes import Code
from fixfeed.transforms.derived import Derived

__all__ = ["Framing", "Protocol", "Renewal", "Rule", "Table", "default_protocol"]


class Rule(typing.Protocol):
    """Decides which messages are meant. It can be pickled."""

    def mask(self, messages: pa.RecordBatch) -> pa.BooleanArray:
        """Return whether each row of `messages` is meant; no nulls."""


class Protocol(ABC):
    """A protocol, and how its messages are to be read.

    `name` is what people call it, `table` describes its messages as rows. `reasons` are the reasons
    of its failures and `defects` the kinds of defects of its messages, each with its meaning; those
    of `batch.READING_REASONS` are among the reasons. `digest` identifies the way messages are read:
    rows made under another digest are not taken for the same. If messages are text, `begin` is how
    each begins: their sources may be in UTF-16, and a line end comes after each file of an archive.
    Sources of bytes, without it, are read as they are.
    """

    name: str
    reasons: Mapping[str, str]
    defects: Mapping[str, str]
    begin: bytes = b""

    @property
    @abstractmethod
    def table(self) -> "Table":
        """The protocol's messages as rows; always the same object."""

    @property
    @abstractmethod
    def digest(self) -> str:
        """A text that differs where the same block would give another batch."""

    @abstractmethod
    def sniff(self, head: bytes) -> "Framing":
        """Return the framing of a source that begins with `head`, which may be empty.

        Raises nothing: the protocol's own defaults stand in for what the head does not show.
        """

    @abstractmethod
    def parse(self, block: Block) -> Batch:
        """Read the messages of a block; the same block gives the same batch (`Batch.of` makes it).

        Every byte ends up once: in a message, with its defects, in a failure, with its reason, or
        in a line that is `skipped`, of which the batch has the position. Input never makes it
        raise. A block that is `provisional` or `too_long` has no messages. Its bytes are failures:
        `TRUNCATED`, or `UNREADABLE` if it has an `error`, and `TOO_LONG`.
        """

    def hidden(self, texts: pa.StringArray) -> pa.StringArray:
        """Return texts that came beside messages (`Piece.said`) with what may be secret hidden."""
        return texts

    def sniff_pieces(self, head: bytes, *, is_all: bool) -> "tuple[Framing | None, int]":
        """Return how a source that comes in pieces is laid out, and from where on that counts.

        `head` is the beginning, as much as has come; with `is_all` nothing else counts. None means
        that more has to come. Up to the last border before the place that is returned, the source
        is read as `sniff(b"")` says, even once its layout is known, so pieces that are cut
        otherwise are read alike. So the place never moves back when more comes, and stays once the
        layout is known, as that does. By default, `head` shows nothing before all of it is there.
        """
        return self.sniff(head) if is_all else None, len(head)

    def rule(self, text: str) -> Rule:
        """Return the condition that a text in the protocol's language of rules states.

        Raises `ValueError` if it cannot be read, or asks for what is not stored.
        """
        raise ValueError(f"{self.name} has no language of rules, found the rule {text!r}")


class Framing(ABC):
    """How one source is laid out: where its records begin and end. Equal framings behave alike.

    A record is a message with what belongs to it, or other bytes that are read on their own.
    Borders lie between records. They depend on the bytes alone, not on how many of them came at
    once: a source cut at any of its borders gives, block by block, what the whole gives. So readers
    and cutters find the same borders.
    """

    @property
    def layout(self) -> Any:
        """What the protocol's `parse` needs to know about the source: `Block.layout`."""
        return None

    def resumed(self, *, within_line: bool) -> "Framing":
        """Return the framing of data that follows a border inside a line, or one between lines.

        Most protocols find the same borders in both, and so the framing is the same by default.
        """
        return self

    @property
    def has_context(self) -> bool:
        """Whether messages before a block affect how those in it are read; `carry` is called if so.

        The whole source before a block is read for that.
        """
        return False

    @abstractmethod
    def first_border(
        self, window: bytes, at: int, *, start: int, synced: bool = False
    ) -> int | None:
        """Return the first border at or after `at` in `window`, None if `window` shows none.

        `window` begins at position `start` of the source: at a border if it is `synced`, else
        anywhere. Its end is not a border, as more may follow. Any two windows that begin at most
        256 KiB before a border must agree on it.
        """

    @abstractmethod
    def last_border(self, data: bytes) -> int:
        """Return the last border in `data`, which begins at one; 0 if there is none after that.

        More may follow `data`, so its end is a border only if nothing that follows can change how
        `data` is read.
        """

    def settled_cuts(self, data: bytes) -> Sequence[int]:
        """Return where to cut `data`, the bytes of a source that have come so far, in order.

        `data` begins at a border, and came in pieces that are cut anywhere. The last place is its
        last border; none if there is no border after its beginning. Borders before that are those
        at which the protocol has to be given a new block. Whatever the pieces are, all bytes are
        read in the same way: what follows takes no border away.
        """
        end = self.last_border(data)
        return [end] if end else []

    def end_of_source(self, data: bytes, *, grows: bool = True, waited: bool = False) -> int:
        """Return where the unfinished record begins in `data`, the last bytes of a source.

        `len(data)` if there is none. A record that may become another one when the source grows is
        unfinished: it is kept as a failure, and read again then. With `grows` false nothing ever
        follows, so a record that lacks no more than its last delimiter is whole. With `waited` the
        source has been like that for some time: only what is incomplete is unfinished, not what may
        be one record with what follows.
        """
        return self.last_border(data)

    def torn(self, data: bytes) -> tuple[int, int]:
        """Return where a record that is too long begins in `data`, and where it claims to end.

        `data` begins at a border, and has none after that. The end is counted from the beginning of
        the record; 0 if the record claims none.
        """
        return 0, 0

    def next_record(self, data: bytes, *, start: int, claimed: int, lines: bool) -> int | None:
        """Return where the next record begins in `data`, which begins inside one that is too long.

        None if it is not in `data`, which is at `start` in the source. `claimed` is where in `data`
        the record claims to end, 0 or less if it claims nothing. With `lines` nothing is known
        about the record's beginning, so each line may be a record of its own.
        """
        return self.first_border(data, 1, start=start)

    def piece_end(self, data: bytes, begin: int, end: int) -> int:
        """Return where to cut a record that is too long: after `begin`, and at or before `end`."""
        return end

    def whole(
        self, data: bytes, begins: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Return which of `data[begin:end]`, records of a queue, are certainly whole messages.

        That is one message or several and nothing else, read in the same way with other such
        records on the lines before and after. Those are read together, any other one by itself.
        """
        return np.zeros(len(begins), bool)

    def carry(self, block: Block, context: Mapping[str, str]) -> list[Block]:
        """Cut a block so that the `context` of each part holds for all messages in it.

        `context` is the one at the beginning of the block; that of the last part holds after it.
        """
        return [dataclasses.replace(block, context=context)]


class Renewal(typing.Protocol):
    """Brings messages that an older version of a protocol stored to what this one stores.

    A row is a mapping of `message_id`, `source_id` and `columns` to values; one that the older
    version did not have is missing or None. Rows with the values in `decisive` are shown to
    `learn`, in any order, before `changes` is asked for any.
    """

    @property
    def columns(self) -> Sequence[str]:
        """The columns of the rows."""

    @property
    def changing(self) -> Sequence[str]:
        """The columns that may change."""

    @property
    def decisive(self) -> Mapping[str, str]:
        """The columns of rows that may matter for others, with their values; empty for none."""

    def learn(self, row: Mapping[str, Any]) -> None:
        """Remember what a decisive row means for others."""

    def changes(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the columns that change, with their new values; None only for those of text."""


_ALWAYS = {
    "position": pa.int64(),
    "ingested_at": TIME,
    "enriched": pa.string(),
    "defects": pa.string(),
    "raw": pa.binary(),
}


_FIRST_OF_CHILDREN = [("position", pa.int64()), ("entry", pa.int64())]
_TABLE_NAME = re.compile("[a-z][a-z0-9_]*")
_ALL_HAVE = ("messages", "failures", "sources", "progress", "runs", "codes")


def _no_codes() -> Iterable[Code]:
    return ()


def _no_views(_dialect: str) -> Iterable[tuple[str, str]]:
    return ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """The messages of a protocol as rows, for every sink.

    `schema` has the columns of `Batch.messages`, of the types `int64`, `bool`, `string`, `binary`,
    `TIME`, `DATE` and `DECIMAL`. These are always there:

    * `position`, the first: together with the source it identifies a message. Sinks put the keys
      `message_id` and `source_id` in its place.
    * `ingested_at` (`TIME`) and `enriched` (JSON): null until `Enrich` sets them.
    * `defects`: the names of a message's defects joined by commas, null if it has none.
    * `raw`: the message as it came.

    Args:
      schema: As above; `ValueError` if one of these columns is missing or of another type.
      lines: Turns a batch, and the name of its source, into one JSON text per message, without line
        breaks, for sinks of JSON lines. If the batch was not read in the way this needs, the
        `ValueError` names that way.
      json: The text columns that hold JSON, `enriched` among them.
      json_only: Columns after those of the schema that are there for `lines` alone.
      named: The columns of codes whose names people ask for, and what `codes` calls their field.
      codes: Yields all codes that have names.
      named_by: The columns whose values are the keys of `Code.other_names`; the first that is not
        null and has a name decides.
      codes_of: Yields the codes that have another name for a value of the first of `named_by`, if
        that decides names; None if it does not.
      times: The columns with the time of a message; the first that is not null counts.
      in_order: The columns with the time that people order messages by; the first that is not null
        counts.
      clock: The columns with the time at which a message passed, for replay at its pace; the first
        that is not null counts.
      counted_by: The text columns by which databases count messages, apart, minute by minute
        (`io.sql.minute_counts`); nothing is counted if there are none. The last is what people ask
        for most often, the kind of message.
      indexes: The columns that rows are looked up by, where the first of them is not null.
      unique: Columns whose values hardly ever repeat.
      finer: Decimal columns, and the key under which the column `fields`, a JSON object, has the
        text of a number with more places than a decimal has.
      partition_by: What files of messages are sorted into folders by, unless the user chooses.
      ordered_by: The column of texts that messages are in order within, such as a session: a topic
        keeps the order of those with the same one. `` if there is none.
      numbered_by: The column of whole numbers by which the messages with the same `ordered_by` are
        counted by who sends them; `` if there is none.
      children: By name, the schemas of the tables whose rows belong to a message, with columns of
        the same types. The first are `position`, that of the message, and `entry`, the number of
        the row in it (`int64`); the two together identify a row. Sinks put the keys `message_id`
        and `source_id` in the place of `position`. `json` and `unique` hold for the columns of
        these names here as well. `ValueError` if these columns are missing, or for a name that is
        not in lower case, or that of a table that all protocols have.
      views: Yields (name, query) for the views that a dialect of SQL (`dialects`) has of the
        messages. A query may read `messages`, `codes`, `messages_named` and the views before it.
      renewal: Makes what brings messages of older versions of the protocol to this one.
      derived: What the messages mean, as tables that databases keep up to date with them; each may
        read the tables of those before it.
    """

    schema: pa.Schema
    lines: Callable[[Batch, str], pa.StringArray]
    json: Sequence[str] = ("enriched",)
    json_only: Sequence[str] = ()
    named: Mapping[str, str] = field(default_factory=dict)
    codes: Callable[[], Iterable[Code]] = _no_codes
    named_by: Sequence[str] = ()
    codes_of: Callable[[str], Iterable[Code]] | None = None
    times: Sequence[str] = ()
    in_order: Sequence[str] = ()
    counted_by: Sequence[str] = ()
    clock: Sequence[str] = ()
    indexes: Sequence[tuple[str, ...]] = ()
    unique: Sequence[str] = ()
    finer: Mapping[str, str] = field(default_factory=dict)
    partition_by: Sequence[str] = ()
    ordered_by: str = ""
    numbered_by: str = ""
    children: Mapping[str, pa.Schema] = field(default_factory=dict)
    views: Callable[[str], Iterable[tuple[str, str]]] = _no_views
    renewal: "Callable[[], Renewal] | None" = None
    derived: Sequence[Derived] = ()

    def __post_init__(self) -> None:
        """Check the columns that are always there."""
        if self.schema.names[:1] != ["position"]:
            raise ValueError(f"expected position as the first column of {self.schema.names}")
        for name, kind in _ALWAYS.items():
            if name not in self.schema.names or self.schema.field(name).type != kind:
                raise ValueError(f"expected a column {name} of type {kind} in {self.schema.names}")
        for name, schema in self.children.items():
            if not _TABLE_NAME.fullmatch(name) or name in _ALL_HAVE:
                raise ValueError(f"expected a name in lower case other than {_ALL_HAVE}: {name!r}")
            if [(one.name, one.type) for one in schema][:2] != _FIRST_OF_CHILDREN:
                raise ValueError(f"expected position and entry (int64) as the first of {schema}")

    @property
    def names_of_codes(self) -> tuple[str, ...]:
        """The columns that `Enrich(names=True)` adds: `side_name` for `side`."""
        return tuple(f"{name}_name" for name in self.named)

    @property
    def keyed(self) -> tuple[str, ...]:
        """The columns with the keys in the place of `position`, as sinks have them."""
        return _keyed(self.schema)

    @property
    def keyed_children(self) -> dict[str, tuple[str, ...]]:
        """The same of the tables of `children`, by name."""
        return {name: _keyed(schema) for name, schema in self.children.items()}

    def missing(self, found: pa.Schema) -> str:
        """Return a column that is never null and that `found` lacks, `` if there is none.

        Messages with such a schema are of another protocol.
        """
        given = set(found.names)
        lacking = (one.name for one in self.schema if not one.nullable and one.name not in given)
        return next(lacking, "")


def _keyed(schema: pa.Schema) -> tuple[str, ...]:
    return ("message_id", "source_id", *schema.names[1:])


def default_protocol() -> Protocol:
    """Return the protocol that is used where none is named: FIX."""
    # Imported here, so that a job of another protocol never loads it.
    from fixfeed.transforms.fix.protocol import FIX

    return FIX
