"""The gateway: it holds the connections of some addresses, and writes their bytes to a spool.

What was read from a socket is written to a file at once. Every few milliseconds all files that were
written are synced together, and then their bytes are named in the index, for readers to see.
"""

import asyncio
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from fixfeed.io.live.connection import Connection, Observer, now
from fixfeed.io.live.lacking import (
    FULL,
    NO_FILES,
    RESERVE,
    allow_files,
    cannot_write,
    reserve,
)
from fixfeed.io.live.listener import CannotListen, Listener
from fixfeed.io.live.lock import Lock
from fixfeed.io.live.recovery import recover
from fixfeed.io.live.refusals import Refusals
from fixfeed.io.live.spool import PRIVATE, Kind, connection_name
from fixfeed.io.live.writing import SEGMENT, Group, SpoolWriter

__all__ = ["Gateway"]

_GROUP = 0.004  # seconds in which writes are gathered before they are synced
_SYNCING = 8  # threads; the syncs of a file system that go on at once become one
_CARE = 1.0  # seconds between two looks whether the spool is there still
_AGAIN = 0.25  # seconds between two attempts to write to a full disk
_LAST = 0.1  # seconds in which what has come is taken still when the gateway ends
_PATIENCE = 5.0  # seconds for an earlier gateway to end
_HANDSHAKE = 10.0  # seconds for a peer to begin TLS


class Gateway:
    """Listens until it is stopped: `start`, `run`, and `stop` from any signal handler or task.

    `observer` is told what happens. `begin` is how a message begins: segments are cut there if
    possible. `say` is given a sentence about what people should know: a full disk, refused peers,
    torn bytes of an earlier gateway.
    """

    def __init__(
        self,
        listeners: Sequence[Listener],
        spool: Path,
        *,
        say: Callable[[str], None],
        observer: Observer | None = None,
        begin: bytes = b"",
        segment: int = SEGMENT,
    ):
        """Nothing is opened."""
        self._listeners = listeners
        self._spool = spool
        self.say = say
        self.observer = observer
        self._begin = begin
        self._segment = segment
        self._locks: list[Lock] = []
        self._sockets: list[tuple[Listener, socket.socket]] = []
        self._open: dict[str, set[Connection]] = {one.text: set() for one in listeners}
        self._pending: Counter[str] = Counter()  # connections that begin TLS
        self._dirty: set[Connection] = set()
        self._written = asyncio.Event()
        self._stopped = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._refusals = Refusals(say)
        self._most = 0  # connections that the open files suffice for
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed: OSError | None = None

    def start(self) -> list[str]:
        """Take the spool, end what a dead gateway has left there, and listen.

        Returns the addresses, with the ports that were chosen where 0 was asked for. Raises
        `CannotListen`.
        """
        self._most = allow_files(sum(one.max_connections for one in self._listeners), self.say)
        listening = []
        for listener in self._listeners:
            address = self._spool / listener.folder
            try:
                self._spool.mkdir(parents=True, exist_ok=True)
                address.mkdir(mode=PRIVATE, exist_ok=True)
                self._lock(address)
                reserve(address)
            except OSError as error:
                raise CannotListen(cannot_write(address, error)) from error
            listener.tls()
            one = listener.bound(_PATIENCE)
            self._sockets.append((listener, one))
            port = one.getsockname()[1]
            listening.append(listener.text.removesuffix(str(listener.port)) + str(port))
        return listening

    def _lock(self, address: Path) -> None:
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                lock = Lock(address)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise CannotListen(
                        f"another gateway writes the spool {address}; end it, or follow what it "
                        f"writes with --input spool:{address.parent}"
                    ) from None
                time.sleep(0.05)
        self._locks.append(lock)
        recover(address, lock, self.say)
        lock.note_boot()

    async def run(self) -> None:
        """Receive until `stop` is called; when it returns, all that was received is on disk.

        Raises the `OSError` of a disk that cannot be written for another reason than a lack of
        room, or of open files.
        """
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(_SYNCING, "sync") as threads:
            syncing = loop.create_task(self._sync(threads))
            tasks = [loop.create_task(self._accept(*one)) for one in self._sockets]
            care = self._end_idle(), self._end_removed(), self._say_refused()
            tasks += map(loop.create_task, care)
            await self._stopped.wait()
            await asyncio.sleep(_LAST)
            for task in tasks:
                task.cancel()
            for _, one in self._sockets:
                one.close()
            for connection in self._all():
                connection.close(Kind.STOPPED)
            until = time.monotonic() + 1
            while (self._all() or self._dirty) and not self._failed and time.monotonic() < until:
                self._written.set()
                await asyncio.sleep(_GROUP)
            syncing.cancel()
            with suppress(asyncio.CancelledError):
                await syncing
        lost = sum(one.writer.unwritten for one in self._dirty)
        if lost:
            self.say(f"{lost:,} bytes that were received could not be written, and are lost")
        self._refusals.say_rest()
        for lock in self._locks:
            lock.release()
        if self._failed:
            raise self._failed

    def stop(self) -> None:
        """End all connections, and then `run`."""
        self._stopped.set()

    @property
    def is_full(self) -> bool:
        """Whether the disk is full, or no more files may be open, so that nothing is read."""
        return not self._room.is_set()

    def _all(self) -> list[Connection]:
        return [one for group in self._open.values() for one in group]

    def _held(self) -> int:
        """Return how many connections need their files still; some of them may be over."""
        ending = sum(one.is_over for one in self._dirty)
        return len(self._all()) + self._pending.total() + ending

    async def _accept(self, listener: Listener, one: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        context = listener.tls()
        while True:
            await self._room.wait()
            try:
                peer, where = await loop.sock_accept(one)
            except OSError as error:
                why = f"cannot accept connections to {listener.text}: {error.strerror}"
                self._refusals.add(listener.text, why)
                await asyncio.sleep(_AGAIN)
                continue
            host, port = where[:2]
            count = len(self._open[listener.text]) + self._pending[listener.text]
            if not listener.allows(host):
                self._refuse(listener, host, f"{listener.text} does not allow its address")
            elif count >= listener.max_connections:
                self._refuse(
                    listener,
                    host,
                    f"{listener.text} has {listener.max_connections:,} connections already; more "
                    "are allowed with max-connections",
                )
            elif self._held() >= self._most:
                self._refuse(
                    listener,
                    host,
                    f"there are {self._most:,} connections already, and this process may have no "
                    f"more open files for {listener.text}; more are allowed with ulimit -n",
                )
            else:
                self._pending[listener.text] += 1
                task = loop.create_task(self._connect(listener, peer, host, port, context))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
                continue
            peer.close()

    async def _connect(
        self,
        listener: Listener,
        peer: socket.socket,
        host: str,
        port: int,
        context: ssl.SSLContext | None,
    ) -> None:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        timeouts = {"ssl_handshake_timeout": _HANDSHAKE, "ssl_shutdown_timeout": 1.0}
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: Connection(self, listener, host, port),
                peer,
                ssl=context,
                **(timeouts if context else {}),
            )
        except OSError as error:
            why = getattr(error, "reason", "") or error.strerror or str(error)
            why = str(why).lower().replace("_", " ")
            self._refuse(listener, host, f"no TLS with it at {listener.text}: {why}")
        finally:
            self._pending[listener.text] -= 1

    def _refuse(self, listener: Listener, host: str, why: str) -> None:
        if self.observer:
            self.observer.refused(listener.text)
        self._refusals.add(listener.text, why, host)

    def begun(self, connection: Connection) -> None:
        """Count a connection."""
        self._open[connection.listener.text].add(connection)
        if self.observer:
            self.observer.opened(connection.listener.text)
        if self.is_full:
            connection.pause()

    def writer(self, listener: Listener, host: str, port: int) -> SpoolWriter:
        """Return the writer of a new connection."""
        address = self._spool / listener.folder
        received = now()
        while (folder := address / connection_name(received, host, port)).exists():
            received += 1
        return SpoolWriter(folder, begin=self._begin, segment=self._segment)

    def over(self, connection: Connection) -> None:
        """Count a connection no more."""
        self._open[connection.listener.text].discard(connection)
        if self.observer:
            self.observer.closed(connection.listener.text)

    def was_written(self, connection: Connection) -> None:
        """Have what was written to a connection synced."""
        self._dirty.add(connection)
        self._written.set()

    def not_written(self, error: OSError) -> None:
        """Stop reading until there is room, or end if that is not what is missing."""
        if error.errno not in FULL + NO_FILES:
            self._failed = self._failed or error
            self.stop()
        elif not self.is_full:
            self._room.clear()
            if self.observer:
                self.observer.paused(True)
            for connection in self._all():
                connection.pause()
            if error.errno in FULL:
                for listener in self._listeners:
                    with suppress(OSError):
                        (self._spool / listener.folder / RESERVE).unlink()
                missing, until, over = "has no room", "there is", "has room again"
            else:
                missing, until, over = "cannot be written", "it can", "can be written again"
            self.say(
                f"the spool {self._spool} {missing}: {error.strerror}; nothing is read from the "
                f"connections until {until}"
            )
            task = asyncio.get_running_loop().create_task(self._wait_for_room(over))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _wait_for_room(self, over: str) -> None:
        while True:
            await asyncio.sleep(_AGAIN)
            try:
                for connection in list(self._dirty):
                    connection.writer.write()
                for listener in self._listeners:
                    reserve(self._spool / listener.folder)
                break
            except OSError as error:
                if error.errno not in FULL + NO_FILES:
                    self.not_written(error)
                    return
        self.say(f"the spool {self._spool} {over}, and connections are read")
        self._room.set()
        if self.observer:
            self.observer.paused(False)
        self._written.set()
        for connection in self._all():
            connection.resume()

    async def _sync(self, threads: ThreadPoolExecutor) -> None:
        """Sync all that was written, in groups, and name it in the indexes."""
        loop = asyncio.get_running_loop()
        while True:
            await self._written.wait()
            await asyncio.sleep(_GROUP)
            self._written.clear()
            dirty = list(self._dirty)
            groups = [one.writer.to_sync() for one in dirty]
            parts = [groups[number::_SYNCING] for number in range(min(_SYNCING, len(groups)))]
            try:
                await asyncio.gather(
                    *(loop.run_in_executor(threads, _synced, part) for part in parts)
                )
                for connection, group in zip(dirty, groups, strict=True):
                    connection.writer.publish(group)
            except OSError as error:
                self.not_written(error)
                continue
            for connection in dirty:
                if connection.writer.is_synced:
                    self._dirty.discard(connection)
                    if connection.is_over:
                        connection.writer.close()
                elif not self.is_full:
                    self._written.set()

    async def _say_refused(self) -> None:
        while True:
            await asyncio.sleep(_CARE)
            self._refusals.say_due()

    async def _end_removed(self) -> None:
        """End connections whose folders were removed, as nobody would read them; begin others."""
        while True:
            await asyncio.sleep(_CARE)
            for connection in self._all():
                if connection.is_removed:
                    self.say(
                        f"the spool of {connection.text} was removed: it is ended, and what it has "
                        "sent since then is lost"
                    )
                    connection.close(Kind.STOPPED)
            for number, listener in enumerate(self._listeners):
                if self._locks[number].is_removed:
                    address = self._spool / listener.folder
                    try:
                        address.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
                        lock = Lock(address)
                        lock.note_boot()
                        self._locks[number].release()
                        self._locks[number] = lock
                        reserve(address)
                    except OSError as error:
                        self._refusals.add(listener.text, cannot_write(address, error))

    async def _end_idle(self) -> None:
        limits = [one.idle for one in self._listeners if one.idle is not None]
        if not limits:
            return
        while True:
            await asyncio.sleep(min(1.0, min(limits) / 4))
            now = time.monotonic()
            for connection in self._all():
                idle = connection.listener.idle
                if idle is not None and now - connection.heard >= idle and not self.is_full:
                    connection.close(Kind.IDLE)


def _synced(groups: Iterable[Group]) -> None:
    for group in groups:
        group.sync()
