"""Has something done in a thread while other work is done."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TypeVar

from fixfeed.io.background import in_background

__all__ = ["asked_meanwhile", "meanwhile"]

T = TypeVar("T")

_LATE = 10.0  # seconds
_STEP = 0.1


@contextmanager
def meanwhile(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Do `work` in a thread while the body runs; it is given what is set once the body is over.

    It is waited for in the end.
    """
    over = threading.Event()
    thread = threading.Thread(target=work, args=(over,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def asked_meanwhile(
    ask: Callable[[], T],
    take: Callable[[Future[T]], None],
    *,
    pause: float,
    late: Callable[[], None] | None = None,
) -> Iterator[None]:
    """Call `ask` each `pause` seconds while the body runs, and give `take` how that has ended.

    The end waits for no answer. `late` is called once if one takes longer than ten seconds.
    """

    def work(over: threading.Event) -> None:
        while not over.wait(pause):
            asking, begun, is_late = in_background(ask), time.monotonic(), False
            while not asking.done():
                if over.wait(min(pause, _STEP)):
                    return
                if late and not is_late and time.monotonic() - begun > _LATE:
                    is_late = True
                    late()
            take(asking)

    with meanwhile(work):
        yield
