"""A database with fixfeed's tables: its schema, its runs, its failures."""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson
import pyarrow as pa

from fixfeed.io.codes import COLUMNS, code_row, codes_of_sessions
from fixfeed.io.ledger.keys import POSITION_BITS, now
from fixfeed.io.ledger.ledger import SchemaError, SinkError, SinkFailed
from fixfeed.io.sql.migrations import migrate
from fixfeed.io.sql.minute_counts import merge_counts
from fixfeed.io.sql.tables import (
    VERSION,
    create_statements,
)
from fixfeed.transforms.codes import Code
from fixfeed.transforms.protocol import Protocol, Table, default_protocol

__all__ = ["Database", "now"]

_MANY = 1000  # messages that are worth new statistics
_OURS = ("messages", "failures", "sources", "progress", "runs", "codes")


class Database(ABC):
    """The tables of `sql.tables` in one database, over one connection. Not for several threads.

    `place` is the database's name for people, without a password. `protocol` is that of its
    messages, FIX if it is None.
    """

    dialect: str
    place: str
    protocol: Protocol | None

    @property
    def table(self) -> Table:
        """How messages become rows."""
        return (self.protocol or default_protocol()).table

    # Each dialect implements these.

    @abstractmethod
    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run a statement with `?` for values; return its rows, [] if there are none."""

    @abstractmethod
    def changed(self, statement: str, *values: Any) -> int:
        """Run a statement that changes rows; return their number."""

    @abstractmethod
    def row_lock(self, *, exclusive: bool) -> str:
        """Return the end of a select that locks its rows while the transaction lasts.

        A shared lock keeps out exclusive ones; an exclusive lock keeps out all others.
        """

    @abstractmethod
    def rows(self, statement: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query as they are read; no other query may run meanwhile."""

    @abstractmethod
    def check_writable(self) -> None:
        """Raise `SinkError` if this user may not write to or make the tables; write nothing."""

    @abstractmethod
    def tables(self) -> set[str]:
        """Return the names of the existing tables."""

    @abstractmethod
    def columns(self, table: str) -> set[str]:
        """Return the names of the columns of an existing table."""

    @abstractmethod
    def ingest(self, table: str, batches: Sequence[pa.RecordBatch]) -> None:
        """Append at least one batch, all of one schema, to a table in the transaction."""

    @abstractmethod
    def select(self, statement: str, schema: pa.Schema, *values: Any) -> pa.Table:
        """Return the rows of a query, with `?` for values, as columns of these types, in order."""

    @abstractmethod
    def among(self, values: pa.Array) -> tuple[str, Any]:
        """Return the end of a condition that an expression is one of many values, and its `?`."""

    @abstractmethod
    def deriving(self) -> contextlib.AbstractContextManager[None]:
        """Return a transaction (`transaction`) that nobody else derives tables during.

        It sees the messages as they are at its beginning.
        """

    @abstractmethod
    def alone(self) -> contextlib.AbstractContextManager[None]:
        """Keep others from deriving tables meanwhile, where the database has a lock for that."""

    @abstractmethod
    def derivings(self) -> int:
        """Return the number of the last transaction that derived; 0 where `alone` locks."""

    @abstractmethod
    def count_deriving(self, before: int) -> int | None:
        """Return the number of this transaction, which derives tables after number `before`.

        It is None if another one has done so meanwhile: then nothing may be written.
        """

    @abstractmethod
    def begin_reading(self) -> None:
        """Begin a transaction that sees all as it is now, and keeps nobody from writing."""

    @abstractmethod
    def shorten_journal(self) -> None:
        """Let the database use its journal from the beginning again, if it has grown long.

        For who reads in one transaction after another while somebody writes, between two of them:
        SQLite's journal otherwise grows as long as that lasts.
        """

    @abstractmethod
    def another(self) -> "Database":
        """Return another connection to the same database."""

    @abstractmethod
    def lock_schema(self) -> None:
        """Keep other processes from making or migrating the schema during the transaction."""

    @abstractmethod
    def begin(self) -> None:
        """Begin a transaction that writes."""

    @abstractmethod
    def impatient(self) -> contextlib.AbstractContextManager[None]:
        """Wait no longer than a second for a lock meanwhile; then `SinkFailed` is raised."""

    @abstractmethod
    def is_key_violation(self, error: Exception) -> bool:
        """Return whether the database refused a key that it already has."""

    @abstractmethod
    def refusal(self, error: Exception) -> str | None:
        """Return what the database says of a statement that it refused; None of other errors."""

    @abstractmethod
    def commit(self) -> None:
        """Commit the transaction that is open."""

    @abstractmethod
    def rollback(self) -> None:
        """Undo the transaction that is open."""

    @abstractmethod
    def analyse(self, added: int) -> None:
        """Bring the optimiser's statistics up to date, bounded in time, if `added` is much.

        Waits for no other process, or a second at most. Raises `SinkFailed` if it cannot.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit the work inside, or, on an exception, nothing of it."""
        self.begin()
        try:
            yield
            self.commit()
        except BaseException:
            self.rollback()
            raise

    # The schema.

    def prepare(self) -> None:
        """Make the schema in an empty database, or check that it is of this version.

        Raises `SchemaError` if it is older (with the command that migrates it), newer, not ours, or
        has messages of another protocol. Two processes may do this at once.
        """
        with self.transaction():
            self.lock_schema()
            found = self._version()
            if found is None:
                for statement in create_statements(self.dialect, self.table):
                    self.query(statement)
                self.fill_codes()
            else:
                self._check_version(found)
                self._keep_codes(self.table.codes())

    def _check_version(self, found: int) -> None:
        if found < VERSION:
            raise SchemaError(
                f"{self.place} has schema version {found}, this fixfeed writes {VERSION}; "
                f"migrate it with: fixfeed migrate {self.place}"
            )
        for table, columns in {"messages": self.table.keyed, **self.table.keyed_children}.items():
            there = self.columns(table)
            missing = [name for name in columns if name not in there]
            if missing:
                of = "" if table == "messages" else f"{table}."
                raise SchemaError(
                    f"{self.place} holds messages of another protocol, without the column "
                    f"{of}{missing[0]}; name another database"
                )

    def check_readable(self) -> None:
        """Raise `SchemaError` unless the schema is there, and of this version."""
        found = self._version()
        if found is None:
            raise SchemaError(f"{self.place} holds nothing of fixfeed's")
        self._check_version(found)

    def asked(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query that a user wrote a part of; `SinkError` if it is wrong."""
        try:
            return list(self.rows(query))
        except Exception as error:
            said = self.refusal(error)
            if said is None:
                raise
            raise SinkError(f"{self.place} refuses the condition: {said}") from error

    def check(self) -> bool:
        """Return whether the schema exists already; change nothing. Raises as `prepare`.

        It also raises `SinkError` if this user may not write.
        """
        self.check_writable()
        found = self._version()
        if found is not None:
            self._check_version(found)
        return found is not None

    def migrate(self) -> tuple[int, int]:
        """Bring an older schema to this version in one transaction; return both versions."""
        with self.transaction():
            self.lock_schema()
            found = self._version()
            if found is None:
                raise SchemaError(f"{self.place} holds no fixfeed schema to migrate")
            if found < VERSION:
                migrate(self, found)
            self.query("update schema_version set version = ?", VERSION)
        return found, VERSION

    def _version(self) -> int | None:
        tables = self.tables()
        if "schema_version" not in tables:
            foreign = sorted(tables.intersection((*_OURS, *self.table.children)))
            if foreign:
                raise SchemaError(
                    f"{self.place} has a table {foreign[0]!r} that fixfeed did not make; "
                    "name another database"
                )
            return None
        version = int(self.query("select version from schema_version")[0][0])
        if version > VERSION:
            raise SchemaError(
                f"{self.place} has schema version {version}, this fixfeed knows up to {VERSION}; "
                "use the newer fixfeed that wrote it"
            )
        return version

    def fill_codes(self) -> None:
        """Fill the table of codes, which is empty, with all that the protocol names."""
        rows = [code[:3] for code in self.table.codes()]
        if rows:
            columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
            self.ingest("codes", [pa.RecordBatch.from_arrays(columns, COLUMNS[:3])])
        self._keep_codes(self.table.codes())

    def _keep_codes(self, codes: Iterable[Code]) -> None:
        """Store codes with several names; those that are there already are kept."""
        known = {
            (field, value): orjson.loads(others) if isinstance(others, str) else others
            for field, value, others in self.query(
                "select field, value, other_names from codes where other_names is not null"
            )
        }
        both = {
            "sqlite": "json_patch(coalesce(codes.other_names, '{}'), excluded.other_names)",
            "postgresql": "coalesce(codes.other_names, '{}') || excluded.other_names",
        }[self.dialect]
        for code in codes:
            there = known.get((code.field, code.value), {})
            if not code.other_names.items() <= there.items():
                self.query(
                    "insert into codes (field, value, name, other_names) values (?, ?, ?, ?)"
                    " on conflict (field, value) do update set name = excluded.name,"
                    f" other_names = {both}",
                    *code_row(code),
                )

    def keep_codes_of(self, sessions: Iterable[str]) -> None:
        """Store the codes that have names of their own in these sessions."""
        codes = codes_of_sessions(sessions, self.table)
        if codes:
            with self.transaction():
                self.lock_schema()
                self._keep_codes(codes)

    # Runs and failures.

    def begin_run(self, version: str, configuration: Mapping[str, Any]) -> int:
        """Store the start of a run and return its run_id; `configuration` has no secrets."""
        with self.transaction():
            self.lock_schema()
            run_id = int(self.query("select coalesce(max(run_id), 0) + 1 from runs")[0][0])
            self.query(
                "insert into runs (run_id, started_at, version, configuration) values (?, ?, ?, ?)",
                run_id,
                now(),
                version,
                orjson.dumps(configuration).decode(),
            )
        return run_id

    def end_run(self, run_id: int, counts: Mapping[str, Any], ended: str) -> None:
        """Store the counts of a run and how it ended."""
        with self.transaction():
            self.query(
                "update runs set ended_at = ?, counts = ?, ended = ? where run_id = ?",
                now(),
                orjson.dumps(counts).decode(),
                ended,
                run_id,
            )

    def gather_statistics(self, added: int) -> None:
        """Let the optimiser know the messages after a run that has stored `added`; never fail.

        Statistics do not change after a small run. The counts of minutes become few rows. Who
        holds the database for longer than a second leaves both to the next run.
        """
        with contextlib.suppress(SinkFailed), self.impatient():
            if added:
                with contextlib.suppress(SinkFailed), self.transaction():
                    merge_counts(self)
            if added >= _MANY:
                with contextlib.suppress(SinkFailed):
                    self.analyse(added)

    def failures(self) -> Iterator[dict[str, Any]]:
        """Yield all failures with the name of their source, in order, as they are read.

        Raises `SchemaError` if the database has none of fixfeed's tables.
        """
        if self._version() is None:
            raise SchemaError(f"{self.place} holds nothing of fixfeed's")
        for number, name, reason, detail, raw in self.rows(
            "select f.failure_id, s.name, f.reason, coalesce(f.detail, ''), f.raw from failures f"
            " join sources s on s.source_id = f.source_id order by f.failure_id"
        ):
            yield {
                "failure_id": int(number),
                "source": name,
                "position": int(number) & (1 << POSITION_BITS) - 1,
                "reason": reason,
                "detail": detail or None,
                "raw": bytes(raw),
            }
