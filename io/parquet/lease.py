"""The lock of a bucket: an object that says who holds it, and is put anew for as long as he does.

One who has stopped for `SECONDS` loses it to the next: nothing else tells a dead process from one
that lives. One that only seemed dead may go on after that. So the lock alone decides nothing:
whatever counts is put on the condition that it is not there, or has not changed since the lock was
taken (`bucket`).
"""

import random
import threading
import time
import uuid
from typing import Any

import orjson

from fixfeed.io.ledger.ledger import RUN_AGAIN, SinkFailed
from fixfeed.io.parquet.objects import Object, Objects
from fixfeed.io.parquet.storage import ASIDE, OWN

__all__ = ["Lease"]

SECONDS = 20.0
"""A lock that was not put anew for so long, by the server's clock, is free."""

_PLACE = f"{OWN}/lock"
_SUSPECT = 2.0  # seconds after which a lock that has not changed is looked at more closely
_WAITS = (0.02, 0.15)  # seconds between two attempts, by chance


class Lease:
    """The lock of a bucket, for one holder. Not for several threads."""

    def __init__(self, objects: Objects):
        """Store where it is; nothing is done."""
        self._objects = objects
        self._holder = uuid.uuid4().hex
        self._version: Any = None
        self._since = 0.0  # when we have put it last, or earlier
        self._changing = threading.Lock()
        self._done: threading.Event | None = None
        self._renewing: threading.Thread | None = None

    def acquire(self) -> bool:
        """Wait until it is ours; return whether the one before has ended what he was doing."""
        seen: tuple[Any, float] = None, 0.0
        there: dict[str, Any]
        while True:
            began = time.monotonic()
            found = self._objects.get(_PLACE)
            there = orjson.loads(found.content) if found else {"holder": "", "ended": True}
            if found and found.version != seen[0]:
                seen = found.version, began
            ours = there["holder"] in ("", self._holder)
            if ours or (found and began - seen[1] > _SUSPECT and self._is_over(found)):
                version = self._put(self._holder, found.version if found else None)
                if version is not None:
                    break
            time.sleep(random.uniform(*_WAITS))
        self._version, self._since = version, began
        self._done = threading.Event()
        self._renewing = threading.Thread(target=self._renew, args=(self._done,), daemon=True)
        self._renewing.start()
        return not there["holder"] and bool(there["ended"])

    def _is_over(self, found: Object) -> bool:
        now = self._objects.now(f"{ASIDE}/now-{self._holder}")
        return (now - found.modified).total_seconds() > SECONDS

    def _put(self, holder: str, version: Any, *, ended: bool = False) -> Any:
        # No content comes twice, as versions are made of the content.
        content = orjson.dumps({"holder": holder, "ended": ended, "id": uuid.uuid4().hex})
        if version is None:
            return self._objects.create(_PLACE, content)
        return self._objects.update(_PLACE, content, version)

    def _renew(self, done: threading.Event) -> None:
        while not done.wait(SECONDS / 4):
            began = time.monotonic()
            with self._changing:
                try:
                    version = self._put(self._holder, self._version)
                except SinkFailed:
                    continue  # `check` says so, if that lasts
                if version is None:
                    self._since = float("-inf")
                    return
                self._version, self._since = version, began

    def check(self) -> None:
        """Raise `SinkFailed` if it may not be ours for much longer."""
        if time.monotonic() - self._since > SECONDS / 2:
            raise self._lost()

    def confirm(self) -> None:
        """Raise `SinkFailed` if it is not ours, as the server says."""
        with self._changing:
            found = self._objects.get(_PLACE)
            if found is None or found.version != self._version:
                raise self._lost()

    def _lost(self) -> SinkFailed:
        return SinkFailed(
            f"{self._objects.name}: this process was away from it for so long that another one may "
            f"have its lock; {RUN_AGAIN}",
            away=True,
        )

    def release(self, *, ended: bool) -> None:
        """Let others have it; with `ended` nothing is half done. If that fails, it is over soon."""
        if self._done is not None and self._renewing is not None:
            self._done.set()
            self._renewing.join()
            self._done = self._renewing = None
            self._put("", self._version, ended=ended)
