"""Sends at a steady rate."""

import time
from collections.abc import Callable

__all__ = ["paced"]

_TICK = 0.002


def paced(numbers: range, rate: float, send: Callable[[int], None]) -> None:
    """Send each of the numbers when its time has come, with so many a second from 0 on."""
    begin = time.monotonic()
    for number in numbers:
        while number >= (time.monotonic() - begin) * rate:
            time.sleep(_TICK)
        send(number)
