"""Rows of values as a table in a statement, so that one statement does what many would."""

from collections.abc import Iterable, Mapping, Sequence

import orjson

__all__ = ["listed"]


def listed(
    dialect: str, columns: Mapping[str, str], rows: Iterable[Sequence[int | str]]
) -> tuple[str, str]:
    """Return a query of these rows, and the value for its `?`.

    `columns` are the SQL type of each, `bigint` or `text`, by name. It is one value, as each costs
    as much as a short statement, and a database takes only so many.

    >>> listed("sqlite", {"id": "bigint", "name": "text"}, [(7, "day")])
    ("select json_extract(value, '$[0]') as id, json_extract(value, '$[1]') as name \
from json_each(?)", '[[7,"day"]]')
    """
    if dialect == "sqlite":
        names = (f"json_extract(value, '$[{at}]') as {name}" for at, name in enumerate(columns))
        table = "json_each(?)"
    else:
        names = (
            f"cast(value ->> {at} as {kind}) as {name}"
            for at, (name, kind) in enumerate(columns.items())
        )
        table = "json_array_elements(cast(? as json))"
    return f"select {', '.join(names)} from {table}", orjson.dumps(list(rows)).decode()
