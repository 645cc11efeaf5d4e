"""Decimals as whole numbers of their last place, which Python adds and multiplies exactly."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fixfeed.transforms.fix.schema import DECIMAL

__all__ = ["ONE", "decimals", "decimals_of", "divided", "halves", "integers"]

ONE = 10**DECIMAL.scale
"""1 as a whole number of the last place."""

_LOW = (1 << 64) - 1
_MOST = 10**DECIMAL.precision - 1


def integers(column: pa.Array) -> list[int | None]:
    """Return decimals as whole numbers of their last place: 14.94 is 149400000000."""
    if column.null_count == len(column):
        return [None] * len(column)
    low, high = halves(column)
    found: list[int | None] = low.tolist()
    for row in np.flatnonzero(high != low >> 63).tolist():  # beyond 64 bits
        found[row] = (int(high[row]) << 64) + (int(low[row]) & _LOW)
    if column.null_count:
        for row in np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False)).tolist():
            found[row] = None
    return found


def halves(column: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the low and the high 64 bits of decimals, of which some are not null."""
    both = np.frombuffer(column.buffers()[1], "<i8")[2 * column.offset :][: 2 * len(column)]
    low, high = both.reshape(-1, 2).T
    return low, high


def decimals(numbers: Sequence[int | None]) -> pa.Array:
    """Return whole numbers of the last place as decimals, null where one has too many digits.

    >>> decimals([149400000000, None])[0].as_py()
    Decimal('14.9400000000')
    """
    numbers = [None if one is None or abs(one) > _MOST else one for one in numbers]
    low = [0 if one is None else one & _LOW for one in numbers]
    high = [0 if one is None else one >> 64 for one in numbers]
    return _joined(
        np.array(low, np.uint64).view(np.int64),
        np.array(high, np.int64),
        np.array([one is not None for one in numbers], bool),
    )


def decimals_of(numbers: NDArray[np.int64], there: NDArray[np.bool_]) -> pa.Array:
    """Return whole numbers of the last place as decimals, null where they are not there."""
    return _joined(numbers, numbers >> 63, there)


def _joined(low: NDArray[np.int64], high: NDArray[np.int64], there: NDArray[np.bool_]) -> pa.Array:
    both = np.stack([low, high], axis=1).astype("<i8", order="C")
    valid = np.packbits(there, bitorder="little")
    buffers = [pa.py_buffer(valid), pa.py_buffer(both)]
    return pa.Array.from_buffers(DECIMAL, len(low), buffers)


def divided(value: int, by: int) -> int:
    """Return a quotient rounded to the nearest whole number, a half to the even one.

    >>> divided(5, 2), divided(7, 2), divided(-5, 2)
    (2, 4, -2)
    """
    whole, rest = divmod(value, by)
    return whole + (2 * rest > by or (2 * rest == by and whole % 2 == 1))
