"""Files that only grow. Their lengths are recorded elsewhere; bytes beyond them do not count."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from fixfeed.io.fsync import sync
from fixfeed.io.ledger.ledger import SinkError

__all__ = ["FAILURES", "Recorded", "append", "failures_path", "settle"]

FAILURES = Path("fixfeed.failures.jsonl")
"""The failures of standard output go here: it has the messages, standard error the progress."""

_TAIL = 4096


class Recorded(NamedTuple):
    """A file as it was left: its length, and a digest of its last 4096 bytes."""

    length: int = 0
    tail: str = ""


def failures_path(lines: Path) -> Path:
    """Return the file for the failures of a file of lines: out.failures.jsonl for out.jsonl."""
    return lines.with_name(f"{lines.stem}.failures{lines.suffix}")


def settle(path: Path, recorded: Recorded, *, cut: bool = True) -> None:
    """Cut the file to its recorded length, or, without `cut`, only check it.

    Raises `SinkError` unless the file begins with the recorded bytes; a file without a record may
    be missing. The caller keeps other writers out.
    """
    if path.exists() and not path.is_file():
        raise SinkError(f"{path} is no file; write to another path")
    try:
        with open(path, "r+b") as file:
            size = os.fstat(file.fileno()).st_size
            if size < recorded.length:
                raise _changed(path, f"has {size:,} bytes", recorded)
            if _tail(file.fileno(), recorded.length) != recorded.tail:
                raise _changed(path, "has other content", recorded)
            if cut and size > recorded.length:
                file.truncate(recorded.length)
    except FileNotFoundError:
        if recorded.length:
            raise _changed(path, "is not there", recorded) from None


def append(path: Path, recorded: Recorded, lines: Sequence[bytes]) -> Recorded:
    """Settle the file, append lines, and return its new record.

    All is on disk on return. Raises `SinkError` as `settle`, and `OSError` if the file cannot be
    written.
    """
    settle(path, recorded)
    new = not path.exists()
    with open(path, "ab") as file:
        file.writelines(lines)
        file.flush()
        os.fsync(file.fileno())
    if new:
        sync(path.parent)
    with open(path, "rb") as file:
        length = recorded.length + sum(map(len, lines))
        return Recorded(length, _tail(file.fileno(), length))


def _changed(path: Path, found: str, recorded: Recorded) -> SinkError:
    return SinkError(
        f"{path} {found}, but fixfeed has written {recorded.length:,} bytes to it and counts them "
        "as stored: put the file back as it was, or write to a new one; to begin anew under this "
        "name, remove lines, failures and .progress.db together"
    )


def _tail(descriptor: int, length: int) -> str:
    start = max(length - _TAIL, 0)
    octets = os.pread(descriptor, length - start, start)
    return hashlib.blake2b(octets, digest_size=16).hexdigest() if octets else ""
