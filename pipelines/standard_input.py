"""Copies standard input to a file of the run, so that it can be read in parallel."""

import os
import select
import sys
from collections.abc import Callable
from pathlib import Path

from fixfeed.io.files.find import Unreadable
from fixfeed.io.ledger.ledger import SinkFailed

__all__ = ["spool"]

_BLINK = 0.2  # seconds between checks of `stop` while nothing arrives


def spool(folder: Path, stop: Callable[[], bool]) -> str | Unreadable:
    """Copy standard input to a file in `folder`, to its end or until `stop` returns true.

    Returns the path, or the reason if standard input cannot be read. Raises `SinkFailed` if the
    file cannot be written.
    """
    path = folder / "standard-input"
    if sys.stdin is None:
        return Unreadable("-", "standard input is closed; send it a file or a pipe")
    descriptor = sys.stdin.fileno()
    with open(path, "wb") as file:
        while not stop():
            try:
                if not select.select([descriptor], [], [], _BLINK)[0]:
                    continue
                octets = os.read(descriptor, 1 << 20)
            except OSError as error:
                return Unreadable("-", f"standard input cannot be read: {error.strerror}")
            if not octets:
                break
            try:
                file.write(octets)
                file.flush()
            except OSError as error:
                raise SinkFailed(
                    f"cannot copy standard input to {path}: {error.strerror}; make space there, or "
                    "name another folder for temporary files with TMPDIR"
                ) from error
    return str(path)
