"""The conditions of a rule, answered for all rows of a batch at once.

Columns are compared by pyarrow. The JSON of a row is read only if it holds the key that is
asked for and the answer is not known without it.
"""

import operator
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.transforms.fix.arrays import Mask
from fixfeed.transforms.fix.rules.operands import Kind, Operand, number
from fixfeed.transforms.fix.scalar.values import (
    DECIMAL_PLACES,
    read_boolean,
    read_date,
    read_time,
)
from fixfeed.transforms.fix.schema import DECIMAL, TIME

__all__ = ["Every", "Node", "Not", "Rows", "Some", "Term"]

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ARROW = {
    "=": pc.equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}
# The same questions about a value between two neighbouring values that a column can hold.
_BETWEEN = {"<": "<=", "<=": "<=", ">": ">", ">=": ">"}
_PICOSECONDS = 10**6
"""Picoseconds in a microsecond: times of FIX have up to twelve digits after the second."""


class Rows:
    """The rows of a batch; the JSON of a row is parsed once at the most."""

    def __init__(self, messages: pa.RecordBatch):
        """Store the batch, of the schema `MESSAGES`."""
        self.messages = messages
        self._objects: dict[int, dict[str, Any]] = {}

    def holding(self, keys: Iterable[str]) -> Mask:
        """Tell which rows have one of `keys` in their JSON, at any depth."""
        # A quotation mark in a value is escaped, so only a key reads like this.
        found = np.zeros(self.messages.num_rows, bool)
        for key in keys:
            found |= _mask(pc.match_substring(self.messages.column("fields"), f'"{key}":'))
        return found

    def fields(self, row: int) -> dict[str, Any]:
        """Return the JSON object of a row."""
        found = self._objects.get(row)
        if found is None:
            found = orjson.loads(self.messages.column("fields")[row].as_py())
            self._objects[row] = found
        return found


class Node(Protocol):
    """A condition. `reads_fields` is whether it may have to read JSON, which is slow."""

    @property
    def reads_fields(self) -> bool:
        """Whether JSON may have to be read."""

    def mask(self, rows: Rows, wanted: Mask) -> Mask:
        """Tell which rows meet the condition; the answer for rows not `wanted` is undefined."""


@dataclass(frozen=True)
class Every:
    """Every one of `nodes`; those that need no JSON are asked first."""

    nodes: tuple[Node, ...]

    @property
    def reads_fields(self) -> bool:
        """Whether JSON may have to be read."""
        return any(node.reads_fields for node in self.nodes)

    def mask(self, rows: Rows, wanted: Mask) -> Mask:
        """Tell which rows meet all conditions."""
        for node in sorted(self.nodes, key=lambda node: node.reads_fields):
            wanted = wanted & node.mask(rows, wanted)
        return wanted


@dataclass(frozen=True)
class Some:
    """At least one of `nodes`; those that need no JSON are asked first."""

    nodes: tuple[Node, ...]

    @property
    def reads_fields(self) -> bool:
        """Whether JSON may have to be read."""
        return any(node.reads_fields for node in self.nodes)

    def mask(self, rows: Rows, wanted: Mask) -> Mask:
        """Tell which rows meet a condition."""
        found = np.zeros(len(wanted), bool)
        for node in sorted(self.nodes, key=lambda node: node.reads_fields):
            found |= node.mask(rows, wanted & ~found)
        return found


@dataclass(frozen=True)
class Not:
    """The opposite of `node`."""

    node: Node

    @property
    def reads_fields(self) -> bool:
        """Whether JSON may have to be read."""
        return self.node.reads_fields

    def mask(self, rows: Rows, wanted: Mask) -> Mask:
        """Tell which rows do not meet the condition."""
        return ~self.node.mask(rows, wanted)


@dataclass(frozen=True)
class Term:
    """One question about one operand: an operator of the language, and its literals.

    `values` has one literal for a comparison, one or more for `in` and `not in`, the regular
    expression (of the whole text) for `like`, none for `exists` and `missing`. `contains` is for
    columns that no field belongs to; its literal is a part of their value.
    """

    operand: Operand
    operator: str
    values: tuple[Any, ...] = ()

    @property
    def reads_fields(self) -> bool:
        """Whether JSON may have to be read."""
        return bool(self.operand.keys) and self.operator not in ("exists", "missing")

    def mask(self, rows: Rows, wanted: Mask) -> Mask:
        """Tell which rows have a value that answers the question with yes."""
        operand = self.operand
        column = rows.messages.column(operand.column) if operand.column else None
        if self.operator in ("exists", "missing"):
            exists = np.zeros(len(wanted), bool) if column is None else _mask(column.is_valid())
            exists |= rows.holding(operand.keys)
            return exists if self.operator == "exists" else ~exists
        found = np.zeros(len(wanted), bool) if column is None else self._in_column(column)
        for row in np.flatnonzero(wanted & rows.holding(operand.keys)).tolist():
            fields = rows.fields(row)
            # The JSON under the name of a column has all values of the field, in full; values
            # further down (in a group) come on top of the column.
            in_column = found[row] and not any(key in fields for key in operand.keys)
            found[row] = in_column or any(map(self._in_text, _texts(fields, operand.keys)))
        return found

    def _in_column(self, column: pa.Array) -> Mask:
        if self.operator in ("!=", "not in"):
            positive = Term(self.operand, "in", self.values)._in_column(column)
            return ~positive & _mask(column.is_valid())
        kind = self.operand.kind
        if self.operator == "contains":
            return _mask(pc.match_substring(column, self.values[0]))
        if self.operator == "like":
            return _mask(pc.match_substring_regex(column, f"^(?s:{self.values[0]})$"))
        name = "=" if self.operator == "in" else self.operator
        found = np.zeros(len(column), bool)
        if kind in (Kind.NUMBER, Kind.TIME):
            for value in self.values:
                found |= _compare_scaled(column, name, value)
        elif len(self.values) > 1:
            found |= _mask(pc.is_in(column, value_set=pa.array(self.values, column.type)))
        else:
            found |= _mask(_ARROW[name](column, pa.scalar(self.values[0], column.type)))
        return found

    def _in_text(self, text: str) -> bool:
        """Answer the question for one value in the JSON.

        If a number (or time, or flag) is asked for and the text is not one, it differs from all of
        them, and is neither greater nor smaller.
        """
        if self.operator in ("!=", "not in"):
            return not Term(self.operand, "in", self.values)._in_text(text)
        if self.operator == "like":
            return _steady(self.values[0]).fullmatch(text) is not None
        compare = _COMPARE["=" if self.operator == "in" else self.operator]
        kind = self.operand.kind
        if kind is Kind.UNTYPED:
            return any(_compare_untyped(compare, text, value) for value in self.values)
        found = _READ[kind](text)
        return found is not None and any(compare(found, value) for value in self.values)


@lru_cache(maxsize=256)
def _steady(pattern: str) -> re.Pattern[str]:
    """Return a pattern for `re` that takes no longer than its texts are long, as RE2 does.

    With several stars `re` would try for hours what nearly fits. What lies between two stars may as
    well be the first that there is, so none of it is tried again.

    >>> _steady("a.*b.*c.*d").pattern
    'a(?>.*?b)(?>.*?c).*d'
    """
    first, *others = pattern.split(".*")
    if not others:
        return re.compile(first, re.DOTALL)
    between = "".join(f"(?>.*?{part})" for part in others[:-1])
    return re.compile(f"{first}{between}.*{others[-1]}", re.DOTALL)


def _mask(found: pa.BooleanArray) -> Mask:
    return found.fill_null(False).to_numpy(zero_copy_only=False)


def _compare_scaled(column: pa.Array, name: str, value: Decimal | int) -> Mask:
    """Compare a column of numbers or times with a literal that may be finer or larger than it."""
    scale, largest = 1, 2**63 - 1
    if column.type == DECIMAL:
        scale, largest = 10**DECIMAL_PLACES, 10**38 - 1
    units = Fraction(value, _PICOSECONDS) if isinstance(value, int) else Fraction(value) * scale
    floor = units.numerator // units.denominator
    between = floor != units
    if abs(floor) > largest:
        floor, between = (largest if floor > 0 else -largest), True
    if between:
        if name == "=":
            return np.zeros(len(column), bool)
        name = _BETWEEN[name]
    if column.type == DECIMAL:
        digits = tuple(map(int, str(abs(floor))))
        scalar = pa.scalar(Decimal((int(floor < 0), digits, -DECIMAL_PLACES)), DECIMAL)
    else:
        scalar = pa.scalar(floor, pa.int64())
        if column.type == TIME:
            column = column.view(pa.int64())
    return _mask(_ARROW[name](column, scalar))


def _compare_untyped(compare: Callable[[Any, Any], bool], text: str, value: str) -> bool:
    left, right = number(text), number(value)
    if left is not None and right is not None:
        return compare(left, right)
    return compare(text, value)


def _picoseconds(text: str) -> int | None:
    """Return the picoseconds since 1970 of a UTCTimestamp."""
    micros, _ = read_time(text)
    return None if micros is None else micros * _PICOSECONDS + int(text[24:].ljust(6, "0"))


_READ: Mapping[Kind, Callable[[str], Any]] = {
    Kind.TEXT: str,
    Kind.NUMBER: number,
    Kind.TIME: _picoseconds,
    Kind.DATE: lambda text: read_date(text)[0],
    Kind.FLAG: lambda text: read_boolean(text)[0],
}


def _texts(fields: Mapping[str, Any], keys: Container[str]) -> Iterator[str]:
    """Yield the values under `keys`, those of repeated fields and inside of groups as well.

    The value of a group is the number of its entries.
    """
    for name, value in fields.items():
        if isinstance(value, str):
            if name in keys:
                yield value
            continue
        entries = [element for element in value if isinstance(element, dict)]
        if name in keys:
            yield from value if value and not entries else [str(len(value))]
        for entry in entries:
            yield from _texts(entry, keys)
