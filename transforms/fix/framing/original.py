"""The bytes of a log as they are read, and where they are in the log as it came.

A delimiter of several characters is read as SOH, and what a JSON line, a CSV cell or a printed
string escapes is read as it was before. Positions, and `raw`, are those of the log.
"""

from collections.abc import Sequence

import numpy as np

from fixfeed.transforms.fix.framing.escape import Escape, Original, undone
from fixfeed.transforms.fix.framing.wrapped import escapes

__all__ = ["as_read", "single_byte"]

_UNCHANGED = Original(np.zeros(0, np.int64), np.zeros(0, np.int64))


def single_byte(data: bytes, delimiter: bytes) -> bytes:
    """Return `data` with a delimiter of several characters replaced by SOH.

    Lengths of data fields count a delimiter as one byte, whatever the log wrote for it.
    """
    return data if len(delimiter) == 1 else data.replace(delimiter, b"\x01")


def as_read(
    data: bytes, delimiter: bytes, *, within_line: bool = False
) -> tuple[bytes, bytes, Original]:
    """Return `data` as it is read, the one byte that separates its fields, and its positions.

    `within_line` means that no line begins with `data`.
    """
    found = escapes(data, delimiter, within_line=within_line)
    if len(delimiter) == 1 and not found:
        return data, delimiter, _UNCHANGED
    if not found:
        lengths = np.array([len(part) + 1 for part in data.split(delimiter)], np.int64)
        behind = np.cumsum(lengths[:-1]) - 1
        wider = np.full(len(behind), len(delimiter) - 1)
        return data.replace(delimiter, b"\x01"), b"\x01", Original(behind, wider)
    one = delimiter
    if len(delimiter) > 1:
        found, one = _with_delimiters(data, delimiter, found), b"\x01"
    return undone(data, 0, len(data), found), one, Original.of(found)


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
