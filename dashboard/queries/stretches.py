"""The minutes of sessions that have requests, piece by piece, the newest first."""

import datetime
from collections.abc import Iterator

from fixfeed.dashboard.database import Database
from fixfeed.dashboard.queries.conditions import Where

__all__ = ["stretches"]

_REQUESTS = 10_000
"""A piece has so many requests or a few more: each of them has to be looked up."""
_AT_ONCE = 1000  # minutes of sessions


def stretches(
    database: Database, where: Where, *, having: str = ""
) -> Iterator[tuple[list[str], datetime.datetime | None]]:
    """Yield the `session_minute`s of rows of `latencies`, the newest first, in whole minutes.

    Each time as many as have `_REQUESTS`, and the first of their minutes, None if there are none
    before it. `where` chooses rows, `having` minutes of sessions by all of their rows that are
    chosen. At least one piece is yielded; it is empty if there are no rows.
    """
    chosen: list[str] = []
    found, minute, last = 0, None, None
    while True:
        here = where
        if last is not None:
            # Not as a pair, `(a, b) < (?, ?)`: of that SQLite seeks the first alone.
            at = database.time(last["minute"])
            here = where.also(
                Where()
                .add("minute <= ?", at)
                .add("(minute < ? or session_minute < ?)", at, last["session_minute"])
            )
        rows = database.rows(
            f"select minute, session_minute, sum(requests) as requests from latencies {here}"
            f" group by 1, 2 {having} order by 1 desc, 2 desc limit {_AT_ONCE}",
            *here.values,
        )
        for row in rows:
            if row["minute"] != minute and found >= _REQUESTS:
                yield chosen, minute
                chosen, found = [], 0
            chosen.append(row["session_minute"])
            found, minute = found + row["requests"], row["minute"]
        if len(rows) < _AT_ONCE:
            yield chosen, None
            return
        last = rows[-1]
