"""Brings the tables of older versions to those of this one, with all that is in them."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa

from fixfeed.io.sql.derive_anew import start_over
from fixfeed.io.sql.minute_counts import count_all
from fixfeed.io.sql.tables import (
    DIALECTS,
    VERSION,
    add_column,
    codes_table,
    derived_statements,
    drop_view_statements,
    index_statements,
    minute_counts_statements,
    sources_statements,
    view_statements,
)
from fixfeed.transforms.batch import TIME
from fixfeed.transforms.protocol import Renewal

if TYPE_CHECKING:
    from fixfeed.io.sql.database import Database

__all__ = ["MIGRATIONS", "migrate"]

_ROWS = 20_000  # at once


def migrate(database: "Database", found: int) -> None:
    """Bring a database from version `found` to `VERSION`; the caller opens a transaction."""
    dialect, table = database.dialect, database.table
    for statement in drop_view_statements(dialect, table):
        database.query(statement)
    for version in range(found, VERSION):
        for statement in MIGRATIONS[version][dialect]:
            database.query(statement)
    there = database.columns("messages")
    for name in table.keyed:
        if name not in there:
            database.query(add_column(name, dialect, table))
    if found < 4:
        _to_version_4(database)
    if found < 7:  # since when derived tables have other columns, or other values in them
        _renew_derived(database)
    if found < 5:
        for statement in minute_counts_statements(dialect, table):
            database.query(statement)
        count_all(database)
    for statement in view_statements(dialect, table):
        database.query(statement)


def _to_version_3(dialect: str) -> tuple[str, ...]:
    colon = f"{'instr' if dialect == 'sqlite' else 'strpos'}(fingerprint, ':')"
    identities, progress, view = sources_statements(dialect)
    return (
        "alter table sources rename to old_sources",
        "alter table progress rename to old_progress",
        identities,
        progress,
        # A file was known by its first bytes, `length:digest`; a source without a file was known by
        # its key. So was a file that no job had planned, with its fingerprint as the key.
        f"""insert into source_identities select source_id, kind, name,
  case
    when name like 'file:4096:%' then substr(name, 11, 32)
    when kind <> 'file' or name like 'file:%' then 'key:' || substr(fingerprint, {colon} + 1, 32)
    when fingerprint like '4096:%' then substr(fingerprint, 6, 32)
    else ''
  end,
  case when kind <> 'file' or name like 'file:%' then '' else name end,
  '', mark_digests, '', '', first_seen, last_seen from old_sources""",
        # If stretches of several rules overlap, reprocessing was interrupted, and it is not known
        # which rules made the rows. Reprocessing reads such stretches again.
        """insert into progress select source_id,
  case when exists (select 1 from old_progress q where q.source_id = p.source_id
    and q.rules <> p.rules and q.start < p."end" and q."end" > p.start)
  then 'unknown' else rules end,
  start, "end", stored, filtered, failed, skipped, '' from old_progress p
where not exists (select 1 from old_progress q where q.source_id = p.source_id
  and q.start <= p.start and q."end" >= p."end" and q.rules <> p.rules
  and (q.start < p.start or q."end" > p."end" or q.rules < p.rules))""",
        "drop table old_progress",
        "drop table old_sources",
        view,
    )


MIGRATIONS: Mapping[int, Mapping[str, tuple[str, ...]]] = {
    1: dict.fromkeys(DIALECTS, ("alter table messages add column masked text",)),
    2: {dialect: _to_version_3(dialect) for dialect in DIALECTS},
    3: {"sqlite": (), "postgresql": ("drop index if exists messages_time",)},
    4: dict.fromkeys(DIALECTS, ()),
    5: dict.fromkeys(DIALECTS, ()),
    6: dict.fromkeys(DIALECTS, ()),
}
"""For each older version and dialect, the statements that lead to the next version's tables.

The views of messages do not exist while they run; they are made anew after them, and columns that
messages lack are added.
"""


def _renew_derived(database: "Database") -> None:
    """Make the derived tables, those of other columns anew, and mark all messages."""
    there = database.tables()
    same = set()
    for one in database.table.derived:
        for name, derived in one.tables.items():
            if name in there and database.columns(name) == set(derived.schema.names):
                same.add(name)
            elif name in there:
                database.query(f"drop table {name}")
    for name in ("derive_stretches", "derive_removed", "derive_settings"):
        database.query(f"drop table if exists {name}")
    for statement in derived_statements(database.dialect, database.table, without=same):
        database.query(statement)
    start_over(database)


def _to_version_4(database: "Database") -> None:
    """Rewrite times of SQLite, fill new columns from `fields`, and make the indexes of times."""
    table = database.table
    if database.dialect == "sqlite":
        times = [field.name for field in table.schema if field.type == TIME]
        _respace(database, "messages", times)
        _respace(database, "runs", ["started_at", "ended_at"])
        _respace(database, "source_identities", ["first_seen", "last_seen"])
    if table.renewal is not None:
        _renew(database, table.renewal())
    database.query("drop table codes")
    database.query(codes_table(database.dialect))
    database.fill_codes()
    for statement in index_statements(table, database.dialect):
        database.query(statement)


def _respace(database: "Database", table: str, names: list[str]) -> None:
    """Write times with a blank where they had a `T`."""
    # Anything else that a user may have put there stays.
    changes = ", ".join(
        f"{name} = case when substr({name}, 11, 1) = 'T'"
        f" then substr({name}, 1, 10) || ' ' || substr({name}, 12) else {name} end"
        for name in names
    )
    database.query(f"update {table} set {changes}")


def _renew(database: "Database", renewal: Renewal) -> None:
    """Bring the rows of messages to what this version stores."""
    where = " and ".join(f"{name} = '{value}'" for name, value in renewal.decisive.items())
    for row in _rows(database, renewal, f"where {where}" if where else "where false"):
        renewal.learn(row)
    names = ", ".join(["message_id", *renewal.changing])
    database.query(f"create table renewed_messages as select {names} from messages limit 0")
    after = -1
    while True:
        rows = list(
            _rows(
                database, renewal, f"where message_id > {after} order by message_id limit {_ROWS}"
            )
        )
        if not rows:
            break
        changed = {row["message_id"]: found for row in rows if (found := renewal.changes(row))}
        if changed:
            _store(database, changed)
        after = rows[-1]["message_id"]
    database.query("drop table renewed_messages")


def _rows(database: "Database", renewal: Renewal, which: str) -> Iterator[dict[str, Any]]:
    names = ["message_id", "source_id", *renewal.columns]
    json = database.table.json
    selected = [f"cast({name} as text)" if name in json else name for name in names]
    # As one value a row: the driver of SQLite takes a microsecond for each.
    array = "json_array" if database.dialect == "sqlite" else "json_build_array"
    query = f"select cast({array}({', '.join(selected)}) as text) from messages {which}"
    for (row,) in database.query(query):
        yield dict(zip(names, orjson.loads(row), strict=True))


def _store(database: "Database", changed: Mapping[int, Mapping[str, Any]]) -> None:
    """Store the changes of messages, given by message_id."""
    schema = database.table.schema
    names = sorted({name for found in changed.values() for name in found})
    columns = [pa.array(list(changed), pa.int64())]
    columns += [
        pa.array([_marked(found, name) for found in changed.values()], schema.field(name).type)
        for name in names
    ]
    rows = pa.RecordBatch.from_arrays(columns, ["message_id", *names])
    database.ingest("renewed_messages", [rows])
    values = {name: f"coalesce(r.{name}, messages.{name})" for name in names}
    for name in names:
        if schema.field(name).type == pa.string() and name not in database.table.json:
            values[name] = f"nullif({values[name]}, '')"
    database.query(
        f"update messages set {', '.join(f'{name} = {one}' for name, one in values.items())}"
        " from renewed_messages r where messages.message_id = r.message_id"
        f" and messages.message_id between {min(changed)} and {max(changed)}"
    )
    database.query("delete from renewed_messages")


def _marked(found: Mapping[str, Any], name: str) -> Any:
    """Return a column's new value, `` where it becomes null, None where it stays."""
    return "" if name in found and found[name] is None else found.get(name)
