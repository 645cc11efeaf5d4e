"""Standard input, output and error, where they are closed, full, or nobody reads them."""

import os
import sys

__all__ = ["CLOSED", "give_up", "open_standard_streams"]

CLOSED = "it is closed"
"""What is wrong with a standard stream that Python has found closed."""


def open_standard_streams() -> None:
    """Open /dev/null in place of standard input, output and error where they are closed.

    Else a database would become standard output, and what is printed would go into it. What Python
    has found closed (`sys.stdout is None`) stays so, but for standard error, which is given up.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # It gets the lowest number that is free: this one.
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115


def give_up(number: int) -> None:
    """Let what Python still holds for a stream go nowhere, so that it does not fail at exit."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, number)
    os.close(null)
