"""What is out of the ordinary, the newest first."""

from collections.abc import Sequence

from fixfeed.dashboard.database import Database
from fixfeed.dashboard.queries.conditions import Where
from fixfeed.dashboard.queries.cursor import Cursor, CursorError, Place, read_cursor, text_of_cursor
from fixfeed.dashboard.queries.messages import Page
from fixfeed.dashboard.queries.order_of_time import among, in_time
from fixfeed.dashboard.search.conditions import Condition
from fixfeed.dashboard.view import View, seen_sessions
from fixfeed.transforms.fix.anomalies.schema import ANOMALIES

__all__ = ["anomalies", "kinds_of_anomalies"]

_ORDER = "scope, kind, rule, seen, expected, coalesce(order_key, 0)"


def anomalies(
    database: Database,
    view: View,
    *,
    kinds: Sequence[str] = (),
    severities: Sequence[str] = (),
    cursor: str | None = None,
    limit: int = 100,
) -> Page:
    """Return a page of the anomalies of a view's sessions and times; those without a time are last.

    Many are of both directions of a session, so a reader sees those of sessions whose opposite it
    may see too. There are pages of older ones alone. Raises `Trouble` and `CursorError`.
    """
    sessions = seen_sessions(database, view, both=True)
    kept = in_time(database, "happened_at", view)
    if sessions is not None:
        kept.append(among(database, "session", sessions))
    for column, values in (("kind", kinds), ("severity", severities)):
        if values:
            kept.append(among(database, column, values))
    # An anomaly has no id: a place is a time, and how many with this time came before.
    place = _place(cursor)
    rows: list[dict[str, object]] = []
    parts = [True, False] if place is None or place.time is not None else [False]
    if view.begin or view.end:
        parts = parts[:1]
    for timed in parts:
        conditions = [Condition(f"happened_at is {'not ' if timed else ''}null"), *kept]
        skipped = 0
        if place is not None and (place.time is not None) == timed:
            skipped = place.message_id
            if place.time is not None:
                conditions.append(Condition("happened_at <= ?", (database.time(place.time),)))
        where = " and ".join(one.sql for one in conditions)
        values = [value for one in conditions for value in one.values]
        rows += database.rows(
            f"select {', '.join(ANOMALIES.names)} from anomalies where {where}"
            f" order by happened_at desc, {_ORDER} limit {limit + 1 - len(rows)} offset {skipped}",
            *values,
        )
        if len(rows) > limit:
            break
    if len(rows) <= limit:
        return Page(rows, None, None)
    rows = rows[:limit]
    last = rows[-1]["happened_at"]
    same = sum(1 for row in rows if row["happened_at"] == last)
    if place is not None and place.time == last and same == len(rows):
        same += place.message_id
    return Page(rows, text_of_cursor(Cursor(True, Place(last, same))), None)  # type: ignore[arg-type]


def kinds_of_anomalies(database: Database, view: View) -> dict[str, int]:
    """Return how many anomalies of each kind a view has, which are those of `anomalies`."""
    sessions = seen_sessions(database, view, both=True)
    where = Where().time(database, "happened_at", view).among(database, "session", sessions)
    rows = database.rows(
        f"select kind, count(*) as messages from anomalies {where} group by kind order by kind",
        *where.values,
    )
    return {row["kind"]: row["messages"] for row in rows}


def _place(cursor: str | None) -> Place | None:
    if cursor is None:
        return None
    found = read_cursor(cursor)
    if not found.older or found.place.message_id < 0:
        raise CursorError("anomalies have only older pages: take `older` of another page")
    return found.place
