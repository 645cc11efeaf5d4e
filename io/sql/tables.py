"""The tables of fixfeed as data: names, columns, indexes and views, for SQLite and PostgreSQL.

The names are a contract: users, the dashboard and other tools query them. The columns of messages
come from their protocol (`transforms.protocol.Table`).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from fixfeed.io.ledger.keys import POSITION_BITS, keys
from fixfeed.io.ledger.ledger import COUNTS
from fixfeed.io.views import views
from fixfeed.transforms.batch import DATE, DECIMAL, FAILURES, TIME
from fixfeed.transforms.protocol import Table

__all__ = [
    "DIALECTS",
    "FAILURE_COLUMNS",
    "VERSION",
    "add_column",
    "codes_table",
    "create_statements",
    "derived_statements",
    "drop_view_statements",
    "index_statements",
    "minute_counts_statements",
    "sources_statements",
    "table_rows",
    "view_statements",
]

VERSION = 7
"""The version of the schema; `io.sql.migrations` leads to it from older versions."""

DIALECTS = ("sqlite", "postgresql")

_TYPES: Mapping[pa.DataType, tuple[str, str]] = {
    pa.int64(): ("integer", "bigint"),
    pa.bool_(): ("integer", "boolean"),
    pa.string(): ("text", "text"),
    pa.binary(): ("blob", "bytea"),
    TIME: ("text", "timestamptz"),
    DATE: ("text", "date"),
    DECIMAL: ("real", "numeric"),
}

_FEW = 500
"""Rows. To take all columns of a part costs as much as so many."""

FAILURE_COLUMNS = ("failure_id", "source_id", *FAILURES.names[1:])


def sources_statements(dialect: str) -> tuple[str, str, str]:
    """Return the statements that make the tables of sources and of progress, and their view."""
    index = DIALECTS.index(dialect)
    integer, time = _TYPES[pa.int64()][index], _TYPES[TIME][index]
    sums = {name: f"cast(coalesce(sum(p.{name}), 0) as {integer})" for name in COUNTS}
    # Not summed from progress: the unfinished end of a source is a failure outside any stretch.
    sums["failed"] = (
        f"(select count(*) from failures f where f.failure_id >= s.source_id * {1 << POSITION_BITS}"
        f" and f.failure_id < (s.source_id + 1) * {1 << POSITION_BITS})"
    )
    counts = ",\n  ".join(f"{sums[name]} as {name}" for name in COUNTS)
    return (
        f"""create table source_identities (
  source_id {integer} primary key,
  kind text not null,
  name text not null,
  fingerprint text not null,
  place text not null,
  file_id text not null,
  digests text not null,
  stored_end text not null default '',
  claim text not null default '',
  first_seen {time} not null,
  last_seen {time} not null
)""",
        f"""create table progress (
  source_id {integer} not null,
  rules text not null,
  start {integer} not null,
  "end" {integer} not null,
  stored {integer} not null,
  filtered {integer} not null,
  failed {integer} not null,
  skipped {integer} not null,
  witnesses text not null,
  primary key (source_id, "end")
)""",
        f"""create view sources as select s.source_id, s.kind, s.name, s.fingerprint,
  cast(coalesce(sum(p."end" - p.start), 0) as {integer}) as bytes,
  {counts},
  s.first_seen, s.last_seen
from source_identities s left join progress p on p.source_id = s.source_id
group by s.source_id""",
    )


def _columns(
    schema: pa.Schema, key: str, dialect: str, json: Collection[str] = (), number: str = ""
) -> str:
    """Return the columns of a table; with a `number` that and `key` together identify a row."""
    index = DIALECTS.index(dialect)
    integer = _TYPES[pa.int64()][index]
    alone = "not null" if number else "primary key"
    lines = [f"{key} {integer} {alone}", f"source_id {integer} not null"]
    for field in schema:
        if field.name != "position":
            kind = _TYPES[field.type][index]
            if dialect == "postgresql" and field.name in json:
                kind = "jsonb"
            lines.append(f"{field.name} {kind}{'' if field.nullable else ' not null'}")
    if number:
        lines.append(f"primary key ({key}, {number})")
    return ",\n  ".join(lines)


def add_column(name: str, dialect: str, table: Table) -> str:
    """Return the statement that adds a column of messages."""
    kind = _TYPES[table.schema.field(name).type][DIALECTS.index(dialect)]
    return f"alter table messages add column {name} {kind}"


def create_statements(dialect: str, table: Table) -> list[str]:
    """Return the statements that make the schema of version `VERSION` in an empty database.

    `table` describes its messages.
    """
    integer = _TYPES[pa.int64()][DIALECTS.index(dialect)]
    time = _TYPES[TIME][DIALECTS.index(dialect)]
    json = "jsonb" if dialect == "postgresql" else "text"
    statements = [
        f"create table schema_version (version {integer} not null)",
        f"insert into schema_version values ({VERSION})",
        f"create table messages (\n"
        f"  {_columns(table.schema, 'message_id', dialect, table.json)}\n)",
        f"create table failures (\n  {_columns(FAILURES, 'failure_id', dialect)}\n)",
        *(
            f"create table {name} (\n"
            f"  {_columns(schema, 'message_id', dialect, table.json, number='entry')}\n)"
            for name, schema in table.children.items()
        ),
        *sources_statements(dialect),
        f"""create table runs (
  run_id {integer} primary key,
  started_at {time} not null,
  ended_at {time},
  version text not null,
  configuration {json} not null,
  counts {json},
  ended text
)""",
        codes_table(dialect),
        *derived_statements(dialect, table),
        *minute_counts_statements(dialect, table),
        *(
            f"create index messages_{columns[0]} on messages ({', '.join(columns)})"
            f" where {columns[0]} is not null"
            for columns in table.indexes
        ),
        *index_statements(table, dialect),
        *view_statements(dialect, table),
    ]
    return statements


def derived_statements(dialect: str, table: Table, without: Collection[str] = ()) -> list[str]:
    """Return the statements that make the derived tables, and what says that they are behind.

    Those named in `without` are there already.

    `derive_stretches` has the stretches of message_id that are not in the derived tables yet, and
    `derive_removed` what matters of removed messages that still are; `derive_settings` are those of
    the tables that have some (`io.sql.derived`).
    """
    index = DIALECTS.index(dialect)
    integer = _TYPES[pa.int64()][index]
    mark = "mark integer primary key"
    if dialect == "postgresql":
        mark = "mark bigint generated always as identity primary key"
    schemas = {field.name: field for field in table.schema}
    read = [name for one in table.derived for name in (*one.columns, *one.where)]
    kept = {name: _TYPES[schemas[name].type][index] for name in read}
    if dialect == "postgresql":
        kept |= {name: "jsonb" for name in kept if name in table.json}
    separator = ",\n  "
    removed = separator.join(f"{name} {kind}" for name, kind in kept.items())
    statements = [
        f"""create table derive_stretches (
  {mark},
  first {integer} not null,
  last {integer} not null,
  messages {integer} not null
)""",
        f"create table derive_removed (\n  {mark},\n  message_id {integer} not null"
        + (f",\n  {removed}" if removed else "")
        + "\n)",
        f"""create table derive_settings (
  name text primary key,
  settings text not null,
  chosen {integer} not null
)""",
    ]
    for one in table.derived:
        for name, derived in one.tables.items():
            if name in without:
                continue
            lines = [
                f"{field.name} {_TYPES[field.type][index]}{'' if field.nullable else ' not null'}"
                for field in derived.schema
            ]
            if derived.key:
                lines.append(f"primary key ({', '.join(derived.key)})")
            # Rows in the order of their key need no second copy of it.
            end = " without rowid" if dialect == "sqlite" and derived.key else ""
            statements.append(f"create table {name} (\n  {separator.join(lines)}\n){end}")
            statements += [_index(name, columns, derived.schema) for columns in derived.indexes]
    return statements


def _index(table: str, columns: Sequence[str], schema: pa.Schema) -> str:
    """Return the statement that makes an index, without the rows that it would find nothing in."""
    statement = f"create index {table}_{'_'.join(columns)} on {table} ({', '.join(columns)})"
    # Of a column that is never null SQLite 3.40 would not use such an index (measured).
    return statement + (
        f" where {columns[0]} is not null" if schema.field(columns[0]).nullable else ""
    )


def minute_counts_statements(dialect: str, table: Table) -> list[str]:
    """Return the statements that make the table of `io.sql.minute_counts`, if there is one.

    One index is for charts and sums of stretches of time. The other says in which minutes a kind of
    message, or a session with it, occurs at all.
    """
    if not table.counted_by:
        return []
    integer, text, time = (
        _TYPES[kind][DIALECTS.index(dialect)] for kind in (pa.int64(), pa.string(), TIME)
    )
    columns = "".join(f"  {name} {text},\n" for name in table.counted_by)
    by_minute = ", ".join(["minute", *table.counted_by])
    *_, kind = table.counted_by
    by_kind = ", ".join(dict.fromkeys([kind, table.counted_by[0], "minute"]))
    return [
        f"create table minute_counts (\n  minute {time},\n{columns}"
        f"  messages {integer} not null,\n  defective {integer} not null\n)",
        f"create index minute_counts_minute on minute_counts ({by_minute})",
        f"create index minute_counts_{kind} on minute_counts ({by_kind})",
    ]


def index_statements(table: Table, dialect: str) -> list[str]:
    """Return the statements that make the indexes by time: of all messages, and of defects.

    A page of messages in the order of time begins where the one before ends (`(time, message_id)`);
    in SQLite an index has the key of the row anyway.
    """
    if not table.in_order:
        return []
    time = table.in_order[0]
    if len(table.in_order) > 1:
        time = f"coalesce({', '.join(table.in_order)})"
    key = ", message_id" if dialect == "postgresql" else ""
    return [
        f"create index messages_time on messages (({time}){key})",
        f"create index messages_defects on messages (({time}){key}) where defects is not null",
    ]


def view_statements(dialect: str, table: Table) -> list[str]:
    """Return the statements that make the views of messages."""
    return [f"create view {name} as {query}" for name, query in views(dialect, table).items()]


def drop_view_statements(dialect: str, table: Table) -> list[str]:
    """Return the statements that remove the views of messages which are there."""
    return [f"drop view if exists {name}" for name in reversed(views(dialect, table))]


def codes_table(dialect: str) -> str:
    """Return the statement that makes the table of `transforms.codes.Code`, one row per value."""
    # Rows in the order of their key make SQLite's table half as large.
    end = " without rowid" if dialect == "sqlite" else ""
    return f"""create table codes (
  field text not null,
  value text not null,
  name text not null,
  other_names {"jsonb" if dialect == "postgresql" else "text"},
  primary key (field, value)
){end}"""


def table_rows(
    parts: Iterable[tuple[int, pa.RecordBatch]], columns: Sequence[str]
) -> list[pa.RecordBatch]:
    """Return rows given by source id as rows of the table with these columns.

    `columns` begin with the key and source_id, which replace `position`. Parts without rows are
    left out, and so are columns that are empty in all of them: they become null. All batches have
    one schema; small parts come as one batch.
    """
    found = [
        (keys(one, rows["position"].to_numpy()), np.full(rows.num_rows, one, np.int64), rows)
        for one, rows in parts
        if rows.num_rows
    ]
    are_few = sum(rows.num_rows for *_, rows in found) < _FEW * len(found)
    if are_few and all(rows.schema.equals(found[0][-1].schema) for *_, rows in found):
        row_ids, ids = (np.concatenate([one[place] for one in found]) for place in (0, 1))
        found = [(row_ids, ids, pa.concat_batches([rows for *_, rows in found]))]
    used: dict[str, pa.DataType] = {}
    for *_, rows in found:
        for field, array in zip(rows.schema, rows.columns, strict=True):
            if array.null_count < rows.num_rows:
                used[field.name] = field.type
    names = [name for name in columns[2:] if name in used]
    batches = []
    for row_ids, ids, rows in found:
        arrays = [pa.array(row_ids), pa.array(ids)]
        present = set(rows.schema.names)
        for name in names:
            array = rows[name] if name in present else pa.nulls(rows.num_rows, used[name])
            if pa.types.is_dictionary(array.type):
                array = array.dictionary_decode()
            arrays.append(array)
        batches.append(pa.RecordBatch.from_arrays(arrays, [*columns[:2], *names]))
    return batches
