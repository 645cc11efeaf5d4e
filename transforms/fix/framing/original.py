"""The bytes of a log as they are read, and where they are in the log as it came.

A delimiter of several characters is read as SOH, and what a JSON line, a CSV cell or a printed
string escapes is read as it was before. Positions, and `raw`, are those of the log.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fixfeed.transforms.fix.framing.escape import Escape
from fixfeed.transforms.fix.framing.wrapped import escapes

__all__ = ["Original", "as_read", "single_byte"]

Ints = NDArray[np.int64]


class Original:
    """Maps positions in the bytes that are read to positions in the log as it came.

    `as_it_came` means that they are the same bytes.
    """

    def __init__(self, behind: Ints, wider: Ints):
        """Each of `behind` moves the positions greater than it on by its number in `wider`."""
        self.as_it_came = not len(behind)
        self._behind, self._shift = behind, np.append(0, np.cumsum(wider))

    def all(self, places: Ints) -> Ints:
        """Return the original position of each place."""
        if self.as_it_came:
            return places
        return places + self._shift.take(np.searchsorted(self._behind, places))

    def at(self, place: int) -> int:
        """Return the original position of one place."""
        return place if self.as_it_came else int(self.all(np.array([place]))[0])


_UNCHANGED = Original(np.zeros(0, np.int64), np.zeros(0, np.int64))


def single_byte(data: bytes, delimiter: bytes) -> bytes:
    """Return `data` with a delimiter of several characters replaced by SOH.

    Lengths of data fields count a delimiter as one byte, whatever the log wrote for it.
    """
    return data if len(delimiter) == 1 else data.replace(delimiter, b"\x01")


def as_read(data: bytes, delimiter: bytes) -> tuple[bytes, bytes, Original]:
    """Return `data` as it is read, the one byte that separates its fields, and its positions."""
    found = escapes(data, delimiter)
    if len(delimiter) == 1 and not found:
        return data, delimiter, _UNCHANGED
    if not found:
        lengths = np.array([len(part) + 1 for part in data.split(delimiter)], np.int64)
        behind = np.cumsum(lengths[:-1]) - 1
        wider = np.full(len(behind), len(delimiter) - 1)
    else:
        if len(delimiter) > 1:
            found = _with_delimiters(data, delimiter, found)
        parts, at = [], 0
        for start, end, text in found:
            parts += [data[at:start], text]
            at = end
        data = b"".join([*parts, data[at:]])
        starts, ends = (np.array([one[n] for one in found], np.int64) for n in (0, 1))
        wider = ends - starts - np.array([len(one.text) for one in found], np.int64)
        behind = starts - np.append(0, np.cumsum(wider)[:-1])
        return data, delimiter if len(delimiter) == 1 else b"\x01", Original(behind, wider)
    return data.replace(delimiter, b"\x01"), b"\x01", Original(behind, wider)


def _with_delimiters(data: bytes, delimiter: bytes, found: Sequence[Escape]) -> list[Escape]:
    """Add the delimiters of several characters that are between escapes."""
    every, at = [], 0
    for one in (*found, Escape(len(data), len(data), b"")):
        while (begin := data.find(delimiter, at, one.start)) >= 0:
            at = begin + len(delimiter)
            every.append(Escape(begin, at, b"\x01"))
        every.append(one)
        at = one.end
    return every[:-1]
