"""Where lines, beginnings of messages and delimiters are in the bytes of a block."""

import numpy as np
from numpy.typing import NDArray

from fixfeed.transforms.fix.arrays import Ints, Words
from fixfeed.transforms.fix.swar import LOW_BYTES, word

__all__ = ["delimiters", "landmarks"]

Octets = NDArray[np.uint8]


def landmarks(octets: Octets, words: Words, size: int) -> tuple[Ints, Ints]:
    """Return the places of `8=FIX` and of newlines.

    `octets` and `words` go on after the `size` bytes that count: with a newline, which counts too,
    and at least eight bytes more.
    """
    octets = octets[: size + 1]
    # Of the five bytes, F is in the fewest other texts.
    wanted = octets == ord("F")
    wanted |= octets == ord("\n")
    found = np.flatnonzero(wanted)
    is_newline = octets.take(found) == ord("\n")
    begins = found[~is_newline] - 2
    return begins[(words[begins] & LOW_BYTES[5]) == word(b"8=FIX")], found[is_newline]


def delimiters(octets: Octets, size: int, mark: int) -> Ints:
    """Return the places of the byte `mark` and, last, `size`; `octets` as for `landmarks`."""
    wanted = octets[: size + 1] == mark
    wanted[size] = True
    return np.flatnonzero(wanted)
