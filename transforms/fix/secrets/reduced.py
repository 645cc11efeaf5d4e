"""Bytes without those that only make them look different: what secrets are looked for in."""

import re
from typing import NamedTuple

import numpy as np

from fixfeed.transforms.fix.arrays import Ints, Mask
from fixfeed.transforms.fix.secrets.readings import FILLER

__all__ = ["SPELT_SOH", "Reduced", "Span"]

SPELT_SOH = re.compile(
    rb"\\+(?:u0001|u2401|x01|001)|[<\[({]SOH[>\])}]|<(?:0x)?01>|#001|%01|&#x?0*1;|\xe2\x90\x81|\^A",
    re.IGNORECASE,
)
"""SOH as tools print it; it is replaced by one byte, and by others that are left out."""

_MAY_BE_SPELT = re.compile(rb"[\\<\[({#%&^\xe2]")


class Span(NamedTuple):
    """A secret: where its bytes begin and end, and the tag that it belongs to."""

    start: int
    end: int
    tag: int


class Reduced:
    """Bytes without those that are not looked at, and the way back to their places.

    `text` are the bytes that are looked at.
    """

    def __init__(self, octets: bytes, kept: Mask):
        """`kept` tells of each byte's value whether it is looked at."""
        self._size = len(octets)
        self._places: Ints | None = None
        self.text = octets
        self._reduce(kept)
        if self._places is not None and SPELT_SOH.search(self.text):
            # It was spelt in characters of two bytes.
            self._reduce(kept)

    def _reduce(self, kept: Mask) -> None:
        octets = self.text
        if _MAY_BE_SPELT.search(octets):
            octets = SPELT_SOH.sub(lambda match: b"\x01".ljust(len(match[0]), FILLER), octets)
        array = np.frombuffer(octets, np.uint8)
        keep = kept.take(array)
        if not keep.all():
            places = np.flatnonzero(keep)
            self._places = places if self._places is None else self._places.take(places)
            octets = array[keep].tobytes()
        self.text = octets

    def span(self, start: int, end: int, tag: int) -> Span:
        """Return a span of the bytes as they came; bytes left out at its ends belong to it."""
        if self._places is None:
            return Span(start, end, tag)
        begin = int(self._places[start - 1]) + 1 if start else 0
        beyond = end - len(self._places)
        return Span(begin, self._size + beyond if beyond >= 0 else int(self._places[end]), tag)
