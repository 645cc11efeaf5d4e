"""PostgreSQL as a store: binary COPY of bytes encoded from Arrow, without Python objects.

They are encoded while COPY reads them. Joining whole batches would take fresh pages from the kernel
each time, which costs more than the encoding itself (measured).
"""

import contextlib
import io
import os
import sys
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import pgpq
import psycopg2
import psycopg2.errors
import pyarrow as pa
import pyarrow.compute as pc
from pgpq import encoders
from pgpq import schema as pgpq_schema
from psycopg2.extensions import parse_dsn
from pyarrow import csv

from fixfeed.io.ledger.ledger import RUN_AGAIN, SinkError, SinkFailed
from fixfeed.io.redaction import redact, without_secrets
from fixfeed.io.sql.store import Store
from fixfeed.transforms.protocol import Protocol

__all__ = ["PostgresqlStore", "encoder_of"]

_SCHEMA_LOCK = 0x66697866656564  # "fixfeed": the advisory lock for making or migrating the schema
_DERIVING_LOCK = _SCHEMA_LOCK + 1
_REPLACEMENT = "�"
_PIECE = 1024  # rows that are encoded at once
# SQLSTATE classes for trouble with the server, its disk, its connections, its locks or our rights
# (PostgreSQL, "Appendix A. PostgreSQL Error Codes"); other errors are our bugs.
_TROUBLES = ("08", "25", "28", "40", "53", "54", "55", "57", "58", "F0", "XX")
_NO_RIGHT = "42501"
_PASSING = ("08", "40", "53", "55", "57", "58")  # those of them that waiting may mend
_AWAY = (
    "Connection refused",
    "Connection reset",
    "No route to host",
    "Network is unreachable",
    "timeout expired",
    "timed out",
    "Is the server running",
    "server closed the connection",
    "the database system is",  # starting up, shutting down, in recovery
    "too many clients",
    "remaining connection slots",
)
"""What libpq and the server say when it cannot be connected to now. Anything else (an unknown host
or database, a wrong password) has to be put right by somebody."""
_FETCHED = 1000  # rows at a time
_CONNECT = 10  # seconds


def _until_connected(dsn: str) -> int | None:
    """Return how many seconds libpq may wait for a host to answer; None if it is told already.

    It would wait for ever for a server that is frozen.
    """
    told = "PGCONNECT_TIMEOUT" in os.environ or "connect_timeout" in parse_dsn(dsn)
    return None if told else _CONNECT


class PostgresqlStore(Store):
    """A database at the connection string `dsn`.

    Raises `SinkFailed` if it cannot be reached, read or written.
    """

    dialect = "postgresql"

    def __init__(self, dsn: str, *, protocol: Protocol | None = None, read_only: bool = False):
        """Connect; raises `SinkFailed` with what to check."""
        self.protocol = protocol
        self.place = place = redact(dsn)
        self._dsn = dsn
        try:
            self._connection = psycopg2.connect(
                dsn, application_name="fixfeed", connect_timeout=_until_connected(dsn)
            )
        except (psycopg2.OperationalError, psycopg2.ProgrammingError) as error:
            said = without_secrets(str(error).strip(), dsn)
            raise SinkFailed(
                f"cannot connect to {place}: {said}; check that the server runs there, that "
                "the database exists, and the password (PGPASSWORD or ~/.pgpass)",
                away=any(one in said for one in _AWAY),
            ) from None  # libpq's message may quote a part of the password
        self._connection.set_session(readonly=read_only, autocommit=True)
        self._cursor = self._connection.cursor()
        self._builders: dict[pa.Field, Any] = {}
        self.query("set time zone 'UTC'")

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """See `Database.query`."""
        with self._telling():
            if values:
                self._cursor.execute(statement.replace("?", "%s"), values)
            else:
                self._cursor.execute(statement)
            return self._cursor.fetchall() if self._cursor.description else []

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        """Turn trouble with the server into a `SinkFailed`; other errors are our bugs."""
        try:
            yield
        except psycopg2.Error as error:
            if _is_trouble(error):
                raise SinkFailed(
                    f"cannot write to {self.place}: {str(error).strip()}; check that the server "
                    f"runs, has space left and lets you write, and {RUN_AGAIN}",
                    away=error.pgcode is None or error.pgcode[:2] in _PASSING,
                ) from error
            raise

    def changed(self, statement: str, *values: Any) -> int:
        """See `Database.changed`."""
        self.query(statement, *values)
        return self._cursor.rowcount

    def row_lock(self, *, exclusive: bool) -> str:
        """See `Database.row_lock`."""
        return " for update" if exclusive else " for share"

    def rows(self, statement: str) -> Iterator[tuple[Any, ...]]:
        """See `Database.rows`: a server-side cursor hands them on as they are read."""
        self.begin()
        try:
            self.query(f"declare found no scroll cursor for {statement}")
            while found := self.query(f"fetch {_FETCHED} from found"):
                yield from found
        finally:
            self.rollback()

    def check_writable(self) -> None:
        """See `Database.check_writable`."""
        if self.query("select pg_is_in_recovery()")[0][0]:
            raise SinkError(f"cannot write to {self.place}: the server is a standby, read only")
        if "schema_version" in self.tables():
            wanted = "insert into its tables"
            derived = [name for one in self.table.derived for name in one.tables]
            written = ("messages", "failures", "source_identities", "progress", "minute_counts")
            allowed = self.query(
                "select bool_and(has_table_privilege(name, 'insert, update, delete'))"
                " from unnest(?) name where to_regclass(name) is not null",  # of an older version
                [*written, *self.table.children, *derived],
            )
        else:
            wanted = "make tables in its schema"
            allowed = self.query("select has_schema_privilege(current_schema(), 'create')")
        if not allowed[0][0]:
            raise SinkError(f"cannot write to {self.place}: this user may not {wanted}")

    def tables(self) -> set[str]:
        """See `Database.tables`: those in the first schema that unqualified names find."""
        found = self.query("select tablename from pg_tables where schemaname = current_schema()")
        return {row[0] for row in found}

    def columns(self, table: str) -> set[str]:
        """See `Database.columns`."""
        found = self.query(
            "select attname from pg_attribute"
            " where attrelid = to_regclass(?) and attnum > 0 and not attisdropped",
            table,
        )
        return {row[0] for row in found}

    def ingest(self, table: str, batches: Sequence[pa.RecordBatch]) -> None:
        """See `Database.ingest`. U+0000, which PostgreSQL refuses in text, is written as U+FFFD."""
        with self._telling(), _printed_once():
            self._cursor.copy_expert(
                f"copy {table} ({', '.join(batches[0].schema.names)}) from stdin binary",
                _Copy(self._encoded(batches)),
            )

    def _encoded(self, batches: Sequence[pa.RecordBatch]) -> Iterator[bytes]:
        """Yield the rows encoded as bytes, in pieces."""
        columns = batches[0].schema
        builders = {}
        for field in columns:
            builder = self._builders.get(field)
            if builder is None:
                builder = self._builders[field] = encoder_of(field, self.table.json)
            builders[field.name] = builder
        encoder = pgpq.ArrowToPostgresBinaryEncoder.new_with_encoders(columns, builders)
        yield encoder.write_header()
        for batch in batches:
            rows = _without_nul(batch, self.table.json)
            for start in range(0, rows.num_rows, _PIECE):
                # A piece is empty until there is 1 MiB; to COPY an empty one would be the end.
                piece = encoder.write_batch(rows.slice(start, _PIECE))
                if piece:
                    yield piece
        yield encoder.finish()

    def select(self, statement: str, schema: pa.Schema, *values: Any) -> pa.Table:
        """See `Database.select`; COPY as text is faster than rows of Python objects (measured)."""
        query = statement.replace("?", "%s")
        query = self._cursor.mogrify(query, values).decode() if values else query
        found = io.BytesIO()
        with self._telling():
            self._cursor.copy_expert(f"copy ({query}) to stdout with (format csv)", found)
        if not found.tell():
            return schema.empty_table()
        found.seek(0)
        return csv.read_csv(
            found,
            csv.ReadOptions(
                use_threads=False, column_names=schema.names, block_size=len(found.getbuffer())
            ),
            csv.ParseOptions(newlines_in_values=True),
            csv.ConvertOptions(
                column_types=schema,
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                true_values=["t"],
                false_values=["f"],
            ),
        )

    def among(self, values: pa.Array) -> tuple[str, Any]:
        """See `Database.among`."""
        return "= any(?)", values.to_pylist()

    @contextlib.contextmanager
    def deriving(self) -> Iterator[None]:
        """See `Database.deriving`."""
        # Not a lock of the transaction: that would see what was there before it had the lock.
        with self.alone(), self.transaction():
            self.query("set transaction isolation level repeatable read")
            yield

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """See `Database.alone`."""
        self.query("select pg_advisory_lock(?)", _DERIVING_LOCK)
        try:
            yield
        finally:
            if not self._connection.closed:
                with contextlib.suppress(SinkFailed):
                    self.query("select pg_advisory_unlock(?)", _DERIVING_LOCK)

    def derivings(self) -> int:
        """See `Database.derivings`."""
        return 0

    def count_deriving(self, before: int) -> int | None:
        """See `Database.count_deriving`."""
        return before

    def begin_reading(self) -> None:
        """See `Database.begin_reading`."""
        self.query("begin transaction isolation level repeatable read read only")

    def shorten_journal(self) -> None:
        """See `Database.shorten_journal`: PostgreSQL's does not wait for readers."""

    def another(self) -> "PostgresqlStore":
        """See `Database.another`."""
        return PostgresqlStore(self._dsn, protocol=self.protocol)

    def lock_schema(self) -> None:
        """See `Database.lock_schema`."""
        self.query("select pg_advisory_xact_lock(?)", _SCHEMA_LOCK)

    def begin(self) -> None:
        """See `Database.begin`."""
        self.query("begin")

    @contextlib.contextmanager
    def impatient(self) -> Iterator[None]:
        """See `Database.impatient`."""
        self.query("set lock_timeout = '1s'")
        yield
        self.query("reset lock_timeout")

    def commit(self) -> None:
        """See `Database.commit`."""
        self.query("commit")

    def rollback(self) -> None:
        """See `Database.rollback`; the server itself rolls back a lost connection."""
        if not self._connection.closed:
            with contextlib.suppress(SinkFailed):
                self.query("rollback")

    def is_key_violation(self, error: Exception) -> bool:
        """See `Database.is_key_violation`."""
        return isinstance(error, psycopg2.errors.UniqueViolation)

    def refusal(self, error: Exception) -> str | None:
        """See `Database.refusal`."""
        return str(error).partition("\n")[0] if isinstance(error, psycopg2.Error) else None

    def analyse(self, added: int) -> None:
        """See `Database.analyse`: a sample of the table, after a tenth of it was added.

        The server does so itself, but only after a while. Others can read and write meanwhile.
        """
        found = self.query("select reltuples from pg_class where oid = to_regclass('messages')")
        if added * 10 < found[0][0]:
            return
        with self.transaction():
            self.query("set local statement_timeout = '10s'")
            self.query("analyze messages, codes")

    def close(self) -> None:
        """See `Database.close`."""
        self._connection.close()


@contextlib.contextmanager
def _printed_once() -> Iterator[None]:
    """Keep psycopg2 from printing an error that it raises as well.

    If the server ends the connection during COPY, psycopg2 fails to report that a second time, and
    prints this failure (PyErr_Print in psyco_set_error), though the first report is raised.
    """
    usual = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        if not (kind is SystemError and isinstance(error.__cause__, psycopg2.Error)):
            usual(kind, error, trace)

    sys.excepthook = hook
    try:
        yield
    finally:
        sys.excepthook = usual


def _is_trouble(error: psycopg2.Error) -> bool:
    if error.pgcode is None:  # from libpq, not the server
        kinds = (psycopg2.OperationalError, psycopg2.InterfaceError)
        return isinstance(error, kinds) or type(error) is psycopg2.DatabaseError
    return error.pgcode == _NO_RIGHT or error.pgcode[:2] in _TROUBLES


class _Copy(io.RawIOBase):
    """A file for COPY: each read returns the next piece, whatever its size (libpq takes any)."""

    def __init__(self, pieces: Iterator[bytes]):
        super().__init__()
        self._pieces = pieces

    def read(self, size: int = -1, /) -> bytes:
        return next(self._pieces, b"")


def encoder_of(field: pa.Field, json: Collection[str]) -> Any:
    """Return pgpq's encoder builder for a column of a table; the columns in `json` hold JSON."""
    if field.name in json:
        return encoders.StringEncoderBuilder.new_with_output(field, pgpq_schema.Jsonb())
    return pgpq.ArrowToPostgresBinaryEncoder.infer_encoder(field)


def _without_nul(rows: pa.RecordBatch, json: Collection[str]) -> pa.RecordBatch:
    arrays = []
    for name, array in zip(rows.schema.names, rows.columns, strict=True):
        if pa.types.is_string(array.type) and array.buffers()[2] is not None:
            mark = "\\u0000" if name in json else "\0"
            if mark.encode() in memoryview(array.buffers()[2]).tobytes():
                if name in json:
                    # An even number of backslashes before it is escaped backslashes.
                    array = pc.replace_substring_regex(
                        array, r"(^|[^\\])((?:\\\\)*)\\u0000", rf"\1\2{_REPLACEMENT}"
                    )
                    array = pc.replace_substring_regex(
                        array, r"(^|[^\\])((?:\\\\)*)\\u0000", rf"\1\2{_REPLACEMENT}"
                    )
                else:
                    array = pc.replace_substring(array, "\0", _REPLACEMENT)
        arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, rows.schema.names)
