"""A DuckDB file with the views of a lake: those that databases have, over its Parquet files."""

import os
from pathlib import Path

import pyarrow as pa

from fixfeed.io.fsync import not_writable
from fixfeed.io.ledger.ledger import SinkError
from fixfeed.io.parquet.codes import CODES, codes_rows
from fixfeed.io.parquet.folder import ParquetFolder
from fixfeed.io.parquet.local_folder import LocalFolder
from fixfeed.io.parquet.schema import remembered
from fixfeed.io.redaction import redact
from fixfeed.io.views import views
from fixfeed.transforms.batch import DATE, DECIMAL, TIME
from fixfeed.transforms.protocol import Protocol, Table

__all__ = ["write_views"]

_TYPES = {
    pa.int64(): "bigint",
    pa.bool_(): "boolean",
    pa.string(): "varchar",
    pa.binary(): "blob",
    TIME: "timestamptz",
    DATE: "date",
    DECIMAL: f"decimal({DECIMAL.precision}, {DECIMAL.scale})",
}


def write_views(place: str, file: Path, *, protocol: Protocol | None = None) -> None:
    """Write a new DuckDB file `file` with the views of the lake at `place`; all of it or nothing.

    It has `messages`, `codes` and `io.views`, of the lake as it is whenever they are read; it holds
    the absolute path of the lake. `protocol` is that of the messages, FIX if none is named. Raises
    `SinkError` if there is no lake or it has no messages yet, if `file` exists or cannot be made,
    or if the package duckdb is missing.
    """
    try:
        import duckdb
    except ImportError:
        raise SinkError("the package duckdb is missing: pip install 'fixfeed[duckdb]'") from None
    lake = ParquetFolder(place, protocol=protocol)
    if not isinstance(lake.storage, LocalFolder):
        raise SinkError(
            f"{lake.place} is in a bucket, and a DuckDB file has views of local lakes only: let "
            f"DuckDB read read_parquet('{lake.storage.shown('messages')}/**/*.parquet'), or copy "
            "the lake to a local folder"
        )
    root = lake.storage.folder
    if not lake.exists():
        raise SinkError(f"there is no lake of fixfeed's at {lake.place}: no {lake.state_file}")
    lake.load()
    schema = remembered(lake.storage)
    if schema is None or not any(lake.storage.files("messages")):
        raise SinkError(f"{lake.place} has no messages yet: run fixfeed before, then this again")
    if file.exists():
        raise SinkError(f"{redact(str(file))} exists already: remove it, or name another --output")
    folder = file.absolute().parent
    refused = not_writable(folder)
    if refused or not folder.is_dir():
        reason = f"you may not write to {refused}" if refused else f"there is no folder {folder}"
        raise SinkError(f"cannot make {redact(str(file))}: {redact(reason)}")
    unfinished = file.with_name(f"{file.name}.new")
    unfinished.unlink(missing_ok=True)
    try:
        with duckdb.connect(str(unfinished)) as connection:
            _make_codes(connection, root, lake.table)
            files = f"{_pattern(root / 'messages')}/**/*.parquet"
            connection.execute(f"create view messages as {_messages(files, schema, lake.table)}")
            for name, query in views("duckdb", lake.table).items():
                connection.execute(f"create view {name} as {query}")
        os.replace(unfinished, file)
    except (duckdb.IOException, OSError) as error:
        unfinished.unlink(missing_ok=True)
        raise SinkError(f"cannot make {redact(str(file))}: {error}") from error


def _make_codes(connection, root: Path, table: Table) -> None:
    file = root / CODES
    if file.exists():
        connection.execute(f"create view codes as from read_parquet('{_pattern(file)}')")
        return
    # A lake of an older version has none.
    connection.register("given", codes_rows(table.codes()))
    connection.execute("create table codes as from given")
    connection.unregister("given")


def _messages(files: str, schema: pa.Schema, table: Table) -> str:
    """Return the query of all messages, with the columns of a database.

    A lake of an older version lacks some, which are null then; others of its own come last.
    """
    types = {field.name: field.type for field in table.schema}
    selected = [
        name if name in schema.names else f"cast(null as {_TYPES[types[name]]}) as {name}"
        for name in table.keyed
    ]
    selected += [f'"{name}"' for name in schema.names if name not in table.keyed]
    return f"select {', '.join(selected)} from read_parquet('{files}')"


def _pattern(path: Path) -> str:
    """Return the pattern of a path as it is, as the content of a string of SQL."""
    escaped = "".join(f"[{sign}]" if sign in "[*?" else sign for sign in str(path))
    return escaped.replace("'", "''")
