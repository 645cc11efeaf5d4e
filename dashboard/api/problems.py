"""Errors as `application/problem+json` (RFC 9457), whatever goes wrong."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from fixfeed.dashboard.queries.cursor import CursorError
from fixfeed.dashboard.search.search import SearchError
from fixfeed.dashboard.trouble import Kind, Trouble

__all__ = ["MEDIA_TYPE", "SCHEMA", "add_handlers", "problem", "responses"]

MEDIA_TYPE = "application/problem+json"

SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "const": "about:blank"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
}
_MEANINGS = {
    401: "There is no token, or an unknown one",
    403: "The token may not see this",
    404: "There is none, or the token may not see it",
    422: "A parameter is not what it has to be",
    429: "Too many requests; Retry-After says in how many seconds to go on",
    503: "The database does not answer now",
}
_RETRY = 5  # seconds
_TELL = "tell who runs this API"
_ASK = {
    Kind.DEADLINE: "it took too long: ask for less, such as an hour or one session",
    Kind.BUSY: "too many ask at once: try again in a moment",
    Kind.LOCKED: "the database is locked by another process: try again in a moment",
    Kind.AWAY: f"the database does not answer: try again in a moment, or {_TELL}",
}
"""What is said of trouble to those who see a part only."""
_TIMES = "2025-01-02, 2025-01-02T09:30:00 or 2025-01-02T09:30:00.5Z, in UTC"


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer that says what is wrong."""
    content = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    return Response(orjson.dumps(content), status, dict(headers or {}), MEDIA_TYPE)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of these statuses."""
    content = {MEDIA_TYPE: {"schema": SCHEMA}}
    return {one: {"description": _MEANINGS[one], "content": content} for one in statuses}


def add_handlers(app: FastAPI) -> None:
    """Turn the errors of an app into problems."""

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        detail = error.detail
        if error.status_code == 404 and detail == "Not Found":
            detail = f"there is no {request.url.path} here: /openapi.json lists what there is"
        if error.status_code == 405:
            detail = f"{request.method} is not allowed here: this API reads, by GET"
            " and, but for files, HEAD"
        return problem(error.status_code, detail, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return problem(422, "; ".join(map(_said, error.errors())))

    @app.exception_handler(SearchError)
    @app.exception_handler(CursorError)
    async def unreadable(request: Request, error: ValueError) -> Response:
        return problem(422, str(error))

    @app.exception_handler(Trouble)
    async def trouble(request: Request, error: Trouble) -> Response:
        said = str(error)
        if not request.state.reader.scope.is_everything:
            # The text names the database and its host.
            said = (
                _ASK.get(error.kind) or f"the database cannot be read ({error.kind.value}): {_TELL}"
            )
        return problem(503, said, {"Retry-After": str(_RETRY)} if error.passing else None)

    @app.exception_handler(Exception)
    async def bug(request: Request, error: Exception) -> Response:
        return problem(500, "this is a bug of fixfeed: its log has a traceback; please report it")


def _said(error: Mapping[str, Any]) -> str:
    name = str(error["loc"][min(1, len(error["loc"]) - 1)])
    said = error["msg"].removeprefix("Value error, ")
    if error["type"].startswith("datetime"):
        said = f"{str(error['input'])[:40]!r} is no time: write it whole, as in {_TIMES}"
    return f"{name[:50]}: {said}"
