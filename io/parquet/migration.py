"""Brings the files of a lake that an older version wrote to this version's columns and keys.

Each file is written anew under its name, as `replacing` does, in one commit for all; then the
schema of the lake is replaced. What is interrupted before that commit has changed nothing, and what
is interrupted after it is ended by the next writer and by migrating once more.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fixfeed.io.ledger.ledger import SchemaError
from fixfeed.io.parquet.files import write_file
from fixfeed.io.parquet.folder import ParquetFolder
from fixfeed.io.parquet.schema import columns_of_a_run, remember, remembered
from fixfeed.io.parquet.storage import Storage
from fixfeed.transforms.names import names_of
from fixfeed.transforms.protocol import Renewal, Table

__all__ = ["migrate_lake"]

_KEYS = ("message_id", "source_id")
_ROWS = 20_000  # at once


def migrate_lake(place: str) -> tuple[int, int]:
    """Migrate the lake at `place`; return how many files of messages were rewritten, of how many.

    No other job may write to it meanwhile. Raises `SchemaError` if there is no lake, and
    `SinkError` if it cannot be read or written.
    """
    lake = ParquetFolder(place)
    if not lake.exists():
        raise SchemaError(f"{lake.place} holds no lake of fixfeed's to migrate")
    lake.prepare()
    lake.enlist()
    try:
        with lake.locked():
            return _migrate(lake)
    finally:
        lake.close()


def _migrate(lake: ParquetFolder) -> tuple[int, int]:
    table, storage = lake.table, lake.storage
    before = remembered(storage)
    if before is None:
        return 0, 0
    schema = _schema(before, table)
    places = list(storage.files("messages"))
    older = [place for place in places if not _columns(storage, place).equals(schema)]
    renewal = table.renewal() if table.renewal else None
    if renewal and older:
        for place in places:
            for row in _decisive(storage, place, renewal):
                renewal.learn(row)
    files = []
    for place in older:
        rows = pq.ParquetFile(storage.source(place)).read()
        rows = _renewed(rows, schema, renewal, table)
        files.append((storage.aside(), place))
        write_file(rows, storage.scratch(files[-1][0]), table)
    if files:
        storage.keep(aside for aside, _ in files)
        lake.done()
        lake.commit([], files, (), {}, replacing=len(files))
    remember(storage, schema, again=True)
    return len(files), len(places)


def _columns(storage: Storage, place: str) -> pa.Schema:
    return pq.read_schema(storage.source(place)).remove_metadata()


def _schema(before: pa.Schema, table: Table) -> pa.Schema:
    """Return the schema of the lake's messages in this version, a user's own columns last."""
    names = any(name in table.names_of_codes for name in before.names)
    own = [field for field in before if field.name not in columns_of_a_run(table, names=True)]
    types = {field.name: field.type for field in table.schema}
    ours = [
        (name, types.get(name, pa.int64() if name in _KEYS else pa.string()))
        for name in columns_of_a_run(table, names=names)
    ]
    return pa.schema([*(pa.field(*one) for one in ours), *own]).remove_metadata()


def _decisive(storage: Storage, place: str, renewal: Renewal) -> Iterator[Mapping[str, Any]]:
    there = set(_columns(storage, place).names)
    if renewal.decisive and there.issuperset(renewal.decisive):
        names = [name for name in (*_KEYS, *renewal.columns) if name in there]
        filters = [(name, "=", value) for name, value in renewal.decisive.items()]
        yield from pq.read_table(
            storage.source(place), columns=names, partitioning=None, filters=filters
        ).to_pylist()


def _renewed(rows: pa.Table, schema: pa.Schema, renewal: Renewal | None, table: Table) -> pa.Table:
    """Return rows with the columns of `schema`, and what `renewal` changes."""
    found = {
        field.name: rows[field.name].cast(field.type).combine_chunks()
        if field.name in rows.schema.names
        else pa.nulls(rows.num_rows, field.type)
        for field in schema
    }
    found = {
        name: pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column
        for name, column in found.items()
    }
    changed: dict[str, dict[int, Any]] = {}
    if renewal:
        asked = {name: _plain(found[name]) for name in (*_KEYS, *renewal.columns)}
        batch = pa.RecordBatch.from_pydict(asked)
        for start in range(0, rows.num_rows, _ROWS):
            for number, row in enumerate(batch.slice(start, _ROWS).to_pylist(), start):
                for name, value in renewal.changes(row).items():
                    changed.setdefault(name, {})[number] = value
    for name, values in changed.items():
        mask = pc.is_in(pa.array(range(rows.num_rows)), pa.array(list(values), pa.int64()))
        new = pa.array(list(values.values()), schema.field(name).type)
        found[name] = pc.replace_with_mask(found[name], mask, new)
    if found.keys() & set(table.names_of_codes):
        # Names that are there may be called otherwise now.
        for name, spelt_out in names_of(pa.RecordBatch.from_pydict(found), table).items():
            found[name] = spelt_out.dictionary_decode()
    return pa.Table.from_arrays(list(found.values()), schema=schema)


def _plain(column: pa.Array) -> pa.Array:
    """Return a column of text or integers as it is; of others only whether there is a value."""
    if pa.types.is_string(column.type) or column.type == pa.int64():
        return column
    return pc.if_else(column.is_valid(), pa.scalar(1), pa.scalar(None, pa.int64()))
