"""Tells how far the bytes of a connection in the spool are those that were received."""

import zlib
from pathlib import Path
from typing import NamedTuple

from fixfeed.io.live.index import Index
from fixfeed.io.live.segments import SegmentsFile

__all__ = ["Damage", "Intact"]

_MOST = 256 << 10  # bytes of damage that are told together


class Damage(NamedTuple):
    """Whole chunks, one after the other, that are not what was received."""

    start: int
    end: int
    lacking: int  # so many of their bytes are not there


class Intact:
    """Compares the chunks of a connection with their records, in order, each once.

    The bytes before `end` are what was received, as far as it was asked for: `number` chunks.
    `is_damaged` is whether the next chunk is known not to be that.
    """

    def __init__(self, connection: Path, index: Index, end: int = 0, number: int = 0):
        """Begin at the chunk with this number, which begins where the one before it has its end.

        `index` is that of the connection, of which no later chunk was passed.
        """
        self.end = end
        self.number = number
        self.is_damaged = False
        self._connection = connection
        self._index = index

    def up_to(self, position: int, file: SegmentsFile) -> int:
        """Return how far before a position, which the index names, the bytes of `file` are intact.

        `file` has those of the connection to its end.
        """
        if self.end >= position or self.is_damaged:
            return min(self.end, position)
        data, start = memoryview(b""), self.end
        for record in self._index.ahead(self.number):
            if record.end > start + len(data):
                start = file.seek(self.end)
                data = memoryview(file.read(max(record.end, position) - start))
            chunk = data[self.end - start : record.end - start]
            if len(chunk) != record.end - self.end or zlib.crc32(chunk) != record.crc:
                self.is_damaged = True
                break
            self.end, self.number = record.end, self.number + 1
            if self.end >= position:
                break
        return min(self.end, position)

    def pass_damage(self) -> Damage:
        """Go on after the damage, at the next chunk that is intact; return what is damaged."""
        begin = self.end
        kept = 0
        with SegmentsFile(self._connection, 1 << 62) as file:
            for record in self._index.ahead(self.number):
                file.seek(self.end)
                size = record.end - self.end
                chunk = file.read(size)
                if (len(chunk) == size and zlib.crc32(chunk) == record.crc) or kept >= _MOST:
                    break
                kept += len(chunk)
                self.end, self.number = record.end, self.number + 1
            there = sum(stop - start for start, stop in file.stretches(begin, self.end))
        self.is_damaged = False
        return Damage(begin, self.end, self.end - begin - there)
