"""A lake in a local folder.

Files are replaced by renaming, and the lock is the file system's (flock): it is free as soon as its
holder ends, however that ends. A writer that lives holds one on a file of its own.
"""

import contextlib
import errno
import fcntl
import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from fixfeed.io.fsync import not_writable, sync, sync_all
from fixfeed.io.ledger.ledger import SinkError, SinkFailed
from fixfeed.io.parquet.storage import ASIDE, OWN, Moves

__all__ = ["LocalFolder"]


class LocalFolder:
    """See `Storage`. Files that were listed can be opened as long as they are not removed."""

    def __init__(self, name: str, path: str):
        """Store the folder's name, and the one that people may see."""
        self.name = name
        self.folder = Path(path).absolute()
        self._own = self.folder / OWN
        self._writers = self._own / "writers"
        self._inprogress = self.folder / ASIDE
        self._moving = self._own / "moving"  # is there while the files of a commit are moved
        self._writer: tuple[str, IO[bytes]] | None = None

    def shown(self, place: str) -> str:
        """See `Storage`."""
        return str(self.folder / place)

    def check(self) -> None:
        """See `Storage`."""
        if self.folder.exists() and not self.folder.is_dir():
            raise SinkError(f"cannot write to {self.name}: it is a file, expected a folder")
        refused = not_writable(self._own)
        if refused:
            raise SinkError(f"cannot write to {self.name}: you may not write to {refused}")

    def begun(self) -> bool:
        """See `Storage`."""
        return self._own.exists()

    def prepare(self) -> None:
        """See `Storage`."""
        for folder in (self._own / "commits", self._inprogress, self._writers):
            folder.mkdir(parents=True, exist_ok=True)

    def is_there(self) -> bool:
        """See `Storage`."""
        return (self._own / "commits").is_dir()

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """See `Storage`."""
        try:
            with open(self._own / "lock", "ab") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield not self._moving.exists()
        except OSError as error:
            if not self._own.exists():
                raise SinkFailed.replaced(self.name) from error
            raise SinkFailed.at(self.name, error) from error

    def confirm(self) -> None:
        """See `Storage`; nobody takes the lock of one who runs."""

    def read(self, place: str) -> bytes:
        """See `Storage`."""
        return (self.folder / place).read_bytes()

    def source(self, place: str) -> Path:
        """See `Storage`."""
        return self.folder / place

    def has(self, place: str) -> bool:
        """See `Storage`."""
        return (self.folder / place).exists()

    def files(self, folder: str, beginning: str = "") -> Iterator[str]:
        """See `Storage`."""
        top = self.folder / folder
        found = top.glob(f"{beginning}*.parquet") if beginning else top.rglob("*.parquet")
        for path in sorted(found):
            yield str(path.relative_to(self.folder))

    def version(self, place: str) -> tuple[int, int]:
        """See `Storage`."""
        status = (self.folder / place).stat()
        return status.st_ino, status.st_mtime_ns

    def names(self, folder: str) -> list[str]:
        """See `Storage`."""
        return os.listdir(self.folder / folder)

    def replace(self, place: str, content: bytes) -> None:
        """See `Storage`; the lock keeps others away."""
        path = self.folder / place
        temporary = path.with_suffix(".new")
        temporary.write_bytes(content)
        sync(temporary)
        os.replace(temporary, path)
        sync(path.parent)

    def create(self, place: str, content: bytes) -> None:
        """See `Storage`; what it names is to be moved from then on."""
        self._moving.touch()
        if self.has(place):
            raise FileExistsError(errno.EEXIST, "it is there already", self.shown(place))
        self.replace(place, content)

    def remove(self, places: Iterable[str]) -> None:
        """See `Storage`."""
        for place in places:
            (self.folder / place).unlink(missing_ok=True)

    def enlist(self) -> None:
        """See `Storage`."""
        if self._writer is None:
            name = uuid.uuid4().hex
            with self.locked():  # nobody may find the file before it is locked
                lock = open(self._writers / name, "xb")  # noqa: SIM115
                fcntl.flock(lock, fcntl.LOCK_EX)
            self._writer = name, lock

    def aside(self) -> str:
        """See `Storage`."""
        owner = self._writer[0] if self._writer else "nobody"
        return f"{ASIDE}/{owner}-{uuid.uuid4().hex}.inprogress"

    def scratch(self, aside: str) -> Path:
        """See `Storage`."""
        return self.folder / aside

    def keep(self, asides: Iterable[str]) -> None:
        """See `Storage`; their names are on disk, too."""
        sync_all(self.folder / aside for aside in asides)
        sync(self._inprogress)

    def discard(self, asides: Iterable[str]) -> None:
        """See `Storage`."""
        for aside in asides:
            with contextlib.suppress(OSError):
                (self.folder / aside).unlink(missing_ok=True)

    def whole(self, asides: Iterable[str]) -> bool:
        """See `Storage`; those of a living writer are."""
        return True

    def publish(
        self, commits: Iterable[Moves], *, for_good: bool = False, all_aside: bool = False
    ) -> None:
        """See `Storage`; to look costs nothing here."""
        folders: set[Path] = set()
        for moves, _ in commits:
            for aside, place in moves:
                target = self.folder / place
                if (self.folder / aside).exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    os.replace(self.folder / aside, target)
                folders.update(self.folder / folder for folder in Path(place).parents)
        if for_good:
            sync_all(folder for folder in folders if folder.exists())
        self._moving.unlink(missing_ok=True)

    def sweep(self) -> None:
        """See `Storage`; a writer whose file is not locked is dead."""
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

    def close(self) -> None:
        """See `Storage`; what that leaves, the next writer removes."""
        if self._writer is not None:
            (name, lock), self._writer = self._writer, None
            with contextlib.suppress(OSError):
                (self._writers / name).unlink(missing_ok=True)
            lock.close()
