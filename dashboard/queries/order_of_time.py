"""The order of messages in time, and conditions that queries have in common."""

import datetime
from collections.abc import Sequence
from typing import Any

from fixfeed.dashboard.database import Database
from fixfeed.dashboard.moments import LAST
from fixfeed.dashboard.search.conditions import Condition
from fixfeed.dashboard.view import View

__all__ = ["TIME_SQL", "among", "in_time", "until"]

TIME_SQL = "coalesce(sending_time, captured_at)"
"""The time that messages are in the order of, as the index has it."""


def among(database: Database, column: str, values: Sequence[Any]) -> Condition:
    """Return the condition that a column is one of many values."""
    if 0 < len(values) <= 8:  # the optimiser knows what it is compared with
        return Condition(f"{column} in ({', '.join('?' * len(values))})", tuple(values))
    end, value = database.among(values)
    return Condition(f"{column} {end}", (value,))


def in_time(database: Database, column: str, view: View) -> list[Condition]:
    """Return the conditions that a time is that of a view."""
    found = []
    if view.begin:
        found.append(Condition(f"{column} >= ?", (database.time(view.begin),)))
    if view.end:
        found.append(until(database, column, view.end))
    return found


def until(database: Database, column: str, end: datetime.datetime) -> Condition:
    """Return the condition that a time is before an end; the last time of all has no after."""
    return Condition(f"{column} {'<=' if end == LAST else '<'} ?", (database.time(end),))
