"""Handles standard input, output and error that are closed, full or not read."""

import os
import sys

__all__ = ["CLOSED", "give_up", "open_standard_streams"]

CLOSED = "it is closed"
"""The error of a standard stream that Python has found closed."""


def open_standard_streams() -> None:
    """Open /dev/null in place of closed standard input, output and error.

    Otherwise a database could become standard output, and printed text would go into it. A stream
    that Python has found closed (`sys.stdout is None`) stays so, except standard error, whose text
    is discarded.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest free number: this one
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115


def give_up(number: int) -> None:
    """Discard the text that Python still holds for a stream, so that it does not fail at exit."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, number)
    os.close(null)
