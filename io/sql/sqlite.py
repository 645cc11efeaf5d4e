"""SQLite as a store, through ADBC: rows go from Arrow to the database without Python objects.

ADBC brings its own SQLite library. Two of them in one process undo each other's locks on a file
(SQLite, "How To Corrupt An SQLite Database File", 2.2.1), so a process that uses this module must
not open the same file with `sqlite3`. Other processes may read it: the journal is a WAL.
"""

import contextlib
import os
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import adbc_driver_manager
import adbc_driver_sqlite.dbapi
import orjson
import pyarrow as pa

from fixfeed.io.fsync import not_writable
from fixfeed.io.ledger.ledger import SinkError, SinkFailed
from fixfeed.io.redaction import redact
from fixfeed.io.sql.doubles import decimals, with_doubles
from fixfeed.io.sql.sqlite_file import check_there, read_only_uri, uri_of
from fixfeed.io.sql.store import Store
from fixfeed.io.sql.times import with_texts_of_times
from fixfeed.transforms.protocol import Protocol

__all__ = ["PRAGMAS", "SqliteStore"]

_FEW = 20_000  # rows
_PATIENCE, _PAUSE = 120.0, 0.001  # seconds
_SHORT = 0.1  # seconds of waiting for a lock
_MOST_DERIVINGS = 1 << 31  # user_version has 32 bits, with a sign
_CARE = 1.0  # seconds between two looks whether the file is there still
# SQLite's messages (sqlite3_errstr) for trouble with the disk, the file or other processes. Through
# ADBC only its message shows the kind of an error.
_TROUBLES = (
    "database or disk is full",
    "disk I/O error",
    "attempt to write a readonly database",
    "unable to open database file",
    "locking protocol",
    "database disk image is malformed",
    "file is not a database",
    "access permission denied",
    "out of memory",
)
_BY_DRIVER = re.compile(r"^.*?Failed to (?:prepare|step) query: ")
_FETCHED = 1000  # rows at a time
_ALL = 1 << 30  # rows, more than are asked for
_JOURNAL = 40_000  # pages
_JOURNAL_BYTES = _JOURNAL * 4096
PRAGMAS = (
    "journal_mode = wal",
    # A kill loses nothing; a power cut may lose the last commits, rows and progress together.
    "synchronous = normal",
    "cache_size = -131072",
    # Ten times the default, about 160 MB of journal: a fifth faster (measured).
    f"wal_autocheckpoint = {_JOURNAL}",
)
"""The settings of a connection, here and in comparisons."""


class SqliteStore(Store):
    """A database file; several processes may write to it, one transaction at a time.

    Raises `SinkFailed` if the file cannot be read or written.
    """

    dialect = "sqlite"

    def __init__(
        self,
        path: str,
        place: str,
        *,
        protocol: Protocol | None = None,
        make: bool = True,
        read_only: bool = False,
        patience: float = _PATIENCE,
    ):
        """Open the file at `path`; with `make` it is made if it is missing.

        `patience` is how many seconds another process that locks it is waited for.
        """
        self.place = place
        self.protocol = protocol
        self._patience = self._longest = patience
        self._path = os.path.abspath(path)
        folder = Path(path).resolve().parent
        if not folder.is_dir():
            raise SinkError(f"cannot open {place}: there is no folder {redact(str(folder))}")
        if read_only or not make:
            check_there(Path(path), place)
            file = Path(path).resolve()
            path = (read_only and read_only_uri(file)) or uri_of(file, "rw")
        # Autocommit mode stays on: we begin and end transactions by statements. Leaving the mode
        # makes the driver's commit() a silent no-op (measured).
        try:
            self._connection = adbc_driver_sqlite.dbapi.connect(path, autocommit=True)
        except adbc_driver_manager.Error as error:
            raise SinkError(f"cannot open {place}: {error}") from error
        self._cursor = self._connection.cursor()
        try:
            # `schema_version` reads the file; `PRAGMAS` do so anyway.
            for pragma in ("query_only = on", "schema_version") if read_only else PRAGMAS:
                self.query(f"pragma {pragma}")
            self._file = _file_at(self._path)
            self._next_care = time.monotonic() + _CARE
        except SinkFailed as error:
            self.close()
            if error.locked:
                raise
            raise SinkError(f"cannot open {place}: {_said(error.__cause__)}") from error

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """See `Database.query`; waits for another process's lock, mostly for two minutes."""
        # SQLite's own waiting (busy_timeout) sleeps for up to 100 ms at a time, while nobody
        # writes, and does not cover the change of a new file to WAL.
        began = time.monotonic()
        while True:
            try:
                with self._telling():
                    self._cursor.execute(statement, values or None)
                    return self._cursor.fetchall()
            except SinkFailed as error:
                if not error.locked or time.monotonic() - began > self._patience:
                    raise
                # Who waits for long takes the processor from who has the lock.
                time.sleep(_PAUSE if time.monotonic() - began < _SHORT else 10 * _PAUSE)

    def changed(self, statement: str, *values: Any) -> int:
        """See `Database.changed`."""
        self.query(statement, *values)
        return int(self.query("select changes()")[0][0])

    def row_lock(self, *, exclusive: bool) -> str:
        """See `Database.row_lock`: a transaction that writes has the database for itself."""
        return ""

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        """Turn SQLite's trouble messages into a `SinkFailed`; other errors are our bugs."""
        try:
            yield
        except adbc_driver_manager.Error as error:
            if "is locked" in str(error):
                raise SinkFailed(
                    f"cannot write to {self.place}: the database is locked by another connection, "
                    f"for more than {self._patience:,.0f} s: that of another program, or of a job "
                    "that derives tables; wait until that is done, or end it, and run it again: "
                    "what is committed stays",
                    locked=True,
                ) from error
            if any(trouble in str(error) for trouble in _TROUBLES):
                raise SinkFailed.at(self.place, error, away="full" in str(error)) from error
            raise

    def rows(self, statement: str) -> Iterator[tuple[Any, ...]]:
        """See `Database.rows`."""
        self.query("begin")
        try:
            with self._telling():
                self._cursor.execute(statement)
                while found := self._cursor.fetchmany(_FETCHED):
                    yield from found
        finally:
            self.query("rollback")

    def check_writable(self) -> None:
        """See `Database.check_writable`: the file, and its folder, where the journal goes."""
        path = Path(self.query("select file from pragma_database_list where name = 'main'")[0][0])
        refused = not_writable(path) or not_writable(path.parent)
        if refused:
            raise SinkError(f"cannot write to {self.place}: you may not write to {refused}")

    def tables(self) -> set[str]:
        """See `Database.tables`."""
        return {row[0] for row in self.query("select name from sqlite_master where type = 'table'")}

    def columns(self, table: str) -> set[str]:
        """See `Database.columns`."""
        return {row[0] for row in self.query("select name from pragma_table_info(?)", table)}

    def ingest(self, table: str, batches: Sequence[pa.RecordBatch]) -> None:
        """See `Database.ingest`. Decimals become doubles (`with_doubles`), times texts."""
        finer = self.table.finer
        if sum(batch.num_rows for batch in batches) <= _FEW:
            batches = [pa.concat_batches(batches)]  # each costs as much as some hundred rows
        rows = pa.Table.from_batches(
            [with_texts_of_times(with_doubles(batch, finer)) for batch in batches]
        )
        with self._telling():
            self._cursor.adbc_ingest(table, rows, mode="append")

    def select(self, statement: str, schema: pa.Schema, *values: Any) -> pa.Table:
        """See `Database.select`."""
        with self._telling(), self._connection.cursor() as cursor:
            # The driver finds the type of a column from the rows that it reads at once.
            cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": str(_ALL)})
            cursor.execute(statement, values or None)
            found = cursor.fetch_arrow_table()
        columns = [
            _typed(column.combine_chunks(), field.type)
            for column, field in zip(found.columns, schema, strict=True)
        ]
        return pa.Table.from_arrays(columns, schema=schema)

    def among(self, values: pa.Array) -> tuple[str, Any]:
        """See `Database.among`."""
        return "in (select value from json_each(?))", orjson.dumps(values.to_pylist()).decode()

    @contextlib.contextmanager
    def deriving(self) -> Iterator[None]:
        """See `Database.deriving`: a transaction that writes has the database for itself."""
        with self.transaction():
            self.count_deriving(self.derivings())
            yield

    def alone(self) -> contextlib.AbstractContextManager[None]:
        """See `Database.alone`: nothing can be locked for longer than a transaction."""
        return contextlib.nullcontext()

    def derivings(self) -> int:
        """See `Database.derivings`: the user_version of the file."""
        return int(self.query("pragma user_version")[0][0])

    def count_deriving(self, before: int) -> int | None:
        """See `Database.count_deriving`."""
        if self.derivings() != before:
            return None
        own = (before + 1) % _MOST_DERIVINGS
        self.query(f"pragma user_version = {own}")
        return own

    def begin_reading(self) -> None:
        """See `Database.begin_reading`: it sees what is there when it first reads."""
        self.query("begin")

    def shorten_journal(self) -> None:
        """See `Database.shorten_journal`: the file beside it becomes empty.

        A commit does so only while nobody reads (SQLite, "Write-Ahead Logging", 6. Avoiding
        Excessively Large WAL Files). Nor does this, if another process does, without waiting.
        """
        with contextlib.suppress(FileNotFoundError):
            # SQLite names it after the file itself, not after a link to it.
            if os.path.getsize(f"{os.path.realpath(self._path)}-wal") > _JOURNAL_BYTES:
                self.query("pragma wal_checkpoint(truncate)")

    def another(self) -> "SqliteStore":
        """See `Database.another`."""
        return SqliteStore(self._path, self.place, protocol=self.protocol, make=False)

    def lock_schema(self) -> None:
        """Do nothing: a transaction that writes has the database for itself."""

    def begin(self) -> None:
        """See `Database.begin`; waits for another writer as `query` does."""
        self.query("begin immediate")
        if time.monotonic() >= self._next_care:
            self._next_care = time.monotonic() + _CARE
            if _file_at(self._path) != self._file:
                self.rollback()
                raise SinkFailed.replaced(self.place)

    @contextlib.contextmanager
    def impatient(self) -> Iterator[None]:
        """See `Database.impatient`."""
        self._patience = min(1.0, self._longest)
        yield
        self._patience = self._longest

    def commit(self) -> None:
        """See `Database.commit`."""
        self.query("commit")

    def rollback(self) -> None:
        """See `Database.rollback`; on a full disk SQLite rolls back by itself."""
        with contextlib.suppress(adbc_driver_manager.Error, SinkFailed):
            self.query("rollback")

    def is_key_violation(self, error: Exception) -> bool:
        """See `Database.is_key_violation`."""
        return isinstance(error, adbc_driver_manager.Error) and "UNIQUE constraint" in str(error)

    def refusal(self, error: Exception) -> str | None:
        """See `Database.refusal`."""
        if not isinstance(error, adbc_driver_manager.Error):
            return None
        return _said(error)

    def analyse(self, added: int) -> None:
        """See `Database.analyse`: a thousand entries of each index, for some milliseconds."""
        found = "select name from sqlite_master where type = 'index' and tbl_name = 'messages'"
        self.query("pragma analysis_limit = 1000")
        with self._telling():
            for (name,) in self.query(f"{found} and sql is not null"):
                # Not the table at once: all its rows would be counted, as its indexes are partial.
                self._cursor.execute(f"analyze {name}")
            self._cursor.execute("analyze codes")

    def close(self) -> None:
        """See `Database.close`."""
        self._cursor.close()
        self._connection.close()


def _said(error: BaseException | None) -> str:
    """Return what SQLite itself says in an error of its driver.

    >>> _said(ValueError("IO: Failed to step query: file is not a database\\nmore"))
    'file is not a database'
    """
    return _BY_DRIVER.sub("", str(error).partition("\n")[0])


def _file_at(path: str) -> tuple[int, int] | None:
    """Return what tells the file at a path from others, None if there is none."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _typed(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return a column as it was read in the type that was stored."""
    if column.null_count == len(column):
        return pa.nulls(len(column), kind)
    if pa.types.is_decimal128(kind):
        return decimals(column.cast(pa.float64()))
    if pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp("us")).cast(pa.int64()).cast(kind)
    return column.cast(kind)
