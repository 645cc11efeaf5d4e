"""Values of many fields at once, read from the bytes of a block eight at a time (SWAR).

`words[at]` are the eight bytes from position `at` on as a little-endian number, see `view`; at
least 64 bytes follow the block. The readers agree with `scalar.values`; what they do not cover
(unusual lengths, signs) they read one by one through it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from fixfeed.transforms.fix.arrays import Ints, Mask, Words
from fixfeed.transforms.fix.scalar.values import read_decimal, read_int, read_time
from fixfeed.transforms.fix.swar import (
    LOW_BYTES,
    ZEROS,
    all_digits,
    clock_seconds,
    day_seconds,
    first_byte,
    numbers,
    right_aligned,
    wide,
    word,
)

__all__ = [
    "booleans",
    "dates",
    "decimals",
    "integers",
    "short_integers",
    "times",
]

Text = Callable[[int], str]

_U = np.uint64
_DAY = 86400  # seconds
_DOTS = _U(int("2e" * 8, 16))
_TENS_LEFT = 10 ** np.arange(10, -1, -1, dtype=np.int64)
"""The factor that turns a number with so many decimal places into units of 10 ** -10."""

# By the length of a UTCTimestamp: whether it is a usual one, with no, three, six or nine digits
# after the point; the mask of the fraction in the word `S.ffffff`; and what makes eight digits of
# that, with a zero for the point.
_USUAL_LENGTH = np.isin(np.arange(29), (17, 21, 24, 27))
_FRACTION, _FRACTION_REST = np.zeros(29, _U), np.full(29, ZEROS)
_FRACTION[[21, 24, 27]] = 0xFFFFFFFF00, 0xFFFFFFFFFFFFFF00, 0xFFFFFFFFFFFFFF00
_FRACTION_REST[[21, 24, 27]] = 0x3030300000001E30, 0x1E30, 0x1E30


def _one_by_one(
    rows: Ints,
    text: Text,
    reader: Callable[[str], tuple[Any, bool]],
    values,
    valid: Mask,
    exact: Mask,
) -> None:
    for row in rows.tolist():
        value, fits = reader(text(row))
        valid[row] = value is not None
        exact[row] = fits
        if value is not None:
            values[row] = value


def short_integers(words: Words, at: Ints, length: Ints) -> tuple[Ints, Mask]:
    """Read numbers of one to eight digits; return them and which of the texts are such."""
    values, valid = numbers(right_aligned(words[at], length))
    valid &= length > 0
    return values, valid


def integers(words: Words, at: Ints, length: Ints, text: Text) -> tuple[Ints, Mask]:
    """Read ints; return the numbers and which of them are valid."""
    values, valid = short_integers(words, at, length)
    exact = valid.copy()
    _one_by_one(np.flatnonzero(~valid), text, read_int, values, valid, exact)
    return values, valid


def booleans(words: Words, at: Ints, length: Ints, text: Text) -> tuple[Mask, Mask]:
    """Read Booleans; return the flags and which of them are valid."""
    first = words[at] & _U(0xFF)
    yes = first == _U(ord("Y"))
    return yes, (length == 1) & (yes | (first == _U(ord("N"))))


def decimals(words: Words, at: Ints, length: Ints, text: Text) -> tuple[Any, Mask, Mask]:
    """Read decimals as whole numbers of 10 ** -10: (values, valid, exact).

    `values` is an array of rows of two 64-bit halves, low half first, as Arrow's decimal128 has it.
    """
    values = np.zeros((len(at), 2), np.int64)
    values[:, 0], valid = _short_decimals(right_aligned(words[at], length), length)
    longer = np.flatnonzero(length > 8)
    if len(longer):
        values[longer, 0], valid[longer] = _long_decimals(words, at[longer], length[longer])
    exact = valid.copy()
    for row in np.flatnonzero(~valid).tolist():
        number, fits = read_decimal(text(row))
        if number is not None:
            values[row] = np.frombuffer(number.to_bytes(16, "little", signed=True), np.int64)
            valid[row] = True
            exact[row] = fits
    return values, valid, exact


def _short_decimals(found: Words, length: Ints) -> tuple[Ints, Mask]:
    """Read right-aligned texts of up to eight bytes."""
    marked, through = first_byte(found, _DOTS)
    pointed = marked != 0
    places = 8 - (np.bitwise_count(through) >> 3)
    # The digits before the point move to where it was.
    behind = found & ~through
    through >>= _U(8)
    through &= found
    through <<= _U(8)
    through |= behind
    through |= _U(ord("0"))
    values, valid = numbers(np.where(pointed, through, found))
    valid &= length > pointed
    values *= _TENS_LEFT.take(places)
    return values, valid


def _long_decimals(words: Words, at: Ints, length: Ints) -> tuple[Ints, Mask]:
    """Read texts of up to seven digits before a point and eight after it."""
    first = words[at]
    marked, through = first_byte(first, _DOTS)
    whole_length = (np.bitwise_count(through) >> 3).astype(np.int64) - 1
    places_length = length - whole_length - 1
    whole, valid = numbers(right_aligned(first, whole_length))
    places, right = numbers(right_aligned(words[at + whole_length + 1], places_length))
    valid &= right & (marked != 0)
    whole *= 10**10
    places *= _TENS_LEFT.take(np.minimum(places_length, 8))
    whole += places
    return whole, valid


def dates(words: Words, at: Ints, length: Ints, text: Text) -> tuple[Ints, Mask]:
    """Read LocalMktDates as days since 1970; return them and which of them are valid."""
    values, valid = day_seconds(words[at])
    values //= _DAY
    valid &= length == 8
    return values, valid


def times(words: Words, at: Ints, length: Ints, text: Text) -> tuple[Ints, Mask, Mask]:
    """Read UTCTimestamps as microseconds since 1970: (values, valid, exact)."""
    # The three words hold `YYYYMMDD`, `-HH:MM:S` and `S.ffffff`.
    day, clock, rest = wide(words, at, 3).T
    values, valid = day_seconds(day)
    valid &= (clock & _U(0xFF)) == ord("-")
    clock = clock >> _U(8)
    clock |= rest << _U(56)
    seconds, right = clock_seconds(clock)
    valid &= right
    values += seconds
    values *= 1_000_000
    # Digits that a text is too short to have count as zeros. Mostly all have one length.
    kind = np.minimum(length[:1] if (length == length[:1]).all() else length, 28)
    fraction = rest & _FRACTION.take(kind)
    fraction ^= _FRACTION_REST.take(kind)
    micros, right = numbers(fraction)
    usual = _USUAL_LENGTH.take(kind)
    valid &= usual
    valid &= right
    valid &= micros < 1_000_000
    values += micros
    exact = valid.copy()
    nanos = np.flatnonzero(valid & (length == 27))
    if len(nanos):
        beyond = words[at[nanos] + 24] & LOW_BYTES[3]
        valid[nanos] = all_digits(beyond | (ZEROS << _U(24)))
        exact[nanos] = beyond == word(b"000")
        exact &= valid
    # Unusual lengths, leap seconds, and what is no time.
    _one_by_one(np.flatnonzero(~valid), text, read_time, values, valid, exact)
    return values, valid, exact
