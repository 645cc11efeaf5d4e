"""A database that is only read, by many at once: rows for pages and for the API.

Queries are SQL with `?` for values. Values come as Python has them (`values`), the same from SQLite
and PostgreSQL. Every query has a deadline, and all trouble is a `Trouble`.
"""

import contextlib
import datetime
import queue
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

from fixfeed.dashboard.trouble import Kind, Trouble
from fixfeed.dashboard.values import Type, from_database, known_types
from fixfeed.io.sql.tables import VERSION

__all__ = ["CONNECTIONS", "SECONDS", "Database", "changed", "late"]

SECONDS = 5.0
"""How long a query may take, unless it says otherwise."""
CONNECTIONS = 8
"""How many queries run at the same time; others wait for them."""
_NO_TYPES: Mapping[str, Type] = {}
_Connection = TypeVar("_Connection")


class Database(ABC, Generic[_Connection]):
    """The tables of `io.sql.tables`, read only, over a few connections; any thread may use it.

    `place` is its name for people, without a password. Making one connects to nothing: a database
    that is not there yet, or away, is a `Trouble` of the query that asks for it, and the next query
    tries again.
    """

    dialect: str
    place: str

    def __init__(self, place: str):
        """Store the name."""
        self.place = place
        self._idle: queue.LifoQueue[_Connection | None] = queue.LifoQueue()
        for _ in range(CONNECTIONS):
            self._idle.put(None)

    # Each dialect implements these.

    @abstractmethod
    def _connect(self, seconds: float) -> _Connection:
        """Open a connection that can only read, within some seconds; raise `Trouble` if not."""

    @abstractmethod
    def _is_open(self, connection: _Connection) -> bool:
        """Return whether a connection can be used for another query."""

    @abstractmethod
    def _close(self, connection: _Connection) -> None:
        """Close a connection, whatever its state."""

    @abstractmethod
    def _run(
        self, connection: _Connection, statement: str, values: Sequence[Any], deadline: float
    ) -> contextlib.AbstractContextManager[Any]:
        """Run a statement; give its cursor, with `description` and `fetchall`.

        All rows have to be read before the deadline, a time of `time.monotonic`. Raises `Trouble`,
        also for what reading rows meets.
        """

    @abstractmethod
    def time(self, time: datetime.datetime) -> Any:
        """Return a time as a value for `?`; one without a zone is in UTC."""

    @abstractmethod
    def among(self, values: Sequence[Any]) -> tuple[str, Any]:
        """Return the end of a condition that an expression is one of many values, and its `?`.

        No condition holds for none of them: `session in (...)`.
        """

    # For everybody.

    def rows(
        self,
        statement: str,
        *values: Any,
        seconds: float = SECONDS,
        types: Mapping[str, Type] = _NO_TYPES,
    ) -> list[dict[str, Any]]:
        """Return the rows of a query, by the names of its columns.

        `types` are those of columns that have another name than in fixfeed's tables, or no column
        there, as far as it matters: `{"first": TIME}`. Raises `Trouble`.
        """
        names, found = self._fetched(statement, values, seconds)
        known = {**known_types(), **types}
        columns: list[Sequence[Any]] = []
        for name, column in zip(names, zip(*found, strict=True), strict=False):
            read = from_database(known.get(name))
            if read is not None:
                column = tuple(None if value is None else read(value) for value in column)
            columns.append(column)
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]

    def _fetched(
        self, statement: str, values: Sequence[Any], seconds: float
    ) -> tuple[list[str], list[Sequence[Any]]]:
        deadline = time.monotonic() + seconds
        while True:
            with self._connection(deadline) as (connection, fresh):
                try:
                    with self._run(connection, statement, values, deadline) as cursor:
                        found = cursor.fetchall()
                        return [column[0] for column in cursor.description], found
                except Trouble as trouble:
                    # One that was idle while the server was started again: it may be back.
                    away = trouble.kind is Kind.AWAY and not self._is_open(connection)
                    if fresh or not away or time.monotonic() > deadline:
                        raise

    def check(self) -> None:
        """Raise `Trouble` unless the database answers, and has the schema of this version."""
        if not self.has_table("schema_version"):
            raise Trouble(
                Kind.EMPTY,
                f"{self.place} holds nothing of fixfeed's yet: store logs in it with "
                f"fixfeed --input 'logs/*.log*' --output {self.place}",
            )
        versions = [row["version"] for row in self.rows("select version from schema_version")]
        if len(versions) != 1:
            raise Trouble(
                Kind.OTHER_VERSION,
                f"{self.place} has {len(versions)} versions in schema_version, expected one: it is "
                "no database that fixfeed has made, or was changed since; name another one",
            )
        found = versions[0]
        if found < VERSION:
            raise Trouble(
                Kind.OTHER_VERSION,
                f"{self.place} has schema version {found}, this fixfeed reads {VERSION}: "
                f"migrate it with fixfeed migrate {self.place}",
            )
        if found > VERSION:
            raise Trouble(
                Kind.OTHER_VERSION,
                f"{self.place} has schema version {found}, this fixfeed reads {VERSION}: "
                "use the newer fixfeed that wrote it",
            )

    def has_table(self, name: str) -> bool:
        """Return whether there is a table or view of this name."""
        found = f"select name from ({self._tables}) found where name = ?"
        return bool(self.rows(found, name))

    def plan(self, statement: str, *values: Any) -> str:
        """Return how the database would run a query, as its EXPLAIN says."""
        rows = self.rows(f"{self._explain} {statement}", *values)
        return "\n".join(str(list(row.values())[-1]) for row in rows)

    def close(self) -> None:
        """Close the connections that are not in use."""
        for _ in range(CONNECTIONS):
            with contextlib.suppress(queue.Empty):
                connection = self._idle.get_nowait()
                if connection is not None:
                    self._close(connection)
                self._idle.put(None)

    _tables: str
    _explain: str

    @contextlib.contextmanager
    def _connection(self, deadline: float) -> Iterator[tuple[_Connection, bool]]:
        """Lend a connection to this thread, and whether it is a new one."""
        try:
            connection = self._idle.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise Trouble(
                Kind.BUSY, f"{self.place} is asked by too many at once: try again in a moment"
            ) from None
        try:
            if connection is not None and not self._is_open(connection):
                self._close(connection)
                connection = None
            fresh = connection is None
            if connection is None:
                connection = self._connect(max(0.0, deadline - time.monotonic()))
            yield connection, fresh
        finally:
            self._idle.put(connection)


def late(place: str) -> Trouble:
    """Return what a query is that takes longer than it may."""
    return Trouble(
        Kind.DEADLINE,
        f"{place} took too long to answer: ask for less, such as an hour or one session",
    )


def changed(place: str, said: str) -> Trouble:
    """Return what a database is in which a table is missing, as it says itself."""
    return Trouble(
        Kind.OTHER_VERSION,
        f"{place} was changed since fixfeed made it: {said}; give the table its name again, or "
        "store the logs in another database",
    )
