"""Says what is waited for, where that takes a while."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fixfeed.pipelines.log import say
from fixfeed.pipelines.meanwhile import meanwhile

__all__ = ["waiting_told"]

_FIRST = 5.0  # seconds; something else may have been silent for as long before
_NEXT = 10.0


@contextmanager
def waiting_told(what: Callable[[], str], *, quiet: bool = False) -> Iterator[None]:
    """Say `what` is waited for after five seconds, and each ten then, while the body runs.

    A run that is `quiet` says nothing.
    """
    if quiet:
        yield
        return

    def tell(over: threading.Event) -> None:
        seconds = _FIRST
        while not over.wait(seconds):
            say(what(), event="progress")
            seconds = _NEXT

    with meanwhile(tell):
        yield
