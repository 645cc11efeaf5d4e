"""The database beside a file of JSON lines, which records the lengths of its files.

    out.jsonl                the lines
    out.failures.jsonl       the failures, if there are any
    out.jsonl.progress.db    sources, their stretches that are done, and how long the files are

A transaction of the database is the lock of the files: they change only inside one.
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fixfeed.io.fsync import not_writable
from fixfeed.io.jsonl.files import Recorded, append, failures_path, settle
from fixfeed.io.ledger import version_1
from fixfeed.io.ledger.ledger import SchemaError, SinkError, SinkFailed
from fixfeed.io.redaction import redact
from fixfeed.io.sql.progress import insert

__all__ = ["JsonlDatabase"]

_VERSION = 2
_PATIENCE = 120  # seconds
# Primary result codes for trouble with the disk, the file or other processes; all other errors are
# our bugs.
_TROUBLES = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOTADB,
}
_SCHEMA = (
    "create table files (name text primary key, length integer not null, tail text not null)",
    """create table source_identities (
  source_id integer primary key,
  kind text not null,
  name text not null,
  place text not null,
  file_id text not null,
  fingerprint text not null,
  digests text not null,
  stored_end text not null default ''
)""",
    """create table progress (
  source_id integer not null,
  rules text not null,
  start integer not null,
  "end" integer not null,
  stored integer not null,
  filtered integer not null,
  failed integer not null,
  skipped integer not null,
  witnesses text not null,
  primary key (source_id, "end")
)""",
    # The unfinished end of a source that is in the failures already.
    'create table unfinished (source_id integer primary key, start integer, "end" integer)',
    f"pragma user_version = {_VERSION}",
)


class JsonlDatabase:
    """A file of lines, one of failures, and their database. Not for several threads.

    Raises `SinkFailed` if the files or the database cannot be read or written, and `SinkError` if
    they are not as fixfeed left them.
    """

    dialect = "sqlite"

    def __init__(self, place: str):
        """Store the file's name; nothing is opened or made."""
        self.place = redact(f"jsonl:{place}")
        # Workers may run in another folder.
        lines = Path(place).absolute()
        self._files = {"lines": lines, "failures": failures_path(lines)}
        self._database = lines.with_name(f"{lines.name}.progress.db")
        self._connection: sqlite3.Connection | None = None

    def prepare(self) -> None:
        """Make the database if there is none; cut off the leftovers of killed writers.

        Raises `SinkError` if a file is not as it was left, or existed before the database, and
        `SchemaError` if the database has a newer version or was not made by fixfeed.
        """
        self._check_folder()
        with self.transaction():
            version = self._version()
            if not version:
                self._make()
            elif version < _VERSION:
                self._migrate()
            for name, path in self._files.items():
                settle(path, self._recorded(name))

    def check(self) -> bool:
        """Return whether lines were written already; change nothing. Raises as `prepare`.

        From then on the database is a copy in memory, of this version.
        """
        self._check_folder()
        for path in (self._database.parent, self._database, *self._files.values()):
            if path.exists() and not_writable(path):
                raise SinkError(f"cannot write to {self.place}: you may not write to {path}")
        if not self._database.exists():
            return False
        try:
            self.query("begin")
            copy = sqlite3.connect(":memory:", isolation_level=None)
            assert self._connection is not None
            self._connection.backup(copy)
            self.close()
            self._connection = copy
            version = self._version()
            if not version:
                return False
            if version < _VERSION:
                self._migrate()
            for name, path in self._files.items():
                settle(path, self._recorded(name), cut=False)
        except sqlite3.Error as error:
            raise SinkError(f"cannot read {self._database}: {error}") from error
        return True

    def _check_folder(self) -> None:
        folder = self._database.parent
        if not folder.is_dir():
            raise SinkError(f"cannot open {self.place}: there is no folder {redact(str(folder))}")
        foreign = self._foreign()
        if foreign and not self._database.exists():
            raise foreign

    def _version(self) -> int:
        version: int = self.query("pragma user_version")[0][0]
        if version > _VERSION:
            raise SchemaError(
                f"{self._database} has version {version}, this fixfeed knows up to {_VERSION}; "
                "use the newer fixfeed that wrote it"
            )
        return version

    def _foreign(self) -> SinkError | None:
        """Return the error for a file that has content, if there is one."""
        for path in self._files.values():
            if path.exists() and (not path.is_file() or path.stat().st_size):
                return SinkError(
                    f"{path} is there already, and no {self._database.name} that tells what it "
                    "holds; write to another file"
                )
        return None

    def _make(self) -> None:
        foreign = self._foreign()
        if foreign:
            raise foreign
        if self.query("select name from sqlite_master"):
            raise SchemaError(f"{self._database} is not of fixfeed's making; write to another file")
        for statement in _SCHEMA:
            self.query(statement)
        self.append("lines", [])

    def _migrate(self) -> None:
        """Bring a database of version 1 to this version."""
        sources = self.query("select source_id, kind, name, fingerprint, mark_digests from sources")
        progress = self.query("select * from progress")
        self.query("drop table sources")
        self.query("drop table progress")
        for statement in _SCHEMA:
            if "source_identities" in statement or "progress" in statement or "pragma" in statement:
                self.query(statement)
        for source_id, kind, name, fingerprint, digests in sources:
            place, fingerprint = version_1.identity(kind, name, fingerprint)
            self.query(
                "insert into source_identities values (?, ?, ?, ?, '', ?, ?, '')",
                *(source_id, kind, name, place, fingerprint, digests),
            )
        for row in progress:
            insert(self.query, row[0], (*row[1:], ""))

    def failures(self) -> tuple[Path, int]:
        """Return the file of failures and its recorded length; make and change nothing.

        Raises `SinkError` if nothing is recorded.
        """
        lines = self._files["lines"]
        if not self._database.exists():
            meant = lines.with_name(lines.name.replace(".failures.", "."))
            there = meant != lines and meant.with_name(f"{meant.name}.progress.db").exists()
            guess = f"; did you mean {redact(f'jsonl:{meant}')}?" if there else ""
            missing = redact(str(self._database))
            raise SinkError(
                f"fixfeed has written nothing to {self.place}: there is no {missing}{guess}"
            )
        try:
            return self._files["failures"], self._recorded("failures").length
        except sqlite3.Error as error:
            raise SinkError(f"cannot read {self._database}: {error}") from error
        finally:
            self.close()

    def close(self) -> None:
        """Close the database, if it is open."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the lock of the files; commit the work inside, or, on an exception, nothing of it.

        Waits up to two minutes for another writer.
        """
        try:
            self.query("begin immediate")
            try:
                yield
                self.query("commit")
            except BaseException:
                if self._connection and self._connection.in_transaction:
                    with contextlib.suppress(SinkFailed):
                        self.query("rollback")
                raise
        except OSError as error:
            raise SinkFailed.at(self.place, error) from error

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run a statement with `?` for values; return its rows, [] if it has none."""
        try:
            if self._connection is None:
                # One thread at a time uses a transform's instance, but not always the same thread.
                self._connection = sqlite3.connect(
                    self._database, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
                )
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0)
            if code == sqlite3.SQLITE_READONLY_DBMOVED:
                raise SinkFailed.replaced(self.place) from error
            if code & 0xFF in _TROUBLES:
                raise SinkFailed.at(self.place, error) from error
            raise

    def append(self, name: str, lines: Sequence[bytes]) -> None:
        """Append to the file of `lines` or `failures`; it is on disk on return."""
        recorded = append(self._files[name], self._recorded(name), lines)
        self.query("insert or replace into files values (?, ?, ?)", name, *recorded)

    def _recorded(self, name: str) -> Recorded:
        found = self.query("select length, tail from files where name = ?", name)
        return Recorded(*found[0]) if found else Recorded()
