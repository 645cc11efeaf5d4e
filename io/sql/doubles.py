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

__all__ = ["with_doubles"]

_EXACT = 1 << 53  # up to here a double is exact for every integer
_FINER = rf'":\[?"-?[0-9]*\.[0-9]{{{DECIMAL.scale + 1},}}"'
_LAST_PLACE = Decimal(1).scaleb(-DECIMAL.scale)
_CONTEXT = Context(prec=60)


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
