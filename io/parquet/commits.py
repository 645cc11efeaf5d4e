"""Commits whole Parquet files to a folder, together with the progress of its sources.

    lake/messages/..., lake/failures/...   what readers read; a folder for each table of children
    lake/codes/codes.parquet               what values are called
    lake/_fixfeed/sources.json             sources and their progress
    lake/_fixfeed/messages.schema          the columns of all files of messages, or of children
    lake/_fixfeed/commits/*.json           commits that sources.json does not have yet
    lake/_fixfeed/inprogress/              files of commits to come
    lake/_fixfeed/writers/                 a locked file for each writer that lives (local folders)
    lake/_fixfeed/lock                     who changes the lake

The folder is a local one, or that of a bucket (`storage`).

A commit is one manifest: the stretches that are done, and the new files, some of which replace
others. Until the manifest exists nothing of the commit counts; from then on all of it does, since
the next writer completes it. All changes are made under one lock, so an incomplete manifest is that
of a dead writer. Manifests are numbered, and no number comes twice: one that should have lost its
lock finds its number taken, or makes a manifest that no longer counts.

A reader lists the files first and opens them later, and a file that is gone by then cannot be
opened. So a replaced file keeps its name: its content is replaced in one step, and a listed file
always opens, with either the old rows or the new ones. A file that loses all its rows becomes an
empty one, and is removed after `GRACE`.
"""

import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import orjson

from fixfeed.io.ledger import version_1
from fixfeed.io.ledger.ledger import (
    RUN_AGAIN,
    Progress,
    SchemaError,
    SinkError,
    SinkFailed,
    by_source,
)
from fixfeed.io.parquet.storage import OWN, Moves, Storage

__all__ = ["GRACE", "VERSION", "Commits", "CountedRow"]

VERSION = 2
"""The version of the content of `_fixfeed`; older ones are converted to it when they are read."""

CountedRow = Sequence[Any]
"""What a run on a cluster has counted of a stretch: run, source id, start, end, JSON of counts.

An empty stretch is an unfinished end, or a place that could not be read, until it is read."""

GRACE = 3600.0
"""A file that has lost all its rows can still be opened for at least this many seconds."""

_STATE = f"{OWN}/sources.json"
_COMMITS = f"{OWN}/commits"
_NAME = "commit.json"  # of a manifest, after its number


class Commits:
    """The commits to a folder, and what they add up to. Not for several threads.

    A row of progress is a source id and a `Progress`. The state is the content of sources.json.
    """

    def __init__(self, storage: Storage):
        """Store where the folder is; nothing is opened or made."""
        self.storage = storage
        self.place = storage.name
        self.is_decided = False
        self._manifests: dict[str, Mapping[str, Any]] = {}
        self._void: set[str] = set()
        self._last = 0

    def exists(self) -> bool:
        """Return whether there is a lake that has been registered with."""
        return self.storage.has(_STATE)

    @property
    def state_file(self) -> str:
        """Where sources.json is, as people find it."""
        return self.storage.shown(_STATE)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of the folder; an `OSError` there or in the work inside is `SinkFailed`."""
        with self.storage.locked() as ended:
            if not ended:
                self.progress(self.load())
                self._publish()
            yield

    @contextmanager
    def changing(self) -> Iterator[dict[str, Any]]:
        """Hold the lock, yield the state with all commits merged in, and store it afterwards."""
        with self.locked():
            state = self.load()
            state["progress"] = self.progress(state)
            state["counted"] = self.counted_rows(state)
            names = list(self._manifests)
            # Manifests that could repeat the moves are deleted below.
            self._publish(for_good=True)
            self._let_go(state)
            # If we are killed before the manifests are removed, they must not count twice.
            state["applied"] = names
            state["last"] = max([self._last, *map(_number, names)])
            yield state
            self.storage.replace(_STATE, orjson.dumps(state))
            self.storage.remove(f"{_COMMITS}/{name}" for name in (*names, *self._void))

    def done(self) -> dict[int, list[Progress]]:
        """Return the progress of each source. Without the lock it may be outdated."""
        return by_source(self.progress(self.load()))

    def check_there(self, source_ids: Iterable[int]) -> None:
        """Raise `SinkFailed` if the folder is not the one in which these were registered."""
        there = {one["source_id"] for one in self.load()["sources"]}
        if not (self.storage.is_there() and there.issuperset(source_ids)):
            raise SinkFailed.replaced(self.place)

    def commit(
        self,
        progress: Sequence[Progress],
        files: Sequence[tuple[str, str]],
        emptied: Iterable[str],
        settled: Mapping[int, Sequence[Progress]],
        counted: Sequence[CountedRow] = (),
        *,
        replacing: int = 0,
    ) -> None:
        """Store rows of progress and files, and what a run counts of them, all or nothing.

        `files` are pairs (place aside, place in the folder), which are kept; they are moved in this
        order and replace existing files, the first ones, `replacing`, all of them. `emptied` are
        the places of files without rows, which are removed after a while. `settled` has, by source
        id, all rows of progress after the commit, for sources with stretches taken from other
        rules. The caller holds the lock, and has called `done` since.

        Whatever is raised after `is_decided` is set, the commit may count all the same.
        """
        if not self.storage.whole(aside for aside, _ in files):
            raise SinkFailed(
                f"{self.place}: this process was away from it for so long that what it had "
                f"prepared was removed; {RUN_AGAIN}",
                away=True,
            )
        manifest = {
            "version": VERSION,
            "progress": progress,
            "settled": {str(source_id): rows for source_id, rows in settled.items()},
            "files": list(files),
            "replaced": [],  # for older versions, which remove these
            "emptied": sorted(emptied),
            "counted": list(counted),
            "replacing": replacing,
            "id": uuid.uuid4().hex,
        }
        # Commits apply in the order of their names: `settled` covers the earlier ones.
        # The next after those that were looked at: if others came meanwhile, it is taken.
        number = max([self._last, *map(_number, self._manifests)]) + 1
        self.is_decided = True
        self.storage.create(f"{_COMMITS}/{number:012d}-{_NAME}", orjson.dumps(manifest))
        self.storage.confirm()
        self.storage.publish([_moves(manifest)], all_aside=True)  # `whole` has looked

    def _publish(self, *, for_good: bool = False) -> None:
        """Complete all commits."""
        manifests = self._manifests.values()
        # Those of an older version.
        self.storage.remove(place for one in manifests for place in one["replaced"])
        self.storage.publish(map(_moves, manifests), for_good=for_good)

    def emptied(self) -> set[str]:
        """Return the places of files that have lost their rows and still exist.

        Without the lock they may be outdated.
        """
        state = self.load()
        self.progress(state)
        manifests = self._manifests.values()
        return {
            *state.get("emptied", ()),
            *(p for one in manifests for p in one.get("emptied", ())),
        }

    def _let_go(self, state: dict[str, Any]) -> None:
        """Add the files that commits have emptied to the state; remove those past their `GRACE`."""
        now = time.time()
        emptied: dict[str, float] = state.setdefault("emptied", {})
        for manifest in self._manifests.values():
            for place in manifest.get("emptied", ()):
                emptied.setdefault(place, now)
        gone = [place for place, since in emptied.items() if since + GRACE < now]
        self.storage.remove(gone)
        for place in gone:
            del emptied[place]

    def load(self) -> dict[str, Any]:
        """Return the stored state; `SchemaError` if a newer version wrote it."""
        try:
            state: dict[str, Any] = orjson.loads(self.storage.read(_STATE))
        except FileNotFoundError:
            return {"version": VERSION, "sources": [], "progress": [], "applied": []}
        except orjson.JSONDecodeError as error:
            raise SinkError(
                f"{self.state_file} is no JSON ({error}): something else has changed it; restore "
                "it or name another folder"
            ) from error
        if state["version"] > VERSION:
            raise SchemaError(
                f"{self.place} has version {state['version']}, this fixfeed knows up to {VERSION}; "
                "use the newer fixfeed that wrote it"
            )
        if state["version"] < 2:
            _to_version_2(state)
        return state

    def progress(self, state: Mapping[str, Any]) -> list[list[Any]]:
        """Return the rows of progress of a state and of the commits not merged into it yet."""
        before, self._manifests, self._void = self._manifests, {}, set()
        self._last = state.get("last", 0)
        for name in sorted(self.storage.names(_COMMITS), key=lambda name: (_number(name), name)):
            is_late = name.endswith(f"-{_NAME}") and _number(name) <= self._last
            if is_late and name not in state["applied"]:
                self._void.add(name)  # of one who had lost the lock
            elif name.endswith(".json"):
                content = before.get(name) or self._manifest(name)
                if content:  # else, without the lock: just merged into sources.json
                    self._manifests[name] = content
        rows = state["progress"]
        for name, one in self._manifests.items():
            if name not in state["applied"]:
                settled = {int(key): found for key, found in one.get("settled", {}).items()}
                rows = [row for row in rows if row[0] not in settled]
                rows += [[key, *row] for key, found in settled.items() for row in found]
                rows += [_with_witnesses(row) for row in one["progress"] if row[0] not in settled]
        return rows

    def counted_rows(self, state: Mapping[str, Any]) -> list[CountedRow]:
        """Return what runs on clusters have counted, of a state whose `progress` was read."""
        rows = list(state.get("counted", ()))
        for name, one in self._manifests.items():
            if name not in state["applied"]:
                rows += one.get("counted", ())
        return rows

    def _manifest(self, name: str) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = orjson.loads(self.storage.read(f"{_COMMITS}/{name}"))
        except FileNotFoundError:
            return None
        return found


def _moves(manifest: Mapping[str, Any]) -> Moves:
    return [(aside, place) for aside, place in manifest["files"]], manifest.get("replacing", 0)


def _number(name: str) -> int:
    """Return the number of a commit; commits of older versions have none and come first."""
    number, dash, _ = name.partition("-")
    return int(number) if dash and number.isdigit() else 0


def _with_witnesses(row: Sequence[Any]) -> list[Any]:
    """Return a row of progress with its witnesses, which rows of older versions lack."""
    return [*row, ""] if len(row) == 8 else list(row)


def _to_version_2(state: dict[str, Any]) -> None:
    state["version"] = VERSION
    state["progress"] = [_with_witnesses(row) for row in state["progress"]]
    for one in state["sources"]:
        identity = version_1.identity(one["kind"], one["name"], one["fingerprint"])
        one["place"], one["fingerprint"] = identity
        one |= {"file_id": "", "digests": one.pop("mark_digests"), "stored_end": "", "claim": ""}
        del one["mark_size"]
