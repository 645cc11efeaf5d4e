"""Commits whole Parquet files to a folder, together with its ledger.

    lake/messages/..., lake/failures/...   what readers read; a folder for each table of children
    lake/codes/codes.parquet               what values are called
    lake/_fixfeed/sources.json             sources and their progress
    lake/_fixfeed/messages.schema          the columns of all files of messages, or of children
    lake/_fixfeed/commits/*.json           commits that sources.json does not have yet
    lake/_fixfeed/inprogress/              files of commits to come
    lake/_fixfeed/writers/                 a locked file for each writer that lives

A commit is one manifest: the stretches that are done, and the new files, some of which replace
others. Until the manifest exists nothing of the commit counts; from then on all of it does, since
the next writer completes it. All changes are made under one lock, so an incomplete manifest is that
of a dead writer.

A reader lists the files first and opens them later, and a file that is gone by then cannot be
opened. So a replaced file keeps its name: its content is replaced in one step, and a listed file
always opens, with either the old rows or the new ones. A file that loses all its rows becomes an
empty one, and is removed after `GRACE`.
"""

import contextlib
import fcntl
import os
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

import orjson
import pyarrow as pa

from fixfeed.io.fsync import not_writable, sync, sync_all
from fixfeed.io.ledger import version_1
from fixfeed.io.ledger.ledger import Progress, SchemaError, SinkError, SinkFailed, by_source
from fixfeed.io.parquet.codes import keep_codes
from fixfeed.io.parquet.files import children_schemas
from fixfeed.io.parquet.schema import check_columns, check_types, remember, remembered, united
from fixfeed.io.redaction import redact, redact_text
from fixfeed.transforms.codes import Code
from fixfeed.transforms.protocol import Protocol, Table, default_protocol

__all__ = ["GRACE", "VERSION", "CountedRow", "ParquetFolder"]

VERSION = 2
"""The version of the content of `_fixfeed`; older ones are converted to it when they are read."""

CountedRow = Sequence[Any]
"""What a run on a cluster has counted of a stretch: run, source id, start, end, JSON of counts.

An empty stretch is an unfinished end, or a place that could not be read, until it is read."""

GRACE = 3600.0
"""A file that has lost all its rows can still be opened for at least this many seconds."""


class ParquetFolder:
    """A local folder and the commits to it. Not for several threads.

    A row of progress is a source id and a `Progress`. The state is the content of sources.json.
    Raises `SinkError` for a place that is no local folder.
    """

    def __init__(
        self,
        place: str,
        *,
        partition_by: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        protocol: Protocol | None = None,
    ):
        """Store the folder's name; nothing is opened or made.

        `protocol` is that of the messages in it, FIX if none is named. `partition_by` are the names
        that sort files into folders, `columns` those of the messages to come; `prepare` refuses a
        folder where these differ.
        """
        path = place
        if "://" in place:
            parts = urlsplit(place)
            if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
                raise SinkError(
                    f"{redact(place)!r} is no local folder, and Parquet is written to local "
                    "folders only: write parquet:lake/ or parquet:/data/lake"
                )
            path = unquote(parts.path)
        self.place = redact(place)
        self.folder = Path(path).absolute()
        self._own = self.folder / "_fixfeed"
        self._commits = self._own / "commits"
        self._writers = self._own / "writers"
        self._inprogress = self._own / "inprogress"
        self.state_file = self._own / "sources.json"
        self._manifests: dict[str, Mapping[str, Any]] = {}
        self._writer: tuple[str, IO[bytes]] | None = None
        self._partition_by = partition_by
        self._columns = columns
        self._protocol = protocol

    @property
    def table(self) -> Table:
        """How messages become rows."""
        return (self._protocol or default_protocol()).table

    def prepare(self) -> None:
        """Make the folder ready; complete or undo the work of killed writers.

        Raises `SchemaError` if fixfeed did not write its messages, or a newer version did, and
        `SinkError` if it cannot be written, or has other partitions or columns than given.
        """
        try:
            self.check()
            for folder in (self._commits, self._inprogress, self._writers):
                folder.mkdir(parents=True, exist_ok=True)
            with self.changing():
                self._sweep()
            self.keep_codes(self.table.codes())
        except OSError as error:
            raise SinkError(
                f"cannot write to {self.place}: {redact_text(str(error))}; check that it is a "
                "folder that you may write to and that there is space left"
            ) from error

    def keep_codes(self, codes: Iterable[Code]) -> None:
        """Add codes to those of the lake (`parquet.codes`)."""
        new = list(codes)
        if new:
            with self.locked():
                writing = self._inprogress / f"codes-{uuid.uuid4().hex}.inprogress"
                keep_codes(self.folder, new, writing)

    def check(self) -> bool:
        """Return whether the folder is a lake already; change nothing. Raises as `prepare`."""
        if self.folder.exists() and not self.folder.is_dir():
            raise SinkError(f"cannot write to {self.place}: it is a file, expected a folder")
        refused = not_writable(self._own)
        if refused:
            raise SinkError(f"cannot write to {self.place}: you may not write to {refused}")
        if not self._own.exists():
            if (self.folder / "messages").exists():
                raise SchemaError(
                    f"{self.place} has a folder 'messages' that fixfeed did not make; "
                    "name another folder"
                )
            return False
        state = self.load()
        if self._partition_by is not None:
            self._same_partitions(state.get("partition_by"), self._partition_by)
        lake = remembered(self.folder) if self._columns is not None else None
        if lake is not None and self._columns is not None:
            check_columns(self.place, lake, self._columns, self.table)
        self._check_children()
        return True

    def close(self) -> None:
        """Sign off as a writer; nothing else is open."""
        if self._writer is not None:
            (name, lock), self._writer = self._writer, None
            # If that fails, the next writer removes it.
            with contextlib.suppress(OSError):
                (self._writers / name).unlink(missing_ok=True)
            lock.close()

    def agree_on_partitions(self, names: Sequence[str]) -> None:
        """Store the names that sort files into folders; raise `SinkError` if there are others.

        Two kinds of folders side by side cannot be read together.
        """
        with self.changing() as state:
            self._same_partitions(state.setdefault("partition_by", list(names)), names)

    def _same_partitions(self, found: Sequence[str] | None, names: Sequence[str]) -> None:
        if found is not None and list(found) != list(names):
            flags = " ".join(f"--partition-by {name}" for name in found)
            raise SinkError(
                f"{self.place} is partitioned by {', '.join(found) or 'nothing'}, not by "
                f"{', '.join(names) or 'nothing'}; partition by the same"
                f"{f' ({flags})' if flags else ''} or name another folder"
            )

    def agree_on_columns(self, given: Sequence[pa.Schema]) -> pa.Schema:
        """Return the schema of the messages; if there was none, it becomes all columns of `given`.

        Raises `SinkError` if a schema of `given` does not fit the lake; see `check_columns`.
        """
        with self.locked():
            lake = remembered(self.folder)
            if lake is None:
                lake = united(given)
            # One may lack columns of another: a commit can hold both.
            check_columns(self.place, lake, united(given).names, self.table)
            for schema in given:
                check_types(self.place, lake, schema)
            self._check_children()
            remember(self.folder, lake)
            for name, schema in children_schemas(self.table).items():
                remember(self.folder, schema, name)
        return lake

    def _check_children(self) -> None:
        for name, schema in children_schemas(self.table).items():
            lake = remembered(self.folder, name)
            if lake is not None and lake != schema:
                raise SinkError(
                    f"{self.place} has {name} with other columns, {', '.join(lake.names)}, and all "
                    "files of a lake have the same: name another folder"
                )

    def enlist(self) -> None:
        """Become a writer, whose files nobody removes while it lives."""
        if self._writer is None:
            name = uuid.uuid4().hex
            with self.locked():  # nobody may find the file before it is locked
                lock = open(self._writers / name, "xb")  # noqa: SIM115
                fcntl.flock(lock, fcntl.LOCK_EX)
            self._writer = name, lock

    def new_file(self) -> Path:
        """Return the path for a file of a coming commit. We must be enlisted as a writer."""
        assert self._writer is not None
        return self._inprogress / f"{self._writer[0]}-{uuid.uuid4().hex}.inprogress"

    def done(self) -> dict[int, list[Progress]]:
        """Return the progress of each source. Without the lock it may be outdated."""
        return by_source(self.progress(self.load()))

    def check_there(self, source_ids: Iterable[int]) -> None:
        """Raise `SinkFailed` if the folder is not the one in which these were registered."""
        there = {one["source_id"] for one in self.load()["sources"]}
        if not (self._commits.is_dir() and there.issuperset(source_ids)):
            raise SinkFailed.replaced(self.place)

    def commit(
        self,
        progress: Sequence[Progress],
        files: Sequence[tuple[Path, str]],
        emptied: Iterable[str],
        settled: Mapping[int, Sequence[Progress]],
        counted: Sequence[CountedRow] = (),
    ) -> None:
        """Store rows of progress and files, and what a run counts of them, all or nothing.

        `files` are pairs (path written, place in the folder), with their content on disk; they are
        moved in this order and replace existing files. `emptied` are the places of files without
        rows, which are removed after a while. `settled` has, by source id, all rows of progress
        after the commit, for sources with stretches taken from other rules. The caller holds the
        lock.
        """
        sync(self._inprogress)
        manifest = {
            "version": VERSION,
            "progress": progress,
            "settled": {str(source_id): rows for source_id, rows in settled.items()},
            "files": [(str(path.relative_to(self.folder)), place) for path, place in files],
            "replaced": [],  # for older versions, which remove these
            "emptied": sorted(emptied),
            "counted": list(counted),
        }
        # Commits apply in the order of their names: `settled` covers the earlier ones.
        number = max((_number(name) for name in os.listdir(self._commits)), default=0) + 1
        _store(self._commits / f"{number:012d}-{uuid.uuid4().hex}.json", manifest)
        self._end([manifest])

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of the folder; an `OSError` there or in the work inside is `SinkFailed`."""
        try:
            with open(self._own / "lock", "ab") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield
        except OSError as error:
            if not self._own.exists():
                raise SinkFailed.replaced(self.place) from error
            raise SinkFailed.at(self.place, error) from error

    @contextmanager
    def changing(self) -> Iterator[dict[str, Any]]:
        """Hold the lock, yield the state with all commits merged in, and store it afterwards."""
        with self.locked():
            state = self.load()
            state["progress"] = self.progress(state)
            state["counted"] = self.counted_rows(state)
            names = list(self._manifests)
            folders = self._end(self._manifests.values())
            # Manifests that could repeat the moves are deleted below.
            sync_all(folder for folder in folders if folder.exists())
            self._let_go(state)
            # If we are killed before the manifests are removed, they must not count twice.
            state["applied"] = names
            yield state
            _store(self.state_file, state)
            for name in names:
                (self._commits / name).unlink()

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
        for place in [place for place, since in emptied.items() if since + GRACE < now]:
            (self.folder / place).unlink(missing_ok=True)
            del emptied[place]

    def load(self) -> dict[str, Any]:
        """Return the stored state; `SchemaError` if a newer version wrote it."""
        try:
            state: dict[str, Any] = orjson.loads(self.state_file.read_bytes())
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
        before, self._manifests = self._manifests, {}
        for name in sorted(os.listdir(self._commits), key=lambda name: (_number(name), name)):
            if name.endswith(".json"):
                try:
                    content = before.get(name) or orjson.loads((self._commits / name).read_bytes())
                except FileNotFoundError:  # without the lock: just merged into sources.json
                    continue
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

    def _end(self, manifests: Iterable[Mapping[str, Any]]) -> set[Path]:
        """Complete commits; return the folders that got files.

        Files are moved in their order, replacements first, so that no reader finds a message twice.
        """
        folders: set[Path] = set()
        for manifest in manifests:
            for place in manifest["replaced"]:  # of a commit of an older version
                (self.folder / place).unlink(missing_ok=True)
            for path, place in manifest["files"]:
                target = self.folder / place
                if (self.folder / path).exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    os.replace(self.folder / path, target)
                folders.update(self.folder / folder for folder in Path(place).parents)
        return folders

    def _sweep(self) -> None:
        """Remove the files of dead writers. All commits are complete, and the lock is held."""
        alive = set()
        for path in self._writers.iterdir():
            with open(path, "ab") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    alive.add(path.name)
        for path in self._inprogress.iterdir():
            if path.name.partition("-")[0] not in alive:
                path.unlink()
        for path in self._writers.iterdir():
            if path.name not in alive:
                path.unlink(missing_ok=True)


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


def _store(path: Path, content: Mapping[str, Any]) -> None:
    temporary = path.with_suffix(".new")
    temporary.write_bytes(orjson.dumps(content))
    sync(temporary)
    os.replace(temporary, path)
    sync(path.parent)
