"""What is wanted of a log as a table: which columns of which messages, block by block."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.fields import values_of
from fixfeed.io.files.ranges import Range
from fixfeed.io.files.reading import read_blocks
from fixfeed.io.sql.doubles import with_doubles
from fixfeed.transforms.batch import FAILURES, Batch, Block
from fixfeed.transforms.keep import Rule, filter_batch
from fixfeed.transforms.nearest import did_you_mean
from fixfeed.transforms.protocol import Protocol, Table

__all__ = ["FILE", "OF_A_RUN", "Given", "Part", "Wanted", "columns_of"]

FILE = "file"
"""The column with the name of a message's file."""

OF_A_RUN = ("ingested_at", "enriched")
"""The columns that a run of the job fills, and nothing else."""


def columns_of(table: Table) -> list[str]:
    """Return the columns that a table of messages may have: without those that a run adds."""
    return [FILE, *(name for name in table.schema.names if name not in OF_A_RUN)]


class Part(NamedTuple):
    """A piece of work: a part of a file, or a block of it that was read already."""

    file: str
    of: Range | Block


class Given(NamedTuple):
    """The rows of a block, and what it held: `read` is messages, failures and filtered together.

    `reasons` counts its failures, `errors` says why the file could not be read any further.
    """

    rows: pa.RecordBatch
    read: int
    filtered: int
    lines: int
    reasons: Mapping[str, int]
    errors: Sequence[str] = ()


@dataclass(frozen=True)
class Wanted:
    """What is wanted of each block. It can be pickled.

    `columns` are those of the result: of `columns_of`, or `fields`, which have the keys of fields
    without a column in the JSON. Rows are the messages that `include` and
    `exclude` keep, with `floats` in place of decimals; with `failures` they are the failures.

    Raises `ValueError` for a column or rule that asks for what is not there.
    """

    protocol: Protocol
    columns: tuple[str, ...]
    include: tuple[Rule, ...] = ()
    exclude: tuple[Rule, ...] = ()
    floats: bool = False
    failures: bool = False
    fields: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the names of columns."""
        known = [FILE, *FAILURES.names] if self.failures else columns_of(self.protocol.table)
        for name in self.columns:
            if name not in known and name not in self.fields:
                hint = did_you_mean(name, known) or f"; there are {', '.join(known)}"
                raise ValueError(f"there is no column {name!r}{hint}")
        if len(set(self.columns)) < len(self.columns):
            twice = next(name for name in self.columns if self.columns.count(name) > 1)
            raise ValueError(f"the column {twice!r} is asked for twice")

    @cached_property
    def schema(self) -> pa.Schema:
        """The schema of the rows."""
        return self._given("", Block("", 0, b"")).rows.schema

    def of(self, part: Part) -> Iterator[Given]:
        """Yield what each block of a part gives, in order."""
        blocks = read_blocks(part.of) if isinstance(part.of, Range) else [part.of]
        for block in blocks:
            yield self._given(part.file, block)

    def _given(self, file: str, block: Block) -> Given:
        batch = self.protocol.parse(block)
        if not self.failures:
            batch = filter_batch(batch, include=self.include, exclude=self.exclude)
        rows = self._failures(batch) if self.failures else self._messages(batch)
        counts = pc.value_counts(batch.failures["reason"]).to_pylist()
        return Given(
            self._with_file(rows, file),
            batch.read,
            batch.filtered,
            batch.skipped,
            {one["values"]: one["counts"] for one in counts},
            (batch.error,) if batch.error else (),
        )

    def _messages(self, batch: Batch) -> pa.RecordBatch:
        wanted = [name for name in self.columns if name != FILE]
        own = [name for name in wanted if name not in self.fields]
        # Numbers with more places than a decimal has, and fields without a column, are in the JSON.
        rows = batch.messages.select(list(dict.fromkeys([*own, "fields"])))
        if self.floats:
            rows = with_doubles(rows, self.protocol.table.finer)
        for name, keys in self.fields.items():
            rows = rows.append_column(name, values_of(rows["fields"], keys))
        return rows.select(wanted)

    def _failures(self, batch: Batch) -> pa.RecordBatch:
        return batch.failures.select([name for name in self.columns if name != FILE])

    def _with_file(self, rows: pa.RecordBatch, file: str) -> pa.RecordBatch:
        if FILE not in self.columns:
            return rows
        names = pa.repeat(pa.scalar(file, pa.string()), rows.num_rows)
        return rows.add_column(self.columns.index(FILE), FILE, names)
