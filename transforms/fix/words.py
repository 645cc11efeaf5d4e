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
    "first_byte",
    "integers",
    "short_integers",
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

_ASCII_ZEROS, _ABOVE_NINE, _DOTS, _ONES, _TOPS = (
    _U(int(x * 8, 16)) for x in ("30", "76", "2e", "01", "80")
)
# Each puts neighbouring digits, pairs and quads in turn together: what to keep before, the factor
# that adds the higher one's share to the lower one, and where the sums stand then.
_NEIGHBOURS = (
    (None, _U(10 << 8 | 1), _U(8)),
    (_U(0x00FF00FF00FF00FF), _U(100 << 16 | 1), _U(16)),
    (_U(0x0000FFFF0000FFFF), _U(10000 << 32 | 1), _U(32)),
)
_EPOCH = datetime.date(1970, 1, 1)
_TENS_LEFT = 10 ** np.arange(10, -1, -1, dtype=np.int64)
"""What a number with so many decimal places is to be multiplied by, to count 10 ** -10."""


# By the length of a UTCTimestamp: whether it is a usual one, with no, three, six or nine digits
# behind the point; what of the word `S.ffffff` belongs to its fraction; and what makes eight digits
# of that, with a zero for the point.
_USUAL_LENGTH = np.isin(np.arange(29), (17, 21, 24, 27))
_FRACTION, _FRACTION_REST = np.zeros(29, _U), np.full(29, _ASCII_ZEROS)
_FRACTION[[21, 24, 27]] = 0xFFFFFFFF00, 0xFFFFFFFFFFFFFF00, 0xFFFFFFFFFFFFFF00
_FRACTION_REST[[21, 24, 27]] = 0x3030300000001E30, 0x1E30, 0x1E30


def word(text: bytes) -> np.uint64:
    """Return the word that holds `text`, at most eight bytes, followed by zeros."""
    return _U(int.from_bytes(text, "little"))


def view(padded: bytes, start: int = 0) -> Words:
    """Return the word at every position of `padded` from `start` on, without a copy."""
    return np.ndarray((len(padded) - start - 7,), "<u8", buffer=padded, offset=start, strides=(1,))


def first_byte(found: Words, wanted: np.uint64) -> tuple[Words, Words]:
    """Look for the first byte like those of `wanted`: (marks, all bits up to its end).

    The marks are 0, and the bits all 64, for a word that has none.
    """
    different = found ^ wanted
    # The first one gets its highest bit set; those behind it may, wrongly.
    marked = different - _ONES
    np.invert(different, out=different)
    marked &= different
    marked &= _TOPS
    np.subtract(marked, _U(1), out=different)
    different ^= marked
    return marked, different


def all_digits(found: Words) -> Mask:
    """Tell which words hold eight digits."""
    return _are_digits(found ^ _ASCII_ZEROS)


def _are_digits(values: Words) -> Mask:
    # Adding 0x76 sets the highest bit of bytes above nine. What a byte above 0x89 adds to the next
    # does no harm, as its own highest bit is set.
    found = values + _ABOVE_NINE
    found |= values
    found &= _TOPS
    return found == 0


def _numbers(found: Words) -> tuple[Ints, Mask]:
    """Return the numbers of words, and which words hold eight digits; `found` is overwritten."""
    found ^= _ASCII_ZEROS
    valid = _are_digits(found)
    # Pairs of neighbours are put together, three times.
    for mask, factor, width in _NEIGHBOURS:
        if mask is not None:
            found &= mask
        found *= factor
        found >>= width
    return found.view(np.int64), valid


def _right_aligned(found: Words, length: Ints) -> Words:
    """Move the first `length` bytes to the end of the word, digits zero before them.

    The word is 0 for lengths above eight.
    """
    bits = (length << 3).view(_U)
    # Shifted by 64 and more, a word is 0.
    found = found << (_U(64) - bits)
    found |= _ASCII_ZEROS >> bits
    return found


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
    values, valid = _numbers(_right_aligned(words[at], length))
    valid &= length > 0
    return values, valid


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
    values = np.zeros((len(at), 2), np.int64)
    values[:, 0], valid = _short_decimals(_right_aligned(words[at], length), length)
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
    # What stands before the point moves to where it stood.
    behind = found & ~through
    through >>= _U(8)
    through &= found
    through <<= _U(8)
    through |= behind
    through |= _U(ord("0"))
    numbers, valid = _numbers(np.where(pointed, through, found))
    valid &= length > pointed
    numbers *= _TENS_LEFT.take(places)
    return numbers, valid


def _long_decimals(words: Words, at: Ints, length: Ints) -> tuple[Ints, Mask]:
    """Read texts of up to eight digits before and behind the point, fifteen in all."""
    first = words[at]
    marked, through = first_byte(first, _DOTS)
    pointed = marked != 0
    whole_length = np.where(pointed, (np.bitwise_count(through) >> 3).astype(np.int64) - 1, 8)
    places_length = length - whole_length - 1
    whole, valid = _numbers(_right_aligned(first, whole_length))
    places, right = _numbers(_right_aligned(words[at + whole_length + 1], places_length))
    valid &= right & pointed & (places_length <= 8) & (length <= 16)
    whole *= 10**10
    places *= _TENS_LEFT.take(np.minimum(places_length, 8))
    whole += places
    return whole, valid


def times(words: Words, at: Ints, length: Ints, text: Text) -> tuple[Ints, Mask, Mask]:
    """Read UTCTimestamps as microseconds since 1970: (values, valid, exact)."""
    day, clock, rest = _three_words(words, at)
    days, valid = _days(day)
    # `clock` holds `-HH:MM:S` and `rest` `S.ffffff`.
    valid &= (clock & _U(0x00FF0000FF0000FF)) == _U(0x003A00003A00002D)
    clock = clock >> _U(8)
    clock |= rest << _U(56)
    # With its colons made zeros, `HH:MM:SS` is eight digits.
    clock ^= _U(0x00000A00000A0000) ^ _ASCII_ZEROS
    valid &= _are_digits(clock)
    # Each byte becomes the number of two digits that begins there.
    clock = clock * _U(10) + (clock >> _U(8))
    clock &= _U(0x00FF0000FF0000FF)
    valid &= ((clock + _U(0x0044000044000068)) & _TOPS) == 0
    seconds = (clock & _U(0xFF)) * _U(3600)
    clock *= _U(60 << 24 | 1)
    clock >>= _U(48)
    seconds += clock
    # Digits that a text of some length has not count as zeros. Mostly all have one length.
    kind = np.minimum(length[:1] if (length == length[:1]).all() else length, 28)
    fraction = rest & _FRACTION.take(kind)
    fraction ^= _FRACTION_REST.take(kind)
    micros, right = _numbers(fraction)
    usual = _USUAL_LENGTH.take(kind)
    valid &= usual
    valid &= right
    valid &= micros < 1_000_000
    values = seconds.view(np.int64)
    values += days
    values *= 1_000_000
    values += micros
    exact = valid.copy()
    nanos = np.flatnonzero(valid & (length == 27))
    if len(nanos):
        beyond = words[at[nanos] + 24] & LOW_BYTES[3]
        valid[nanos] = all_digits(beyond | (_ASCII_ZEROS << _U(24)))
        exact[nanos] = beyond == word(b"000")
        exact &= valid
    if not usual.all():
        odd = np.flatnonzero(np.broadcast_to(~usual, valid.shape))
        _one_by_one(odd, text, read_time, values, valid, exact)
    return values, valid, exact


def _three_words(words: Words, at: Ints) -> tuple[Words, Words, Words]:
    # What stands at odd addresses numpy copies one by one: 24 bytes at once as fast as eight.
    padded: Any = words.base
    wide: Any = np.ndarray(
        (len(words) - 16,), "V24", padded, offset=len(padded) - len(words) - 7, strides=(1,)
    )
    found = wide[at].view("<u8").reshape(-1, 3)
    return found[:, 0], found[:, 1], found[:, 2]


def _days(texts: Words) -> tuple[Ints, Mask]:
    """Return the seconds since 1970 at which days, written YYYYMMDD, begin; and which there are."""
    # A block mostly holds one day, so only the others are sorted.
    others = np.flatnonzero(texts != texts[:1])
    distinct, inverse = np.unique(texts[others], return_inverse=True)
    seconds = [_read_day(int(text)) for text in (*texts[:1], *distinct)]
    number = np.zeros(len(texts), np.int64)
    number[others] = inverse + 1
    return (
        np.array([second or 0 for second in seconds], np.int64).take(number),
        np.array([second is not None for second in seconds], np.bool_).take(number),
    )


def _read_day(text: int) -> int | None:
    digits = text.to_bytes(8, "little")
    if not digits.isdigit():
        return None
    try:
        day = datetime.date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None
    return (day - _EPOCH).days * 86400
