"""Values of many fields at once, read from the bytes of a block eight at a time (SWAR).

`words[at]` are the eight bytes from position `at` on as a little-endian number, see `view`; at
least 64 bytes stand behind the block. The readers agree with `transforms.fix.values`; what they do
not cover (unusual lengths, signs) they read one by one through it.
"""

import datetime
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transforms.fix.values import read_decimal, read_int, read_time

__all__ = [
    "LOW_BYTES",
    "all_digits",
    "booleans",
    "decimals",
    "integers",
    "short_integers",
    "tag_texts",
    "times",
    "view",
    "word",
]

Ints = NDArray[np.int64]
Words = NDArray[np.uint64]
Mask = NDArray[np.bool_]
Text = Callable[[int], str]

_U = np.uint64
LOW_BYTES = np.array([(1 << 8 * k) - 1 for k in range(9)] + [0], _U)
"""Masks that keep the first k bytes of a word; the last, for lengths above eight, keeps none."""

_ZEROS = np.array([0x3030303030303030 >> 8 * k if k < 8 else 0 for k in range(9)], _U)
_NIBBLES, _HIGH, _ASCII_ZEROS, _SIXES = (_U(int(x * 8, 16)) for x in ("0f", "f0", "30", "06"))
_EPOCH = datetime.date(1970, 1, 1)
_TENS = 10 ** np.arange(19, dtype=np.int64)
_DOTS, _EQUALS, _ONES, _TOPS = (_U(int(x * 8, 16)) for x in ("2e", "3d", "01", "80"))
# Multiplying 1 << 8k by this leaves k in the three highest bits.
_BYTE_NUMBER = _U(sum((k << 5) << 8 * (7 - k) for k in range(8)))


def word(text: bytes) -> np.uint64:
    """Return the word that holds `text`, at most eight bytes, followed by zeros."""
    return _U(int.from_bytes(text, "little"))


def view(padded: bytes, start: int = 0) -> Words:
    """Return the word at every position of `padded` from `start` on, without a copy."""
    return np.ndarray((len(padded) - start - 7,), "<u8", buffer=padded, offset=start, strides=(1,))


def tag_texts(padded: bytes, at: Ints) -> tuple[Words, NDArray[np.uint8]]:
    """Return the texts from each place to the first `=` as words, and how long they are.

    Place 0 is the one behind the first eight bytes of `padded`. Length 7 stands for seven bytes or
    more, of which the text holds seven.
    """
    # Aligned words are gathered much faster than those of `view`, which numpy copies one by one:
    # the two that hold the eight bytes from a place on cost two thirds.
    whole = np.frombuffer(padded, "<u8", len(padded) // 8)[1:]
    number = at >> 3
    inside = at & 7
    inside <<= 3
    shift = inside.view(_U)
    texts = whole.take(number)
    texts >>= shift
    np.subtract(_U(64), shift, out=shift)
    # Shifted by 64, a word is 0.
    texts |= whole[1:].take(number) << shift
    # The first byte that is `=` gets its highest bit set (those behind it may, wrongly) ...
    found = texts ^ _EQUALS
    marked = found - _ONES
    np.invert(found, out=found)
    marked &= found
    marked &= _TOPS
    # ... and this sets all bits up to that one, all 64 if there is none.
    np.subtract(marked, _U(1), out=found)
    found ^= marked
    length = np.bitwise_count(found)
    length >>= 3
    length -= 1
    found >>= _U(8)
    texts &= found
    return texts, length


def all_digits(found: Words) -> Mask:
    """Tell which words hold eight digits."""
    return ((found & _HIGH) == _ASCII_ZEROS) & (((found + _SIXES) & _HIGH) == _ASCII_ZEROS)


def _number(found: Words) -> Ints:
    found = found & _NIBBLES
    found = (found * _U(2561)) >> _U(8)
    found = ((found & _U(0x00FF00FF00FF00FF)) * _U(6553601)) >> _U(16)
    return (((found & _U(0x0000FFFF0000FFFF)) * _U(42949672960001)) >> _U(32)).view(np.int64)


def _right_aligned(found: Words, length: Ints) -> Words:
    """Move the first `length` (0 to 8) bytes to the end of the word, digits zero before them."""
    # Two shifts, since a shift by 64 (length 0) must give 0 on every processor.
    half = _U(32) - (length << 2).view(_U)
    return ((found << half) << half) | _ZEROS.take(length)


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
    found = _right_aligned(words[at], np.minimum(length, 8))
    return _number(found), (length > 0) & (length <= 8) & all_digits(found)


def integers(words: Words, at: Ints, length: Ints, text: Text) -> tuple[Ints, Mask]:
    """Read SeqNums; return the numbers and which of them are valid."""
    values, valid = short_integers(words, at, length)
    exact = valid.copy()
    _one_by_one(np.flatnonzero(length > 8), text, read_int, values, valid, exact)
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
    first = words[at]
    marked = first ^ _DOTS
    marked = (marked - _ONES) & ~marked & _TOPS
    lowest = (marked & (~marked + _U(1))) >> _U(7)
    dot = np.where(lowest == 0, 8, ((lowest * _BYTE_NUMBER) >> _U(61)).view(np.int64))
    point = (lowest != 0) & (dot < length)
    whole_length = np.minimum(np.where(point, dot, length), 8)
    places_length = np.where(point, length - dot - 1, 0)
    usual = (
        (length > 0)
        & (point | (length <= 8))
        & (places_length <= 8)
        & (whole_length + places_length > 0)
        & (whole_length + places_length <= 15)
    )
    whole = _right_aligned(first, whole_length)
    places_length = np.clip(places_length, 0, 8)
    places = _right_aligned(words[at + whole_length + 1], places_length)
    usual &= all_digits(whole) & all_digits(places)
    scaled = _number(whole) * 10**10 + _number(places) * _TENS.take(10 - places_length)
    values = np.empty((len(scaled), 2), np.int64)
    values[:, 0] = scaled
    values[:, 1] = 0
    valid = usual.copy()
    exact = usual
    for row in np.flatnonzero(~usual).tolist():
        number, fits = read_decimal(text(row))
        if number is not None:
            values[row] = np.frombuffer(number.to_bytes(16, "little", signed=True), np.int64)
            valid[row] = True
            exact[row] = fits
    return values, valid, exact


_USUAL_TIME = (17, 21, 24, 27)
_FRACTION = np.zeros(28, np.int64)
_FRACTION[[21, 24, 27]] = 3, 6, 6


def times(words: Words, at: Ints, length: Ints, text: Text) -> tuple[Ints, Mask, Mask]:
    """Read UTCTimestamps as microseconds since 1970: (values, valid, exact)."""
    day, clock, rest = words[at], words[at + 8], words[at + 16]
    usual = (length == 17) | (length == 21) | (length == 24) | (length == 27)
    fraction = _FRACTION.take(np.clip(length, 0, 27))
    # `clock` holds `-HH:MM:S`: its separators are checked, then taken for zeros.
    valid = usual & all_digits(day)
    valid &= (clock & _U(0x00FF0000FF0000FF)) == _U(0x003A00003A00002D)
    clock = (clock & ~_U(0x00FF0000FF0000FF)) | _U(0x0030000030000030)
    valid &= all_digits(clock)
    # `rest` holds `S.ffffff`; digits that the text does not have count as zeros.
    valid &= (fraction == 0) | ((rest & _U(0xFF00)) == _U(0x2E00))
    kept = np.array([0xFF, 0, 0, 0xFFFFFF00FF, 0, 0, 0xFFFFFFFFFFFF00FF], _U).take(fraction)
    rest = (rest & kept) | (~kept & _ASCII_ZEROS)
    valid &= all_digits(rest)
    digit = [((clock >> _U(8 * k)) & _U(15)).view(np.int64) for k in range(8)]
    hour, minute = digit[1] * 10 + digit[2], digit[4] * 10 + digit[5]
    second = digit[7] * 10 + (rest & _U(15)).view(np.int64)
    micros = _number((rest & ~_U(0xFF)) | _U(0x30))
    valid &= (hour < 24) & (minute < 60) & (second < 60)
    days, in_calendar = _days(_number(day), valid)
    valid &= in_calendar
    values = ((days * 24 + hour) * 60 + minute) * 60_000_000 + second * 1_000_000 + micros
    exact = valid.copy()
    nanos = np.flatnonzero(valid & (length == 27))
    if len(nanos):
        beyond = words[at[nanos] + 24] & _U(0xFFFFFF)
        valid[nanos] = all_digits(beyond | _U(0x3030303030000000))
        exact[nanos] = beyond == _U(0x303030)
        exact &= valid
    odd = np.flatnonzero(~usual)
    _one_by_one(odd, text, read_time, values, valid, exact)
    return values, valid, exact


def _days(dates: Ints, wanted: Mask) -> tuple[Ints, Mask]:
    """Return the days since 1970 of dates written YYYYMMDD, and which of them there are."""
    dates = np.where(wanted, dates, 19700101)
    if len(dates) and (dates == dates[0]).all():
        distinct, inverse = dates[:1], np.zeros(len(dates), np.int64)
    else:
        distinct, inverse = np.unique(dates, return_inverse=True)
    days = np.zeros(len(distinct), np.int64)
    known = np.ones(len(distinct), bool)
    for index, date in enumerate(distinct.tolist()):
        try:
            day = datetime.date(date // 10000, date // 100 % 100, date % 100)
        except ValueError:
            known[index] = False
        else:
            days[index] = (day - _EPOCH).days
    return days.take(inverse), known.take(inverse)
