"""The segments of a connection as one file, as far as they are there."""

import io
import os
from bisect import bisect_right
from pathlib import Path

from fixfeed.io.live.spool import segments_of

__all__ = ["SegmentsFile"]


class SegmentsFile(io.RawIOBase):
    """The bytes of a connection up to `stop`, at the positions that they have in it.

    Segments are those that are there now, so what an index names is known before this is made.
    Where segments were removed, the byte before the next one reads as an end of line. A segment is
    open while it is read from alone, so that any number of connections may be read in turn.
    """

    def __init__(self, connection: Path, stop: int):
        """Begin at position 0."""
        self._segments = segments_of(connection)
        self._starts = [start for start, _ in self._segments]
        self.stop = stop
        self._at = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position."""
        assert whence == os.SEEK_SET
        self._at = position
        return position

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Return so many bytes, fewer at `stop` or where they are not there any more."""
        left = self.stop - self._at if size < 0 else min(size, self.stop - self._at)
        parts = []
        while left > 0 and (data := self._read(left)):
            parts.append(data)
            self._at += len(data)
            left -= len(data)
        return b"".join(parts)

    def _read(self, size: int) -> bytes:
        number = bisect_right(self._starts, self._at) - 1
        if number < 0:
            return b""
        file = os.open(self._segments[number][1], os.O_RDONLY)
        try:
            data = os.pread(file, size, self._at - self._starts[number])
        finally:
            os.close(file)
        return data or (b"\n" if self._at + 1 in self._starts else b"")

    def stretches(self, begin: int = 0, stop: int = 1 << 62) -> list[tuple[int, int]]:
        """Return the stretches between two positions that are there, as far as it goes."""
        found: list[tuple[int, int]] = []
        for first, path in self._segments:
            start = max(first, begin)
            end = min(first + path.stat().st_size, stop, self.stop)
            if start >= end:
                continue
            if found and found[-1][1] == start:
                found[-1] = (found[-1][0], end)
            else:
                found.append((start, end))
        return found
