"""What a lake needs of the place that holds its files: a local folder, or a bucket.

A place in it is a path from its root, with slashes. All changes are made under one lock. `replace`
and `create` are decided by the storage itself where a lock may be taken from one that has stopped.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

__all__ = ["ASIDE", "OWN", "Moves", "Storage"]

OWN = "_fixfeed"
"""The folder of what fixfeed remembers."""

ASIDE = f"{OWN}/inprogress"
"""The folder of files of commits to come."""

Moves = tuple[Sequence[tuple[str, str]], int]
"""The files of a commit, (aside, place), and how many of them, the first ones, replace others."""


class Storage(Protocol):
    """Where a lake is. Not for several threads; nothing is opened before it is used.

    Raises `SinkError` (`SinkFailed` once it is open) with what to do, or an `OSError`.
    """

    name: str
    """As people may see it."""

    def shown(self, place: str) -> str:
        """Return a place in it as people find it."""

    def check(self) -> None:
        """Raise `SinkError` if it cannot be written; change nothing."""

    def begun(self) -> bool:
        """Return whether there is something of fixfeed's."""

    def prepare(self) -> None:
        """Make what has to be there before the first lock."""

    def is_there(self) -> bool:
        """Return whether what `prepare` has made is there still."""

    def locked(self) -> AbstractContextManager[bool]:
        """Hold the one lock; gives false if what the one before was doing may be half done.

        An `OSError` inside becomes `SinkFailed`.
        """

    def confirm(self) -> None:
        """Raise `SinkFailed` if the lock was taken away while it was held."""

    def read(self, place: str) -> bytes:
        """Return the content of a file; `FileNotFoundError` if there is none."""

    def source(self, place: str) -> Any:
        """Return a file in a form that pyarrow reads."""

    def has(self, place: str) -> bool:
        """Return whether there is a file."""

    def files(self, folder: str, beginning: str = "") -> Iterator[str]:
        """Yield the Parquet files below a folder, in order.

        With a `beginning`, those directly in it whose names begin so.
        """

    def version(self, place: str) -> Any:
        """Return what changes when a file that `files` has yielded is replaced."""

    def names(self, folder: str) -> list[str]:
        """Return the names of the files in a folder."""

    def replace(self, place: str, content: bytes) -> None:
        """Put a file in one step, in place of what `read` has found there last.

        Raises `SinkFailed` if another job has put something there meanwhile.
        """

    def create(self, place: str, content: bytes) -> None:
        """Put a file that was not there, in one step; `SinkFailed` if it is there."""

    def remove(self, places: Iterable[str]) -> None:
        """Remove files, those that are there."""

    # Files come aside first, and are moved to their places once their commit is decided.

    def enlist(self) -> None:
        """Become a writer, whose files nobody removes while it lives. We do not hold the lock."""

    def aside(self) -> str:
        """Return the place of a file of a coming commit; one who is not enlisted holds the lock."""

    def scratch(self, aside: str) -> Path:
        """Return the local path at which the content of a file aside is to be written."""

    def keep(self, asides: Iterable[str]) -> None:
        """Return once these files are stored, as they were written."""

    def discard(self, asides: Iterable[str]) -> None:
        """Remove files aside, as far as that is possible; `sweep` does the rest."""

    def whole(self, asides: Iterable[str]) -> bool:
        """Return whether all these files, which were kept, are there still."""

    def publish(
        self, commits: Iterable[Moves], *, for_good: bool = False, all_aside: bool = False
    ) -> None:
        """Move files that are aside still to their places, replacements first.

        With `for_good` nothing is needed any more to repeat that after a crash. With `all_aside`
        the caller knows that none of them was moved before, and nobody looks.
        """

    def sweep(self) -> None:
        """Remove the files aside of dead writers. All commits are complete; the lock is held."""

    def close(self) -> None:
        """Sign off as a writer."""
