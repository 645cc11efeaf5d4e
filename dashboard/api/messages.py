"""The routes of messages."""

import itertools
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Path, Query
from fastapi.responses import StreamingResponse

from fixfeed.dashboard.api.asked import Asker, Paged, Searched, id_of
from fixfeed.dashboard.api.complete import COMPLETE, complete
from fixfeed.dashboard.api.problems import responses
from fixfeed.dashboard.api.values import answer, list_of, ok, page_of, paged, row_schema, shown
from fixfeed.dashboard.database import Database
from fixfeed.dashboard.queries import messages as queries
from fixfeed.dashboard.queries.executions import EXECUTIONS, executions
from fixfeed.dashboard.queries.export import csv_of, parquet_of
from fixfeed.transforms.fix.schema import MESSAGES

__all__ = ["ID", "messages"]

ID = Annotated[str, Path(pattern="^-?[0-9]{1,19}$", description="An id, as rows have it.")]

_ROW = row_schema((*queries.COLUMNS, "time"))
_MESSAGE = row_schema(
    ("message_id", "source_id", "position", "source", *MESSAGES.names[1:], "time")
)
_FILES = {
    "csv": ("text/csv", csv_of),
    "parquet": ("application/vnd.apache.parquet", parquet_of),
}
_EXAMPLE = {
    "message_id": "1099511628153",
    "session": "FIX.4.4:BUYSIDE->BROKER",
    "time": "2025-01-02T09:30:00.123456Z",
    "msg_type": "D",
    "msg_seq_num": 17,
    "cl_ord_id": "CBUY-000001",
    "symbol": "AAPL",
    "side": "1",
    "order_qty": "2100",
    "price": "147.09",
    "defects": None,
}


def messages(database: Database) -> APIRouter:
    """Return the routes of messages of a database."""
    routes = APIRouter(tags=["messages"])

    @routes.get(
        "/messages",
        responses={200: page_of("messages", _ROW, _EXAMPLE), **responses(401, 422, 429, 503)},
    )
    def page(asked: Annotated[Paged, Query()], reader: Asker) -> Any:
        """Messages that a search and a filter mean, the newest first."""
        view = asked.view(reader)
        found = queries.page(database, view, cursor=asked.cursor, limit=asked.limit)
        return paged("messages", found)

    @routes.get(
        "/messages/count",
        responses={
            200: ok(
                {"type": "object", "properties": {"messages": {"type": ["integer", "null"]}}},
                {"messages": 1599801},
                "How many there are, exactly; null where only reading them all would tell:"
                " with a search, or with a time that is no whole minute.",
            ),
            **responses(401, 422, 429, 503),
        },
    )
    def count(asked: Annotated[Searched, Query()], reader: Asker) -> Any:
        """How many messages a filter means."""
        return answer({"messages": queries.count(database, asked.view(reader))})

    @routes.get(
        "/messages.{kind}",
        response_class=StreamingResponse,
        responses={
            200: {
                "description": "All messages that a search and a filter mean, as a file.",
                "content": {
                    media_type: {"schema": {"type": "string"}, "example": ""}
                    for media_type, _ in _FILES.values()
                },
            },
            **responses(401, 422, 429, 503),
        },
    )
    def export(
        kind: Literal["csv", "parquet"], asked: Annotated[Searched, Query()], reader: Asker
    ) -> Any:
        """All of them, the newest first, in a CSV or Parquet file."""
        media_type, make = _FILES[kind]
        data = make(database, asked.view(reader))
        # What is wrong with the question, or the database, is told before the file begins.
        begin = next(data)
        return StreamingResponse(
            itertools.chain([begin], data),
            media_type=media_type,
            headers={
                "Cache-Control": "no-store",
                "Content-Disposition": f'attachment; filename="messages.{kind}"',
            },
        )

    @routes.get(
        "/messages/{message_id}",
        responses={
            200: ok(_MESSAGE, _EXAMPLE, "All columns of the message, and where it came from."),
            **responses(401, 404, 422, 429, 503),
        },
    )
    def one(message_id: ID, reader: Asker) -> Any:
        """One message, whole."""
        number = id_of(message_id)
        row = None
        if number is not None:
            row = queries.message(database, number, scope=reader.scope)
        if row is None:
            raise HTTPException(404, f"there is no message {message_id}")
        if not reader.scope.is_everything:
            row["source"] = None  # may name other sessions
        return answer(shown(row))

    @routes.get(
        "/messages/{message_id}/around",
        responses={
            200: list_of(
                "messages",
                _ROW,
                _EXAMPLE,
                "The message with those before and after it in its session, the oldest first.",
            ),
            **responses(401, 404, 422, 429, 503),
        },
    )
    def around(
        message_id: ID,
        reader: Asker,
        each: Annotated[int, Query(ge=1, le=100, description="How many on each side.")] = 20,
    ) -> Any:
        """What the same side of the session sent before and after a message."""
        number = id_of(message_id)
        rows = []
        if number is not None:
            rows = queries.around(database, number, scope=reader.scope, each=each)
        if not rows:
            raise HTTPException(404, f"there is no message {message_id}")
        return answer({"messages": [shown(row) for row in rows]})

    @routes.get(
        "/executions",
        tags=["orders"],
        responses={
            200: page_of(
                "executions",
                row_schema((*EXECUTIONS, "time")),
                {"order_key": "123", "exec_id": "E-17", "last_qty": "800", "last_px": "147.09"},
                COMPLETE,
            ),
            **responses(401, 422, 429, 503),
        },
    )
    def page_of_executions(asked: Annotated[Paged, Query()], reader: Asker) -> Any:
        """Fills and corrections whose report a search and a filter mean, the newest first."""
        done = complete(database)
        view = asked.view(reader)
        found = executions(database, view, cursor=asked.cursor, limit=asked.limit)
        return paged("executions", found, done)

    return routes
