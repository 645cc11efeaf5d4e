"""Checks fields against a dictionary: tags it knows, values of their type, listed values."""

import re
from collections.abc import Callable, Mapping, Sequence

from fixfeed.transforms.fix.defects import (
    BAD_VALUE,
    UNEXPECTED_TAG,
    UNKNOWN_MSG_TYPE,
    UNKNOWN_TAG,
    UNKNOWN_VALUE,
)
from fixfeed.transforms.fix.dictionary.union import Field
from fixfeed.transforms.fix.dictionary.version import VersionDictionary
from fixfeed.transforms.fix.scalar.values import read_time

__all__ = [
    "DATES",
    "DECIMALS",
    "SEVERAL",
    "TIMES",
    "WHOLE",
    "check_fields",
    "check_tag",
    "check_value",
]

WHOLE = frozenset({"LENGTH", "NUMINGROUP", "SEQNUM", "TAGNUM"})
"""Types of digits only."""

DECIMALS = frozenset({"AMT", "FLOAT", "PERCENTAGE", "PRICE", "PRICEOFFSET", "QTY"})
"""Types of numbers with an optional sign and point."""

DATES = frozenset({"DATE", "LOCALMKTDATE", "UTCDATE", "UTCDATEONLY"})
"""Types of days written YYYYMMDD."""

TIMES = frozenset({"TIME", "UTCTIMESTAMP"})
"""Types of times with their day; FIX 4.0 and 4.1 call them TIME."""

SEVERAL = frozenset({"MULTIPLECHARVALUE", "MULTIPLESTRINGVALUE", "MULTIPLEVALUESTRING"})
"""Types of several values with blanks between them."""

_MINUTES = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_SECONDS = r":(?:[0-5][0-9]|60)(?:\.[0-9]{1,12})?"
_ZONE = r"(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)"


def _pattern(text: str) -> Callable[[str], bool]:
    compiled = re.compile(text, re.ASCII)
    return lambda value: compiled.fullmatch(value) is not None


def _is_time(text: str) -> bool:
    return read_time(text)[0] is not None


def _is_date(text: str) -> bool:
    return len(text) == 8 and read_time(f"{text}-00:00:00")[0] is not None


def _is_day_of_month(text: str) -> bool:
    return text.isascii() and text.isdigit() and 1 <= int(text) <= 31


def _is_zoned(text: str) -> bool:
    return _is_date(text[:8]) and _ZONED(text[8:])


_ZONED = _pattern(f"-{_MINUTES}(?:{_SECONDS})?{_ZONE}?")

_OF_TYPE: Mapping[str, Callable[[str], bool]] = {
    **dict.fromkeys(WHOLE, _pattern("[0-9]+")),
    **dict.fromkeys(DECIMALS, _pattern(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")),
    **dict.fromkeys(DATES, _is_date),
    **dict.fromkeys(TIMES, _is_time),
    "INT": _pattern("-?[0-9]+"),
    "DAYOFMONTH": _is_day_of_month,
    "CHAR": _pattern("."),
    "BOOLEAN": _pattern("[YN]"),
    "MONTHYEAR": _pattern("[0-9]{4}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01]|w[1-5])?"),
    "UTCTIMEONLY": _pattern(_MINUTES + _SECONDS),
    "LOCALMKTTIME": _pattern(_MINUTES + _SECONDS),
    "TZTIMEONLY": _pattern(f"{_MINUTES}(?:{_SECONDS})?{_ZONE}?"),
    "TZTIMESTAMP": _is_zoned,
    "TENOR": _pattern("[DWMY][0-9]+"),
    "RESERVED100PLUS": _pattern("0*[1-9][0-9]{2,}"),
    "RESERVED1000PLUS": _pattern("0*[1-9][0-9]{3,}"),
    "RESERVED4000PLUS": _pattern("0*(?:[4-9][0-9]{3}|[1-9][0-9]{4,})"),
}
"""The form of each type's text (FIX specification, "Data types"); other types hold any text.

Codes of currencies, countries, exchanges and languages are not checked: venues use their own.
"""


def check_tag(tag: int, dictionary: VersionDictionary, msg_type: str) -> int:
    """Return the defect of a tag in a type of message, 0 if it has none."""
    if tag not in dictionary.fields:
        return UNKNOWN_TAG
    if msg_type in dictionary.message_types and tag not in dictionary.homes(msg_type):
        return UNEXPECTED_TAG
    return 0


def check_value(field: Field, text: str) -> int:
    """Return the defect of a value, 0 if it has none; for an empty one EMPTY_VALUE is enough."""
    if not text:
        return 0
    # A MsgType that is not listed is UNKNOWN_MSG_TYPE.
    is_listed = bool(field.values) and field.tag != 35
    if is_listed:
        values = text.split(" ") if field.type in SEVERAL else [text]
        if all(value in field.values or _is_allowed(field, value) for value in values):
            return 0
    of_type = _OF_TYPE.get(field.type)
    if of_type and not of_type(text):
        return BAD_VALUE
    return UNKNOWN_VALUE if is_listed else 0


def _is_allowed(field: Field, value: str) -> bool:
    """Tell whether a field may hold a value that is not listed."""
    if not field.union or not value:
        return False
    of_type = _OF_TYPE.get(field.union)
    return of_type is None or of_type(value)


def check_fields(
    tags: Sequence[int], texts: Sequence[str], dictionary: VersionDictionary, msg_type: str
) -> int:
    """Return the defects of a message's fields; tag 0 means that a field has no tag.

    In an unknown version there are none.
    """
    if not dictionary.is_known:
        return 0
    defects = 0 if msg_type in dictionary.message_types else UNKNOWN_MSG_TYPE
    for tag, text in zip(tags, texts, strict=True):
        if tag:
            defects |= check_tag(tag, dictionary, msg_type)
            field = dictionary.fields.get(tag)
            if field:
                defects |= check_value(field, text)
    return defects
