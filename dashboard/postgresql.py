"""PostgreSQL, read only: the session cannot write, and the server ends late queries."""

import contextlib
import datetime
import time
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg2

from fixfeed.dashboard.database import SECONDS, Database, changed, late
from fixfeed.dashboard.silence import Silence
from fixfeed.dashboard.trouble import Kind, Trouble
from fixfeed.io.redaction import redact, without_secrets

__all__ = ["PostgresqlReader"]

_CANCELLED = "57014"
_NO_RIGHT = "42501"
_LOCKED = "55P03"
_NO_TABLE = "42P01"
_AWAY = ("08", "53", "57", "58", "XX")  # SQLSTATE classes of a server that cannot answer now
_SHORTEST = 2  # seconds that libpq takes at least for a connection
_GRACE = 2.0  # seconds after its deadline that the server may take to end a query


class PostgresqlReader(Database[Any]):
    """A database at the connection string `dsn`."""

    dialect = "postgresql"
    _tables = (
        "select tablename as name from pg_tables where schemaname = current_schema()"
        " union all select viewname from pg_views where schemaname = current_schema()"
    )
    _explain = "explain"

    def __init__(self, dsn: str):
        """Store where it is."""
        super().__init__(redact(dsn))
        self._dsn = dsn
        self._silence = Silence()

    def _connect(self, seconds: float) -> Any:
        seconds = max(seconds, _SHORTEST)
        due = time.monotonic() + seconds
        try:
            connection = psycopg2.connect(
                self._dsn, application_name="fixfeed", connect_timeout=int(seconds)
            )
        except (psycopg2.OperationalError, psycopg2.ProgrammingError) as error:
            said = without_secrets(str(error).strip(), self._dsn)
            missing = "does not exist" in said
            raise Trouble(
                Kind.MISSING if missing else Kind.AWAY,
                f"cannot connect to {self.place}: {said}; check that the server runs there, that "
                "the database exists, and the password (PGPASSWORD or ~/.pgpass)",
            ) from None  # libpq's message may quote a part of the password
        cut = self._silence.cut_after(connection, max(0.0, due - time.monotonic()))
        with self._telling(), cut, connection.cursor() as cursor:
            connection.set_session(readonly=True, autocommit=True)
            cursor.execute("set time zone 'UTC'")
            # Lists of many values and narrow pages: compiling costs more than it saves.
            cursor.execute("set jit = off")
            cursor.execute("set lock_timeout = '1s'")
            cursor.execute(f"set statement_timeout = {int(SECONDS * 1000)}")
        return connection

    def _is_open(self, connection: Any) -> bool:
        return not connection.closed

    def _close(self, connection: Any) -> None:
        connection.close()

    @contextlib.contextmanager
    def _run(
        self, connection: Any, statement: str, values: Sequence[Any], deadline: float
    ) -> Iterator[Any]:
        left = max(1, int((deadline - time.monotonic()) * 1000))
        cut = self._silence.cut_after(connection, left / 1000 + _GRACE)
        with self._telling(), cut, connection.cursor() as cursor:
            limit = f"set statement_timeout = {left}; "
            given = tuple(map(_storable, values))
            cursor.execute(limit + _marked(statement, values), given or None)
            yield cursor

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        """Turn trouble with the server into a `Trouble`; errors of statements are our bugs."""
        try:
            yield
        except psycopg2.Error as error:
            code = error.pgcode or ""
            if code == _CANCELLED:
                raise late(self.place) from error
            if code == _LOCKED:
                raise Trouble(
                    Kind.LOCKED,
                    f"{self.place} is locked by another process: wait until that has ended",
                ) from error
            if code == _NO_RIGHT:
                raise Trouble(
                    Kind.MISSING,
                    f"this user may not read the tables of {self.place}: grant it that",
                ) from error
            if code == _NO_TABLE:
                raise changed(self.place, error.diag.message_primary or "") from error
            if not code or code[:2] in _AWAY:
                raise Trouble(
                    Kind.AWAY, f"{self.place} does not answer: check that the server runs there"
                ) from error
            raise

    def time(self, time: datetime.datetime) -> datetime.datetime:
        """See `Database.time`."""
        return time if time.tzinfo else time.replace(tzinfo=datetime.UTC)

    def among(self, values: Sequence[Any]) -> tuple[str, Any]:
        """See `Database.among`."""
        return "= any(?)", list(values)


def _marked(statement: str, values: Sequence[Any]) -> str:
    """Return a statement with psycopg2's marks for values."""
    return statement.replace("%", "%%").replace("?", "%s") if values else statement


def _storable(value: Any) -> Any:
    """Return a value as it is stored: U+0000, which no text of PostgreSQL has, as U+FFFD."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    return [*map(_storable, value)] if isinstance(value, list) else value
