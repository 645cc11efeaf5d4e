"""Witnesses: digests by which a source is recognised from a few reads.

The witness of a position is the BLAKE2b digest (16 bytes, as 32 hexadecimal digits) of all bytes of
the uncompressed source before it, or, beyond 1 MiB, of the 4096 bytes before it. So a source read
up to 1 MiB is known to the last byte. A longer one is known by its first mebibyte, by the bytes
before each position where reading ended, and by those before one position in each mebibyte (from 16
MiB on, in each 16 MiB) that was read.

>>> from io import BytesIO
>>> trail = Trail()
>>> trail.add(b"8=FIX.4.4|")
>>> trail.position
10
>>> trail.witness() == witnesses(BytesIO(b"8=FIX.4.4|9=5|").read, [10])[10]
True
"""

import hashlib
from collections.abc import Callable, Iterable

__all__ = [
    "EXACT",
    "NOTE",
    "TAIL",
    "TELLING",
    "Trail",
    "far_apart",
    "note",
    "noted",
    "notes_joined",
    "witnesses",
]

EXACT = 1 << 20
"""Up to this position a witness covers all bytes before it."""

TELLING = 4096
"""A source with fewer bytes read is too short to be recognised by its content."""

TAIL = 4096
"""Beyond `EXACT` a witness covers this many bytes."""

NOTE = 47
"""The fixed length of a `note`, so that SQL can cut off the last one."""

_STEP = 1 << 20
_MEBIBYTES = 16


def _digest(data: bytes = b"") -> "hashlib.blake2b":
    return hashlib.blake2b(data, digest_size=16)


class Trail:
    """The witness of the position that a reader has reached."""

    def __init__(self) -> None:
        """Start at the beginning of a source."""
        self.position = 0
        self._all = _digest()
        self._tail = b""

    @classmethod
    def beyond(cls, position: int, tail: bytes) -> "Trail":
        """Start at a position beyond `EXACT`; `tail` is the 4096 bytes before it."""
        trail = cls()
        trail.position, trail._tail = position, tail
        return trail

    def add(self, data: bytes) -> None:
        """Advance over the next bytes."""
        self.position += len(data)
        if self.position <= EXACT:
            self._all.update(data)
        self._tail = data[-TAIL:] if len(data) >= TAIL else (self._tail + data)[-TAIL:]

    def witness(self) -> str:
        """Return the witness of the current position."""
        if self.position <= EXACT:
            return self._all.hexdigest()
        return _digest(self._tail).hexdigest()


def note(position: int, witness: str) -> str:
    """Return a witness as a ledger writes it down, `` if it is not known.

    >>> note(10, "9f" * 16)
    '0000000000010:9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f '
    """
    return f"{position:013d}:{witness} " if witness else ""


def noted(notes: str) -> dict[int, str]:
    """Return the witnesses in a text of notes, by position."""
    return {int(at): digest for at, digest in (one.split(":") for one in notes.split())}


def far_apart(position: int, later: int) -> bool:
    """Return whether the witness of a position is kept once reading has reached a later one."""
    return _cell(position) != _cell(later)


def _cell(position: int) -> int:
    mebibytes = position >> 20
    return mebibytes if mebibytes < _MEBIBYTES else _MEBIBYTES + mebibytes // _MEBIBYTES


def notes_joined(notes: str, others: str) -> str:
    """Return the notes of two adjacent stretches as those of one."""
    last, follow = notes[-NOTE:], others[:NOTE] or others
    if last and follow and not far_apart(int(last[:13]), int(follow[:13])):
        notes = notes[:-NOTE]
    return notes + others


def witnesses(
    read: Callable[[int], bytes],
    positions: Iterable[int],
    seek: Callable[[int], object] | None = None,
) -> dict[int, str]:
    """Return the witnesses of the positions that a source reaches.

    `read(size)` gives the next bytes, b"" at the end; `seek(position)` skips to a later position.
    Without it, all bytes up to the last position are read.
    """
    found: dict[int, str] = {}
    trail = Trail()
    for position in sorted(set(positions)):
        if position > EXACT and seek and trail.position < position - TAIL:
            seek(position - TAIL)
            tail = _read(read, TAIL)
            if len(tail) < TAIL:
                break
            trail = Trail.beyond(position, tail)
        while trail.position < position:
            data = read(min(_STEP, position - trail.position))
            if not data:
                return found
            trail.add(data)
        found[position] = trail.witness()
    return found


def _read(read: Callable[[int], bytes], size: int) -> bytes:
    data = b""
    while len(data) < size and (more := read(size - len(data))):
        data += more
    return data
