"""What commands that ask a database for orders have in common: opening it, and showing values."""

import datetime
import sys
from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Any

import orjson
from rich.console import RenderableType
from rich.table import Table

from fixfeed.io.sql.open import open_store
from fixfeed.io.sql.store import Store
from fixfeed.io.sql.to_derive import waiting
from fixfeed.pipelines.sinks import DATABASES, sink_among
from fixfeed.pipelines.terminal import Terminal, visible

__all__ = [
    "opened_to_ask",
    "print_as_json",
    "print_as_table",
    "printed",
    "shown",
    "tell_behind",
]

_WIDTH = 240  # of what is not printed on a terminal


def opened_to_ask(uri: str, command: str) -> Store:
    """Open a database to read its derived tables; say so if they are behind.

    Raises `SinkError` or `UnknownPlace` if there are none.
    """
    sink = sink_among(uri, DATABASES, "table of orders: only databases have")
    store = open_store(uri, read_only=True)
    try:
        store.check_readable()
        tell_behind(store, command, sink.name)
    except BaseException:
        store.close()
        raise
    return store


def tell_behind(store: Store, command: str, name: str) -> None:
    """Say how many messages derived tables lack, and how they get there; `name` is the sink's."""
    behind = waiting(store)
    if behind:
        print(
            f"fixfeed {command}: note: {behind:,} messages are not derived yet; "
            f"fixfeed derive {name} does so",
            file=sys.stderr,
        )


def shown(value: Any) -> str:
    """Return a value as people read it: 14.94, not 14.9400000000; no text commands a terminal."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, float):
        return f"{value:.10f}".rstrip("0").rstrip(".")
    if isinstance(value, datetime.datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f")
    return visible(str(value))


def printed(*parts: RenderableType) -> None:
    """Print on standard output, wide unless it is a terminal."""
    console = Terminal(width=_WIDTH)
    for part in parts:
        console.print(part)


def print_as_json(
    names: Sequence[str], rows: Sequence[Sequence[Any]], flags: Collection[str] = ()
) -> None:
    """Print rows on standard output, one JSON object a line, the same from SQLite and PostgreSQL.

    `flags` are the columns that are true or false. Decimals are JSON's numbers, with all places.
    """
    for row in rows:
        values = dict(zip(names, row, strict=True))
        for name in flags:
            if values[name] is not None:
                values[name] = bool(values[name])  # SQLite has 0 and 1
        line = orjson.dumps(values, _in_json, orjson.OPT_PASSTHROUGH_DATETIME)
        sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def _in_json(value: Any) -> Any:
    return orjson.Fragment(shown(value)) if isinstance(value, Decimal) else shown(value)


def print_as_table(names: Sequence[str], rows: Sequence[Sequence[Any]], kind: str) -> None:
    """Print rows on standard output as a table, with how many of what there are below."""
    table = Table(*names, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(shown, row))
    printed(table, f"{len(rows):,} {kind}")
