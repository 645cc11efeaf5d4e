"""The blocks of the connections in a spool, as a gateway writes them."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol

from fixfeed.io.files.ranges import LONGEST
from fixfeed.io.lag import Lag
from fixfeed.io.ledger.ledger import gaps
from fixfeed.io.live.reading import SpooledConnection
from fixfeed.io.live.recovery import recovered
from fixfeed.io.live.removal import is_long, remove_connection, remove_segments
from fixfeed.io.live.spool import addresses_in, connections_in
from fixfeed.io.stream import Stored
from fixfeed.transforms.batch import ROUND, Block
from fixfeed.transforms.protocol import Protocol as Messages

__all__ = ["SpoolFeed", "Watched"]

_LOOK = 0.02  # seconds between two looks while nothing comes
_QUIET = 1.0  # seconds without a block after which it looks half as often
_CARE = 1.0  # seconds between two looks at the gateway
_REMOVE = 60.0  # seconds between two looks for what can be removed
_DRAIN = 4.0  # seconds for reading what had come when the run was stopped


class Watched(Protocol):
    """The gateway of a run, which writes the spool in a process of its own."""

    @property
    def text(self) -> str:
        """What it does, for people: `listening to tcp://0.0.0.0:9876`."""

    def stop(self) -> None:
        """End its connections, and return when all that it received is in the spool."""


class SpoolFeed:
    """The blocks of all connections in the folders of some addresses (`io.stream.Feed`).

    Connections of earlier runs are read to their end first, as far as a sink lacks them. What came
    within `gather` seconds is one block a connection, as a block costs 0.6 ms however small it is.
    `captured_at` of a message is when its last byte was received.

    What every sink has is removed `keep` seconds after the connection ended. A connection that
    lasts keeps its first segment, which shows how it is read, and its last one.

    It ends once `stop` returns true, after all that had been received by then, or after 4 seconds
    of reading that. What is left is read by the next run.
    """

    def __init__(
        self,
        spool: Path,
        names: Iterable[str] | None,
        protocol: Messages,
        ledgers: Stored,
        *,
        stop: Callable[[], bool],
        say: Callable[[str], None],
        keep: float,
        longest: int = LONGEST,
        gather: float = 0.1,
        gateway: Watched | None = None,
    ):
        """`names` are those of the folders of addresses in the spool; None for all there are.

        `say` is given a sentence about what is missing or torn.
        """
        self.ended = False
        self._spool = spool
        self._names = None if names is None else sorted(names)
        self._protocol = protocol
        self._ledgers = ledgers
        self._stop = stop
        self._say = say
        self._keep = keep
        self._gather = gather
        self._longest = longest
        self._gateway = gateway
        self._open: dict[Path, SpooledConnection] = {}
        self._done: dict[Path, SpooledConnection] = {}
        self._new: set[Path] = set()
        self._listed: dict[Path, int] = {}
        self._said: set[str] = set()
        self._busy: deque[SpooledConnection] = deque()
        self._blocks: dict[Path, Iterator[Block]] = {}
        self._next_look = self._next_care = self._given = 0.0
        self._in_round = False
        self._next_removal = time.monotonic() + min(keep, _REMOVE)
        self._until: float | None = None
        if names is None and not spool.is_dir():
            say(f"there is no folder {spool} yet: it is waited for until a gateway makes it")

    @property
    def state(self) -> str:
        """See `Feed`."""
        count = sum(not one.ended for one in list(self._open.values()))
        text = self._gateway.text if self._gateway else f"following the spool {self._spool}"
        return f"{text}: {count:,} connection{'' if count == 1 else 's'}"

    @property
    def behind(self) -> str:
        """See `Feed`."""
        return str(self.lag)

    @property
    def lag(self) -> Lag:
        """See `Feed`."""
        return Lag(sum(one.behind for one in list(self._open.values())), "bytes")

    def next(self, seconds: float) -> Block | None:
        """See `Feed`; after the blocks of a round comes `ROUND`, so that sinks commit them."""
        deadline = time.monotonic() + seconds
        while True:
            if self._until is None and self._stop():
                self._begin_to_end()
            now = time.monotonic()
            if now >= self._next_look:
                self._look()
                wait = _LOOK if now - self._given < _QUIET else 2 * _LOOK
                self._next_look = now + (self._gather if self._busy else wait)
            if self._until is None or now < self._until:
                block = self._next_block()
                if block is not None:
                    self._given, self._in_round = now, True
                    return block
                if self._in_round:
                    self._in_round = False
                    return ROUND
            if self._until is not None:
                self._end()
                return None
            left = min(deadline, self._next_look) - time.monotonic()
            if left > 0:
                time.sleep(left)
            if time.monotonic() >= deadline:
                return None

    def close(self) -> None:
        """End the gateway, if it runs still."""
        if self._gateway:
            self._gateway.stop()

    def _next_block(self) -> Block | None:
        while self._busy:
            one = self._busy[0]
            block = next(self._blocks[one.folder], None)
            if block is not None:
                if block.error:
                    self._say(block.error)
                self._busy.rotate(-1)
                return block
            self._busy.popleft()
            del self._blocks[one.folder]
        return None

    def _begin_to_end(self) -> None:
        """Have all read that was received by now, and nothing later."""
        if self._gateway:
            self._gateway.stop()
        self._busy.clear()
        self._blocks.clear()
        self._look(again=True)
        self._next_look = self._until = time.monotonic() + _DRAIN

    def _end(self) -> None:
        self.ended = True
        left = sum(one.behind for one in self._open.values() if one.folder in self._blocks)
        if left:
            self._say(
                f"{left:,} bytes that were received are not stored yet: they are in the spool, and "
                "the same command stores them"
            )

    def _look(self, *, again: bool = False) -> None:
        """Look at all connections for what is to be read; also at those just read, if `again`."""
        now = time.monotonic()
        for address in self._addresses():
            self._find(address)
        if self._new:
            self._begin()
        for path, one in list(self._open.items()):
            if path in self._blocks:
                continue
            if one.has_news(at_once=again) or again:
                self._read(one)
            elif one.ended:
                self._done[path] = self._open.pop(path)
        if now >= self._next_care and not again:
            self._next_care = now + _CARE
            self._end_dead()
        if now >= self._next_removal and not again:
            self._next_removal = now + min(self._keep, _REMOVE)
            self._remove()

    def _addresses(self) -> list[Path]:
        if self._names is None:
            return addresses_in(self._spool)
        return [self._spool / name for name in self._names]

    def _find(self, address: Path) -> None:
        """Find connections that are new; nothing is listed while the folder does not change."""
        try:
            changed = address.stat().st_mtime_ns
        except FileNotFoundError:
            return
        # Two changes may have the same time, if they are close together.
        if changed == self._listed.get(address) and time.time() - changed / 1e9 > 1:
            return
        self._listed[address] = changed
        known = self._open.keys() | self._done.keys()
        self._new.update(path for path in connections_in(address) if path not in known)

    def _begin(self) -> None:
        """Begin to read new connections, where a sink lacks something of them."""
        found = []
        for path in sorted(self._new):
            one = SpooledConnection(path, self._protocol, longest=self._longest)
            if one.has_news():
                found.append(one)
        if not found:
            return
        done = self._ledgers.done([one.source for one in found])
        for one in found:
            self._new.discard(one.folder)
            lacking = gaps(done.get(one.source.key, ()), 0, one.end)
            if one.ended and not lacking:
                self._done[one.folder] = one
                continue
            position = lacking[0][0] if lacking else one.end
            try:
                begin = one.start_at(position)
            except FileNotFoundError:
                one.at = begin = position  # another job has removed it; to read it is an error
            if begin > position:
                self._say(
                    f"{one.source.name}: a sink lacks its bytes {position:,} to {begin:,}, which "
                    "are not in the spool any more"
                )
            self._open[one.folder] = one
            self._read(one)

    def _read(self, one: SpooledConnection) -> None:
        self._blocks[one.folder] = one.blocks()
        self._busy.append(one)

    def _end_dead(self) -> None:
        """End the connections of gateways that have died, if none has taken their place."""
        if self._gateway is not None:
            return  # the next one does that
        lasting = [one.folder for one in self._open.values() if not one.ended]
        for address in {path.parent for path in (*lasting, *self._new)}:
            try:
                recovered(address, self._say)
            except OSError as error:
                self._say_once(f"{address}: its connections cannot be ended: {error}")

    def _remove(self) -> None:
        """Remove what all sinks have, and what is old enough."""
        before = int((time.time() - self._keep) * 1e6)
        over = [one for one in self._done.values() if one.ended and one.ended.received < before]
        lasting = [one for one in self._open.values() if is_long(one.folder)]
        if not over and not lasting:
            return
        done = self._ledgers.done([one.source for one in (*over, *lasting)])
        try:
            for one in over:
                if remove_connection(one.folder, done.get(one.source.key, ())):
                    del self._done[one.folder]
            for one in lasting:
                remove_segments(one.folder, done.get(one.source.key, ()), before)
        except OSError as error:
            self._say_once(f"{self._spool}: what is stored cannot be removed: {error}")

    def _say_once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._say(text)
