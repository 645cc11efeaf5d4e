"""The routes of orders."""

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from pydantic import Field

from fixfeed.dashboard.api.asked import Asker, Filtered, Page, id_of
from fixfeed.dashboard.api.complete import COMPLETE, complete
from fixfeed.dashboard.api.messages import ID
from fixfeed.dashboard.api.problems import responses
from fixfeed.dashboard.api.values import answer, ok, page_of, paged, row_schema, shown
from fixfeed.dashboard.database import Database
from fixfeed.dashboard.queries import orders as queries
from fixfeed.dashboard.queries.cursor import CURSOR_PATTERN
from fixfeed.dashboard.queries.executions import EXECUTIONS
from fixfeed.dashboard.queries.statuses import UnknownStatus, statuses
from fixfeed.transforms.fix.orders.schema import TABLES
from fixfeed.transforms.fix.schema import MESSAGES

__all__ = ["orders"]

_ROW = row_schema(TABLES["orders"].schema.names)
_EXAMPLE = {
    "order_key": "2037393552469916740",
    "session_pair": "BROKER<->FUND",
    "first_cl_ord_id": "CFUN-000493",
    "symbol": "MSFT",
    "side": "1",
    "order_qty": "800",
    "cum_qty": "300",
    "avg_px": "147.09",
    "ord_status": "1",
}
_WHOLE = {
    "type": "object",
    "required": ["order", "messages", "ids", "executions", *COMPLETE],
    "properties": {
        "order": _ROW,
        "messages": {
            "type": "array",
            "items": row_schema(("message_id", "step", "copied", *MESSAGES.names[1:])),
        },
        "ids": {"type": "array", "items": row_schema(("kind", "id"))},
        "executions": {"type": "array", "items": row_schema(EXECUTIONS)},
        **COMPLETE,
    },
}


class Listed(Page, Filtered):
    """Which orders are asked for."""

    id: str | None = Field(
        None,
        max_length=500,
        description="Any id: ClOrdID, OrderID, SecondaryOrderID, ExecID or order_key. Then times"
        " do not count, and all orders that have it are on one page.",
        examples=["CFUN-000493"],
    )
    status: list[Annotated[str, Field(min_length=1, max_length=20)]] = Field(
        default=[],
        max_length=50,
        description="Values of OrdStatus, or their names.",
        examples=[["8"], ["Rejected"]],
    )
    symbol: str | None = Field(None, max_length=500, description="Symbol.", examples=["AAPL"])
    problems: bool = Field(False, description="Only orders whose messages do not fit together.")
    cursor: str | None = Field(None, pattern=CURSOR_PATTERN, description="`older` of another page.")


def _values(database: Database, status: str) -> list[str]:
    try:
        return statuses(database, status)
    except UnknownStatus as error:
        raise HTTPException(422, f"status: {error}") from None


def orders(database: Database) -> APIRouter:
    """Return the routes of the orders of a database."""
    routes = APIRouter(tags=["orders"])

    @routes.get(
        "/orders",
        responses={
            200: page_of("orders", _ROW, _EXAMPLE, COMPLETE),
            **responses(401, 422, 429, 503),
        },
    )
    def page(asked: Annotated[Listed, Query()], reader: Asker) -> Any:
        """Orders, the newest first; those of sessions both directions of which may be seen."""
        done = complete(database)
        found = queries.page(
            database,
            asked.view(reader),
            id=asked.id,
            status=[one for named in asked.status for one in _values(database, named)] or None,
            symbol=asked.symbol,
            problems=asked.problems,
            cursor=asked.cursor,
            limit=asked.limit,
        )
        return paged("orders", found, done)

    @routes.get(
        "/orders/{order_key}",
        responses={
            200: ok(
                _WHOLE,
                {
                    "order": _EXAMPLE,
                    "messages": [],
                    "ids": [],
                    "executions": [],
                    "complete": True,
                },
                "The order, its messages step by step (2,000 at the most), ids and executions.",
            ),
            **responses(401, 404, 422, 429, 503),
        },
    )
    def one(order_key: ID, reader: Asker) -> Any:
        """One order, whole."""
        done = complete(database)
        number, scope = id_of(order_key), reader.scope
        found = None if number is None else queries.order(database, number, scope=scope)
        if found is None:
            raise HTTPException(404, f"there is no order {order_key}")
        # Drop copies may have been joined to it, which are of another session.
        messages = [row for row in found["messages"] if scope.allows(row["session"])]
        executions = [row for row in found["executions"] if scope.allows_pair(row["session_pair"])]
        if not scope.is_everything:
            messages = [{**row, "source": None} for row in messages]  # may name other sessions
        return answer(
            {
                "order": shown(found["order"]),
                "messages": [shown(row) for row in messages],
                "ids": found["ids"],
                "executions": [shown(row) for row in executions],
                **done,
            }
        )

    return routes
