"""Conditions that the queries of several pages have in common: times, and sessions."""

import datetime
from collections.abc import Sequence
from typing import Any

from fixfeed.dashboard.database import Database
from fixfeed.dashboard.moments import before
from fixfeed.dashboard.queries.order_of_time import until
from fixfeed.dashboard.view import View, seen_pairs, seen_sessions

__all__ = ["Where", "grouped_by_time", "step_of"]


class Where:
    """Conditions that all hold, as SQL with `?`, and their values."""

    def __init__(self, *conditions: str):
        """Begin with conditions without values."""
        self._conditions = list(conditions)
        self.values: list[Any] = []

    def add(self, condition: str, *values: Any) -> "Where":
        """Add a condition with its values."""
        self._conditions.append(condition)
        self.values += values
        return self

    def time(self, database: Database, column: str, view: View) -> "Where":
        """Add that a time is in that of a view."""
        if view.begin:
            self.add(f"{column} >= ?", database.time(view.begin))
        if view.end:
            before_end = until(database, column, view.end)
            self.add(before_end.sql, *before_end.values)
        return self

    def day(self, column: str, view: View) -> "Where":
        """Add that a day is one that a view touches."""
        if view.begin:
            self.add(f"{column} >= ?", view.begin.date().isoformat())
        if view.end:
            last = before(view.end, datetime.timedelta(microseconds=1))
            self.add(f"{column} <= ?", last.date().isoformat())
        return self

    def sessions(self, database: Database, view: View, column: str = "session") -> "Where":
        """Add that a session is of a view."""
        return self.among(database, column, seen_sessions(database, view))

    def pairs(self, database: Database, view: View) -> "Where":
        """Add that the session pair of an order is of a view."""
        return self.among(database, "session_pair", seen_pairs(database, view))

    def among(self, database: Database, column: str, values: Sequence[Any] | None) -> "Where":
        """Add that a column is one of some values; None are all."""
        if values is not None:
            end, given = database.among(values)
            self.add(f"{column} {end}", given)
        return self

    def __bool__(self) -> bool:
        """Return whether there is any condition."""
        return bool(self._conditions)

    def also(self, other: "Where") -> "Where":
        """Return these conditions and others, with the values of both in this order."""
        both = Where(*self._conditions, *other._conditions)
        both.values = [*self.values, *other.values]
        return both

    def __str__(self) -> str:
        """Return `where` and the conditions, `` if there are none."""
        return f"where {' and '.join(self._conditions)}" if self._conditions else ""


_STEPS = (("minute", 0.125), ("ten minutes", 2), ("hour", 100))


def step_of(view: View) -> str:
    """Return what a chart of a view counts by: `minute`, `ten minutes`, `hour` or `day`."""
    days = float("inf")
    if view.begin and view.end:
        days = (view.end - view.begin) / datetime.timedelta(days=1)
    return next((step for step, most in _STEPS if days <= most), "day")


def grouped_by_time(database: Database, column: str, step: str) -> str:
    """Return the SQL of when the minute, hour and so on begins that a time in minutes is in."""
    if step == "minute":
        return column
    if database.dialect == "postgresql":
        if step == "ten minutes":
            return f"date_bin('10 minutes', {column}, timestamptz '2000-01-01 00:00+00')"
        return f"date_trunc('{step}', {column})"
    length, end = {
        "ten minutes": (15, "0:00.000000"),
        "hour": (13, ":00:00.000000"),
        "day": (10, " 00:00:00.000000"),
    }[step]
    return f"substr({column}, 1, {length}) || '{end}'"
