"""How long requests waited by the symbol of their orders, each request looked up, the newest first.

Counts of latencies (`queries.latency`) have no symbols, so there is a bound to how many are asked.
"""

import datetime
import time
from collections.abc import Sequence
from typing import Any

from fixfeed.dashboard.database import Database
from fixfeed.dashboard.queries.conditions import Where
from fixfeed.dashboard.queries.latency import BEGAN, began_in, measured
from fixfeed.dashboard.queries.stretches import stretches
from fixfeed.dashboard.view import View
from fixfeed.transforms.batch import TIME

__all__ = ["by_symbol", "of_symbol", "percentiles_of"]

Row = dict[str, Any]

_CL_ORD_ID = "substr(r.request, length(r.session) + 13)"
"""`request` is day, session and ClOrdID with blanks between."""
_DAY = {
    "sqlite": "substr(r.request, 1, 10)",
    "postgresql": "cast(substr(r.request, 1, 10) as date)",
}
_SECONDS = 2.0


def by_symbol(
    database: Database, view: View, *, kind: str, clock: str
) -> tuple[list[Row], datetime.datetime | None]:
    """Return how long the requests of each session waited by the symbol of their order.

    Rows have `symbol`, `session`, `requests`, and `p50`, `p95`, `p99` and `most` in seconds, which
    are exact. `symbol` is None where no order of the session has the ClOrdID on that day, or orders
    of several symbols. Of many requests the newest 10,000 or so count, all of whole minutes:
    then the first of these minutes is returned as well, else None.
    """
    where = measured(database, view, kind, clock)
    minutes, since = next(stretches(database, where))
    found: dict[tuple[str | None, str], list[Row]] = {}
    for row in _requests(database, view, minutes, kind, clock):
        found.setdefault((row["symbol"], row["session"]), []).append(row)
    rows = [
        {"symbol": symbol, "session": session, "requests": len(own), **_exact(own)}
        for (symbol, session), own in found.items()
    ]
    return sorted(rows, key=lambda row: (row["symbol"] or "", row["session"])), since


def of_symbol(
    database: Database,
    view: View,
    *,
    kind: str,
    clock: str,
    symbol: str,
    seconds: float = _SECONDS,
) -> tuple[list[Row], datetime.datetime | None]:
    """Return the requests for a symbol, the slowest first.

    Rows have `session`, `cl_ord_id`, `began`, `ended` and `seconds`; a request is for the symbol
    that `by_symbol` tells of it. The newest requests are looked at first, until so many `seconds`
    have passed: then the first of the minutes looked at is returned as well, else None.
    """
    deadline = time.monotonic() + seconds
    found: list[Row] = []
    since = None
    where = measured(database, view, kind, clock)
    for minutes, first in stretches(database, where):
        found += _requests(database, view, minutes, kind, clock, symbol)
        since = first
        if time.monotonic() > deadline:
            break
    found.sort(key=lambda row: (-row["seconds"], row["began"], row["session"], row["cl_ord_id"]))
    return found, since


def percentiles_of(requests: Sequence[Row]) -> list[Row]:
    """Return `session`, `requests`, `p50`, `p95`, `p99` and `most` of the sessions of requests.

    In seconds, exact; by session.
    """
    found: dict[str, list[Row]] = {}
    for row in requests:
        found.setdefault(row["session"], []).append(row)
    return [
        {"session": session, "requests": len(own), **_exact(own)}
        for session, own in sorted(found.items())
    ]


def _requests(
    database: Database,
    view: View,
    minutes: Sequence[str],
    kind: str,
    clock: str,
    symbol: str | None = None,
) -> list[Row]:
    """Return the requests of `session_minute`s with their symbols; those of one if it is named."""
    began, ended, day = f"r.{BEGAN[kind]}", f"r.{kind}_at", _DAY[database.dialect]
    chosen = Where("r.session_minute is not null", f"{began} is not null", f"{ended} is not null")
    chosen.add("r.clock = ?", clock).among(database, "r.session_minute", minutes)
    chosen = chosen.also(began_in(database, began, view))
    named = Where() if symbol is None else Where().add("symbol = ?", symbol)
    rows = database.rows(
        f"select * from (select r.session, {_CL_ORD_ID} as cl_ord_id, {began} as began,"
        f" {ended} as ended, (select case when min(o.symbol) = max(o.symbol) then min(o.symbol) end"
        f" from order_ids i join orders o on o.order_key = i.order_key where i.id = {_CL_ORD_ID}"
        f" and i.kind = 'ClOrdID' and i.first_day <= {day} and i.last_day >= {day}"
        f" and o.session = r.session) as symbol from request_times r {chosen}) requests {named}",
        *chosen.values,
        *named.values,
        types={"began": TIME, "ended": TIME},
    )
    for row in rows:
        row["seconds"] = (row["ended"] - row["began"]).total_seconds()
    return rows


def _exact(requests: Sequence[Row]) -> Row:
    """Return the percentiles of `seconds`."""
    waited = sorted(row["seconds"] for row in requests)
    shares = {f"p{share}": waited[-(-len(waited) * share // 100) - 1] for share in (50, 95, 99)}
    return {**shares, "most": waited[-1]}
