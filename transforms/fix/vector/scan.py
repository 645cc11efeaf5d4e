"""Where lines, beginnings of messages and delimiters stand in the bytes of a block."""

import numpy as np
from numpy.typing import NDArray

from fixfeed.transforms.fix.swar import LOW_BYTES, word

__all__ = ["delimiters", "landmarks", "places"]

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Octets = NDArray[np.uint8]

_NEWLINE = 10
_FEW = 300
"""Up to so many places are put between others one by one; more are sorted in."""

# Multiplying 1 << 8k by this leaves k in the two highest bits of 32.
_BYTE_OF_FOUR = np.uint32(sum((k << 30) >> 8 * k for k in range(4)))


def landmarks(octets: Octets, words: NDArray[np.uint64], size: int) -> tuple[Ints, Ints]:
    """Return the places of `8=FIX` and of newlines.

    `octets` and `words` go on behind the `size` bytes that count: with a newline, which counts too,
    and at least eight bytes more.
    """
    length = -(-(size + 1) // 8) * 8
    # Of these five bytes F is in few other texts.
    wanted = octets[:length] == ord("F")
    wanted |= octets[:length] == _NEWLINE
    found = places(wanted)
    is_newline = octets.take(found) == _NEWLINE
    begins = found[~is_newline] - 2
    return begins[(words[begins] & LOW_BYTES[5]) == word(b"8=FIX")], found[is_newline]


def places(wanted: Mask) -> Ints:
    """Return the places of what is true, where most is not; the length is a multiple of eight."""
    # Most eights hold none, so they are sieved first: half the time of `flatnonzero`.
    eights = wanted.view(np.uint64)
    some = np.flatnonzero(eights != 0)
    inside = np.flatnonzero(eights.take(some).view(np.bool_))
    return (some << 3).take(inside >> 3) + (inside & 7)


def delimiters(octets: Octets, size: int, mark: int) -> Ints:
    """Return the places of the byte `mark` and, last, `size`; `octets` as for `landmarks`."""
    length = -(-(size + 1) // 4) * 4
    wanted = octets[:length] == mark
    wanted[size:] = False
    wanted[size] = True
    # A field has four bytes at least, `1=A` and a delimiter, so four bytes together hold one or
    # none: `flatnonzero` of them takes a quarter of the time, all that follows another quarter.
    fours = wanted.view(np.uint32)
    some = np.flatnonzero(fours != 0)
    found = fours.take(some)
    rest = found - np.uint32(1)
    rest &= found
    found ^= rest
    found *= _BYTE_OF_FOUR
    found >>= np.uint32(30)
    marks = some << 2
    marks += found
    more = np.flatnonzero(rest != 0)
    if not len(more):
        return marks
    # Text and broken fields may hold more than one.
    inside = np.flatnonzero(rest[more].view(np.bool_))
    others = (some[more] << 2).take(inside >> 2) + (inside & 3)
    if len(others) > _FEW:
        marks = np.concatenate((marks, others))
        marks.sort(kind="stable")
        return marks
    pieces, at = [], 0
    for number, stop in enumerate(marks.searchsorted(others).tolist()):
        pieces += [marks[at:stop], others[number : number + 1]]
        at = stop
    return np.concatenate([*pieces, marks[at:]])
