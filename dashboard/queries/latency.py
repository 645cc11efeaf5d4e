"""How long requests waited for their answers, by one clock: percentiles, and in time.

A latency by one clock says nothing about one by another (docs/latencies.md), so every query asks
for one kind and one clock. Requests are counted by minute: those of the whole minutes of a view
(`whole_minutes.covering`).
"""

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from fixfeed.dashboard.database import Database
from fixfeed.dashboard.queries.conditions import Where, grouped_by_time
from fixfeed.dashboard.queries.whole_minutes import covering
from fixfeed.dashboard.view import View
from fixfeed.transforms.batch import TIME

__all__ = [
    "BEGAN",
    "began_in",
    "by_time",
    "kinds_and_clocks",
    "measured",
    "percentile",
    "percentiles",
]

Row = dict[str, Any]

BEGAN = {"acknowledged": "ordered_at", "filled": "ordered_at", "answered": "changed_at"}
"""The columns of `request_times` from which each kind is measured."""
_SECONDS = {"up_to": pa.float64()}


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


def measured(database: Database, view: View, kind: str, clock: str) -> Where:
    """Return the conditions of the rows of `latencies` of a view, a kind and a clock."""
    return _where(database, view).add("kind = ?", kind).add("clock = ?", clock)


def _where(database: Database, view: View) -> Where:
    of_time = Where("minute is not null").time(database, "minute", covering(view))
    return of_time.sessions(database, view)


def began_in(database: Database, column: str, view: View) -> Where:
    """Return the conditions that a request of the whole minutes of a view began in its times."""
    wide = covering(view)
    begin = None if view.begin == wide.begin else view.begin
    end = None if view.end == wide.end else view.end
    return Where().time(database, column, View(begin=begin, end=end))
