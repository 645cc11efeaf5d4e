"""Values as Python has them, the same whichever database they are from.

SQLite has no times, days, flags and decimals. A column with one of the names that fixfeed's tables
use is read as their schemas say; a query that gives a value another name says what it is.
"""

import datetime
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, TypeAlias

import orjson
import pyarrow as pa

from fixfeed.transforms.batch import DATE, DECIMAL, FAILURES, TIME
from fixfeed.transforms.protocol import default_protocol

__all__ = ["JSON", "Type", "from_database", "known_types", "text_of_time"]

Type: TypeAlias = pa.DataType | str

JSON = "json"
"""The type of a column that holds JSON: `dict`, `list` and what is in them."""


@cache
def known_types() -> Mapping[str, Type]:
    """Return the types of all columns of fixfeed's tables, by name; one name has one type."""
    table = default_protocol().table
    schemas = [table.schema, FAILURES, *table.children.values()]
    schemas += [one.schema for of in table.derived for one in of.tables.values()]
    known: dict[str, Type] = {field.name: field.type for schema in schemas for field in schema}
    known |= dict.fromkeys(table.json, JSON)
    known |= dict.fromkeys(("first_seen", "last_seen", "started_at", "time"), TIME)
    known |= dict.fromkeys(("configuration", "counts", "logout_reasons", "reject_reasons"), JSON)
    known |= dict.fromkeys(("message_id", "failure_id", "source_id", "run_id"), pa.int64())
    known |= dict.fromkeys(("stored", "filtered", "failed", "skipped", "bytes"), pa.int64())
    known |= dict.fromkeys(("defective", "start", "end"), pa.int64())
    return known


def from_database(kind: Type | None) -> Callable[[Any], Any] | None:
    """Return what makes values of a type of those that a driver gives; None if nothing has to."""
    return None if kind is None else _READ.get(kind)


def text_of_time(time: datetime.datetime) -> str:
    """Return a time as SQLite's texts have it (`io.sql.times`); one without a zone is in UTC.

    >>> text_of_time(datetime.datetime(2026, 3, 2, 9, 30))
    '2026-03-02 09:30:00.000000'
    """
    if time.tzinfo is not None:
        time = time.astimezone(datetime.UTC)
    # Not strftime, which leaves out the zeros of early years.
    return time.replace(tzinfo=None).isoformat(" ", "microseconds")


def _time(value: Any) -> Any:
    if isinstance(value, str):
        return datetime.datetime.fromisoformat(value).replace(tzinfo=datetime.UTC)
    return value.astimezone(datetime.UTC)


def _decimal(value: Any) -> Decimal:
    """Return a decimal without zeros at its end; a double is the shortest decimal that it is."""
    number = value if isinstance(value, Decimal) else Decimal(repr(value))
    if number == number.to_integral_value():
        return number.quantize(Decimal(1)) if number.adjusted() < 27 else number
    return number.normalize()


def _json(value: Any) -> Any:
    return orjson.loads(value) if isinstance(value, str) else value


_READ: Mapping[Type, Callable[[Any], Any]] = {
    JSON: _json,
    TIME: _time,
    DATE: lambda value: (
        datetime.date.fromisoformat(value[:10]) if isinstance(value, str) else value
    ),
    DECIMAL: _decimal,
    pa.bool_(): bool,
    pa.int64(): int,
    pa.float64(): float,
    pa.binary(): bytes,
}
