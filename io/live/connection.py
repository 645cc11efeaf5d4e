"""A connection of a gateway, as asyncio tells what happens to it."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from fixfeed.io.live.listener import Listener
from fixfeed.io.live.spool import Kind
from fixfeed.io.live.writing import SpoolWriter

__all__ = ["Connection", "Holder", "Observer", "now"]

_LARGEST = 1 << 40  # a source has no more positions


def now() -> int:
    """Return the time in microseconds, as records of the spool have it."""
    return time.time_ns() // 1000


class Observer(Protocol):
    """Is told what happens at a listener, which is named by its text."""

    def opened(self, listener: str) -> None:
        """A connection was accepted."""

    def closed(self, listener: str) -> None:
        """A connection is over."""

    def refused(self, listener: str) -> None:
        """A connection was refused."""

    def received(self, listener: str, octets: int) -> None:
        """So many bytes have come."""

    def paused(self, paused: bool) -> None:
        """Nothing is read from now on, as there is no room; or it is read again."""


class Holder(Protocol):
    """The gateway that holds connections, as they need it."""

    observer: Observer | None

    def begun(self, connection: "Connection") -> None:
        """Count a connection."""

    def over(self, connection: "Connection") -> None:
        """Count a connection no more."""

    def writer(self, listener: Listener, host: str, port: int) -> SpoolWriter:
        """Return the writer of a new connection."""

    def was_written(self, connection: "Connection") -> None:
        """Have what was written to a connection synced."""

    def not_written(self, error: OSError) -> None:
        """Stop reading until there is room, or end if that is not what is missing."""


class Connection(asyncio.Protocol):
    """A connection that a gateway has accepted: its bytes go to the spool as they come."""

    def __init__(self, gateway: Holder, listener: Listener, host: str, port: int):
        """`host` and `port` are those of the peer; its writer is made once something has come."""
        self.listener = listener
        self.heard = time.monotonic()
        self.is_over = False
        self._gateway = gateway
        self._peer = host, port
        self._why: Kind | None = None
        self._writer: SpoolWriter | None = None

    @property
    def writer(self) -> SpoolWriter:
        """Writes what was received; there is one once something was."""
        if self._writer is None:
            self._writer = self._gateway.writer(self.listener, *self._peer)
        return self._writer

    @property
    def is_removed(self) -> bool:
        """Whether its folder was removed from the spool."""
        return self._writer is not None and self._writer.is_removed

    @property
    def text(self) -> str:
        """What it is, for people."""
        host, port = self._peer
        return f"the connection from {host}:{port} to {self.listener.text}"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin (`asyncio.Protocol`)."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._gateway.begun(self)

    def data_received(self, data: bytes) -> None:
        """Write what has come (`asyncio.Protocol`)."""
        self.heard = time.monotonic()
        if self._gateway.observer:
            self._gateway.observer.received(self.listener.text, len(data))
        self._write(lambda: self.writer.append(data, now()))
        if self.writer.position + len(data) >= _LARGEST - (1 << 20):
            self.close(Kind.FULL)

    def connection_lost(self, error: Exception | None) -> None:
        """Note the end, and why it ended (`asyncio.Protocol`)."""
        self.is_over = True
        self._gateway.over(self)
        if self._writer is not None:
            kind = self._why or (Kind.RESET if error else Kind.CLOSED)
            self._write(lambda: self.writer.end(kind, now()))

    def _write(self, work: Callable[[], None]) -> None:
        try:
            work()
        except OSError as error:
            self._gateway.not_written(error)
        self._gateway.was_written(self)

    def close(self, why: Kind) -> None:
        """End it, for this reason."""
        self._why = self._why or why
        self._transport.abort()

    def pause(self) -> None:
        """Read nothing more."""
        with suppress(RuntimeError):  # it ends already
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        with suppress(RuntimeError):
            self._transport.resume_reading()
