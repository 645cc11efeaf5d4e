"""The health of a stream, for those who watch processes: `/live` and `/ready` over HTTP."""

import datetime
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson

from fixfeed.io.commit import OnCommit
from fixfeed.io.lag import Lag
from fixfeed.io.redaction import redact_text
from fixfeed.io.stream import Feed, FeedState
from fixfeed.pipelines.option import UsageError
from fixfeed.pipelines.this_process import OfThisProcess
from fixfeed.transforms.batch import Batch, Block

__all__ = ["Health", "Stored", "Watched", "served"]

Address = tuple[str, int]

_INPUT = "input"


class Health(OfThisProcess):
    """What a stream is doing, as its parts tell it from their threads."""

    def __init__(self, sinks: Sequence[str], *, longest: float, stopping: Callable[[], bool]):
        """It is not ready while something waits for more than `longest` seconds for a sink."""
        super().__init__()
        self.connected = False
        self.feed: FeedState | None = None
        self._longest = longest
        self._stopping = stopping
        self._lock = threading.Lock()
        self._first = 0  # the number of the first of `_waiting`
        self._waiting: deque[float] = deque()  # when blocks came that a sink has not stored
        self._stored = dict.fromkeys(sinks, 0)
        self._last: dict[str, datetime.datetime | None] = dict.fromkeys(sinks)
        self._away: dict[object, tuple[datetime.datetime, float, str]] = {}

    def came(self) -> None:
        """Note that a block has come."""
        with self._lock:
            self._waiting.append(time.monotonic())

    def stored(self, sink: str, blocks: int) -> None:
        """Note that a sink has stored its next blocks; each gets all of them in order."""
        with self._lock:
            self._stored[sink] += blocks
            self._last[sink] = datetime.datetime.now(datetime.UTC)
            while self._waiting and min(self._stored.values()) > self._first:
                self._waiting.popleft()
                self._first += 1

    def input_away(self, why: str) -> None:
        """Note why nothing can be read; `` once it can."""
        if why:
            self.failed(_INPUT, why)
        else:
            self.works(_INPUT)

    def failed(self, what: object, error: Exception | str) -> None:
        """Note that `what` fails, and is tried again."""
        with self._lock:
            now = datetime.datetime.now(datetime.UTC), time.monotonic()
            since = self._away[what][:2] if what in self._away else now
            self._away[what] = *since, redact_text(str(error))

    def works(self, what: object) -> None:
        """Note that `what` fails no more."""
        with self._lock:
            self._away.pop(what, None)

    def report(self) -> dict[str, Any]:
        """Return whether the stream is ready, and why not, as an object for JSON."""
        feed = self.feed
        with self._lock:
            now = time.monotonic()
            waiting = {
                sink: round(now - self._waiting[count - self._first], 3)
                if count - self._first < len(self._waiting)
                else 0.0
                for sink, count in self._stored.items()
            }
            away = [
                {"since": since, "seconds": round(now - begin, 3), "error": text}
                for since, begin, text in self._away.values()
            ]
            last = dict(self._last)
        why = [one["error"] for one in away]
        if self._stopping():
            why.append("it is stopping")
        if not self.connected:
            why.append("the sinks are not open yet")
        for sink, seconds in waiting.items():
            if seconds > self._longest:
                why.append(f"something has waited for {seconds:,.0f} s to be stored in {sink}")
        return {
            "ready": not why,
            "why": why,
            "connected": self.connected,
            "away": away,
            "waiting_seconds": waiting,
            "last_commit": last,
            "reading": feed.state if feed else "",
            "behind": feed.behind if feed else "",
        }


class Watched:
    """A feed whose blocks `health` is told of (`io.stream.Feed`)."""

    def __init__(self, feed: Feed, health: Health):
        """Closing `feed` is its owner's work."""
        self._feed, self._health = feed, health

    @property
    def ended(self) -> bool:
        """See `Feed`."""
        return self._feed.ended

    @property
    def state(self) -> str:
        """See `Feed`."""
        return self._feed.state

    @property
    def behind(self) -> str:
        """See `Feed`."""
        return self._feed.behind

    @property
    def lag(self) -> Lag | None:
        """See `Feed`."""
        return self._feed.lag

    def next(self, seconds: float) -> Block | None:
        """See `Feed`."""
        block = self._feed.next(seconds)
        if block is not None and block.source:
            self._health.came()
        return block

    def close(self) -> None:
        """Nothing: it is not the owner's."""


class Stored:
    """Tells `health` of the commits of a sink, after `count` was told (`io.commit.OnCommit`)."""

    def __init__(self, sink: str, count: OnCommit, health: Health):
        """`sink` is its name."""
        self._sink, self._count, self._health = sink, count, health

    def __call__(self, committed: Sequence[tuple[Batch, int]]) -> None:
        """See `OnCommit`."""
        self._count(committed)
        self._health.stored(self._sink, len(committed))


@contextmanager
def served(address: Address, health: Health, say: Callable[[str], None]) -> Iterator[None]:
    """Answer requests about `health` while the body runs; `say` is told where.

    Raises `UsageError` if the address cannot be listened at.
    """
    try:
        server = ThreadingHTTPServer(address, _handler(health))
    except OSError as error:
        raise UsageError(
            f"health-port: cannot listen at {address[0]}:{address[1]}: {error.strerror}"
        ) from error
    server.daemon_threads = True
    host, port = address[0] or "127.0.0.1", server.server_address[1]
    say(f"health is told at http://{host}:{port}/ready and /live")
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def _handler(health: Health) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10  # seconds in which a request has to come

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/live":
                self._answer(200, {"live": True})
            elif path == "/ready":
                report = health.report()
                self._answer(200 if report["ready"] else 503, report)
            else:
                self._answer(404, {"error": "there are /live and /ready"})

        do_HEAD = do_GET

        def _answer(self, status: int, found: dict[str, Any]) -> None:
            text = orjson.dumps(found) + b"\n"
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            """Requests are not told on standard error."""

    return Handler
