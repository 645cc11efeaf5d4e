"""Signals that come before a job is watched, while its modules are loaded for a second or two."""

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

__all__ = ["asking", "came_early", "remembered"]

_STOPPED = 5  # `pipelines.endings.STOPPED`, which takes a second to load
_came: list[int] = []


def asking() -> Sequence[signal.Signals]:
    """Return the signals that ask to stop: SIGHUP not under nohup, where the job is to survive."""
    heeded = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
    return (signal.SIGINT, signal.SIGTERM, *((signal.SIGHUP,) if heeded else ()))


@contextmanager
def remembered() -> Iterator[None]:
    """Remember the first signal that asks to stop while nobody else handles them in the body.

    A second one ends the process, with the exit code of a run that was stopped: nothing has been
    opened yet. Nothing happens outside of the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, _frame: object) -> None:
        if _came:
            with suppress(OSError):
                os.write(2, b"fixfeed: stopped before it began\n")
            os._exit(_STOPPED)
        _came.append(number)

    handlers = {number: signal.signal(number, handle) for number in asking()}
    try:
        yield
    finally:
        _came.clear()
        for number, handler in handlers.items():
            signal.signal(number, handler)


def came_early() -> Sequence[int]:
    """Return the signals that were remembered, once."""
    found = tuple(_came)
    _came.clear()
    return found
