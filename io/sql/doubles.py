"""Decimals as doubles, SQLite's only fractions: those nearest to the numbers in the messages.

A decimal is exact to ten places; a number with more also has its text in `fields`.
"""

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fixfeed.transforms.batch import DECIMAL

__all__ = ["decimals", "with_doubles"]

_EXACT = 1 << 53  # up to here a double is exact for every integer
_FINER = rf'":\[?"-?[0-9]*\.[0-9]{{{DECIMAL.scale + 1},}}"'
_LAST_PLACE = Decimal(1).scaleb(-DECIMAL.scale)
_CONTEXT = Context(prec=60)
_LOW = (1 << 64) - 1


def with_doubles(rows: pa.RecordBatch, finer: Mapping[str, str]) -> pa.RecordBatch:
    """Return rows with decimals as the nearest doubles, equal to `float` of their texts.

    Numbers with more places than a decimal has are read from the message's `fields`, if their
    column is in `finer` (`transforms.protocol.Table`).
    """
    found = {
        name: _doubles(array)
        for name, array in zip(rows.schema.names, rows.columns, strict=True)
        if pa.types.is_decimal128(array.type)
    }
    for name, texts in _finer(rows, finer).items():
        values = found[name].to_numpy(zero_copy_only=False).copy()
        values[list(texts)] = list(texts.values())
        found[name] = pa.array(values, mask=~_valid(rows[name]))
    arrays = [found.get(name, rows[name]) for name in rows.schema.names]
    return pa.RecordBatch.from_arrays(arrays, rows.schema.names)


def _doubles(decimals: pa.Array) -> pa.Array:
    """Return the double nearest to each decimal.

    Arrow's own cast is off by one unit in the last place for a quarter of all prices (measured).
    """
    scale, count = decimals.type.scale, len(decimals)
    if decimals.null_count == count:
        return pa.nulls(count, pa.float64())
    halves = np.frombuffer(decimals.buffers()[1], "<i8")
    low, high = halves[2 * decimals.offset :][: 2 * count].reshape(count, 2).T
    # The quotient of two exact doubles is rounded once, to the nearest.
    values = low / 10.0**scale
    exact = (high == low >> 63) & (low <= _EXACT) & (low >= -_EXACT)
    valid = _valid(decimals)
    large = np.flatnonzero(~exact & valid)
    if len(large):
        texts = decimals.take(pa.array(large)).cast(pa.string())
        values[large] = texts.cast(pa.float64()).to_numpy()
    return pa.array(values, mask=~valid)


def decimals(doubles: pa.Array) -> pa.Array:
    """Return the decimal that each double stands for: the shortest number that is nearest to it.

    >>> decimals(pa.array([0.1, 1234567.1]))[1].as_py()
    Decimal('1234567.1000000000')
    """
    valid = _valid(doubles)
    values = np.where(valid, doubles.fill_null(0).to_numpy(zero_copy_only=False), 0.0)
    scaled = np.rint(values * 10.0**DECIMAL.scale)
    # Where the product has fifteen digits at most, rounding it undoes what made it a double.
    small = np.abs(scaled) < 1e15
    halves = np.empty((len(values), 2), "<i8")
    halves[:, 0] = np.where(small, scaled, 0).astype(np.int64)
    # Larger ones mostly are quantities, with four places at most.
    fourths = np.rint(values * 1e4)
    round_ones = ~small & (np.abs(values) < 9e8) & (fourths / 1e4 == values)
    halves[round_ones, 0] = fourths[round_ones].astype(np.int64) * 10 ** (DECIMAL.scale - 4)
    halves[:, 1] = halves[:, 0] >> 63
    for row in np.flatnonzero(~small & ~round_ones).tolist():
        found = int(_CONTEXT.scaleb(Decimal(repr(float(values[row]))), DECIMAL.scale))
        halves[row] = (found & _LOW) - ((found & _LOW) >> 63 << 64), found >> 64
    buffers = [pa.py_buffer(np.packbits(valid, bitorder="little")), pa.py_buffer(halves)]
    return pa.Array.from_buffers(DECIMAL, len(values), buffers)


def _valid(array: pa.Array) -> NDArray[np.bool_]:
    valid: NDArray[np.bool_] = array.is_valid().to_numpy(zero_copy_only=False)
    return valid


def _finer(rows: pa.RecordBatch, fields: Mapping[str, str]) -> dict[str, dict[int, float]]:
    """Return, by column and row, the numbers whose texts have more places than a decimal."""
    finer: dict[str, dict[int, float]] = {}
    names = [name for name in rows.schema.names if name in fields]
    if not names or "fields" not in rows.schema.names:
        return finer
    # One pass over all texts; such numbers are rare.
    likely = pc.match_substring_regex(
        rows["fields"], f'"(?:{"|".join(map(re.escape, fields.values()))}){_FINER}'
    )
    for row in np.flatnonzero(likely.to_numpy(zero_copy_only=False)).tolist():
        content = orjson.loads(rows["fields"][row].as_py())
        for name in names:
            text = _first(content.get(fields[name]))
            value = rows[name][row].as_py()
            if value is not None and text is not None and _rounded(text) == value:
                finer.setdefault(name, {})[row] = float(text)
    return finer


def _first(value: Any) -> str | None:
    """Return a field's first value, the one in its column; None if it has none."""
    value = value[0] if isinstance(value, list) and value else value
    return value if isinstance(value, str) else None


def _rounded(text: str) -> Decimal | None:
    """Return a number as its column holds it; None if the text, another field's, is no number."""
    try:
        return Decimal(text).quantize(_LAST_PLACE, ROUND_HALF_EVEN, _CONTEXT)
    except ArithmeticError:
        return None
