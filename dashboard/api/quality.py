"""The routes of what came in and what became of it: only for who may see everything."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from fixfeed.dashboard.api.asked import Everything, Page
from fixfeed.dashboard.api.problems import responses
from fixfeed.dashboard.api.values import answer, list_of, page_of, paged, row_schema, shown
from fixfeed.dashboard.database import Database
from fixfeed.dashboard.queries import quality as queries
from fixfeed.dashboard.queries.cursor import CURSOR_PATTERN
from fixfeed.io.sql.tables import FAILURE_COLUMNS

__all__ = ["quality"]

_ERRORS = responses(401, 403, 422, 429, 503)
_COUNTS = ("bytes", "stored", "filtered", "failed", "skipped")
_SOURCE = ("source_id", "kind", "name", "fingerprint", *_COUNTS, "first_seen", "last_seen")
_RUN = ("run_id", "started_at", "ended_at", "version", "configuration", "counts", "ended")


class Failed(Page):
    """Which failures are asked for."""

    reason: str | None = Field(None, max_length=100, examples=["truncated"])
    cursor: str | None = Field(None, pattern=CURSOR_PATTERN, description="`older` of another page.")


def quality(database: Database) -> APIRouter:
    """Return the routes of the quality of a database."""
    routes = APIRouter(tags=["quality"])

    @routes.get(
        "/failures",
        responses={
            200: page_of(
                "failures",
                row_schema((*FAILURE_COLUMNS, "source", "position")),
                {
                    "failure_id": "1099511627776",
                    "source": "logs/day.log",
                    "position": "0",
                    "reason": "not_text",
                    "detail": None,
                    "raw": None,
                    "raw_base64": "/wA=",
                },
            ),
            **_ERRORS,
        },
    )
    def failures(asked: Annotated[Failed, Query()], reader: Everything) -> Any:
        """What could not be read as a message, by source and position."""
        found = queries.failures(
            database, reason=asked.reason, cursor=asked.cursor, limit=asked.limit
        )
        return paged("failures", found)

    @routes.get(
        "/sources",
        responses={
            200: list_of(
                "sources",
                row_schema(_SOURCE),
                {"source_id": "1", "name": "logs/day.log", "bytes": 9000, "stored": 42},
                "What was read, and what became of it: the last seen 1,000.",
            ),
            **_ERRORS,
        },
    )
    def sources(reader: Everything) -> Any:
        """Files and other sources, with what was stored, filtered out and not read of each."""
        return answer({"sources": [shown(row) for row in queries.sources(database)]})

    @routes.get(
        "/runs",
        responses={
            200: list_of(
                "runs",
                row_schema(_RUN),
                {"run_id": "1", "started_at": "2025-01-02T18:00:00Z", "ended": "done"},
                "The last 50 runs, the newest first, with what they were asked and what they did.",
            ),
            **_ERRORS,
        },
    )
    def runs(reader: Everything) -> Any:
        """Runs of jobs."""
        return answer({"runs": [shown(row) for row in queries.runs(database)]})

    return routes
