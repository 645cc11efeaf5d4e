"""The routes of latencies: percentiles by session and by symbol, and the slowest requests."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from fixfeed.dashboard.api.asked import Asker, Filtered, one_of
from fixfeed.dashboard.api.complete import COMPLETE, complete
from fixfeed.dashboard.api.counted_time import COUNTED_TIME, counted_time
from fixfeed.dashboard.api.problems import responses
from fixfeed.dashboard.api.values import answer, list_of
from fixfeed.dashboard.database import Database
from fixfeed.dashboard.queries import latency
from fixfeed.dashboard.queries.latency_by_symbol import by_symbol, of_symbol, percentiles_of
from fixfeed.dashboard.queries.slowest import slowest as slowest_of_all
from fixfeed.dashboard.view import View, seen_sessions
from fixfeed.transforms.fix.latencies.schema import CLOCKS, KINDS

__all__ = ["latencies"]

_ERRORS = responses(401, 422, 429, 503)
_SESSION = "FIX.4.4:BROKER->FUND"
_SLOWEST = 100
_SINCE = (
    "With `symbol` the newest requests are looked through for two seconds: `since` is null if these"
    " were all, else those before that time do not count."
)


class Measured(Filtered):
    """Which latencies are asked for: a kind, by a clock."""

    kind: one_of(KINDS) = Field(  # type: ignore[valid-type]
        "acknowledged", description="What is measured (docs/latencies.md)."
    )
    clock: one_of(CLOCKS) = Field(  # type: ignore[valid-type]
        "sent", description="Whose clock measures."
    )

    def measure(self) -> dict[str, Any]:
        """Return the kind and the clock."""
        return {"kind": self.kind, "clock": self.clock}


class OfSymbol(Measured):
    """Which latencies are asked for, and perhaps of the orders of one symbol alone."""

    symbol: str | None = Field(
        None, max_length=500, description="Symbol of the orders.", examples=["AAPL"]
    )


def latencies(database: Database) -> APIRouter:
    """Return the routes of the latencies of a database."""
    routes = APIRouter(tags=["sessions"])

    def of_both(view: View) -> View | None:
        """Return a view of those sessions alone that may be seen both ways; None if none is."""
        found = seen_sessions(database, view, both=True)
        return view if found is None else replace(view, sessions=tuple(found)) if found else None

    @routes.get(
        "/latency",
        responses={
            200: list_of(
                "latency",
                {"type": "object"},
                {
                    "session": _SESSION,
                    "requests": 1200,
                    "p50": 0.0012,
                    "p95": 0.0031,
                    "p99": 0.0079,
                    "most": 0.021,
                },
                "Percentiles in seconds: ends of buckets, at most a tenth more than exact; those"
                f" of a symbol are exact, as is their time. {_SINCE}",
                COUNTED_TIME | COMPLETE,
            ),
            **_ERRORS,
        },
    )
    def percentiles(asked: Annotated[OfSymbol, Query()], reader: Asker) -> Any:
        """How long requests of each session waited for their answers, by one clock."""
        done = complete(database)
        view = of_both(asked.view(reader))
        of_time = counted_time(asked.view(reader), exact=asked.symbol is not None)
        rows: list[dict[str, Any]] = []
        since = None
        if view is not None and asked.symbol is not None:
            requests, since = of_symbol(database, view, symbol=asked.symbol, **asked.measure())
            rows = percentiles_of(requests)
        elif view is not None:
            rows = latency.percentiles(database, view, **asked.measure())
        told = {**asked.measure(), **of_time, "since": since}
        return answer({**told, "latency": rows, **done})

    @routes.get(
        "/latency/symbols",
        responses={
            200: list_of(
                "symbols",
                {"type": "object"},
                {
                    "symbol": "AAPL",
                    "session": _SESSION,
                    "requests": 120,
                    "p50": 0.001154,
                    "p95": 0.003102,
                    "p99": 0.007883,
                    "most": 0.021007,
                },
                "Percentiles in seconds, exact, by symbol and session. `symbol` is null where no"
                " order is known, or several. `since` is null if all requests count; else they are"
                " too many, and those before that time do not.",
                COMPLETE,
            ),
            **_ERRORS,
        },
    )
    def symbols(asked: Annotated[Measured, Query()], reader: Asker) -> Any:
        """How long requests for each symbol waited for their answers, by one clock."""
        done = complete(database)
        view = of_both(asked.view(reader))
        rows: list[dict[str, Any]] = []
        since = None
        if view is not None:
            rows, since = by_symbol(database, view, **asked.measure())
        return answer({**asked.measure(), "since": since, "symbols": rows, **done})

    @routes.get(
        "/latency/slowest",
        responses={
            200: list_of(
                "slowest",
                {"type": "object"},
                {
                    "session": _SESSION,
                    "cl_ord_id": "CFUN-000493",
                    "began": "2025-01-02T09:30:00Z",
                    "ended": "2025-01-02T09:30:01.5Z",
                    "seconds": 1.5,
                },
                f"The {_SLOWEST} requests that waited longest. {_SINCE} Without `symbol` only what"
                " waited about as long as the last of them, to a tenth, may be missing from before"
                " `since`: where too many did.",
                COMPLETE,
            ),
            **_ERRORS,
        },
    )
    def slowest(asked: Annotated[OfSymbol, Query()], reader: Asker) -> Any:
        """The requests that waited longest, by one clock."""
        done = complete(database)
        view = of_both(asked.view(reader))
        rows: list[dict[str, Any]] = []
        since = None
        if view is not None and asked.symbol is not None:
            rows, since = of_symbol(database, view, symbol=asked.symbol, **asked.measure())
        elif view is not None:
            rows, since = slowest_of_all(database, view, **asked.measure())
        names = ("session", "cl_ord_id", "began", "ended", "seconds")
        shown_rows = [{name: row[name] for name in names} for row in rows[:_SLOWEST]]
        return answer({"since": since, "slowest": shown_rows, **done})

    return routes
