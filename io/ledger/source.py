"""A source as a reader found it, and what tells it from other sources."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Content", "Source"]


class Content(Protocol):
    """The bytes of a source, as far as a ledger has to know them to know the source again.

    Each kind of source that has bytes to look at brings its own; for files it is
    `io.files.content.Content`.
    """

    @property
    def place(self) -> str:
        """Where the source is: a path, absolute and without links."""

    @property
    def file_id(self) -> str:
        """What stays the same when the source moves to another place, `` if nothing does."""

    @property
    def known(self) -> Mapping[int, str]:
        """The witnesses (`ledger.witness`) that cost no further look, by position."""

    @property
    def fingerprint(self) -> str:
        """The witness of the first 4096 bytes, `` if there are fewer."""

    def holds(self, wanted: Mapping[int, str]) -> bool:
        """Tell whether the source has these witnesses at these positions, all of them."""

    def witnesses(self, positions: Iterable[int]) -> dict[int, str]:
        """Return the witnesses of those of the positions that can be read."""

    def begins(self, other: "Content") -> bool:
        """Tell whether all bytes of this source are the beginning of another one."""

    def look_at(self, place: str) -> "Content | None":
        """Return what is at a place now, None if nothing can be read there."""


@dataclass(frozen=True, slots=True)
class Source:
    """A source as a reader found it.

    `key` names it in the flow; `kind` is `file` for a file; `name` is what people call it, a file's
    path as it was given. `content` is what it is known again by, None where the key is all there
    is.
    """

    key: str
    kind: str
    name: str
    content: Content | None = None
