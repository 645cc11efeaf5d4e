"""Opens the database that a URI names, to store in it or only to look."""

from pathlib import Path

from fixfeed.io.fsync import not_writable
from fixfeed.io.ledger.ledger import SinkError
from fixfeed.io.redaction import redact
from fixfeed.io.sql.sqlite_file import path_of
from fixfeed.io.sql.store import Store
from fixfeed.transforms.protocol import Protocol

__all__ = ["PATIENCE", "look_at_store", "open_store"]

PATIENCE = 120.0  # seconds
"""A run waits this long for another process that locks a database."""


def open_store(
    uri: str,
    *,
    protocol: Protocol | None = None,
    make: bool = True,
    read_only: bool = False,
    patience: float = PATIENCE,
    counted_for: str = "",
) -> Store:
    """Open `sqlite:///relative.db`, `sqlite:////absolute.db` or `postgresql://user@host/db`.

    Passwords come from libpq's own sources (PGPASSWORD, ~/.pgpass); one in the URI works and is
    never shown. Raises `SinkError` if the URI is none of these, or nothing answers there. A missing
    file is made; with `make` false, or `read_only`, it is an error too. `protocol` is that of the
    messages, FIX if none is named. Another process that locks an SQLite file is waited for for
    `patience` seconds. `counted_for` is the run on a cluster whose commits are counted.
    """
    store = _opened(uri, protocol, make=make, read_only=read_only, patience=patience)
    store.counted_for = counted_for
    return store


def _opened(
    uri: str, protocol: Protocol | None, *, make: bool, read_only: bool, patience: float
) -> Store:
    scheme, separator, _ = uri.partition("://")
    if separator and scheme == "sqlite":
        path = path_of(uri)
        # One SQLite library per process, so it is loaded only if it is used.
        from fixfeed.io.sql.sqlite import SqliteStore

        return SqliteStore(
            path,
            redact(uri),
            protocol=protocol,
            make=make,
            read_only=read_only,
            patience=patience,
        )
    if separator and scheme in ("postgresql", "postgres"):
        from fixfeed.io.sql.postgresql import PostgresqlStore

        return PostgresqlStore(uri, protocol=protocol, read_only=read_only)
    raise SinkError(f"{redact(uri)!r} is no database: expected sqlite:///... or postgresql://...")


def look_at_store(uri: str, *, protocol: Protocol | None = None) -> Store | None:
    """Open a writable database to look at it; None if it does not exist yet.

    Makes and changes nothing. Raises `SinkError` as opening, preparing and writing would.
    """
    if uri.startswith("sqlite:") and not Path(path_of(uri)).exists():
        folder = Path(path_of(uri)).resolve().parent
        if not folder.is_dir():
            raise SinkError(f"cannot open {redact(uri)}: there is no folder {redact(str(folder))}")
        if not_writable(folder):
            raise SinkError(f"cannot make {redact(uri)}: you may not write to its folder")
        return None
    store = open_store(uri, protocol=protocol, read_only=True)
    try:
        if store.check():
            return store
    except BaseException:
        store.close()
        raise
    store.close()
    return None
