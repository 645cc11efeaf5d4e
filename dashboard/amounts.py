"""Numbers of messages in a table: exact, and whole."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import streamlit as st

__all__ = ["EXACT", "with_amounts"]

EXACT = 15
"""Digits that a browser's numbers have exactly."""
_DIGIT, _MARGIN = 8, 18  # pixels
_LEAST, _MOST = 65, 320


def with_amounts(
    table: Mapping[str, Sequence[Any]], amounts: Mapping[str, int]
) -> tuple[dict[str, Sequence[Any]], dict[str, Any]]:
    """Return a table whose `amounts` (columns of decimals, with the digits to draw) can be shown.

    Second how they are to be shown (`st.column_config`). Streamlit's own formats draw 244.19 as
    244.19000000000003, or round to three places. Numbers are on the right, where one that is too
    long for its column loses its beginning: each column is as wide as its longest. A column that
    has a number which a browser rounds, or writes with an exponent, is of texts.
    """
    shown, columns = dict(table), {}
    for name, digits in amounts.items():
        shown[name], columns[name] = _column(table[name], digits)
    return shown, columns


def _column(values: Sequence[Decimal | None], digits: int) -> tuple[list[Any], Any]:
    there = [value for value in values if value is not None]
    if any(_is_text(value, digits) for value in there):
        texts = [None if value is None else _text(value, digits) for value in values]
        wide = _width(text for text in texts if text)
        return texts, st.column_config.TextColumn(width=wide, alignment="right")
    whole = all(value == value.to_integral_value() for value in there)
    wide = _width(f"{value:,.0f}" if whole else f"{value:.{digits}g}" for value in there)
    kind = "localized" if whole else f"%.{digits}g"
    numbers = [None if value is None else float(value) for value in values]
    return numbers, st.column_config.NumberColumn(width=wide, format=kind)


def _is_text(value: Decimal, digits: int) -> bool:
    """Return whether a browser would not draw a number in full: it rounds, or writes 1e-8."""
    too_long = digits == EXACT and len(_text(value, digits).replace(".", "").strip("-0")) > EXACT
    return too_long or "e" in f"{value:.{digits}g}"


def _text(value: Decimal, digits: int) -> str:
    text = f"{value if digits == EXACT else Decimal(f'{value:.{digits}g}'):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _width(texts: Iterable[str]) -> int:
    longest = max(map(len, texts), default=0)
    return min(max(longest * _DIGIT + _MARGIN, _LEAST), _MOST)
