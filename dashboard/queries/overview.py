"""How many messages there are, by time: from the counts of minutes (`queries.counted`).

Their rows are changes that add up (`io.sql.minute_counts`), so every count here is a sum. Of a view
its times, sessions and types count, not its search.
"""

import datetime
from dataclasses import replace
from typing import Any

import pyarrow as pa

from fixfeed.dashboard.database import Database
from fixfeed.dashboard.moments import after
from fixfeed.dashboard.queries.conditions import Where, grouped_by_time
from fixfeed.dashboard.queries.counted import counted
from fixfeed.dashboard.queries.refusals import REFUSALS
from fixfeed.dashboard.view import View
from fixfeed.transforms.batch import TIME

__all__ = [
    "REJECTS",
    "ahead",
    "by_session",
    "counts",
    "last_day",
    "minutes",
    "newest_minute",
    "rejects",
    "symbols",
    "timeless",
]

REJECTS = ("3", "9", "j")
"""The types of messages that refuse another one."""

_RECENT = 20_000
"""So many of the newest orders of a view are looked at, for lists of what is most frequent."""

Row = dict[str, Any]


def newest_minute(database: Database, view: View) -> datetime.datetime | None:
    """Return the minute of the newest message of a view's sessions; None if none has a time.

    Of a view with a beginning, what comes before its minute does not count. What is ahead (`ahead`)
    counts only if there is nothing else.
    """
    seen = Where("minute is not null").sessions(database, view)
    if view.begin:
        seen.add("minute >= ?", database.time(view.begin.replace(second=0, microsecond=0)))
    for where in (seen.also(Where().add("minute < ?", database.time(_too_late()))), seen):
        rows = database.rows(
            f"select minute from minute_counts {where} order by minute desc limit 1", *where.values
        )
        if rows:
            return rows[0]["minute"]
    return None


def ahead(database: Database, view: View) -> tuple[View, int]:
    """Return a view of the messages of a view that are ahead of now, and how many they are.

    Ahead is what has a time after today, in UTC: the sender's clock is wrong, or the value means
    no time at all, as 9999-12-31 often does. The time of a view itself does not count.
    """
    later = replace(view, begin=_too_late(), end=None)
    return later, counts(database, later)["messages"]


def timeless(database: Database, view: View) -> int:
    """Return how many messages of a view's sessions and types have no time at all."""
    where = Where("minute is null").sessions(database, view)
    where.among(database, "msg_type", view.types or None)
    found = database.rows(
        f"select coalesce(sum(messages), 0) as messages from minute_counts {where}", *where.values
    )
    return int(found[0]["messages"])


def _too_late() -> datetime.datetime:
    today = datetime.datetime.now(datetime.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return after(today, datetime.timedelta(days=1))


def last_day(database: Database, view: View) -> View:
    """Return a view of the day of the newest message of a view's sessions.

    Of everything if none has a time. See `newest_minute`.
    """
    newest = newest_minute(database, replace(view, begin=None))
    if newest is None:
        return view
    day = newest.replace(hour=0, minute=0, second=0, microsecond=0)
    return replace(view, begin=day, end=after(day, datetime.timedelta(days=1)))


def counts(database: Database, view: View) -> Row:
    """Return how many messages of a view there are: `messages`, `defective`, `rejects`.

    Those with a time.
    """
    source, values = counted(database, view, timed=True)
    rejects = ", ".join(f"'{one}'" for one in REJECTS)
    return database.rows(
        "select coalesce(sum(messages), 0) as messages, coalesce(sum(defective), 0) as defective,"
        f" coalesce(sum(case when msg_type in ({rejects}) then messages end), 0) as rejects"
        f" from {source}",
        *values,
        types={"rejects": pa.int64()},
    )[0]


def minutes(database: Database, view: View, step: str = "minute") -> list[Row]:
    """Return the messages of each minute, or another step (`step_of`), by type.

    Rows have `time`, `msg_type`, `messages` and `defective`.
    """
    source, values = counted(database, view, timed=True)
    time = grouped_by_time(database, "minute", step)
    return database.rows(
        f"select {time} as time, msg_type, sum(messages) as messages, sum(defective) as defective"
        f" from {source} group by 1, 2 having sum(messages) <> 0 order by 1, 2",
        *values,
        types={"time": TIME},
    )


def by_session(database: Database, view: View) -> list[Row]:
    """Return `session`, `messages` and `defective` of each session with messages in a view."""
    source, values = counted(database, view, timed=True)
    return database.rows(
        "select session, sum(messages) as messages, sum(defective) as defective"
        f" from {source} group by session having sum(messages) > 0 order by session",
        *values,
    )


def symbols(database: Database, view: View, limit: int = 8) -> list[Row]:
    """Return the symbols with the most of the newest orders, drop copies left out.

    Rows have `symbol`, `orders`, `fills` and `rejects`.
    """
    recent, values = _recent_orders(database, view, "symbol, fills, rejects")
    return database.rows(
        "select symbol, count(*) as orders, sum(fills) as fills, sum(rejects) as rejects"
        f" from ({recent}) recent where symbol is not null"
        f" group by symbol order by count(*) desc, symbol limit {limit}",
        *values,
        types={"orders": pa.int64()},
    )


def rejects(database: Database, view: View, limit: int = 8) -> list[Row]:
    """Return why the newest orders, or what was asked of them, were refused: `text`, `orders`.

    `text` is Text of the message that refuses, `` if it has none. An order that was refused
    something with several texts counts with each; drop copies are left out.
    """
    recent, values = _recent_orders(database, view, "order_key, rejects")
    return database.rows(
        "select coalesce(m.text, '') as text, count(distinct recent.order_key) as orders"
        f" from ({recent}) recent cross join {REFUSALS} recent.order_key and recent.rejects > 0"
        f" group by 1 order by 2 desc, 1 limit {limit}",
        *values,
        types={"orders": pa.int64()},
    )


def _recent_orders(database: Database, view: View, columns: str) -> tuple[str, list[Any]]:
    # What a drop copy tells of has been counted where it happened.
    where = Where("first_message_at is not null", "drop_copy is not true")
    where.time(database, "first_message_at", view)
    where.pairs(database, view)
    query = f"select {columns} from orders {where} order by first_message_at desc limit {_RECENT}"
    return query, where.values
