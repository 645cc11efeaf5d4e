"""Stretches of a log that stand for other bytes, which are undone before the log is read."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fixfeed.transforms.fix.arrays import Ints

__all__ = ["Escape", "Original", "composed", "undone"]


class Escape(NamedTuple):
    """Bytes from `start` to `end` that stand for `text`."""

    start: int
    end: int
    text: bytes

    @property
    def wider(self) -> int:
        """How many bytes longer it is than its text."""
        return self.end - self.start - len(self.text)


class Original:
    """Maps positions in the bytes that are read to positions in the log as it came.

    `as_it_came` means that they are the same bytes.
    """

    def __init__(self, behind: Ints, wider: Ints):
        """Each of `behind` moves the positions greater than it on by its number in `wider`."""
        self.as_it_came = not len(behind)
        self._behind, self._shift = behind, np.append(0, np.cumsum(wider))

    @classmethod
    def of(cls, found: Sequence[Escape]) -> "Original":
        """Return the map of data from which the escapes, which are in order, are undone."""
        wider = np.array([one.wider for one in found], np.int64)
        starts = np.array([one.start for one in found], np.int64)
        return cls(starts - (np.cumsum(wider) - wider), wider)

    def all(self, places: Ints) -> Ints:
        """Return the original position of each place."""
        if self.as_it_came:
            return places
        return places + self._shift.take(np.searchsorted(self._behind, places))

    def at(self, place: int) -> int:
        """Return the original position of one place."""
        return place if self.as_it_came else int(self.all(np.array([place]))[0])


def undone(data: bytes, at: int, end: int, found: Sequence[Escape]) -> bytes:
    """Return `data[at:end]` with the escapes in it, which are in order, undone."""
    parts = []
    for one in found:
        parts += [data[at : one.start], one.text]
        at = one.end
    return b"".join([*parts, data[at:end]])


def composed(outer: Sequence[Escape], inner: Sequence[Escape], at: int) -> list[Escape]:
    """Return, in order, the escapes of data in which `outer` is escaped, and `inner` within that.

    All of `outer` are at or after `at`. Places in `inner` are those in the result of `undone` for
    the data from `at` on.
    """
    if not outer or not inner:
        return [one._replace(start=one.start + at, end=one.end + at) for one in inner] or [*outer]
    places = np.array([one[:2] for one in inner])
    places = Original.of(outer).all(places + at).tolist()
    within = [Escape(start, end, one.text) for (start, end), one in zip(places, inner, strict=True)]
    # An outer escape inside an inner one is part of it.
    past, result = at, []
    for one in sorted([*within, *outer], key=lambda one: (one.start, -one.end)):
        if one.start >= past:
            result.append(one)
            past = one.end
    return result
