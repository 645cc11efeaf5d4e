"""How long requests waited for their answers, by one clock: percentiles, in time, and the slowest.

A latency by one clock says nothing about one by another (docs/latencies.md), so every query asks
for one kind and one clock.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from fixfeed.dashboard.database import Database
from fixfeed.dashboard.queries.conditions import Where, grouped_by_time
from fixfeed.dashboard.view import View
from fixfeed.transforms.batch import TIME
from fixfeed.transforms.fix.latencies.buckets import up_to

__all__ = [
    "BEGAN",
    "by_time",
    "kinds_and_clocks",
    "measured",
    "percentile",
    "percentiles",
    "slowest",
]

Row = dict[str, Any]

BEGAN = {"acknowledged": "ordered_at", "filled": "ordered_at", "answered": "changed_at"}
"""The columns of `request_times` from which each kind is measured."""
_SECONDS = {"up_to": pa.float64()}
_MICROSECONDS = {
    # Not by julianday, which knows a time of day to the millisecond.
    "sqlite": "(strftime('%s', substr({ended}, 1, 19)) - strftime('%s', substr({began}, 1, 19)))"
    " * 1000000 + substr({ended}, 21, 6) - substr({began}, 21, 6)",
    "postgresql": "cast(extract(epoch from {ended} - {began}) * 1000000 as bigint)",
}
_MINUTES = 200
"""The slowest are looked for in so many minutes of sessions, those with the slowest of all."""


def kinds_and_clocks(database: Database, view: View) -> list[Row]:
    """Return `kind`, `clock` and `requests` of what there is."""
    where = _where(database, view)
    return database.rows(
        "select kind, clock, sum(requests) as requests from latencies"
        f" {where} group by 1, 2 order by 1, 2",
        *where.values,
    )


def by_time(database: Database, view: View, *, kind: str, clock: str, step: str) -> list[Row]:
    """Return the counts of each minute, hour or day: `time`, `up_to` (seconds), `requests`."""
    where = measured(database, view, kind, clock)
    time = grouped_by_time(database, "minute", step)
    return database.rows(
        f"select {time} as time, up_to, sum(requests) as requests from latencies"
        f" {where} group by 1, 2 order by 1, 2",
        *where.values,
        types={"time": TIME} | _SECONDS,
    )


def percentiles(database: Database, view: View, *, kind: str, clock: str) -> list[Row]:
    """Return `session`, `requests`, `p50`, `p95`, `p99` and `most` of each session, in seconds."""
    where = measured(database, view, kind, clock)
    rows = database.rows(
        f"select session, up_to, sum(requests) as requests from latencies {where} group by 1, 2"
        " order by 1, 2",
        *where.values,
        types=_SECONDS,
    )
    of_sessions: dict[str, list[Row]] = {}
    for row in rows:
        of_sessions.setdefault(row["session"], []).append(row)
    return [
        {
            "session": session,
            "requests": sum(row["requests"] for row in own),
            **{f"p{share}": percentile(own, share / 100) for share in (50, 95, 99)},
            "most": own[-1]["up_to"],
        }
        for session, own in of_sessions.items()
    ]


def percentile(rows: Iterable[Mapping[str, Any]], share: float) -> float | None:
    """Return what a share of the requests did not wait longer than; None if there are none.

    `rows` are counts with their `up_to`, in any order. It is the end of a bucket, at most a tenth
    more than the exact value.

    >>> percentile([{"up_to": 0.1, "requests": 9}, {"up_to": 0.5, "requests": 1}], 0.95)
    0.5
    """
    counted: dict[float, int] = {}
    for row in rows:
        counted[row["up_to"]] = counted.get(row["up_to"], 0) + row["requests"]
    left = share * sum(counted.values())
    for end in sorted(counted):
        left -= counted[end]
        if left <= 1e-9:
            return end
    return None


def slowest(
    database: Database, view: View, *, kind: str, clock: str, limit: int = 100
) -> list[Row]:
    """Return the requests that waited longest: `session`, `cl_ord_id`, `began`, `ended`, `seconds`.

    The slowest are in the minutes with the highest buckets, so these alone are looked into. Once
    `limit` of them have one, there are as many requests in these, and none is fetched that waited
    less long.
    """
    where = measured(database, view, kind, clock)
    highest = database.rows(
        f"select session_minute, max(bucket) as bucket from latencies {where}"
        f" group by 1 order by 2 desc, 1 limit {_MINUTES}",
        *where.values,
    )
    if not highest:
        return []
    began, ended = BEGAN[kind], f"{kind}_at"
    chosen = Where(
        "session_minute is not null", f"{began} is not null", f"{ended} is not null"
    ).add("clock = ?", clock)
    least = highest[limit - 1]["bucket"] if len(highest) >= limit else -1
    minutes = [row["session_minute"] for row in highest if row["bucket"] >= least]
    chosen.among(database, "session_minute", minutes)
    if least > 0:
        taken = _MICROSECONDS[database.dialect].format(began=began, ended=ended)
        chosen.add(f"{taken} >= ?", int(up_to(least - 1).scaleb(6)))
    rows = database.rows(
        f"select request, session, {began} as began, {ended} as ended from request_times {chosen}",
        *chosen.values,
        types={"began": TIME, "ended": TIME},
    )
    for row in rows:
        row["cl_ord_id"] = _cl_ord_id(row)
        row["seconds"] = (row["ended"] - row["began"]).total_seconds()
    rows.sort(key=lambda row: (-row["seconds"], row["began"], row["request"]))
    return rows[:limit]


def _cl_ord_id(row: Row) -> str:
    """Return the ClOrdID of `request`, which is day, session and ClOrdID with blanks between."""
    return row["request"][len("2025-01-02 ") + len(row["session"]) + 1 :]


def measured(database: Database, view: View, kind: str, clock: str) -> Where:
    """Return the conditions of the rows of `latencies` of a view, a kind and a clock."""
    return _where(database, view).add("kind = ?", kind).add("clock = ?", clock)


def _where(database: Database, view: View) -> Where:
    return Where("minute is not null").time(database, "minute", view).sessions(database, view)
