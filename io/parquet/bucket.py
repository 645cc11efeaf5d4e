"""A lake in a bucket (S3, Google Cloud Storage).

A bucket has neither folders nor renaming. What a commit brings is copied to its place once the
commit is decided, and what decides is one object that is put on the condition that nothing is there
(`create`), or that nothing has changed since it was read (`replace`): the lock may be taken from a
process that has stopped, and such a one decides nothing any more when it goes on.
"""

import contextlib
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from fixfeed.io.ledger.ledger import SinkFailed
from fixfeed.io.parquet.lease import Lease
from fixfeed.io.parquet.objects import Objects
from fixfeed.io.parquet.storage import ASIDE, OWN, Moves

__all__ = ["Bucket"]

_AT_ONCE = 16  # requests
_LEFT = timedelta(hours=6)
"""Files aside that are older, by the server's clock, are those of dead writers."""


class Bucket:
    """See `Storage`. Can be pickled until it is used."""

    def __init__(self, url: str):
        """Check the URL; `SinkError` if it or a package is missing. Nothing is opened."""
        self._objects = Objects(url)
        self.name = self._objects.name
        self._lease: Lease | None = None
        self._is_locked = False
        self._read: dict[str, Any] = {}
        self._listed: dict[str, Any] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def shown(self, place: str) -> str:
        """See `Storage`."""
        return f"{self._objects.url}/{place}"

    def check(self) -> None:
        """See `Storage`; whether it can be written is known once that is done."""

    def begun(self) -> bool:
        """See `Storage`."""
        return any(True for _ in self._objects.list(OWN))

    def prepare(self) -> None:
        """See `Storage`; a bucket has no folders."""

    def is_there(self) -> bool:
        """See `Storage`."""
        return True

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """See `Storage`."""
        lease = self._lease = self._lease or Lease(self._objects)
        ended = lease.acquire()
        self._read.clear()
        self._is_locked = True
        try:
            yield ended
        except BaseException:
            self._is_locked = False
            with contextlib.suppress(SinkFailed):  # then it is free soon all the same
                lease.release(ended=False)
            raise
        self._is_locked = False
        with contextlib.suppress(SinkFailed):
            lease.release(ended=True)

    def confirm(self) -> None:
        """See `Storage`."""
        if self._lease:
            self._lease.confirm()

    def _check_lock(self) -> None:
        if self._is_locked and self._lease:
            self._lease.check()

    def read(self, place: str) -> bytes:
        """See `Storage`."""
        found = self._objects.get(place)
        self._read[place] = found.version if found else None
        if found is None:
            raise FileNotFoundError(2, "there is no such object", self.shown(place))
        return found.content

    def source(self, place: str) -> Any:
        """See `Storage`; the file is in memory."""
        return pa.BufferReader(self.read(place))

    def has(self, place: str) -> bool:
        """See `Storage`; a folder is there if it holds something."""
        return self._objects.get(place) is not None or any(True for _ in self._objects.list(place))

    def files(self, folder: str, beginning: str = "") -> Iterator[str]:
        """See `Storage`."""
        start = f"{folder}/{beginning}" if beginning else ""
        for place, version, _ in self._objects.list(folder, start):
            if start and not place.startswith(start):
                return
            if place.endswith(".parquet"):
                self._listed[place] = version
                yield place

    def version(self, place: str) -> Any:
        """See `Storage`; as it was listed last."""
        return self._listed[place]

    def names(self, folder: str) -> list[str]:
        """See `Storage`."""
        return [place.rpartition("/")[2] for place, *_ in self._objects.list(folder)]

    def replace(self, place: str, content: bytes) -> None:
        """See `Storage`."""
        self._check_lock()
        version = self._read[place]
        objects = self._objects
        put = objects.update(place, content, version) if version else objects.create(place, content)
        if put is None:
            raise self._overtaken(place)
        self._read[place] = put

    def create(self, place: str, content: bytes) -> None:
        """See `Storage`."""
        self._check_lock()
        if self._objects.create(place, content) is None:
            raise self._overtaken(place)

    def _overtaken(self, place: str) -> SinkFailed:
        return SinkFailed(
            f"{self.shown(place)} was put by another job while this one was away from it; run it "
            "again: what is committed stays",
            away=True,
        )

    def remove(self, places: Iterable[str]) -> None:
        """See `Storage`."""
        self._check_lock()
        self._objects.delete(places)

    def enlist(self) -> None:
        """See `Storage`; the age of its files tells whether a writer may live."""

    def aside(self) -> str:
        """See `Storage`."""
        return f"{ASIDE}/{uuid.uuid4().hex}.inprogress"

    def scratch(self, aside: str) -> Path:
        """See `Storage`; in a temporary folder of this process."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="fixfeed-lake-")
        return Path(self._folder.name) / aside.rpartition("/")[2]

    def keep(self, asides: Iterable[str]) -> None:
        """See `Storage`; several are uploaded at once."""

        def upload(aside: str) -> None:
            path = self.scratch(aside)
            if path.exists():  # else it is kept already
                self._objects.put(aside, path)
                path.unlink()

        self._at_once(upload, asides)

    def discard(self, asides: Iterable[str]) -> None:
        """See `Storage`."""
        found = list(asides)
        for aside in found:
            self.scratch(aside).unlink(missing_ok=True)
        with contextlib.suppress(SinkFailed):
            self._objects.delete(found)

    def whole(self, asides: Iterable[str]) -> bool:
        """See `Storage`."""
        wanted = set(asides)
        return not wanted or wanted.issubset(self._aside())

    def _aside(self) -> set[str]:
        return {place for place, *_ in self._objects.list(ASIDE)}

    def publish(
        self, commits: Iterable[Moves], *, for_good: bool = False, all_aside: bool = False
    ) -> None:
        """See `Storage`. A file aside is deleted when it is copied: that is how it is done once."""
        found = list(commits)
        wanted = {aside for moves, _ in found for aside, _ in moves}
        there = wanted if all_aside or not wanted else self._aside()

        def copy(move: tuple[str, str]) -> None:
            self._check_lock()
            self._objects.copy(*move)

        for moves, replacing in found:
            for some in (moves[:replacing], moves[replacing:]):
                left = [move for move in some if move[0] in there]
                self._at_once(copy, left)
                self._objects.delete(aside for aside, _ in left)

    def sweep(self) -> None:
        """See `Storage`."""
        found = list(self._objects.list(ASIDE))
        if found:
            now = self._objects.now(f"{ASIDE}/now-{uuid.uuid4().hex}")
            self.remove(place for place, _, put in found if now - put > _LEFT)

    def close(self) -> None:
        """See `Storage`; the temporary folder goes."""
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    @staticmethod
    def _at_once(work: Any, items: Iterable[Any]) -> None:
        found = list(items)
        if len(found) < 2:
            for one in found:
                work(one)
            return
        with ThreadPoolExecutor(min(_AT_ONCE, len(found)), "bucket") as threads:
            for _ in threads.map(work, found):
                pass
