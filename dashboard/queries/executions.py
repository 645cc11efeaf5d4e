"""Executions by the time of their reports, which the same searches find as messages."""

import time
from dataclasses import replace
from typing import Any

from fixfeed.dashboard.database import Database
from fixfeed.dashboard.queries import messages
from fixfeed.dashboard.queries.cursor import Cursor, CursorError, Place, read_cursor, text_of_cursor
from fixfeed.dashboard.queries.messages import SEARCHED, Page
from fixfeed.dashboard.queries.order_of_time import among
from fixfeed.dashboard.search.conditions import Condition
from fixfeed.dashboard.view import View, seen_pairs
from fixfeed.transforms.protocol import default_protocol

__all__ = ["EXECUTIONS", "executions"]

_REPORT = "8"
_REPORTS = 500  # that are looked at once

EXECUTIONS = next(
    tuple(of.tables["executions"].schema.names)
    for of in default_protocol().table.derived
    if "executions" in of.tables
)
"""The columns of the table of executions; each row also has `time`, that of its report."""


def executions(
    database: Database,
    view: View,
    *,
    cursor: str | None = None,
    limit: int = 100,
    seconds: float = SEARCHED,
) -> Page:
    """Return a page of the executions whose reports are messages of a view, the newest first.

    Those of one report are on one page, so there may be some more than `limit`. There are pages of
    older ones alone. Raises `Trouble`, `SearchError` and `CursorError`.
    """
    if cursor and not read_cursor(cursor).older:
        raise CursorError("executions have only older pages: take `older` of another page")
    if view.types and _REPORT not in view.types:
        return Page([], None, None)
    pairs = seen_pairs(database, view)
    if pairs == []:
        return Page([], None, None)
    reports = replace(view, types=(_REPORT,))
    deadline = time.monotonic() + seconds
    found: list[dict[str, Any]] = []
    while True:
        left = max(deadline - time.monotonic(), 0)
        page = messages.page(
            database, reports, cursor=cursor, limit=_REPORTS, seconds=left, columns=("message_id",)
        )
        times = {row["message_id"]: row["time"] for row in page.rows}
        found += _of_reports(database, times, pairs)
        if len(found) >= limit:
            last = _whole(found, limit)
            older = page.older
            if last < len(found):
                at = found[last - 1]
                place = Place(at["time"], at["message_id"])
                older = text_of_cursor(Cursor(True, place))
            return Page(found[:last], older, None)
        cursor = page.older
        if cursor is None or time.monotonic() > deadline:
            searched_to = read_cursor(cursor).place.time if cursor else None
            return Page(found, cursor, None, searched_to)


def _of_reports(
    database: Database, times: dict[int, Any], pairs: list[str] | None
) -> list[dict[str, Any]]:
    """Return the executions of reports, in the order of these."""
    if not times:
        return []
    end, ids = database.among(list(times))
    seen, orders = Condition("true"), ""
    if pairs is not None:
        # A fill that a drop copy reports tells what its order has said, in another session.
        orders = " join orders on orders.order_key = o.order_key"
        both = [among(database, f"{one}.session_pair", pairs) for one in ("e", "orders")]
        seen = Condition(
            " and ".join(one.sql for one in both), tuple(v for one in both for v in one.values)
        )
    rows = database.rows(
        f"select {', '.join(f'e.{name}' for name in EXECUTIONS)}"
        " from order_messages o join executions e"
        f" on e.order_key = o.order_key and e.message_id = o.message_id{orders}"
        f" where o.message_id {end} and {seen.sql}",
        ids,
        *seen.values,
    )
    order = {message_id: place for place, message_id in enumerate(times)}
    rows.sort(key=lambda row: (order[row["message_id"]], row["order_key"], row["kind"]))
    return [row | {"time": times[row["message_id"]]} for row in rows]


def _whole(found: list[dict[str, Any]], limit: int) -> int:
    """Return how many executions to give, so that all of a report are among them."""
    last = limit
    while last < len(found) and found[last]["message_id"] == found[last - 1]["message_id"]:
        last += 1
    return last
