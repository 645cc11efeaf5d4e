"""A rule as a condition of SQL, which all rows meet that meet the rule, and maybe some more.

SQLite's numbers are doubles, and what a field has in full, or in a group, is in JSON. Where SQL
cannot tell exactly, a condition is as wide as it has to be, and under a `not` as narrow.
"""

import datetime
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fixfeed.dashboard.database import Database
from fixfeed.transforms.fix.rules.conditions import Every, Node, Not, Some, Term
from fixfeed.transforms.fix.rules.operands import Kind, number

__all__ = ["Condition", "condition"]

_PLAIN = re.compile(r"[A-Za-z0-9 _.:+-]+")
"""Texts that JSON writes as they are."""
_PARTS = re.compile(r"\\.|\.\*|.", re.DOTALL)
_PICOSECONDS = 10**6
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_WITHIN = 1e-12
"""More than a double may be away from its decimal, as a part of it."""


@dataclass(frozen=True)
class Condition:
    """SQL with `?` for values."""

    sql: str
    values: tuple[Any, ...] = ()


_ALL, _NONE = Condition("true"), Condition("false")


def condition(node: Node, database: Database, *, wide: bool = True) -> Condition:
    """Return what all rows meet that meet the condition; not `wide`, what only those meet."""
    match node:
        case Every(nodes):
            return _joined(" and ", [condition(one, database, wide=wide) for one in nodes])
        case Some(nodes):
            return _joined(" or ", [condition(one, database, wide=wide) for one in nodes])
        case Not(inner):
            opposite = condition(inner, database, wide=not wide)
            return Condition(f"({opposite.sql}) is not true", opposite.values)
        case Term():
            return _Asked(node, database).condition(wide=wide)
    raise TypeError(node)


def _joined(word: str, conditions: Sequence[Condition]) -> Condition:
    return Condition(
        "(" + word.join(one.sql for one in conditions) + ")",
        tuple(value for one in conditions for value in one.values),
    )


class _Asked:
    """One question, asked of one kind of database."""

    def __init__(self, term: Term, database: Database):
        self._term = term
        self._database = database
        self._lite = database.dialect == "sqlite"
        self._fields = "fields" if self._lite else "cast(fields as text)"
        self._find = "instr" if self._lite else "strpos"

    def condition(self, *, wide: bool) -> Condition:
        term, operand = self._term, self._term.operand
        column = operand.column
        if term.operator in ("exists", "missing"):
            parts = [Condition(f"{column} is not null")] if column else []
            parts += [self._holds(key) for key in operand.keys]
            there = _joined(" or ", parts) if parts else _NONE
            if term.operator == "exists":
                return there
            return Condition(f"({there.sql}) is not true", there.values)
        values = [value for value in term.values if isinstance(value, str)]
        if not self._lite and any("\0" in value for value in values):
            return _ALL if wide else _NONE  # no text of PostgreSQL has it
        in_column = self._in_column(column, wide=wide) if column else _NONE
        if not operand.keys:
            return in_column
        holding = _joined(" or ", [self._holds(key) for key in operand.keys])
        if not wide:
            if not column:
                return _NONE
            alone = Condition(f"({holding.sql}) is not true", holding.values)
            return _joined(" and ", [in_column, alone])
        holding = _joined(" and ", [holding, *self._holding_values()])
        return _joined(" or ", [in_column, holding]) if column else holding

    def _holds(self, text: str) -> Condition:
        """Return whether the JSON has a key; a quotation mark in a value is escaped."""
        return Condition(f"{self._find}({self._fields}, ?) > 0", (f"{json.dumps(text)}:",))

    def _holding_values(self) -> list[Condition]:
        """Return what the JSON has if it has one of the values, as far as that can be told."""
        term = self._term
        if term.operator not in ("=", "in") or term.operand.kind not in (Kind.TEXT, Kind.UNTYPED):
            return []
        for value in term.values:
            if not _PLAIN.fullmatch(value) or number(value) is not None:
                return []  # a number may be written in many ways, and so may a count of entries
        if not self._lite and len(term.values) > 1:
            # Once to a row: for each value PostgreSQL would write the JSON anew.
            words = "|".join(map(re.escape, term.values))
            return [Condition(f"{self._fields} ~ ?", (f'"({words})"',))]
        found = f"{self._find}({self._fields}, ?) > 0"
        return [_joined(" or ", [Condition(found, (f'"{value}"',)) for value in term.values])]

    def _in_column(self, column: str, *, wide: bool) -> Condition:
        """Return the condition of the column alone."""
        operator, values = self._term.operator, self._term.values
        if operator == "contains":
            if self._term.operand.kind is Kind.TEXT:
                return Condition(f"{self._find}({column}, ?) > 0", values)
            found = "instr({}, ?)" if self._lite else "position(?::bytea in {})"
            return Condition(f"{found.format(column)} > 0", values)
        if operator == "like":
            return self._like(column) if wide else _NONE
        if operator in ("!=", "not in"):
            equal = self._compared(column, "=", values, wide=not wide)
            there = Condition(f"{column} is not null")
            return _joined(" and ", [there, Condition(f"({equal.sql}) is not true", equal.values)])
        return self._compared(column, "=" if operator == "in" else operator, values, wide=wide)

    def _compared(
        self, column: str, operator: str, values: Sequence[Any], *, wide: bool
    ) -> Condition:
        if operator == "=" and len(values) > 1 and self._term.operand.kind is Kind.TEXT:
            end, given = self._database.among(values)
            return Condition(f"{column} {end}", (given,))
        compare = self._by_kind[self._term.operand.kind]
        return _joined(
            " or ", [compare(self, column, operator, value, wide=wide) for value in values]
        )

    def _exactly(self, column: str, operator: str, value: Any, *, wide: bool) -> Condition:
        return Condition(f"{column} {operator} ?", (value,))

    def _text(self, column: str, operator: str, value: str, *, wide: bool) -> Condition:
        if operator != "=" and not self._lite:
            column = f'{column} collate "C"'  # by its characters, as in SQLite
        return Condition(f"{column} {operator} ?", (value,))

    def _bytes(self, column: str, operator: str, value: bytes, *, wide: bool) -> Condition:
        mark = "?" if self._lite else "?::bytea"
        return Condition(f"{column} {operator} {mark}", (value,))

    def _number(self, column: str, operator: str, value: Decimal, *, wide: bool) -> Condition:
        if value.adjusted() > 40:
            return _ALL if wide else _NONE  # beyond all columns
        if not self._lite:
            return Condition(f"{column} {operator} ?", (value,))
        near = float(value)
        margin = abs(near) * _WITHIN
        if operator == "=":
            if wide:
                return Condition(f"{column} between ? and ?", (near - margin, near + margin))
            return _NONE
        # Wider is higher for `<`, and lower for `>`.
        higher = wide == operator.startswith("<")
        return Condition(f"{column} {operator} ?", (near + margin if higher else near - margin,))

    def _time(self, column: str, operator: str, value: int, *, wide: bool) -> Condition:
        try:
            at = _EPOCH + datetime.timedelta(microseconds=value // _PICOSECONDS)
            after = at + datetime.timedelta(microseconds=1)
        except OverflowError:
            return _ALL if wide else _NONE
        before, next_ = self._database.time(at), self._database.time(after)
        if operator == "=":
            return Condition(f"{column} = ?", (before,)) if wide else _NONE
        if operator.startswith("<"):
            return Condition(f"{column} < ?", (next_ if wide else before,))
        return Condition(f"{column} >= ?", (before if wide else next_,))

    def _day(self, column: str, operator: str, value: int, *, wide: bool) -> Condition:
        try:
            day = (_EPOCH + datetime.timedelta(days=value)).date()
        except OverflowError:
            return _ALL if wide else _NONE
        return Condition(f"{column} {operator} ?", (day.isoformat() if self._lite else day,))

    def _flag(self, column: str, operator: str, value: bool, *, wide: bool) -> Condition:
        return Condition(f"{column} = ?", (int(value) if self._lite else value,))

    def _like(self, column: str) -> Condition:
        """Return the pattern of a `like`, which the rule has as a regular expression."""
        if self._term.operand.kind is not Kind.TEXT:
            return Condition(f"{column} is not null")
        every, single = ("*", "?") if self._lite else ("%", "_")
        pattern = ""
        for part in _PARTS.findall(self._term.values[0]):
            if part == ".*":
                pattern += every
            elif part == ".":
                pattern += single
            elif self._lite:
                pattern += f"[{part[-1]}]" if part[-1] in "*?[" else part[-1]
            else:
                pattern += f"\\{part[-1]}" if part[-1] in "%_\\" else part[-1]
        return Condition(f"{column} {'glob' if self._lite else 'like'} ?", (pattern,))

    _by_kind: dict[Kind, Callable[..., Condition]] = {  # noqa: RUF012 - never changed
        Kind.TEXT: _text,
        Kind.BYTES: _bytes,
        Kind.NUMBER: _number,
        Kind.TIME: _time,
        Kind.DATE: _day,
        Kind.FLAG: _flag,
    }
