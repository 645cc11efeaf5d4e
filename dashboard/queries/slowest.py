"""The requests that waited longest for their answers, by one clock.

How many requests waited about how long is counted by minute, in buckets (`latencies`). So it is
known which is the least bucket that the slowest can be in, and which minutes have any from it on:
these alone are looked into.
"""

import datetime
import time
from collections.abc import Sequence
from typing import Any

from fixfeed.dashboard.database import Database
from fixfeed.dashboard.queries.conditions import Where
from fixfeed.dashboard.queries.latency import BEGAN, began_in, measured
from fixfeed.dashboard.queries.stretches import stretches
from fixfeed.dashboard.queries.whole_minutes import inside
from fixfeed.dashboard.view import View
from fixfeed.transforms.batch import TIME
from fixfeed.transforms.fix.latencies.buckets import up_to

__all__ = ["slowest"]

Row = dict[str, Any]

_MICROSECONDS = {
    # Not by julianday, which knows a time of day to the millisecond.
    "sqlite": "(strftime('%s', substr({ended}, 1, 19)) - strftime('%s', substr({began}, 1, 19)))"
    " * 1000000 + substr({ended}, 21, 6) - substr({began}, 21, 6)",
    "postgresql": "cast(extract(epoch from {ended} - {began}) * 1000000 as bigint)",
}
_SECONDS = 2.0
_LEAST_OF_ALL = -1  # the bucket of answers before their requests


def slowest(
    database: Database,
    view: View,
    *,
    kind: str,
    clock: str,
    limit: int = 100,
    seconds: float = _SECONDS,
) -> tuple[list[Row], datetime.datetime | None]:
    """Return the requests that waited longest, the slowest first.

    Rows have `session`, `cl_ord_id`, `began`, `ended` and `seconds`; of those that waited equally
    long the first come first. The last of them may have waited about as long, to a tenth, as very
    many others: those are looked at from the newest minute on, until so many `seconds` have passed.
    Then the first of the minutes looked at is returned as well: what waited about as long as the
    last of the list before that time may be missing from it, and nothing else. Else None.
    """
    deadline = time.monotonic() + seconds
    least = _least(database, view, kind, clock, limit)
    where = measured(database, view, kind, clock)
    found: dict[str, Row] = {}
    since = None
    # First the fewer ones above the least bucket, wherever they are.
    above = where.also(Where().add("bucket > ?", least))
    for minutes, _ in stretches(database, above):
        for row in _requests(database, view, minutes, kind, clock, least + 1):
            found[row["request"]] = row
    has_least = f"having max(case when bucket = {least} then 1 else 0 end) = 1"
    for minutes, first in stretches(database, where, having=has_least):
        for row in _requests(database, view, minutes, kind, clock, least):
            found[row["request"]] = row
        since = first
        if time.monotonic() > deadline:
            break
    rows = list(found.values())
    for row in rows:
        row["cl_ord_id"] = _cl_ord_id(row)
        row["seconds"] = (row["ended"] - row["began"]).total_seconds()
    rows.sort(key=lambda row: (-row["seconds"], row["began"], row["request"]))
    return rows[:limit], since


def _least(database: Database, view: View, kind: str, clock: str, limit: int) -> int:
    """Return the highest bucket from which on there are `limit` requests, the least of all if none.

    What is in buckets above it is among the slowest, and the rest of these is in it. At the edges
    of a time not all of a minute is in it, so requests of whole minutes alone are counted.
    """
    whole = inside(view)
    if whole is None:
        return _LEAST_OF_ALL
    where = measured(database, whole, kind, clock)
    rows = database.rows(
        f"select bucket, sum(requests) as requests from latencies {where}"
        " group by 1 order by 1 desc",
        *where.values,
    )
    found = 0
    for row in rows:
        found += row["requests"]
        if found >= limit:
            return int(row["bucket"])
    return _LEAST_OF_ALL


def _requests(
    database: Database, view: View, minutes: Sequence[str], kind: str, clock: str, least: int
) -> list[Row]:
    """Return the requests of `session_minute`s that are in a bucket or a higher one.

    Perhaps also some at the end of the bucket below.
    """
    if not minutes:
        return []
    began, ended = BEGAN[kind], f"{kind}_at"
    chosen = Where(
        "session_minute is not null", f"{began} is not null", f"{ended} is not null"
    ).add("clock = ?", clock)
    chosen.among(database, "session_minute", minutes)
    chosen = chosen.also(began_in(database, began, view))
    if least > 0:
        taken = _MICROSECONDS[database.dialect].format(began=began, ended=ended)
        chosen.add(f"{taken} >= ?", int(up_to(least - 1).scaleb(6)))
    return database.rows(
        f"select request, session, {began} as began, {ended} as ended from request_times {chosen}",
        *chosen.values,
        types={"began": TIME, "ended": TIME},
    )


def _cl_ord_id(row: Row) -> str:
    """Return the ClOrdID of `request`, which is day, session and ClOrdID with blanks between."""
    return row["request"][len("2025-01-02 ") + len(row["session"]) + 1 :]
