"""What a part of the messages changes in derived tables: found out first, and then written."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.io.sql.derive_anew import derived_by
from fixfeed.io.sql.derived_messages import in_stretches, own, read_messages, schema_of
from fixfeed.io.sql.listed import listed
from fixfeed.io.sql.to_derive import Part, next_part
from fixfeed.transforms.derived import Changes, Derived, Replaced

if TYPE_CHECKING:
    from fixfeed.io.sql.database import Database

__all__ = ["Found", "find"]

_RANGES = 100  # stretches that are read at once; each query costs some tenths of a millisecond

_SPANS = {"value": "text", "first": "bigint", "last": "bigint"}


class Found(NamedTuple):
    """What a part changes in the derived tables, and how many messages were read again for it."""

    part: Part
    changes: list[tuple[Derived, Changes]]
    read_again: int

    def write(self, database: "Database") -> None:
        """Change the tables, in the transaction that is open."""
        for one, changes in self.changes:
            for name, units in changes.units.items():
                if len(units):
                    among, values = database.among(units)
                    unit = one.tables[name].unit
                    database.query(f"delete from {name} where {unit} {among}", values)
            for name, rows in changes.rows.items():
                if rows.num_rows:
                    database.ingest(name, rows.combine_chunks().to_batches())
        self.part.take_away(database)

    def rows(self, table: str, column: str, values: pa.Array, there: pa.Table) -> pa.Table:
        """Return the rows that have one of the values in a column once this is written.

        `there` are those that the database has, whether it is written already or not.
        """
        for one, changes in self.changes:
            if table in one.tables:
                unit, new = one.tables[table].unit, changes.of(table, one.tables[table])
                gone = pa.concat_arrays([new.units, new.rows[unit].combine_chunks()])
                stays = pc.invert(pc.is_in(there[unit], value_set=gone))
                those = pc.is_in(new.rows[column], value_set=values)
                found = [there.filter(stays), new.rows.filter(those)]
                return pa.concat_tables(found, promote_options="default")
        return there


def find(
    database: "Database",
    at_once: int,
    before: Found | None = None,
    written: Callable[[], object] = lambda: None,
) -> Found:
    """Return the next part and what it changes, as it is seen in the transaction that is open.

    What the part `before` changes counts as changed, though it may be being written; `written`
    waits until it is, and begins another transaction, which sees it.
    """
    part = next_part(database, at_once, before.part if before else None)
    derived = derived_by(database)
    readers = [one for one in derived if one.columns]
    schema = schema_of(database, readers)
    # Read once for all of them: a row costs more than its columns.
    changed = pa.concat_tables(
        [
            schema.empty_table(),
            *(
                read_messages(database, readers, in_stretches(part.stretches[at : at + _RANGES]))
                for at in range(0, len(part.stretches), _RANGES)
            ),
        ]
    )
    removed = database.select(
        f"select {', '.join(schema.names)} from derive_removed where {part.which_removed()}",
        schema,
    )
    read_again = 0
    replaced: dict[str, Replaced] = {}
    found = []
    for one in derived:
        stored = _Stored(database, one, replaced, before, written)
        changes = one.update(own(changed, one), own(removed, one), stored)
        replaced |= {name: changes.of(name, table) for name, table in one.tables.items()}
        found.append((one, changes))
        read_again = max(read_again, stored.read)
    return Found(part, found, read_again)


class _Stored:
    """See `transforms.derived.Stored`; `read` counts messages."""

    read = 0

    def __init__(
        self,
        database: "Database",
        derived: Derived,
        replaced: Mapping[str, Replaced],
        before: Found | None,
        written: Callable[[], object],
    ):
        self._database = database
        self._before = before
        self._written = written
        self._derived = derived
        self._replaced = replaced

    def rows(self, table: str, column: str, values: pa.Array) -> pa.Table:
        schema = next(
            one.tables[table].schema for one in self._database.table.derived if table in one.tables
        )
        if not len(values):
            return schema.empty_table()
        among, given = self._database.among(values)
        found = self._database.select(
            f"select {', '.join(schema.names)} from {table} where {column} {among}", schema, given
        )
        return self._before.rows(table, column, values, found) if self._before else found

    def messages(self, ids: pa.Array) -> pa.Table:
        if not len(ids):
            return own(schema_of(self._database, [self._derived]).empty_table(), self._derived)
        among, given = self._database.among(ids)
        return self._messages(f"message_id {among}", given)

    def between(self, begin: str, end: str | None) -> pa.Table:
        time = ", ".join(self._database.table.in_order)
        time = f"coalesce({time})" if "," in time else time
        if end is None:
            return self._messages(f"{time} >= ?", *_six_digits(begin))
        return self._messages(f"{time} >= ? and {time} < ?", *_six_digits(begin, end))

    def _messages(self, which: str, *values: object) -> pa.Table:
        found = read_messages(self._database, [self._derived], which, *values)
        self.read += found.num_rows
        return own(found, self._derived)

    def replaced(self, table: str) -> Replaced:
        return self._replaced[table]

    def around(self, table: str, column: str, place: str, spans: pa.Table) -> pa.Table:
        schema = self._derived.tables[table].schema
        if not spans.num_rows:
            return schema.empty_table()
        self._written()
        rows = zip(*(one.to_pylist() for one in spans.columns), strict=True)
        given, value = listed(self._database.dialect, _SPANS, rows)
        same = f"from {table} n where n.{column} = s.value and n.{place}"
        return self._database.select(
            f"select {', '.join(f't.{name}' for name in schema.names)}"
            f" from ({given}) s join {table} t on t.{column} = s.value"
            f" and t.{place} >= coalesce((select max(n.{place}) {same} < s.first), s.first)"
            f" and t.{place} <= coalesce((select min(n.{place}) {same} > s.last), s.last)",
            schema,
            value,
        )


def _six_digits(*times: str) -> list[str]:
    """Return times as the texts that SQLite has, which are compared as texts."""
    return [f"{one:<19}"[:19] + (one[19:] + ".000000"[len(one[19:]) :])[:7] for one in times]
