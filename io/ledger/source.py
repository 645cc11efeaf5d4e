"""A source as a reader found it, and what distinguishes it from other sources."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Content", "Source"]


class Content(Protocol):
    """The bytes of a source, as far as a ledger needs them to recognise the source.

    Each kind of source that has bytes to look at brings its own; for files it is
    `io.files.content.Content`.
    """

    @property
    def place(self) -> str:
        """Where the source is: a path, absolute and without links."""

    @property
    def file_id(self) -> str:
        """An id that stays the same when the source moves, `` if there is none."""

    @property
    def known(self) -> Mapping[int, str]:
        """The witnesses (`ledger.witness`) that are known without another read, by position."""

    @property
    def fingerprint(self) -> str:
        """The witness of the first 4096 bytes, `` if there are fewer."""

    def holds(self, wanted: Mapping[int, str]) -> bool:
        """Return whether the source has all these witnesses at these positions."""

    def witnesses(self, positions: Iterable[int]) -> dict[int, str]:
        """Return the witnesses of the positions that can be read."""

    def begins(self, other: "Content") -> bool:
        """Return whether another source begins with all bytes of this one."""

    def now(self) -> "Content | None":
        """Return the content of the same source as it is now, None if it is not found."""

    def look_at(self, place: str) -> "Content | None":
        """Return the content now at a place, None if nothing can be read there."""


@dataclass(frozen=True, slots=True)
class Source:
    """A source as a reader found it.

    `key` names it in the flow; `kind` is `file` for a file; `name` is what people call it, a file's
    path as it was given. It is recognised by `content`, which is None if there is only a key.
    """

    key: str
    kind: str
    name: str
    content: Content | None = None
