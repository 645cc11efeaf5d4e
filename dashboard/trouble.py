"""What can be wrong with a database that is only read, in one sentence that says what to do."""

from enum import Enum

__all__ = ["Kind", "Trouble"]


class Kind(Enum):
    """Why a database does not answer."""

    MISSING = "missing"
    """There is no such file or database, or it may not be opened."""
    EMPTY = "empty"
    """It is there, and holds nothing of fixfeed's."""
    OTHER_VERSION = "other version"
    """Its schema is that of another version of fixfeed."""
    LOCKED = "locked"
    """Another process holds what has to be read."""
    AWAY = "away"
    """The server does not answer, or the disk does not."""
    DEADLINE = "deadline"
    """A query took longer than it may."""
    BUSY = "busy"
    """All connections are in use."""


class Trouble(Exception):
    """A database does not answer; its text is one sentence that says what to do.

    Nothing in it is secret, and no SQL is. `kind` says what it is; `passing` whether asking again
    in a while may help, without anybody changing anything.
    """

    def __init__(self, kind: Kind, text: str):
        """Store the text, with its line ends turned into blanks."""
        super().__init__(" ".join(filter(None, map(str.strip, text.splitlines()))))
        self.kind = kind

    @property
    def passing(self) -> bool:
        """Whether asking again in a while may help."""
        return self.kind in (Kind.LOCKED, Kind.AWAY, Kind.DEADLINE, Kind.BUSY)
