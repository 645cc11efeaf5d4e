"""Whether the process runs, and whether it can answer: for who starts and watches it."""

from typing import Any

from fastapi import APIRouter

from fixfeed.dashboard.api.problems import problem, responses
from fixfeed.dashboard.api.values import answer, ok
from fixfeed.dashboard.database import Database
from fixfeed.dashboard.trouble import Trouble

__all__ = ["health"]

_SCHEMA = {"type": "object", "properties": {"status": {"type": "string"}}, "required": ["status"]}


def health(database: Database) -> APIRouter:
    """Return the routes of health; they need no token, and tell nothing of the database."""
    routes = APIRouter(prefix="/health", tags=["health"])

    @routes.get("/live", responses={200: ok(_SCHEMA, {"status": "live"}, "The process runs")})
    async def live() -> Any:  # in no thread: all of them may wait for a database
        """Whether the process runs."""
        return answer({"status": "live"})

    @routes.get(
        "/ready",
        responses={200: ok(_SCHEMA, {"status": "ready"}, "It can answer"), **responses(503)},
    )
    def ready() -> Any:
        """Whether the database answers, and has the schema of this version."""
        try:
            database.check()
        except Trouble as trouble:
            return problem(503, f"not ready: {trouble.kind.value}")
        return answer({"status": "ready"})

    return routes
