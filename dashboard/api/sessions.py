"""The routes of sessions: days, gaps, counts by minute, anomalies."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from fixfeed.dashboard.api.asked import Asker, Filtered, MsgTypes, Page, one_of
from fixfeed.dashboard.api.complete import COMPLETE, complete
from fixfeed.dashboard.api.counted_time import COUNTED_TIME, counted_time
from fixfeed.dashboard.api.problems import responses
from fixfeed.dashboard.api.values import answer, list_of, page_of, paged, row_schema, shown
from fixfeed.dashboard.database import Database
from fixfeed.dashboard.queries import overview
from fixfeed.dashboard.queries import sessions as queries
from fixfeed.dashboard.queries.anomalies import anomalies
from fixfeed.dashboard.queries.cursor import CURSOR_PATTERN
from fixfeed.dashboard.view import View
from fixfeed.transforms.fix.anomalies.rules import KINDS, SEVERITIES
from fixfeed.transforms.fix.anomalies.schema import ANOMALIES
from fixfeed.transforms.fix.sessions.schema import SESSION_DAYS

__all__ = ["sessions"]

_ERRORS = responses(401, 422, 429, 503)
_SESSION = "FIX.4.4:BROKER->FUND"


class Counted(Filtered):
    """What is counted, and by what."""

    type: MsgTypes = Field(
        default=[], max_length=50, description="MsgTypes.", examples=[["D", "8"]]
    )
    step: Literal["minute", "hour", "day"] = Field("minute", description="Counted by it.")


class Unusual(Page, Filtered):
    """Which anomalies are asked for."""

    kind: list[one_of(KINDS)] = Field(default=[], max_length=50)  # type: ignore[valid-type]
    severity: list[one_of(SEVERITIES)] = Field(default=[], max_length=50)  # type: ignore[valid-type]
    cursor: str | None = Field(None, pattern=CURSOR_PATTERN, description="`older` of another page.")


def _of_last_day(database: Database, view: View) -> View:
    """Return a view with times: without any it is of the last day that there is."""
    return view if view.begin or view.end else overview.last_day(database, view)


def sessions(database: Database) -> APIRouter:
    """Return the routes of the sessions of a database."""
    routes = APIRouter(tags=["sessions"])

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
                    "without_time": 0,
                },
                "Sequence numbers that did not come in time. `what` is `never came`, and `at` then"
                " when the next number came, or `resent` or `gap fill`, which filled it then. Of"
                " those that never came, `without_time` are the numbers of stored messages without"
                " a time, which may be of this day or of another one.",
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
                COUNTED_TIME | COMPLETE,
            ),
            **_ERRORS,
        },
    )
    def silences(asked: Annotated[Filtered, Query()], reader: Asker) -> Any:
        """How regular heartbeats are; of the last day that there is without `from` and `to`."""
        done = complete(database)
        view = _of_last_day(database, asked.view(reader))
        rows = queries.silences(database, view)
        return answer({**counted_time(view), "silences": rows, **done})

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
