"""Reads the failures of a file of JSON lines, in the order in which they were stored."""

from collections.abc import Generator
from typing import Any

from fixfeed.io.jsonl.files import FAILURES
from fixfeed.io.jsonl.ledger import JsonlLedger
from fixfeed.io.ledger.ledger import SinkError
from fixfeed.io.redaction import redact
from fixfeed.transforms.failures import failure_of

__all__ = ["read_failures"]


def read_failures(place: str) -> Generator[dict[str, Any], None, None]:
    """Yield all failures of a file of lines, or of standard output (`-`) in the current folder.

    Nothing is made or changed. Lines that a killed run left after the recorded end are skipped.
    Raises `SinkError` if there is no such file, or a line is not fixfeed's.
    """
    path, end = (FAILURES, None) if place == "-" else JsonlLedger(place).failures()
    if not path.exists():
        if place == "-":
            raise SinkError(f"there is no {path} in this folder: the last run had no failures")
        if end:
            raise SinkError(
                f"{redact(str(path))} is not there, but fixfeed has written {end:,} bytes to it"
            )
        return
    at = 0
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            at += len(line)
            if (end is not None and at > end) or not line.endswith(b"\n"):
                return
            try:
                yield failure_of(line)
            except ValueError as error:
                raise SinkError(
                    f"{path}: line {number} is no failure as fixfeed writes it: something else has "
                    "changed the file"
                ) from error
