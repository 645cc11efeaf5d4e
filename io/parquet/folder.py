"""How files get into a folder of Parquet files whole, together with what it remembers.

    lake/messages/..., lake/failures/...   what readers read
    lake/_fixfeed/sources.json             sources and their progress
    lake/_fixfeed/messages.schema          the columns of all files of messages
    lake/_fixfeed/commits/*.json           commits that sources.json does not have yet
    lake/_fixfeed/inprogress/              files of commits to come
    lake/_fixfeed/writers/                 a locked file for each writer that lives

A commit is one manifest: the stretches that are done, and the files that come, some of them in the
place of others. Before the manifest is there nothing of it counts; from then on all of it does,
since whoever comes next ends what it tells. All changes are made under one lock, so a manifest that
is not ended is that of a writer that died.

A reader lists the files first and opens them later, and no file system opens what it does not list.
So a file that is replaced keeps its name: its new content takes its place in one step, and what
was listed opens, with the rows before or those after, never with both. One that loses all its rows
becomes a file without rows, and goes when it has been one for `GRACE`.
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

from fixfeed.io.fsync import not_writable, sync
from fixfeed.io.ledger import version_1
from fixfeed.io.ledger.ledger import Progress, SchemaError, SinkError, SinkFailed, by_source
from fixfeed.io.parquet.schema import check_columns, check_types, remember, remembered, united
from fixfeed.io.redaction import redact, redact_text
from fixfeed.transforms.protocol import Protocol, Table, default_protocol

__all__ = ["GRACE", "VERSION", "ParquetFolder"]

VERSION = 2
"""The version of what stands in `_fixfeed`; older ones are brought to it when they are read."""

GRACE = 3600.0
"""For so many seconds at least a file that has lost all its rows can still be opened."""


class ParquetFolder:
    """A local folder and the commits to it. Not for several threads.

    A row of progress is a source id and a `Progress`. The state is what sources.json holds.
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
        """Name the folder; nothing is opened or made.

        `protocol` is that of the messages in it, FIX if none is named.
        `partition_by` are the names that files are to be sorted into folders by, `columns` those
        that the messages will have; `prepare` refuses a folder of another kind.
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
        """What the messages are as rows."""
        return (self._protocol or default_protocol()).table

    def prepare(self) -> None:
        """Make the folder ready; end or undo what killed writers have left.

        Raises `SchemaError` if it holds messages that fixfeed did not write, or those of a newer
        version, and `SinkError` if it cannot be written, or is partitioned or has columns otherwise
        than told.
        """
        try:
            self.check()
            for folder in (self._commits, self._inprogress, self._writers):
                folder.mkdir(parents=True, exist_ok=True)
            with self.changing():
                self._sweep()
        except OSError as error:
            raise SinkError(
                f"cannot write to {self.place}: {redact_text(str(error))}; check that it is a "
                "folder that you may write to and that there is space left"
            ) from error

    def check(self) -> bool:
        """Tell whether the folder is a lake already; change nothing. Raises as `prepare`."""
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
        return True

    def close(self) -> None:
        """Take leave as a writer; nothing else is open."""
        if self._writer is not None:
            (name, lock), self._writer = self._writer, None
            # Who comes next sweeps it away if that fails.
            with contextlib.suppress(OSError):
                (self._writers / name).unlink(missing_ok=True)
            lock.close()

    def agree_on_partitions(self, names: Sequence[str]) -> None:
        """Store what the files are sorted into folders by; raise `SinkError` if it was other.

        Folders of two kinds side by side cannot be read together.
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
        """Return the schema of the messages; if there was none, all columns of `given` are it.

        Raises `SinkError` if messages of a schema of `given` are none of the lake's; see
        `check_columns`.
        """
        with self.locked():
            lake = remembered(self.folder)
            if lake is None:
                lake = united(given)
            # One may lack what another has, as in a commit of both.
            check_columns(self.place, lake, united(given).names, self.table)
            for schema in given:
                check_types(self.place, lake, schema)
            remember(self.folder, lake)
        return lake

    def enlist(self) -> None:
        """Become a writer, whose files nobody sweeps away while it lives."""
        if self._writer is None:
            name = uuid.uuid4().hex
            with self.locked():  # None may find the file before it is locked.
                lock = open(self._writers / name, "xb")  # noqa: SIM115
                fcntl.flock(lock, fcntl.LOCK_EX)
            self._writer = name, lock

    def new_file(self) -> Path:
        """Return where to write a file of a commit to come. The folder has us as a writer."""
        assert self._writer is not None
        return self._inprogress / f"{self._writer[0]}-{uuid.uuid4().hex}.inprogress"

    def done(self) -> dict[int, list[Progress]]:
        """Return the progress of each source. Whoever does not hold the lock may see an old one."""
        return by_source(self.progress(self.load()))

    def commit(
        self,
        progress: Sequence[Progress],
        files: Sequence[tuple[Path, str]],
        emptied: Iterable[str],
        settled: Mapping[int, Sequence[Progress]],
    ) -> None:
        """Store rows of progress and files: all or nothing.

        `files` are (where it was written, place in the folder), their content on the disk; they
        come in this order, and take the place of what is there. `emptied` are the places of those
        without rows, which go after a while.
        `settled` has, by source id, all rows of progress that there are then of a source of which
        stretches were taken from other rules. The caller holds the lock.
        """
        sync(self._inprogress)
        manifest = {
            "version": VERSION,
            "progress": progress,
            "settled": {str(source_id): rows for source_id, rows in settled.items()},
            "files": [(str(path.relative_to(self.folder)), place) for path, place in files],
            "replaced": [],  # what an older version removes
            "emptied": sorted(emptied),
        }
        # In the order of their names: what is settled holds for the commits before.
        number = max((_number(name) for name in os.listdir(self._commits)), default=0) + 1
        _store(self._commits / f"{number:012d}-{uuid.uuid4().hex}.json", manifest)
        self._end([manifest])

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of the folder; `SinkFailed` if that, or what is done inside, fails."""
        try:
            with open(self._own / "lock", "ab") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise SinkFailed.at(self.place, error) from error

    @contextmanager
    def changing(self) -> Iterator[dict[str, Any]]:
        """Hold the lock, give the state with all commits in it, and store it as it is then."""
        with self.locked():
            state = self.load()
            state["progress"] = self.progress(state)
            names = list(self._manifests)
            folders = self._end(self._manifests.values())
            for folder in folders:  # The manifests, which could move the files again, go.
                if folder.exists():
                    sync(folder)
            self._let_go(state)
            # Killed before they are removed, they must not count twice.
            state["applied"] = names
            yield state
            _store(self.state_file, state)
            for name in names:
                (self._commits / name).unlink()

    def emptied(self) -> set[str]:
        """Return the places of files that have lost their rows and are still there.

        Whoever does not hold the lock may see old ones.
        """
        state = self.load()
        self.progress(state)
        manifests = self._manifests.values()
        return {
            *state.get("emptied", ()),
            *(p for one in manifests for p in one.get("emptied", ())),
        }

    def _let_go(self, state: dict[str, Any]) -> None:
        """Take what commits have emptied into the state; remove what is there for long enough."""
        now = time.time()
        emptied: dict[str, float] = state.setdefault("emptied", {})
        for manifest in self._manifests.values():
            for place in manifest.get("emptied", ()):
                emptied.setdefault(place, now)
        for place in [place for place, since in emptied.items() if since + GRACE < now]:
            (self.folder / place).unlink(missing_ok=True)
            del emptied[place]

    def load(self) -> dict[str, Any]:
        """Return the state as it is stored; `SchemaError` if it is a newer version's."""
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
        """Return the rows of progress of a state and of the commits that it does not have yet."""
        before, self._manifests = self._manifests, {}
        for name in sorted(os.listdir(self._commits), key=lambda name: (_number(name), name)):
            if name.endswith(".json"):
                try:
                    content = before.get(name) or orjson.loads((self._commits / name).read_bytes())
                except FileNotFoundError:  # Without the lock: sources.json has just taken it in.
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

    def _end(self, manifests: Iterable[Mapping[str, Any]]) -> set[Path]:
        """Do what is left of commits; return the folders that files came into.

        What takes the place of another file comes first: no reader finds a message twice.
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
        """Remove what dead writers have left, once all commits are ended; the lock is held."""
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
    """Return the number of a commit; those of older versions, which have none, come first."""
    number, dash, _ = name.partition("-")
    return int(number) if dash and number.isdigit() else 0


def _with_witnesses(row: Sequence[Any]) -> list[Any]:
    """Return a row of progress; those of older versions have no witnesses."""
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
