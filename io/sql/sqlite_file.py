"""The file of an SQLite database, whichever of SQLite's libraries opens it."""

import os
from pathlib import Path
from urllib.parse import quote

from fixfeed.io.ledger.ledger import SinkError
from fixfeed.io.redaction import redact
from fixfeed.transforms.nearest import nearest

__all__ = ["NAME_ENDS", "check_there", "path_of", "read_only_uri", "uri_of"]

NAME_ENDS = (".db", ".sqlite", ".sqlite3", ".db3")
"""Ends of the names that people give such files."""


def path_of(uri: str) -> str:
    """Return the path in an SQLite URI; `SinkError` if there is none."""
    rest = uri.partition("://")[2]
    path = rest.removeprefix("/")
    if not rest.startswith("/") or not path:
        guess = f"; did you mean {redact(f'sqlite:///{rest}')}?" if rest.strip("/") else ""
        raise SinkError(
            f"{redact(uri)!r} names no file: write sqlite:///relative.db or "
            f"sqlite:////absolute.db{guess}"
        )
    return path


def check_there(path: Path, place: str) -> None:
    """Raise `SinkError` unless there is a file at `path`, which people know as `place`."""
    if path.is_dir():
        raise SinkError(f"cannot open {place}: it is a folder")
    if not path.exists():
        folder = path.resolve().parent
        if not folder.is_dir():
            raise SinkError(f"cannot open {place}: there is no folder {redact(str(folder))}")
        others = [one.name for one in folder.iterdir() if _may_be_meant(one, path.suffix)]
        near = nearest(path.name, others)
        guess = f"; there is {near!r}" if near else ""
        raise SinkError(f"there is no database at {place}{guess}")


def _may_be_meant(file: Path, suffix: str) -> bool:
    """Return whether a file is a database by its name.

    It is not read: this process may have it open, and closing a file drops all locks that the
    process has on it. Then who writes takes it for unread, and removes its journal.
    """
    return file.suffix in {suffix, *NAME_ENDS} and file.is_file()


def uri_of(path: Path, mode: str) -> str:
    """Return SQLite's URI of an existing file (`mode=ro`); opening it makes no file."""
    return f"file:{quote(str(path))}?mode={mode}"


def read_only_uri(path: Path) -> str | None:
    """Return the URI that an existing file has to be read by if it may not be written to.

    None if it may be: then it can be opened in any way.
    """
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        return None
    # Without a journal nobody is writing; with one, reading needs the right to write.
    return uri_of(path, "ro" if Path(f"{path}-wal").exists() else "ro&immutable=1")
