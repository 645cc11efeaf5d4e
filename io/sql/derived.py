"""Keeps a database's derived tables (`transforms.derived`) up to date with its messages.

A transaction that stores messages marks their stretch of message_id in `derive_stretches`, one row
a stretch. One that deletes messages keeps the columns that matter in `derive_removed`. `derive`
takes some of both at a time, finds out what that changes, and then changes the tables and deletes
what it took, in one transaction: a kill leaves it done or to be done. What is stored or removed
meanwhile is marked, and derived later. So the tables are those of all messages once both are empty.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import orjson
import pyarrow as pa

from fixfeed.io.sql.derive_anew import derived_by
from fixfeed.io.sql.derived_messages import in_stretches, own, read_messages, schema_of
from fixfeed.io.sql.to_derive import Part, is_due, next_part
from fixfeed.transforms.derived import Changes, Derived, Replaced

if TYPE_CHECKING:
    from fixfeed.io.sql.database import Database

__all__ = ["Done", "derive", "derive_part"]

_MESSAGES = 100_000  # at once: two or three seconds, after which a run that is to stop does
_RANGES = 100  # stretches that are read at once; each query costs some tenths of a millisecond

_SPANS = {
    "sqlite": "select value ->> 0 as value, value ->> 1 as first, value ->> 2 as last"
    " from json_each(?)",
    "postgresql": "select value ->> 0 as value, (value ->> 1)::bigint as first,"
    " (value ->> 2)::bigint as last from jsonb_array_elements(?)",
}
"""A list of [text, number, number] as rows."""


def derive(
    database: "Database", *, stop: Callable[[], bool] = lambda: False, at_once: int = _MESSAGES
) -> int:
    """Bring the derived tables up to date; return how many messages were looked at for it.

    It does so in parts of about `at_once` messages, each all or nothing, and ends early after one
    of them if `stop` says so. Others may store messages, in SQLite while no part is written.
    """
    looked_at = 0
    last = None
    while not stop() and (last := derive_part(database, at_once, last)) is not None:
        looked_at += last.messages
    return looked_at


class Done(NamedTuple):
    """A part that is done: of how many messages, and how many were read again for it.

    `overtaken` is whether nothing was done, as others derived tables meanwhile.
    """

    messages: int
    read_again: int
    overtaken: bool = False


def derive_part(database: "Database", at_once: int, last: Done | None = None) -> Done | None:
    """Do one part of that, given the one before; return what was done, None if nothing is left.

    Where ids come again and again, each part reads again what the parts before it had. So a part
    has as many messages as the last one read again, if that is more: all is read two or three times
    then, however often its ids come.

    In SQLite nobody can store messages while a part is written. What it changes is found out before
    that; only if others have derived tables meanwhile, that is done again with the database locked.
    """
    if not (database.table.derived and is_due(database)):
        return None
    at_once = max(at_once, last.read_again) if last else at_once
    if last and last.overtaken:
        with database.deriving():
            found = _find(database, at_once)
            found.write(database)
            return Done(found.part.messages, found.read_again)
    with database.deriving_later() as may_write:
        found = _find(database, at_once)
        if not may_write():
            return Done(0, found.read_again, overtaken=True)
        found.write(database)
    return Done(found.part.messages, found.read_again)


class _Found(NamedTuple):
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


def _find(database: "Database", at_once: int) -> _Found:
    part = next_part(database, at_once)
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
        f"select {', '.join(schema.names)} from derive_removed where mark <= {part.last_removed}",
        schema,
    )
    read_again = 0
    replaced: dict[str, Replaced] = {}
    found = []
    for one in derived:
        stored = _Stored(database, one, replaced)
        changes = one.update(own(changed, one), own(removed, one), stored)
        replaced |= {name: changes.of(name, table) for name, table in one.tables.items()}
        found.append((one, changes))
        read_again = max(read_again, stored.read)
    return _Found(part, found, read_again)


class _Stored:
    """See `transforms.derived.Stored`; `read` counts messages."""

    read = 0

    def __init__(self, database: "Database", derived: Derived, replaced: Mapping[str, Replaced]):
        self._database = database
        self._derived = derived
        self._replaced = replaced

    def rows(self, table: str, column: str, values: pa.Array) -> pa.Table:
        schema = next(
            one.tables[table].schema for one in self._database.table.derived if table in one.tables
        )
        if not len(values):
            return schema.empty_table()
        among, given = self._database.among(values)
        return self._database.select(
            f"select {', '.join(schema.names)} from {table} where {column} {among}", schema, given
        )

    def messages(self, ids: pa.Array) -> pa.Table:
        if not len(ids):
            return own(schema_of(self._database, [self._derived]).empty_table(), self._derived)
        among, given = self._database.among(ids)
        return self._messages(f"message_id {among}", given)

    def between(self, begin: str, end: str) -> pa.Table:
        time = ", ".join(self._database.table.in_order)
        time = f"coalesce({time})" if "," in time else time
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
        given = orjson.dumps(
            list(zip(*(one.to_pylist() for one in spans.columns), strict=True))
        ).decode()
        same = f"from {table} n where n.{column} = s.value and n.{place}"
        return self._database.select(
            f"select {', '.join(f't.{name}' for name in schema.names)}"
            f" from ({_SPANS[self._database.dialect]}) s join {table} t on t.{column} = s.value"
            f" and t.{place} >= coalesce((select max(n.{place}) {same} < s.first), s.first)"
            f" and t.{place} <= coalesce((select min(n.{place}) {same} > s.last), s.last)",
            schema,
            given,
        )


def _six_digits(*times: str) -> list[str]:
    """Return times as the texts that SQLite has, which are compared as texts."""
    return [f"{one:<19}"[:19] + (one[19:] + ".000000"[len(one[19:]) :])[:7] for one in times]
