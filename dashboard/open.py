"""Opens the database that a URI names, to read it."""

from fixfeed.dashboard.database import Database
from fixfeed.io.ledger.ledger import SinkError
from fixfeed.io.redaction import redact
from fixfeed.io.sql.sqlite_file import NAME_ENDS, path_of

__all__ = ["open_database"]


def open_database(uri: str) -> Database:
    """Return the database at `sqlite:///relative.db`, `sqlite:////absolute.db`, `postgresql://...`.

    Nothing is opened yet (`Database`). Raises `SinkError` if the URI is none of these.
    """
    scheme, separator, _ = uri.partition("://")
    if separator and scheme == "sqlite":
        path = path_of(uri)
        from fixfeed.dashboard.sqlite import SqliteReader

        return SqliteReader(path, redact(uri))
    if separator and scheme in ("postgresql", "postgres"):
        from fixfeed.dashboard.postgresql import PostgresqlReader

        return PostgresqlReader(uri)
    file = uri.removeprefix("sqlite:")
    meant = f"; did you mean {redact(f'sqlite:///{file}')}?" if file.endswith(NAME_ENDS) else ""
    raise SinkError(
        f"{redact(uri)!r} is no database: expected sqlite:///... or postgresql://...{meant}"
    )
