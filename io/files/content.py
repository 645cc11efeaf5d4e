"""What a file holds, as far as a ledger has to know to tell it from others."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from apache_beam.io.filesystem import BeamIOError

from fixfeed.io.files.compression import Damaged, Stream, compression_of
from fixfeed.io.files.planned import MOST_MOVES, Planned, Replaced, open_file
from fixfeed.io.ledger import source
from fixfeed.io.ledger.witness import EXACT, TELLING, Trail, witnesses

__all__ = ["STANDARD_INPUT", "Content", "look", "look_at"]

STANDARD_INPUT = "-"
"""The place of what came by standard input: it is known by its content alone."""

_CHUNK = 1 << 20
_SNIFF = 64 << 10


@dataclass(frozen=True, slots=True)
class Content:
    """The uncompressed bytes of a file that was planned (`ledger.source.Content`).

    `place` is the path that it is known by, absolute and without links, or `STANDARD_INPUT`.
    `length` is that of its uncompressed bytes, about where it is compressed. `known` are witnesses
    (`ledger.witness`) that cost no further look, by position.
    """

    planned: Planned
    place: str
    compression: str
    length: int
    known: Mapping[int, str]

    @property
    def file_id(self) -> str:
        """Device and inode, `` where there are none."""
        return self.planned.file_id

    @property
    def fingerprint(self) -> str:
        """The witness of the first 4096 bytes, `` if there are fewer."""
        return self.known.get(TELLING, "")

    def holds(self, wanted: Mapping[int, str]) -> bool:
        """Tell whether the file has these witnesses at these positions, all of them.

        A file that cannot be read so far, or is not the planned one any more, has not.
        """
        if not self.compression and max(wanted, default=0) > self.length:
            return False
        if any(self.known.get(position, one) != one for position, one in wanted.items()):
            return False
        rest = wanted.keys() - self.known.keys()
        found = self.witnesses(rest) if rest else {}
        return all(found.get(position) == wanted[position] for position in rest)

    def witnesses(self, positions: Iterable[int]) -> dict[int, str]:
        """Return the witnesses of those of the positions that can be read.

        A plain file is read at a few places, a compressed one up to the last position.
        """

        def look(file: BinaryIO) -> dict[int, str]:
            stream = Stream(file, self.compression)
            return witnesses(stream.read, positions, stream.seek)

        try:
            return self.planned.read_with(look)
        except (Damaged, Replaced, BeamIOError, OSError):
            return {}

    def begins(self, other: source.Content) -> bool:
        """Tell whether all of this file's bytes are the beginning of another one.

        Both are compared byte for byte, up to the first difference.
        """
        equal, damage = self._compared(other)
        return equal and not damage

    def unfinished_copy_of(self, other: source.Content) -> str:
        """Return why this file ends early if all that can be read of it begins another one.

        So it is while a log is being compressed. `` if it does not, or is whole.
        """
        equal, damage = self._compared(other) if self.compression else (False, "")
        return damage if equal else ""

    def _compared(self, other: source.Content) -> tuple[bool, str]:
        """Tell whether all that can be read of this file begins another, and why it is not more."""
        if not isinstance(other, Content) or self.fingerprint != other.fingerprint:
            return False, ""
        if not (self.compression or other.compression) and self.length > other.length:
            return False, ""
        if any(other.known.get(at, one) != one for at, one in self.known.items()):
            return False, ""

        def compare(mine: BinaryIO, its: BinaryIO) -> tuple[bool, str]:
            one, another = Stream(mine, self.compression), Stream(its, other.compression)
            while True:
                try:
                    data = one.read(_CHUNK)
                except Damaged as error:
                    return True, str(error)
                if not data:
                    return True, ""
                if another.read(len(data)) != data:
                    return False, ""

        try:
            return self.planned.read_with(
                lambda mine: other.planned.read_with(lambda its: compare(mine, its))
            )
        except (Damaged, Replaced, BeamIOError, OSError):
            return False, ""

    def look_at(self, place: str) -> "Content | None":
        """Return what is at a place now, None if no file can be read there."""
        return look_at(place)


def look(path: str, place: str) -> tuple[Content, bytes]:
    """Return the content of the file at a path, and its first 64 KiB.

    `place` is what it is to be known by. Up to 1 MiB is read; if the file is replaced meanwhile, so
    that its parts are of two files, it is read again. Raises `Damaged`, `BeamIOError` or `OSError`
    where nothing can be read.
    """
    for _ in range(MOST_MOVES):
        with suppress(Replaced):
            return _look(path, place)
    raise Damaged("is replaced again and again while it is looked at")


def _look(path: str, place: str) -> tuple[Content, bytes]:
    with open_file(path) as file:
        planned = Planned.look(path, file)
        compression = compression_of(file.read(_SNIFF))
        file.seek(0)
        stream = Stream(file, compression)
        head = data = stream.read(_SNIFF)
        known = {}
        trail = Trail()
        for position in [1 << bit for bit in range(9, EXACT.bit_length())]:
            try:
                while len(data) < position and (more := stream.read(position - len(data))):
                    data += more
            except Damaged:
                pass
            trail.add(data[trail.position : position])
            if trail.position:
                known[trail.position] = trail.witness()
            if trail.position < position:
                break
        planned.check(file)
        # How much comes out of what has been read of a compressed file tells about the rest.
        ratio = stream.position / stream.consumed if stream.consumed else 1.0
    length = round(planned.size * ratio)
    return Content(planned, place, compression, length, known), head


def look_at(place: str) -> Content | None:
    """Return the content of the file that is at a place now, None if none can be read there."""
    if place == STANDARD_INPUT or not place:
        return None
    try:
        return look(place, place)[0]
    except (Damaged, BeamIOError, OSError, ValueError):
        return None
