"""The routes of sessions: days, gaps, latencies, counts by minute, anomalies."""

from collections.abc import Collection
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import AfterValidator, Field

from fixfeed.dashboard.api.asked import Asker, Filtered, MsgTypes, Page
from fixfeed.dashboard.api.complete import COMPLETE, complete
from fixfeed.dashboard.api.problems import responses
from fixfeed.dashboard.api.values import answer, list_of, page_of, paged, row_schema, shown
from fixfeed.dashboard.database import Database
from fixfeed.dashboard.queries import latency, overview
from fixfeed.dashboard.queries import sessions as queries
from fixfeed.dashboard.queries.anomalies import anomalies
from fixfeed.dashboard.queries.cursor import CURSOR_PATTERN
from fixfeed.dashboard.view import View, seen_sessions
from fixfeed.transforms.fix.anomalies.rules import KINDS, SEVERITIES
from fixfeed.transforms.fix.anomalies.schema import ANOMALIES
from fixfeed.transforms.fix.sessions.schema import SESSION_DAYS
from fixfeed.transforms.nearest import did_you_mean

__all__ = ["sessions"]

_ERRORS = responses(401, 422, 429, 503)
_SESSION = "FIX.4.4:BROKER->FUND"
_KINDS = Literal["acknowledged", "filled", "answered"]
_CLOCKS = Literal["sent", "captured by sender", "captured by receiver", "captured"]


def _one_of(names: Collection[str]) -> Any:
    """Return the type of a parameter that is one of some names."""

    def known(written: str) -> str:
        if written not in names:
            near = did_you_mean(written, names)
            raise ValueError(f"unknown {written[:50]!r}{near}; there are {', '.join(names)}")
        return written

    return Annotated[str, AfterValidator(known), Field(json_schema_extra={"enum": [*names]})]


class Counted(Filtered):
    """What is counted, and by what."""

    type: MsgTypes = Field(
        default=[], max_length=50, description="MsgTypes.", examples=[["D", "8"]]
    )
    step: Literal["minute", "hour", "day"] = Field("minute", description="Counted by it.")


class Measured(Filtered):
    """Which latencies are asked for: a kind, by a clock."""

    kind: _KINDS = Field("acknowledged", description="What is measured (docs/latencies.md).")
    clock: _CLOCKS = Field("sent", description="Whose clock measures.")


class Unusual(Page, Filtered):
    """Which anomalies are asked for."""

    kind: list[_one_of(KINDS)] = Field(default=[], max_length=50)  # type: ignore[valid-type]
    severity: list[_one_of(SEVERITIES)] = Field(default=[], max_length=50)  # type: ignore[valid-type]
    cursor: str | None = Field(None, pattern=CURSOR_PATTERN, description="`older` of another page.")


def _of_last_day(database: Database, view: View) -> View:
    """Return a view with times: without any it is of the last day that there is."""
    return view if view.begin or view.end else overview.last_day(database, view)


def sessions(database: Database) -> APIRouter:
    """Return the routes of the sessions of a database."""
    routes = APIRouter(tags=["sessions"])

    def of_both(view: View) -> View | None:
        """Return a view of those sessions alone that may be seen both ways; None if none is."""
        found = seen_sessions(database, view, both=True)
        return view if found is None else replace(view, sessions=tuple(found)) if found else None

    @routes.get(
        "/sessions",
        responses={
            200: list_of(
                "sessions",
                row_schema((*SESSION_DAYS.names, "missing", "duplicates")),
                {"session": _SESSION, "day": "2025-01-02", "messages": 100, "missing": 1},
                "What each session sent on each day that the times touch (docs/sessions.md).",
                COMPLETE,
            ),
            **_ERRORS,
        },
    )
    def days(asked: Annotated[Filtered, Query()], reader: Asker) -> Any:
        """Sessions, day by day."""
        done = complete(database)
        rows = queries.days(database, asked.view(reader))
        return answer({"sessions": [shown(row) for row in rows], **done})

    @routes.get(
        "/gaps",
        responses={
            200: list_of(
                "gaps",
                {"type": "object"},
                {
                    "session": _SESSION,
                    "day": "2025-01-02",
                    "first": 43,
                    "last": 43,
                    "numbers": 1,
                    "what": "never came",
                    "at": "2025-01-02T15:54:40Z",
                    "appl_id": None,
                },
                "Sequence numbers that did not come in time. `what` is `never came`, and `at` then"
                " when the next number came, or `resent` or `gap fill`, which filled it then.",
                COMPLETE,
            ),
            **_ERRORS,
        },
    )
    def gaps(asked: Annotated[Filtered, Query()], reader: Asker) -> Any:
        """Gaps in sequence numbers, and what filled them."""
        done = complete(database)
        found = queries.gaps(database, asked.view(reader))
        rows = [{**gap._asdict(), "numbers": gap.numbers} for gap in found]
        return answer({"gaps": rows, **done})

    @routes.get(
        "/silences",
        responses={
            200: list_of(
                "silences",
                {"type": "object"},
                {"session": _SESSION, "heart_bt_int": 30, "seconds": 30, "minutes": 412},
                "In how many minutes the longest silence of a session was so many seconds long.",
                COMPLETE,
            ),
            **_ERRORS,
        },
    )
    def silences(asked: Annotated[Filtered, Query()], reader: Asker) -> Any:
        """How regular heartbeats are; of the last day that there is without `from` and `to`."""
        done = complete(database)
        rows = queries.silences(database, _of_last_day(database, asked.view(reader)))
        return answer({"silences": rows, **done})

    @routes.get(
        "/minutes",
        responses={
            200: list_of(
                "minutes",
                row_schema(("time", "msg_type", "messages", "defective")),
                {"time": "2025-01-02T09:30:00Z", "msg_type": "8", "messages": 42, "defective": 0},
                "How many messages there are of each type, and how many have defects.",
            ),
            **_ERRORS,
        },
    )
    def minutes(asked: Annotated[Counted, Query()], reader: Asker) -> Any:
        """Messages minute by minute; of the last day that there is without `from` and `to`."""
        view = _of_last_day(database, asked.view(reader, types=tuple(asked.type)))
        rows = overview.minutes(database, view, asked.step)
        return answer({"minutes": [shown(row) for row in rows]})

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
                "Percentiles in seconds: ends of buckets, at most a tenth more than exact.",
                COMPLETE,
            ),
            **_ERRORS,
        },
    )
    def percentiles(asked: Annotated[Measured, Query()], reader: Asker) -> Any:
        """How long requests of each session waited for their answers, by one clock."""
        done = complete(database)
        view = of_both(asked.view(reader))
        rows = []
        if view is not None:
            rows = latency.percentiles(database, view, kind=asked.kind, clock=asked.clock)
        of = {"kind": asked.kind, "clock": asked.clock}
        return answer({**of, "latency": rows, **done})

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
            rows, since = latency.by_symbol(database, view, kind=asked.kind, clock=asked.clock)
        of = {"kind": asked.kind, "clock": asked.clock, "since": since}
        return answer({**of, "symbols": rows, **done})

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
                "The 100 requests that waited longest.",
                COMPLETE,
            ),
            **_ERRORS,
        },
    )
    def slowest(asked: Annotated[Measured, Query()], reader: Asker) -> Any:
        """The requests that waited longest, by one clock."""
        done = complete(database)
        view = of_both(asked.view(reader))
        rows = []
        if view is not None:
            rows = latency.slowest(database, view, kind=asked.kind, clock=asked.clock)
        names = ("session", "cl_ord_id", "began", "ended", "seconds")
        shown_rows = [{name: row[name] for name in names} for row in rows]
        return answer({"slowest": shown_rows, **done})

    @routes.get(
        "/anomalies",
        tags=["quality"],
        responses={
            200: page_of(
                "anomalies",
                row_schema(ANOMALIES.names),
                {
                    "happened_at": "2025-01-02T09:30:00Z",
                    "kind": "reject_burst",
                    "severity": "warning",
                    "session": _SESSION,
                    "seen": "12 rejects in a minute",
                    "expected": "at most 5",
                },
                COMPLETE,
            ),
            **_ERRORS,
        },
    )
    def unusual(asked: Annotated[Unusual, Query()], reader: Asker) -> Any:
        """What is out of the ordinary by rules (docs/anomalies.md), the newest first."""
        done = complete(database)
        found = anomalies(
            database,
            asked.view(reader),
            kinds=asked.kind,
            severities=asked.severity,
            cursor=asked.cursor,
            limit=asked.limit,
        )
        return paged("anomalies", found, done)

    return routes
