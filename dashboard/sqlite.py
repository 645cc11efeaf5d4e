"""SQLite, read only, by Python's own library: it alone can be told to give up at a deadline.

Two SQLite libraries in one process must not open one file (`io.sql.sqlite`), so nothing in a
process that uses this module may store in the same file.
"""

import contextlib
import datetime
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from fixfeed.dashboard.database import Database, changed, late
from fixfeed.dashboard.trouble import Kind, Trouble
from fixfeed.dashboard.values import text_of_time
from fixfeed.io.ledger.ledger import SinkError
from fixfeed.io.sql.sqlite_file import check_there, read_only_uri, uri_of

__all__ = ["SqliteReader"]

_STEPS = 20_000  # of SQLite's machine, after each of which it looks at the clock: no cost measured
_PATIENCE = 1.0  # seconds, for another process's lock
_CACHE = 16_384  # KiB, of each connection


class _Connection(sqlite3.Connection):
    """A connection that knows which file it has opened, and as what."""

    file: tuple[int, ...] | None = None


class SqliteReader(Database[_Connection]):
    """A database file at `path`; another process may write to it meanwhile."""

    dialect = "sqlite"
    _tables = "select name from sqlite_master"
    _explain = "explain query plan"

    def __init__(self, path: str, place: str):
        """Store where it is."""
        super().__init__(place)
        self._path = Path(path)

    def _connect(self, seconds: float) -> _Connection:
        try:
            check_there(self._path, self.place)
            identity = _identity(self._path)
        except SinkError as error:
            raise Trouble(
                Kind.MISSING, f"{error}: name another one, or store logs there first"
            ) from None
        except OSError as error:
            raise Trouble(
                Kind.MISSING, f"cannot open {self.place}: {error.strerror}; check its folder"
            ) from None
        file = self._path.resolve()
        with _telling(self.place):
            connection = sqlite3.connect(
                read_only_uri(file) or uri_of(file, "ro"),
                uri=True,
                timeout=_PATIENCE,
                isolation_level=None,
                check_same_thread=False,  # a thread at a time
                factory=_Connection,
                cached_statements=64,
            )
            connection.file = identity
            connection.execute("pragma query_only = on")
            # Not mapped into memory: a file that is cut short would end this process (SIGBUS).
            connection.execute(f"pragma cache_size = -{_CACHE}")
        return connection

    def _is_open(self, connection: _Connection) -> bool:
        # Not of a file that was removed, replaced by another one, or that another one was copied
        # over: with a WAL, SQLite itself looks at that alone, and goes on with what it has read.
        try:
            return connection.file == _identity(self._path)
        except OSError:
            return False

    def _close(self, connection: _Connection) -> None:
        connection.close()

    @contextlib.contextmanager
    def _run(
        self,
        connection: _Connection,
        statement: str,
        values: Sequence[Any],
        deadline: float,
    ) -> Iterator[sqlite3.Cursor]:
        connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
        with _telling(self.place), contextlib.closing(connection.cursor()) as cursor:
            yield cursor.execute(statement, values)

    def time(self, time: datetime.datetime) -> str:
        """See `Database.time`."""
        return text_of_time(time)

    def among(self, values: Sequence[Any]) -> tuple[str, Any]:
        """See `Database.among`."""
        found = "value"
        if any(isinstance(value, str) and "\0" in value for value in values):
            # SQLite's JSON ends a text at U+0000, so that is written ~0, and ~ itself ~1.
            values = [value.replace("~", "~1").replace("\0", "~0") for value in values]
            found = "replace(replace(value, '~0', char(0)), '~1', '~')"
        return f"in (select {found} from json_each(?))", orjson.dumps(list(values)).decode()


def _identity(path: Path) -> tuple[int, ...]:
    """Return what tells a file from another one, and from itself after something wrote into it.

    A job does so as well, now and then: to open the file anew then costs about a millisecond.
    """
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


@contextlib.contextmanager
def _telling(place: str) -> Iterator[None]:
    """Turn SQLite's errors into `Trouble`; those of statements are our bugs."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        name = getattr(error, "sqlite_errorname", "") or ""
        if name.startswith("SQLITE_INTERRUPT"):
            raise late(place) from error
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL")):
            raise Trouble(
                Kind.LOCKED,
                f"{place} is locked by another process: wait until that has ended, or end it",
            ) from error
        if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
            raise Trouble(
                Kind.MISSING, f"{place} is no database that can be read: name another file"
            ) from error
        if name.startswith(("SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH", "SQLITE_READONLY")):
            raise Trouble(
                Kind.MISSING,
                f"cannot open {place}: check that you may read the file and its folder",
            ) from error
        if name.startswith(("SQLITE_IOERR", "SQLITE_FULL", "SQLITE_NOMEM")):
            raise Trouble(
                Kind.AWAY, f"cannot read {place}: check its disk and the memory of this machine"
            ) from error
        if str(error).startswith("no such table"):
            raise changed(place, str(error)) from error
        raise
