"""Rows as JSON: numbers that JavaScript would round are texts, and what they are is in OpenAPI.

* ids (`message_id`, `order_key` and the like) are texts: they have up to 63 bits;
* decimals are texts, exact: `"147.09"`;
* times are in UTC, `"2026-03-02T09:30:00.123456Z"`, days `"2026-03-02"`;
* bytes (`raw`) are a text if they are UTF-8, else null, and always Base64 as well (`raw_base64`).
"""

import base64
import datetime
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import orjson
import pyarrow as pa
from starlette.responses import Response

from fixfeed.dashboard.queries.messages import Page
from fixfeed.dashboard.values import JSON, known_types
from fixfeed.transforms.batch import DATE, DECIMAL, TIME

__all__ = ["IDS", "answer", "list_of", "ok", "page_of", "paged", "row_schema", "shown"]

IDS = frozenset(
    ("message_id", "source_id", "failure_id", "order_key", "run_id", "chain", "position")
)
"""The columns of numbers that are texts here."""

_SCHEMAS: Mapping[Any, Mapping[str, Any]] = {
    TIME: {"type": ["string", "null"], "format": "date-time"},
    DATE: {"type": ["string", "null"], "format": "date"},
    DECIMAL: {"type": ["string", "null"], "pattern": "^-?[0-9.]+$"},
    JSON: {"type": ["object", "array", "null"]},
    pa.bool_(): {"type": ["boolean", "null"]},
    pa.int64(): {"type": ["integer", "null"]},
    pa.string(): {"type": ["string", "null"]},
    pa.binary(): {"type": ["string", "null"]},
}


def row_schema(names: Iterable[str]) -> dict[str, Any]:
    """Return the JSON schema of a row with these columns."""
    known = known_types()
    properties: dict[str, Any] = {}
    for name in names:
        if name in IDS:
            properties[name] = {"type": ["string", "null"], "pattern": "^-?[0-9]+$"}
            continue
        kind = known.get(name, pa.string())
        properties[name] = dict(_SCHEMAS[kind])
        if kind == pa.binary():
            properties[f"{name}_base64"] = {"type": "string", "contentEncoding": "base64"}
    return {"type": "object", "properties": properties}


def ok(schema: Mapping[str, Any], example: Any, description: str) -> dict[str, Any]:
    """Return what OpenAPI says of an answer."""
    return {
        "description": description,
        "content": {"application/json": {"schema": schema, "example": example}},
    }


_CURSOR = {"type": ["string", "null"]}


def list_of(
    name: str,
    row: Mapping[str, Any],
    example: Any,
    description: str,
    more: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return what OpenAPI says of all rows of something, and of `more` members beside them."""
    schema = {
        "type": "object",
        "required": [name, *more],
        "properties": {name: {"type": "array", "items": row}, **more},
    }
    return ok(schema, {name: [example], **_examples(more)}, description)


def _examples(more: Mapping[str, Any]) -> dict[str, Any]:
    return {name: schema["example"] for name, schema in more.items()}


def page_of(
    name: str,
    row: Mapping[str, Any],
    example: Any,
    more: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return what OpenAPI says of a page of rows, and of `more` members beside them."""
    schema = {
        "type": "object",
        "required": [name, "older", "newer", "searched_to", *more],
        "properties": {
            name: {"type": "array", "items": row},
            "older": _CURSOR,
            "newer": _CURSOR,
            "searched_to": {"type": ["string", "null"], "format": "date-time"},
            **more,
        },
    }
    return ok(
        schema,
        {
            name: [example],
            "older": "WzEsIjIwMjUi",
            "newer": None,
            "searched_to": None,
            **_examples(more),
        },
        "A page. `older` and `newer` are the cursors of the next pages, null at an end. If looking"
        " takes too long, there may be few rows or none, `searched_to` says how far it has got, and"
        " the cursor goes on there.",
    )


def paged(name: str, page: Page, more: Mapping[str, Any] = MappingProxyType({})) -> Response:
    """Return a page as JSON, with `more` members beside its rows."""
    return answer(
        {
            name: [shown(row) for row in page.rows],
            "older": page.older,
            "newer": page.newer,
            "searched_to": page.searched_to,
            **more,
        }
    )


def shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as it is answered."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, bytes):
            try:
                found[name] = value.decode()
            except UnicodeDecodeError:
                found[name] = None
            found[f"{name}_base64"] = base64.b64encode(value).decode()
        elif name in IDS and value is not None:
            found[name] = str(value)
        elif isinstance(value, Decimal):
            found[name] = f"{value:f}"
        else:
            found[name] = value
    return found


def answer(content: Any) -> Response:
    """Return JSON."""
    data = orjson.dumps(content, default=_other, option=orjson.OPT_UTC_Z)
    return Response(data, media_type="application/json", headers={"Cache-Control": "no-store"})


def _other(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime.timedelta):
        return str(value.total_seconds())
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(f"{type(value)} has no JSON")
