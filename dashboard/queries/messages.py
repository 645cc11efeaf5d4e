"""Messages: pages of them by time, one of them, and those around it.

A page is found by an index, however many messages there are. Where no index knows the answer (a
search in fields without a column, in groups, in the text) it is looked for piece by piece, for as
long as it may take; a page then says how far back it has looked, and the next one goes on there.
"""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fixfeed.dashboard.database import Database
from fixfeed.dashboard.queries.counted import counted
from fixfeed.dashboard.queries.cursor import Cursor, Place, read_cursor, text_of_cursor
from fixfeed.dashboard.queries.order_of_time import TIME_SQL
from fixfeed.dashboard.queries.walk import Walk
from fixfeed.dashboard.scope import EVERYTHING, Scope
from fixfeed.dashboard.view import View, opposites
from fixfeed.io.ledger.keys import POSITION_BITS

__all__ = [
    "COLUMNS",
    "SEARCHED",
    "TIME_SQL",
    "Page",
    "alike_before",
    "around",
    "count",
    "message",
    "page",
]

COLUMNS = (
    "message_id", "source_id", "session", "direction", "sending_time", "captured_at", "msg_type",
    "msg_seq_num", "poss_dup_flag", "cl_ord_id", "orig_cl_ord_id", "order_id", "exec_id", "symbol",
    "side", "order_qty", "price", "ord_type", "exec_type", "ord_status", "last_qty", "last_px",
    "cum_qty", "leaves_qty", "avg_px", "account", "text", "defects",
)  # fmt: skip
"""The columns of a page; each row also has `time` (`TIME_SQL`)."""

SEARCHED = 0.3
"""Seconds that a page looks for what no index knows."""


@dataclass(frozen=True)
class Page:
    """A page of messages, newest first.

    `older` and `newer` are the cursors of the next pages; `older` is None if nothing is older,
    `newer` None if this is the first page. If looking for messages took too long, there may be
    fewer rows than asked for, and `searched_to` is the time that it has got to; the same cursors go
    on from there.
    """

    rows: list[dict[str, Any]]
    older: str | None
    newer: str | None
    searched_to: datetime.datetime | None = None


def page(
    database: Database,
    view: View,
    *,
    cursor: str | None = None,
    limit: int = 100,
    seconds: float = SEARCHED,
    columns: Sequence[str] = COLUMNS,
) -> Page:
    """Return a page of the messages of a view: the newest ones, or those beyond a cursor.

    Raises `Trouble`, `SearchError` and `CursorError`.
    """
    at = read_cursor(cursor) if cursor else None
    older = at is None or at.older
    walk = Walk(database, view, columns, older=older)
    rows = walk.find(at.place if at else None, limit + 1, seconds)
    more = len(rows) > limit
    rows = rows[:limit]
    reached = None if more else walk.reached
    beyond = _place(rows[-1]) if more else reached  # where it goes on
    if at is None:
        before = None
    elif rows:
        before = _place(rows[0])
    else:
        # The message there was on the page before.
        before = Place(at.place.time, at.place.message_id + (-1 if older else 1))
    searched_to = reached.time if reached else None
    if older:
        return Page(rows, _text(True, beyond), _text(False, before), searched_to)
    if beyond is None:
        return page(database, view, limit=limit, seconds=seconds, columns=columns)
    return Page(rows[::-1], _text(True, before), _text(False, beyond), searched_to)


def _place(row: dict[str, Any]) -> Place:
    return Place(row["time"], row["message_id"])


def _text(older: bool, place: Place | None) -> str | None:
    return None if place is None else text_of_cursor(Cursor(older, place))


def message(
    database: Database, message_id: int, *, scope: Scope = EVERYTHING
) -> dict[str, Any] | None:
    """Return all columns of a message, with `time`, and the name of its `source`.

    `position` is where it is in its source. None if there is no such message, or the reader may not
    see it.
    """
    rows = database.rows(
        f"select m.*, {TIME_SQL} as time, s.name as source from messages m"
        " left join source_identities s on s.source_id = m.source_id where m.message_id = ?",
        message_id,
    )
    if not rows or not scope.allows(rows[0]["session"]):
        return None
    return rows[0] | {"position": message_id & (1 << POSITION_BITS) - 1}


def around(
    database: Database,
    message_id: int,
    *,
    scope: Scope = EVERYTHING,
    each: int = 20,
    both: bool = False,
    columns: Sequence[str] = COLUMNS,
) -> list[dict[str, Any]]:
    """Return a message with those before and after it in its session, `each` at the most.

    With `both`, also those that the other side sent, as far as they may be seen. They are in the
    order of time; [] if there is no such message, or the reader may not see it.
    """
    columns = tuple(dict.fromkeys((*columns, "message_id", "session")))
    names = ", ".join([*columns, f"{TIME_SQL} as time"])
    found = database.rows(f"select {names} from messages where message_id = ?", message_id)
    if not found or not scope.allows(found[0]["session"]):
        return []
    row = found[0]
    if row["session"] is None:
        return [row]
    sessions = (row["session"], *(opposites(row["session"]) if both else ()))
    view = View(sessions=sessions, scope=scope, exactly=True)
    sides = []
    for older in (True, False):
        walk = Walk(database, view, columns, older=older)
        sides.append(walk.find(_place(row), each, SEARCHED))
    return [*reversed(sides[0]), row, *sides[1]]


def alike_before(database: Database, row: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the newest message of its type before one in its session, as `message` does.

    `row` has its `message_id`, `time`, `session` and `msg_type`. None if none is found in time.
    """
    if row["session"] is None or row["msg_type"] is None:
        return None
    view = View(sessions=(row["session"],), types=(row["msg_type"],), exactly=True)
    walk = Walk(database, view, ("message_id",), older=True)
    found = walk.find(Place(row["time"], row["message_id"]), 1, SEARCHED)
    return message(database, found[0]["message_id"]) if found else None


def count(database: Database, view: View) -> int | None:
    """Return how many messages a view has, exactly, by the counts of minutes.

    None where only reading them would tell: with a search. Raises `SearchError`.
    """
    if view.search.rule:
        return None
    source, values = counted(database, view)
    rows = database.rows(f"select coalesce(sum(messages), 0) as messages from {source}", *values)
    return int(rows[0]["messages"])
