"""Reads the text of FIX values as numbers, flags and times.

Each reader gives `(value, exact)`. `value` is None if the text is not of its type; `exact` is false
if the column cannot hold all of the text's value, so that the text is to be kept as well.
"""

import calendar
import datetime
import re
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache

__all__ = [
    "DECIMAL_PLACES",
    "is_int",
    "is_number",
    "read_boolean",
    "read_date",
    "read_decimal",
    "read_int",
    "read_time",
]

DECIMAL_PLACES = 10
"""Decimals are kept as whole numbers of 10 ** -10."""

_EXACT_DIGITS = 15  # what a double, SQLite's only fraction, gives back unchanged
_DAY = 86400  # seconds
_LARGEST = 10**38
_SCALE = 10**DECIMAL_PLACES
_CONTEXT = Context(prec=60)
_YEAR_10000 = 253_402_300_800  # seconds since 1970
_INT = re.compile(r"-?[0-9]+")
_INT_LIMITS = range(-(2**63), 2**63)
_INT_DIGITS = 19
_DECIMAL = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_DATE = re.compile(r"[0-9]{8}", re.ASCII)
_TIME = re.compile(r"([0-9]{8})-([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,12}))?", re.ASCII)


def read_int(text: str) -> tuple[int | None, bool]:
    """Read an int of FIX (digits, with a minus sign or not) that 64 bits hold."""
    if not _INT.fullmatch(text):
        return None, False
    digits = text.lstrip("-").lstrip("0") or "0"
    # Python refuses to read a text of some thousand digits.
    value = int(digits) if len(digits) <= _INT_DIGITS else 1 << 64
    value = -value if text[0] == "-" else value
    return (value, True) if value in _INT_LIMITS else (None, False)


def is_int(text: str) -> bool:
    """Tell whether `text` is an int of FIX, even one that 64 bits cannot hold."""
    return _INT.fullmatch(text) is not None


def read_boolean(text: str) -> tuple[bool | None, bool]:
    """Read a Boolean: `Y` or `N`."""
    return (text == "Y", True) if text in ("Y", "N") else (None, False)


def read_decimal(text: str) -> tuple[int | None, bool]:
    """Read a float of FIX (digits, a point, a minus sign) as a whole number of 10 ** -10.

    Exact up to ten places and fifteen digits; further places are rounded half to even, and a number
    of more than 28 digits before the point is None.
    """
    if not _DECIMAL.fullmatch(text):
        return None, False
    if len(text) <= _EXACT_DIGITS and text[0] != "-":
        # Most are so short that nothing can be lost.
        whole, _, places = text.partition(".")
        if len(places) <= DECIMAL_PLACES:
            return int(whole or "0") * _SCALE + int(places or "0") * 10 ** (
                DECIMAL_PLACES - len(places)
            ), True
    whole, _, places = text.lstrip("-").partition(".")
    whole, places = whole.lstrip("0"), places.rstrip("0")
    if len(whole) > 38 - DECIMAL_PLACES:
        return None, False
    if len(places) <= DECIMAL_PLACES:
        scaled = int((whole + places.ljust(DECIMAL_PLACES, "0")) or "0")
    else:
        cut = Decimal(f"{whole or '0'}{places[:DECIMAL_PLACES]}.{places[DECIMAL_PLACES:]}")
        scaled = int(cut.quantize(Decimal(1), ROUND_HALF_EVEN, _CONTEXT))
    if scaled >= _LARGEST:
        return None, False
    digits = len(whole) + len(places) if whole else len(places.lstrip("0"))
    exact = len(places) <= DECIMAL_PLACES and digits <= _EXACT_DIGITS
    return (-scaled if text[0] == "-" else scaled), exact


def is_number(text: str) -> bool:
    """Tell whether `text` is a number, even one of too many digits for any column."""
    return _DECIMAL.fullmatch(text) is not None


def read_time(text: str) -> tuple[int | None, bool]:
    """Read a UTCTimestamp as microseconds since 1970; further digits are cut, exact if all 0.

    A leap second (`23:59:60`) is the first second of the next minute, as POSIX and PostgreSQL have
    it, and not exact.
    """
    match = _TIME.fullmatch(text)
    if not match:
        return None, False
    day, hour, minute, second, fraction = match.groups()
    seconds = _midnight(day)
    if seconds is None or hour > "23" or minute > "59" or second > "60":
        return None, False
    seconds += int(hour) * 3600 + int(minute) * 60 + int(second)
    if seconds >= _YEAR_10000:
        return None, False  # a leap second that no calendar of a sink has
    is_leap = second == "60"
    if not fraction:
        return seconds * 1_000_000, not is_leap
    micros = seconds * 1_000_000 + int(fraction[:6].ljust(6, "0"))
    return micros, not (is_leap or fraction[6:].strip("0"))


def read_date(text: str) -> tuple[int | None, bool]:
    """Read a LocalMktDate or UTCDateOnly (YYYYMMDD) as days since 1970."""
    seconds = _midnight(text) if _DATE.fullmatch(text) else None
    return (None, False) if seconds is None else (seconds // _DAY, True)


@lru_cache(maxsize=1024)
def _midnight(day: str) -> int | None:
    """Return the second at which a day, written YYYYMMDD, begins; None if there is no such day."""
    try:
        return calendar.timegm(datetime.date(int(day[:4]), int(day[4:6]), int(day[6:])).timetuple())
    except ValueError:
        return None
