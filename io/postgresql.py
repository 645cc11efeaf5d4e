"""PostgreSQL as a store: binary COPY of bytes encoded from Arrow, without Python objects."""

import io
from typing import Any

import pgpq
import psycopg2
import psycopg2.errors
import pyarrow as pa
import pyarrow.compute as pc
from pgpq import encoders, schema

from fixio.ledger import SinkError
from fixio.store import Store

__all__ = ["PostgresqlStore"]

_SCHEMA_LOCK = 0x66697866656564  # "fixfeed": the advisory lock of who makes or migrates the schema
_JSON = ("fields", "enriched")
_REPLACEMENT = "�"


class PostgresqlStore(Store):
    """A database that the connection string `dsn` leads to."""

    dialect = "postgresql"

    def __init__(self, dsn: str, place: str):
        """Connect; raises `SinkError` that says what to check."""
        self.place = place
        try:
            self._connection = psycopg2.connect(dsn, application_name="fixfeed")
        except psycopg2.OperationalError as error:
            raise SinkError(
                f"cannot connect to {place}: {str(error).strip()}; check that the server runs "
                "there, that the database exists, and the password (PGPASSWORD or ~/.pgpass)"
            ) from error
        self._connection.autocommit = True
        self._cursor = self._connection.cursor()
        self.query("set time zone 'UTC'")

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """See `Database.query`."""
        self._cursor.execute(statement.replace("?", "%s"), values or None)
        return self._cursor.fetchall() if self._cursor.description else []

    def tables(self) -> set[str]:
        """See `Database.tables`: those that an unqualified name finds first."""
        found = self.query("select tablename from pg_tables where schemaname = current_schema()")
        return {row[0] for row in found}

    def ingest(self, table: str, rows: pa.RecordBatch) -> None:
        """See `Database.ingest`. U+0000, which PostgreSQL's text refuses, is written as U+FFFD."""
        rows = _without_nul(rows)
        encoder_of = {
            field.name: (
                encoders.StringEncoderBuilder.new_with_output(field, schema.Jsonb())
                if field.name in _JSON
                else pgpq.ArrowToPostgresBinaryEncoder.infer_encoder(field)
            )
            for field in rows.schema
        }
        encoder = pgpq.ArrowToPostgresBinaryEncoder.new_with_encoders(rows.schema, encoder_of)
        content = encoder.write_header() + encoder.write_batch(rows) + encoder.finish()
        self._cursor.copy_expert(
            f"copy {table} ({', '.join(rows.schema.names)}) from stdin binary",
            io.BytesIO(content),
            size=1 << 18,
        )

    def lock_schema(self) -> None:
        """See `Database.lock_schema`."""
        self.query("select pg_advisory_xact_lock(?)", _SCHEMA_LOCK)

    def begin(self) -> None:
        """See `Database.begin`."""
        self.query("begin")

    def commit(self) -> None:
        """See `Database.commit`."""
        self.query("commit")

    def rollback(self) -> None:
        """See `Database.rollback`; a connection that is lost has been rolled back by the server."""
        if not self._connection.closed:
            self.query("rollback")

    def is_key_violation(self, error: Exception) -> bool:
        """See `Database.is_key_violation`."""
        return isinstance(error, psycopg2.errors.UniqueViolation)

    def close(self) -> None:
        """See `Database.close`."""
        self._connection.close()


def _without_nul(rows: pa.RecordBatch) -> pa.RecordBatch:
    arrays = []
    for name, array in zip(rows.schema.names, rows.columns, strict=True):
        if pa.types.is_string(array.type) and array.buffers()[2] is not None:
            mark = "\\u0000" if name in _JSON else "\0"
            if mark.encode() in memoryview(array.buffers()[2]).tobytes():
                if name in _JSON:
                    # An even number of backslashes before it are escaped backslashes.
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
