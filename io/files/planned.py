"""The file that is read is the file that was planned, wherever it has moved meanwhile.

A log may be rotated while a job reads it: renamed, with a new file under its name, or copied and
truncated (copytruncate). Reading on by name would mix two files.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO, TypeVar

from fixfeed.io.files import remote

__all__ = ["MOST_MOVES", "Planned", "Replaced", "file_id_of", "open_file"]

MOST_MOVES = 100
"""Reading gives up on a file that is renamed or replaced this often meanwhile."""

T = TypeVar("T")

_EDGE = 4096
_MOST_LOOKED_AT = 100  # files with a similar name, when the planned one is gone


class Replaced(Exception):
    """A file is not the one that was planned; the text says what was found."""


def open_file(path: str) -> BinaryIO:
    """Open a file of this machine, or of any of Beam's file systems, as it is stored."""
    return remote.open_file(path) if remote.is_remote(path) else open(path, "rb")


def file_id_of(file: BinaryIO) -> str:
    """Return device and inode of an open file, `` where there are none."""
    try:
        found = os.fstat(file.fileno())
    except OSError:  # io.UnsupportedOperation included
        return ""
    return f"{found.st_dev}:{found.st_ino}"


def _size_of(file: BinaryIO) -> int:
    try:
        return os.fstat(file.fileno()).st_size
    except OSError:
        at = file.tell()
        size = file.seek(0, os.SEEK_END)
        file.seek(at)
        return size


def _digest_of(file: BinaryIO, start: int, size: int) -> str:
    """Return the digest of some bytes; the file's position does not change."""
    try:
        data = os.pread(file.fileno(), size, start)
    except OSError:
        at = file.tell()
        file.seek(start)
        data = file.read(size)
        file.seek(at)
    return hashlib.blake2b(data, digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Planned:
    """A file as it was stored when it was planned.

    `file_id` is its device and inode, `` where there are none; `size` is its length in bytes;
    `head` and `end` are the digests of its first and last 4096 bytes. A file that has grown since
    is still the planned one. A file that is shorter, or has other bytes there, is not.
    """

    path: str
    file_id: str
    size: int
    head: str
    end: str

    @classmethod
    def look(cls, path: str, file: BinaryIO) -> "Planned":
        """Return the present state of an open file."""
        size = _size_of(file)
        start = max(0, size - _EDGE)
        return cls(
            path,
            file_id_of(file),
            size,
            _digest_of(file, 0, min(_EDGE, size)),
            _digest_of(file, start, size - start),
        )

    @property
    def stored_end(self) -> str:
        """The mark of the whole file as it is stored: `size:digest`."""
        return f"{self.size}:{self.end}"

    @contextlib.contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Open the file by its name, and check it before and after it is used.

        Without the second check, a truncated file would seem to end early. Raises `Replaced`
        or `OSError`.
        """
        with open_file(self.path) as file:
            if self.file_id and file_id_of(file) != self.file_id:
                raise Replaced("another file has taken its name")
            self.check(file)
            yield file
            self.check(file)

    def read_with(self, function: Callable[[BinaryIO], T]) -> T:
        """Return the result of a function on the open file, wherever the file is now.

        It is called again if the file was renamed or replaced meanwhile. Raises `Replaced` if the
        file is not found, and whatever the function, or opening the file, raises.
        """
        for _ in range(MOST_MOVES):
            found = self.found_again()
            if found is None:
                break
            with contextlib.suppress(Replaced, FileNotFoundError), found.opened() as file:
                return function(file)
        raise Replaced("what it held is not found in its folder")

    def check(self, file: BinaryIO) -> None:
        """Raise `Replaced` if an open file's content is no longer the planned one.

        A check after a read proves that the bytes are from the planned file.
        """
        if _size_of(file) < self.size:
            raise Replaced(f"it has become shorter than the {self.size:,} bytes it had")
        start = max(0, self.size - _EDGE)
        if (
            _digest_of(file, 0, min(_EDGE, self.size)) != self.head
            or _digest_of(file, start, self.size - start) != self.end
        ):
            raise Replaced("its content has been replaced")

    def found_again(self) -> "Planned | None":
        """Return the file under its current name, None if it is not found in its folder.

        It is looked for by its own name, then by its inode, and then, in case it was copied and
        truncated, by its content among files whose names begin like its own.
        """
        with contextlib.suppress(Replaced, OSError), self.opened():
            return self
        if remote.is_remote(self.path):
            return None
        folder, name = os.path.split(self.path)
        try:
            with os.scandir(folder or ".") as entries:
                there = [entry for entry in entries if entry.is_file()]
        except OSError:
            return None
        stem = name.partition(".")[0]
        inode = self.file_id.rpartition(":")[2]
        renamed = [one for one in there if str(one.inode()) == inode]
        alike = [one for one in there if one.name.startswith(stem) and one not in renamed]
        for entry in [*renamed, *alike[:_MOST_LOOKED_AT]]:
            with contextlib.suppress(Replaced, OSError):
                file_id = self.file_id if entry in renamed else ""
                moved = replace(self, path=entry.path, file_id=file_id)
                with moved.opened() as file:
                    return replace(moved, file_id=file_id_of(file))
        return None
