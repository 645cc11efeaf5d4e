"""The tables of fixfeed as data: names, columns, indexes and views, for SQLite and PostgreSQL.

The names are a contract; users, the dashboard and other tools query them.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from fixio.ledger import COUNTS
from transforms.fix.schema import COLUMNS, DECIMAL, FAILURES, MESSAGES, NAMED, TIME

__all__ = [
    "ADD_COUNTS",
    "DIALECTS",
    "EXTEND_PROGRESS",
    "FAILURE_COLUMNS",
    "KNOWN_SOURCES",
    "MESSAGE_COLUMNS",
    "MIGRATIONS",
    "POSITION_BITS",
    "VERSION",
    "create_statements",
    "named_view",
    "table_rows",
]

VERSION = 2
"""The version of the schema; MIGRATIONS lead to it from older ones."""

POSITION_BITS = 40
"""message_id is source_id shifted left by so many bits, plus the position in the source."""

DIALECTS = ("sqlite", "postgresql")

_FIELDS = {column.name: column.field for column in COLUMNS}
_JSON = ("fields", "enriched")
_TYPES: Mapping[pa.DataType, tuple[str, str]] = {
    pa.int64(): ("integer", "bigint"),
    pa.bool_(): ("integer", "boolean"),
    pa.string(): ("text", "text"),
    pa.binary(): ("blob", "bytea"),
    TIME: ("text", "timestamptz"),
    DECIMAL: ("real", "numeric"),
}

MESSAGE_COLUMNS = ("message_id", "source_id", *MESSAGES.names[1:])
FAILURE_COLUMNS = ("failure_id", "source_id", *FAILURES.names[1:])

ADD_COUNTS = ", ".join(f"{name} = {name} + ?" for name in COUNTS)
"""The part of an update that adds to the counts of a stretch; takes the four of them."""

EXTEND_PROGRESS = (
    f'update progress set "end" = ?, {ADD_COUNTS}'
    ' where source_id = ? and rules = ? and "end" = ? returning start'
)
"""Grows the stretch that ends where one begins; takes the new end, counts, source, rules, start.

It gives a row if there was such a stretch.
"""

KNOWN_SOURCES = "select source_id, kind, fingerprint, mark_digests, mark_size from sources"
"""Gives the sources as `fixio.ledger.Stored` has them."""

MIGRATIONS: Mapping[int, Mapping[str, tuple[str, ...]]] = {
    1: dict.fromkeys(DIALECTS, ("alter table messages add column masked text",)),
}
"""From each older version, the statements of each dialect that lead to the next one's tables.

The view is not there while they run; it is made anew behind them.
"""


def _columns(schema: pa.Schema, key: str, dialect: str) -> str:
    index = DIALECTS.index(dialect)
    integer = _TYPES[pa.int64()][index]
    lines = [f"{key} {integer} primary key", f"source_id {integer} not null"]
    for field in schema:
        if field.name != "position":
            kind = _TYPES[field.type][index]
            if dialect == "postgresql" and field.name in _JSON:
                kind = "jsonb"
            lines.append(f"{field.name} {kind}{'' if field.nullable else ' not null'}")
    return ",\n  ".join(lines)


def create_statements(dialect: str) -> list[str]:
    """Return the statements that make the schema of version `VERSION` in an empty database."""
    integer = _TYPES[pa.int64()][DIALECTS.index(dialect)]
    time = _TYPES[TIME][DIALECTS.index(dialect)]
    json = "jsonb" if dialect == "postgresql" else "text"
    statements = [
        f"create table schema_version (version {integer} not null)",
        f"insert into schema_version values ({VERSION})",
        f"create table messages (\n  {_columns(MESSAGES, 'message_id', dialect)}\n)",
        f"create table failures (\n  {_columns(FAILURES, 'failure_id', dialect)}\n)",
        f"""create table sources (
  source_id {integer} primary key,
  kind text not null,
  name text not null,
  fingerprint text not null,
  bytes {integer} not null default 0,
  stored {integer} not null default 0,
  filtered {integer} not null default 0,
  failed {integer} not null default 0,
  skipped {integer} not null default 0,
  first_seen {time} not null,
  last_seen {time} not null,
  mark_digests text not null default '',
  mark_size {integer} not null default 0,
  unique (kind, fingerprint)
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
  primary key (source_id, rules, "end")
)""",
        f"""create table runs (
  run_id {integer} primary key,
  started_at {time} not null,
  ended_at {time},
  version text not null,
  configuration {json} not null,
  counts {json},
  ended text
)""",
        """create table codes (
  field text not null,
  value text not null,
  name text not null,
  primary key (field, value)
)""",
        "create index messages_symbol on messages (symbol, sending_time) where symbol is not null",
        "create index messages_cl_ord_id on messages (cl_ord_id) where cl_ord_id is not null",
        "create index messages_orig_cl_ord_id on messages (orig_cl_ord_id)"
        " where orig_cl_ord_id is not null",
        named_view(dialect),
    ]
    if dialect == "postgresql":
        statements.append("create index messages_time on messages using brin (sending_time)")
    return statements


def named_view(dialect: str) -> str:
    """Return the statement that makes the view `messages_named`."""
    decimals = {column.name for column in COLUMNS if column.type == DECIMAL}
    selected, joins = [], []
    for name in MESSAGE_COLUMNS:
        # numeric shows all ten places it was written with; people want 14.94.
        if dialect == "postgresql" and name in decimals:
            selected.append(f"trim_scale(m.{name}) as {name}")
        else:
            selected.append(f"m.{name}")
        if name in NAMED:
            selected.append(f"c_{name}.name as {name}_name")
            joins.append(
                f"left join codes c_{name} on c_{name}.field = '{_FIELDS[name]}'"
                f" and c_{name}.value = m.{name}"
            )
    joined = "\n".join(joins)
    return f"create view messages_named as select {', '.join(selected)}\nfrom messages m\n{joined}"


def table_rows(
    parts: Iterable[tuple[int, pa.RecordBatch]], columns: Sequence[str]
) -> list[pa.RecordBatch]:
    """Return rows of sources, by source id, as rows of the table with these columns.

    `columns` begin with the key and source_id, which take the place of `position`. Parts without
    rows are left out, and so are columns that hold nothing in any of them: they become null. All
    batches have one schema.
    """
    parts = [(source_id, rows) for source_id, rows in parts if rows.num_rows]
    used: dict[str, pa.DataType] = {}
    for _, rows in parts:
        for field, array in zip(rows.schema, rows.columns, strict=True):
            if array.null_count < rows.num_rows:
                used[field.name] = field.type
    names = [name for name in columns[2:] if name in used]
    batches = []
    for source_id, rows in parts:
        keys = rows["position"].to_numpy() + (source_id << POSITION_BITS)
        arrays = [pa.array(keys), pa.array(np.full(rows.num_rows, source_id, np.int64))]
        present = set(rows.schema.names)
        for name in names:
            array = rows[name] if name in present else pa.nulls(rows.num_rows, used[name])
            if pa.types.is_dictionary(array.type):
                array = array.dictionary_decode()
            arrays.append(array)
        batches.append(pa.RecordBatch.from_arrays(arrays, [*columns[:2], *names]))
    return batches
