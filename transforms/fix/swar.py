"""Reads eight bytes of text as one little-endian number, many at once (SWAR)."""

import datetime
from typing import Any

import numpy as np

from fixfeed.transforms.fix.arrays import Ints, Mask, Words

__all__ = [
    "LOW_BYTES",
    "ZEROS",
    "all_digits",
    "clock_seconds",
    "day_seconds",
    "first_byte",
    "numbers",
    "right_aligned",
    "view",
    "wide",
    "word",
]

_U = np.uint64
ZEROS, _ABOVE_NINE, _ONES, _TOPS = (_U(int(x * 8, 16)) for x in ("30", "76", "01", "80"))
"""`ZEROS` is eight digits zero."""

LOW_BYTES = np.array([(1 << 8 * k) - 1 for k in range(9)] + [0], _U)
"""Masks that keep the first k bytes of a word; the last, for lengths above eight, keeps none."""

# The steps that join neighbouring digits, then pairs, then quads: the mask of what to keep first,
# the factor that adds the higher one's share to the lower one, and the shift to the sums.
_NEIGHBOURS = (
    (None, _U(10 << 8 | 1), _U(8)),
    (_U(0x00FF00FF00FF00FF), _U(100 << 16 | 1), _U(16)),
    (_U(0x0000FFFF0000FFFF), _U(10000 << 32 | 1), _U(32)),
)
_EPOCH = datetime.date(1970, 1, 1)


def word(text: bytes) -> np.uint64:
    """Return the word that holds `text`, at most eight bytes, followed by zeros."""
    return _U(int.from_bytes(text, "little"))


def view(padded: bytes, start: int = 0) -> Words:
    """Return the word at every position of `padded` from `start` on, without a copy."""
    return np.ndarray((len(padded) - start - 7,), "<u8", buffer=padded, offset=start, strides=(1,))


def wide(words: Words, at: Ints, count: int) -> Words:
    """Return `count` words on end, without a gap, from each position: an array of such rows.

    `words` is as `view` gives it. Numpy copies items at odd addresses one by one, but items of many
    bytes as fast as those of eight.
    """
    padded: Any = words.base
    start, length = len(padded) - len(words) - 7, len(words) - 8 * (count - 1)
    rows: Any = np.ndarray((length,), f"V{8 * count}", padded, offset=start, strides=(1,))
    return rows[at].view("<u8").reshape(-1, count)


def first_byte(found: Words, wanted: np.uint64) -> tuple[Words, Words]:
    """Find the first byte equal to that of `wanted`: (marks, all bits up to its end).

    For a word without such a byte, the marks are 0 and all bits are set.
    """
    different = found ^ wanted
    # The first one gets its highest bit set; those after it may, wrongly.
    marked = different - _ONES
    np.invert(different, out=different)
    marked &= different
    marked &= _TOPS
    np.subtract(marked, _U(1), out=different)
    different ^= marked
    return marked, different


def right_aligned(found: Words, length: Ints) -> Words:
    """Move the first `length` bytes to the end of the word, with zero digits before them.

    The word is 0 for lengths above eight.
    """
    bits = (length << 3).view(_U)
    # A word shifted by 64 or more is 0.
    found = found << (_U(64) - bits)
    found |= ZEROS >> bits
    return found


def all_digits(found: Words) -> Mask:
    """Tell which words hold eight digits."""
    return _are_digits(found ^ ZEROS)


def _are_digits(values: Words) -> Mask:
    # Adding 0x76 sets the highest bit of bytes above nine. The carry of a byte above 0x89 into the
    # next does no harm, as its own highest bit is set.
    found = values + _ABOVE_NINE
    found |= values
    found &= _TOPS
    return found == 0


def numbers(found: Words) -> tuple[Ints, Mask]:
    """Return the numbers of words, and which words hold eight digits; `found` is overwritten."""
    found ^= ZEROS
    valid = _are_digits(found)
    for mask, factor, width in _NEIGHBOURS:
        if mask is not None:
            found &= mask
        found *= factor
        found >>= width
    return found.view(np.int64), valid


def clock_seconds(clock: Words) -> tuple[Ints, Mask]:
    """Return the seconds since midnight of texts `HH:MM:SS`, and which of them are valid times."""
    valid = (clock & _U(0x0000FF0000FF0000)) == _U(0x00003A00003A0000)
    # With zeros for its colons it is eight digits.
    digits = clock ^ (_U(0x00000A00000A0000) ^ ZEROS)
    valid &= _are_digits(digits)
    # Each byte becomes the number of two digits that begins there; hours, minutes and seconds stay.
    higher = digits * _U(10)
    digits >>= _U(8)
    digits += higher
    digits &= _U(0x00FF0000FF0000FF)
    # Hours from 24 on, and minutes and seconds from 60 on, get the highest bit of their byte set.
    valid &= ((digits + _U(0x0044000044000068)) & _TOPS) == 0
    seconds = digits & _U(0xFF)
    seconds *= _U(3600)
    # The seconds within the hour end up in the highest bits.
    digits *= _U(60 << 24 | 1)
    digits >>= _U(48)
    seconds += digits
    return seconds.view(np.int64), valid


def day_seconds(days: Words) -> tuple[Ints, Mask]:
    """Return the seconds from 1970 to days written YYYYMMDD, and which of the days exist."""
    # A block mostly holds one day, so only the others are sorted.
    others = np.flatnonzero(days != days[:1])
    distinct, inverse = np.unique(days[others], return_inverse=True)
    number = np.zeros(len(days), np.int64)
    number[others] = inverse + 1
    read = [_read_day(int(day)) for day in (*days[:1], *distinct)]
    seconds = np.array([second or 0 for second in read], np.int64)
    known = np.array([second is not None for second in read], np.bool_)
    return seconds.take(number), known.take(number)


def _read_day(word: int) -> int | None:
    text = word.to_bytes(8, "little")
    if not text.isdigit():
        return None
    try:
        day = datetime.date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return None
    return (day - _EPOCH).days * 86400
