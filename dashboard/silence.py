"""Cuts connections to a server that is silent: one that is frozen ends no query itself."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg2

__all__ = ["Silence"]


class Silence:
    """Watches connections from one thread, as one for each query would take longer than most do.

    A connection is one of psycopg2, with `fileno`. Whoever waits for one that is cut gets an
    `OperationalError`.
    """

    def __init__(self) -> None:
        """Begin no thread before there is something to watch."""
        self._changed = threading.Condition()
        self._due: dict[object, tuple[float, Any]] = {}
        self._wakes = 0.0  # when the thread looks next; 0 while there is none

    @contextlib.contextmanager
    def cut_after(self, connection: Any, seconds: float) -> Iterator[None]:
        """Cut a connection if the body takes longer; it is closed then."""
        mine = object()
        due = time.monotonic() + seconds
        with self._changed:
            self._due[mine] = due, connection
            if not self._wakes:
                self._wakes = due
                threading.Thread(target=self._watch, name="silence", daemon=True).start()
            elif due < self._wakes:
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                was_cut = self._due.pop(mine, None) is None
            if was_cut:
                connection.close()

    def _watch(self) -> None:
        with self._changed:
            while self._due:
                now = time.monotonic()
                for one in [one for one, (due, _) in self._due.items() if due <= now]:
                    _cut(self._due.pop(one)[1])
                self._wakes = min((due for due, _ in self._due.values()), default=now)
                self._changed.wait(self._wakes - now)
            self._wakes = 0.0


def _cut(connection: Any) -> None:
    with (
        contextlib.suppress(OSError, psycopg2.Error),  # it has just been closed
        socket.socket(fileno=os.dup(connection.fileno())) as shared,
    ):
        shared.shutdown(socket.SHUT_RDWR)
