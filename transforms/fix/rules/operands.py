"""What a rule may ask about, and how the values it compares are written."""

import calendar
import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any

import pyarrow as pa

from fixfeed.transforms.fix.dictionary.union import merged
from fixfeed.transforms.fix.scalar.values import read_date
from fixfeed.transforms.fix.schema import COLUMNS, DATE, DECIMAL, MESSAGES, TIME

__all__ = ["CHECKED", "Kind", "Operand", "literal", "number", "operands", "pattern_expression"]

CHECKED = {"BodyLength": "body_length", "CheckSum": "check_sum"}
"""Fields that follow from the message and are not kept, and the defect that marks them as wrong."""

_NUMBER = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-")
_LIKE = re.compile(r"\\[*?\\]|.", re.DOTALL)
_TIME = re.compile(
    r"([0-9]{4})(-?)([0-9]{2})\2([0-9]{2})"
    r"(?:[T -]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,12}))?)?"
    r"(?:Z|([+-])([0-9]{2}):?([0-9]{2}))?)?"
)


class Kind(Enum):
    """How the values of a field compare.

    The literals of a term are `str` for TEXT, `bytes` for BYTES, `Decimal` for NUMBER, picoseconds
    since 1970 for TIME, days since then for DATE, `bool` for FLAG and `str` for UNTYPED: by number
    where both sides are numbers, else by text.
    """

    TEXT = "a text"
    BYTES = "bytes"
    NUMBER = "a number"
    TIME = "a time"
    DATE = "a day"
    FLAG = "Y or N"
    UNTYPED = "a value"


@dataclass(frozen=True)
class Operand:
    """The subject of a question: a column, keys of the JSON in `fields`, or both.

    A field has several keys if dictionaries have different names for it.
    """

    name: str
    column: str | None
    keys: tuple[str, ...]
    kind: Kind


_COLUMN_KINDS: Mapping[pa.DataType, Kind] = {
    pa.string(): Kind.TEXT,
    pa.binary(): Kind.BYTES,
    pa.int64(): Kind.NUMBER,
    DECIMAL: Kind.NUMBER,
    TIME: Kind.TIME,
    DATE: Kind.DATE,
    pa.bool_(): Kind.FLAG,
}
_TEXT_TYPES = {
    *("BOOLEAN", "CHAR", "COUNTRY", "CURRENCY", "DATA", "EXCHANGE", "LANGUAGE"),
    *("MULTIPLECHARVALUE", "MULTIPLESTRINGVALUE", "STRING", "XID", "XIDREF", "XMLDATA"),
}


@cache
def operands() -> Mapping[str, Operand]:
    """Return all fields and columns by their name in lower case, fields by tag number as well."""
    columns = {column.tag: column for column in COLUMNS}
    operands = {}
    for tag, known in merged().fields.items():
        column = columns.get(tag)
        if column:
            operand = Operand(known.name, column.name, (known.name,), _COLUMN_KINDS[column.type])
            operands[column.name] = operand
        else:
            kind = Kind.TEXT if known.type in _TEXT_TYPES else Kind.UNTYPED
            kind = Kind.TIME if known.type == "UTCTIMESTAMP" else kind
            operand = Operand(known.name, None, (known.name,), kind)
        operands[known.name.lower()] = operands[str(tag)] = operand
    for name in MESSAGES.names:
        if name not in operands:
            kind = _COLUMN_KINDS[MESSAGES.field(name).type]
            operands[name] = Operand(name, name, (), kind)
    return operands


def number(text: str) -> Decimal | None:
    """Return the number that `text` is in FIX (digits, a point, a minus sign), exactly, or None."""
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def pattern_expression(text: str) -> str:
    """Return the regular expression of a `like` pattern: `.*` is in it for `*` alone."""
    parts = []
    for part in _LIKE.findall(text):
        parts.append({"*": ".*", "?": "."}.get(part) or re.escape(part[-1]))
    return "".join(parts)


def literal(text: str, kind: Kind) -> Any:
    """Return the literal of a term over this kind of field, see `Kind`, or None if it is none."""
    match kind:
        case Kind.BYTES:
            return text.encode()
        case Kind.NUMBER:
            return number(text)
        case Kind.TIME:
            return _time(text)
        case Kind.DATE:
            return read_date(f"{text[:4]}{text[5:7]}{text[8:]}" if _DATE.match(text) else text)[0]
        case Kind.FLAG:
            flags = {"y": True, "yes": True, "true": True, "n": False, "no": False, "false": False}
            return flags.get(text.lower())
    return text


def _time(text: str) -> int | None:
    """Return the picoseconds from 1970 to a moment, which is in UTC unless it says otherwise."""
    match = _TIME.fullmatch(text)
    if not match:
        return None
    year, _, month, day, hour, minute, second, fraction, sign, hours, minutes = match.groups("0")
    try:
        date = datetime.date(int(year), int(month), int(day))
        leap = second == "60"  # the first second of the next minute
        clock = datetime.time(int(hour), int(minute), int(second) - leap)
    except ValueError:
        return None
    if int(hours) > 23 or int(minutes) > 59:
        return None
    seconds = calendar.timegm((*date.timetuple()[:3], clock.hour, clock.minute, clock.second))
    offset = int(hours) * 3600 + int(minutes) * 60
    seconds += leap + (offset if sign == "-" else -offset)
    return seconds * 10**12 + int(fraction.ljust(12, "0"))
