"""The content of a file, as far as a ledger needs it to recognise the file."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from fixfeed.io.files.compression import Damaged, Stream, compression_of
from fixfeed.io.files.planned import MOST_MOVES, Planned, Replaced, open_file
from fixfeed.io.ledger import source
from fixfeed.io.ledger.witness import EXACT, TELLING, Trail, witnesses

__all__ = ["STANDARD_INPUT", "Content", "look", "look_at"]

STANDARD_INPUT = "-"
"""The place of data from standard input, which is known by its content alone."""

_CHUNK = 1 << 20
_SNIFF = 64 << 10


@dataclass(frozen=True, slots=True)
class Content:
    """The uncompressed bytes of a planned file (`ledger.source.Content`).

    `place` is the path that it is known by, absolute and without links, or `STANDARD_INPUT`.
    `length` is that of its uncompressed bytes, an estimate if it is compressed. `known` are the
    witnesses (`ledger.witness`) that are known without another read, by position. `begin` is that
    of its protocol (`files.compression`).
    """

    planned: Planned
    place: str
    compression: str
    length: int
    known: Mapping[int, str]
    begin: bytes

    @property
    def file_id(self) -> str:
        """Device and inode, `` where there are none."""
        return self.planned.file_id

    @property
    def fingerprint(self) -> str:
        """The witness of the first 4096 bytes, `` if there are fewer."""
        return self.known.get(TELLING, "")

    def holds(self, wanted: Mapping[int, str]) -> bool:
        """Return whether the file has all these witnesses at these positions.

        False for a file that cannot be read that far, or is no longer the planned one.
        """
        if not self.compression and max(wanted, default=0) > self.length:
            return False
        if any(self.known.get(position, one) != one for position, one in wanted.items()):
            return False
        rest = wanted.keys() - self.known.keys()
        found = self.witnesses(rest) if rest else {}
        return all(found.get(position) == wanted[position] for position in rest)

    def witnesses(self, positions: Iterable[int]) -> dict[int, str]:
        """Return the witnesses of the positions that can be read.

        A plain file is read at a few places, a compressed one up to the last position.
        """

        def look(file: BinaryIO) -> dict[int, str]:
            stream = Stream(file, self.compression, self.begin)
            return witnesses(stream.read, positions, stream.seek)

        try:
            return self.planned.read_with(look)
        except (Damaged, Replaced, OSError):
            return {}

    def begins(self, other: source.Content) -> bool:
        """Return whether another file begins with all bytes of this one.

        They are compared byte for byte, up to the first difference.
        """
        equal, damage = self._compared(other)
        return equal and not damage

    def unfinished_copy_of(self, other: source.Content) -> str:
        """Return why this file ends early, if another file begins with all that can be read of it.

        This happens while a log is being compressed. `` if it is no such copy, or is whole.
        """
        equal, damage = self._compared(other) if self.compression else (False, "")
        return damage if equal else ""

    def _compared(self, other: source.Content) -> tuple[bool, str]:
        """Return whether another file begins with all readable bytes of this, and any damage."""
        if not isinstance(other, Content) or self.fingerprint != other.fingerprint:
            return False, ""
        if not (self.compression or other.compression) and self.length > other.length:
            return False, ""
        if any(other.known.get(at, one) != one for at, one in self.known.items()):
            return False, ""

        def compare(mine: BinaryIO, its: BinaryIO) -> tuple[bool, str]:
            one = Stream(mine, self.compression, self.begin)
            another = Stream(its, other.compression, other.begin)
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
        except (Damaged, Replaced, OSError):
            return False, ""

    def now(self) -> "Content | None":
        """Return the content of the file as it is now, wherever it is; None if it is not found."""
        found = self.planned.found_again()
        if found is None:
            return None
        try:
            return look(found.path, self.place, self.begin)[0]
        except (Damaged, OSError):
            return None

    def look_at(self, place: str) -> "Content | None":
        """Return the content of the file now at a place, None if none can be read there."""
        return look_at(place, self.begin)


def look(path: str, place: str, begin: bytes) -> tuple[Content, bytes]:
    """Return the content of the file at a path, and its first 64 KiB.

    It is to be known by `place`; `begin` is that of its protocol. Up to 1 MiB is read. If the file
    is replaced meanwhile, so that the parts are of two files, it is read again. Raises `Damaged` or
    `OSError` if nothing can be read.
    """
    for _ in range(MOST_MOVES):
        with suppress(Replaced):
            return _look(path, place, begin)
    raise Damaged("is replaced again and again while it is looked at")


def _look(path: str, place: str, begin: bytes) -> tuple[Content, bytes]:
    with open_file(path) as file:
        planned = Planned.look(path, file)
        compression = compression_of(file.read(_SNIFF), begin)
        file.seek(0)
        stream = Stream(file, compression, begin)
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
        # The compression ratio so far is an estimate for the rest of the file.
        ratio = stream.position / stream.consumed if stream.consumed else 1.0
    length = round(planned.size * ratio)
    return Content(planned, place, compression, length, known, begin), head


def look_at(place: str, begin: bytes) -> Content | None:
    """Return the content of the file now at a place, None if none can be read there."""
    if place == STANDARD_INPUT or not place:
        return None
    try:
        return look(place, place, begin)[0]
    except (Damaged, OSError, ValueError):
        return None
