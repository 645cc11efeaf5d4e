"""The index of a connection as one reader goes through it: each record is read once."""

from collections.abc import Iterator
from pathlib import Path

from fixfeed.io.live.spool import INDEX, Record, records

__all__ = ["Index"]

_MOST = 4096  # records that are read at once


class Index:
    """The records of a connection that were not passed yet, as they come.

    Those that were read are kept until they are passed, so a reader bounds how far it looks ahead.
    `number` is that of the first one.
    """

    def __init__(self, connection: Path):
        """Begin at the first record; nothing is opened."""
        self.path = connection / INDEX
        self.number = 0
        self._kept: list[Record] = []

    def ahead(self, number: int, limit: int = 1 << 62) -> Iterator[Record]:
        """Yield up to `limit` records from this number on, up to the first that is not whole.

        Raises `OSError` if there is no index.
        """
        for at in range(number, number + limit):
            while at - self.number >= len(self._kept):
                more = list(records(self.path, self.number + len(self._kept), _MOST))
                if not more:
                    return
                self._kept += more
            yield self._kept[at - self.number]

    def pass_to(self, number: int) -> None:
        """Forget the records before this number."""
        del self._kept[: number - self.number]
        self.number = number
