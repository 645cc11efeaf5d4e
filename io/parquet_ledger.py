"""What a folder of Parquet files remembers, and how files are committed to it whole.

    lake/messages/...      what readers read
    lake/failures/...
    lake/_fixfeed/sources.json     sources and their progress
    lake/_fixfeed/commits/*.json   commits since then
    lake/_fixfeed/writing/...      files that are being written, under names no reader looks for

A commit is a JSON file that names the stretches it stores, the files it brings and those it takes
the place of. It is made by one rename; before it nothing of the commit counts, after it all of it
does, and whoever opens the folder next finishes the moves that a killed process left undone.
"""

import fcntl
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from fixio.ledger import (
    Known,
    Mark,
    Progress,
    SchemaError,
    SinkError,
    Source,
    free_fingerprint,
    known,
    matching,
    settled,
)

__all__ = ["Commit", "ParquetLedger"]

_VERSION = 1


@dataclass
class Commit:
    """What is stored at once.

    `progress` are (source id, row of progress); `files` pairs of the path a file was written to and
    its place; `replaces` files that go. Paths are relative to the folder.
    """

    progress: list[tuple[int, Progress]] = field(default_factory=list)
    files: list[tuple[str, str]] = field(default_factory=list)
    replaces: list[str] = field(default_factory=list)


class ParquetLedger:
    """The ledger (`fixio.ledger.Ledger`) of the folder `place`, which is a local one."""

    def __init__(self, place: str):
        """Nothing is made or opened yet."""
        if "://" in place:
            raise SinkError(f"parquet:{place} is no local folder, and only those are written")
        self.folder = Path(place)
        self._own = self.folder / "_fixfeed"
        self._commits = self._own / "commits"
        self._writing = self._own / "writing"
        self._held: Any = None

    def prepare(self) -> None:
        """Make the folder, or put in order what a killed process left."""
        try:
            for made in (self._commits, self._writing):
                made.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SinkError(f"cannot write to parquet:{self.folder}: {error.strerror}") from error
        with self._locked():
            self._load()
            for commit in self._read_commits().values():
                self._move(commit)
            for folder in self._writing.iterdir():
                self._remove_if_left(folder)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with open(self._own / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _remove_if_left(self, folder: Path) -> None:
        """Remove the files of a writer that is no more; the kernel gives up its lock with it."""
        try:
            with open(folder / "lock", "a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
        except (BlockingIOError, FileNotFoundError):
            pass

    def new_file(self) -> str:
        """Return the path, relative to the folder, of a file to write before it is committed."""
        if self._held is None:
            writer = self._writing / uuid.uuid4().hex[:12]
            # Under the lock, lest another process finds the folder before its own lock is held.
            with self._locked():
                writer.mkdir()
                lock = open(writer / "lock", "a")  # noqa: SIM115  (held until close)
                fcntl.flock(lock, fcntl.LOCK_EX)
            self._held = (writer, lock)
        return str((self._held[0] / f"{uuid.uuid4().hex}.inprogress").relative_to(self.folder))

    def close(self) -> None:
        """Give up what is being written."""
        if self._held is not None:
            writer, lock = self._held
            shutil.rmtree(writer)
            lock.close()
            self._held = None

    # Sources and progress.

    def _load(self) -> dict[int, dict[str, Any]]:
        """Return the sources by id, with the progress of the commits since they were written."""
        path = self._own / "sources.json"
        sources: dict[int, dict[str, Any]] = {}
        if path.exists():
            content = orjson.loads(path.read_bytes())
            if content["version"] != _VERSION:
                raise SchemaError(
                    f"parquet:{self.folder} has version {content['version']}, "
                    f"this fixfeed writes {_VERSION}; name another folder"
                )
            sources = {one["source_id"]: one for one in content["sources"]}
        for commit in self._read_commits().values():
            for source_id, row in commit.progress:
                sources[source_id]["progress"].append(row)
        return sources

    def _read_commits(self) -> dict[Path, Commit]:
        paths = sorted(self._commits.glob("*.json"))
        return {path: Commit(**orjson.loads(path.read_bytes())) for path in paths}

    def _change(self, change: Callable[[dict[int, dict[str, Any]]], None]) -> None:
        """Change the sources, and take the commits so far into their file."""
        with self._locked():
            commits = self._read_commits()
            sources = self._load()
            change(sources)
            for commit in commits.values():
                self._move(commit)
            content = {"version": _VERSION, "sources": list(sources.values())}
            # The commits stand in both for a moment; progress is a union, so that does no harm.
            _write_whole(self._own / "sources.json", orjson.dumps(content))
            for path in commits:
                path.unlink()

    def find(self, source: Source, *, rules: str) -> Known | None:
        """See `fixio.ledger.Ledger`."""
        return self._find(self._load(), source, rules) if self._own.is_dir() else None

    def _find(
        self, sources: Mapping[int, dict[str, Any]], source: Source, rules: str
    ) -> Known | None:
        stored = ((i, one["fingerprint"], one["digests"]) for i, one in sources.items())
        source_id = matching(source, stored)
        if source_id is None:
            return None
        one = sources[source_id]
        return known(source_id, one["progress"], rules, Mark(one["digests"], one["size"]))

    def register(self, sources: Sequence[Source], *, rules: str) -> dict[str, Known]:
        """See `fixio.ledger.Ledger`."""
        result: dict[str, Known] = {}

        def add(stored: dict[int, dict[str, Any]]) -> None:
            for source in sources:
                found = self._find(stored, source, rules)
                if found is None:
                    source_id = max(stored, default=0) + 1
                    taken = {one["fingerprint"] for one in stored.values()}
                    stored[source_id] = {
                        "source_id": source_id,
                        "kind": source.kind,
                        "name": source.name,
                        "fingerprint": free_fingerprint(source, taken),
                        "digests": source.digests,
                        "size": 0,
                        "progress": [],
                    }
                    found = Known(source_id, mark=Mark(source.digests, 0))
                result[source.key] = found

        self._change(add)
        return result

    def restart(self, source_ids: Iterable[int], *, rules: str) -> None:
        """See `fixio.ledger.Ledger`."""
        wanted = set(source_ids)

        def relabel(stored: dict[int, dict[str, Any]]) -> None:
            for source_id in wanted:
                rows = stored[source_id]["progress"]
                if {row[0] for row in rows} == {rules}:
                    stored[source_id]["progress"] = [[f"replaced:{rules}", *r[1:]] for r in rows]

        self._change(relabel)

    def finish(
        self, marks: Mapping[int, Mark | None], *, rules: str, reprocessed: Iterable[int]
    ) -> None:
        """See `fixio.ledger.Ledger`."""
        again = set(reprocessed)

        def settle(stored: dict[int, dict[str, Any]]) -> None:
            for source_id, mark in marks.items():
                one = stored[source_id]
                rows = [tuple(row) for row in one["progress"]]
                one["progress"] = settled(set(rows), rules, replaced=source_id in again)
                if mark:
                    one["digests"], one["size"] = mark

        self._change(settle)

    # Commits.

    def progress(self) -> dict[int, list[Progress]]:
        """Return the progress of all sources."""
        return {source_id: one["progress"] for source_id, one in self._load().items()}

    def commit(self, make: Callable[[dict[int, list[Progress]]], Commit | None]) -> bool:
        """Commit what `make` returns for the progress so far; False if it returns nothing.

        No other commit comes in between.
        """
        with self._locked():
            commit = make(self.progress())
            if commit is None:
                return False
            missing = [one for one, _ in commit.files if not (self.folder / one).exists()]
            if missing:
                raise SinkError(
                    f"{missing[0]} is gone from parquet:{self.folder} before its commit"
                )
            path = self._commits / f"{uuid.uuid4().hex}.json"
            _write_whole(path, orjson.dumps(commit))
            self._move(commit)
            return True

    def _move(self, commit: Commit) -> None:
        """Bring the files of a commit to their places; what is there already stays."""
        for written, place in commit.files:
            target = self.folder / place
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.replace(self.folder / written, target)
            except FileNotFoundError:
                continue
        for replaced in commit.replaces:
            (self.folder / replaced).unlink(missing_ok=True)


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file that is there with all of its content or not at all."""
    written = path.with_suffix(".tmp")
    with open(written, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(written, path)
