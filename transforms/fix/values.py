"""What the text of a FIX value means as a number, a flag or a time.

Each reader gives `(value, exact)`. `value` is None when the text is none of its type; `exact` is
false when the column cannot hold all that the text says, so that the text is to be kept as well.
"""

import calendar
import re
from decimal import ROUND_HALF_EVEN, Context, Decimal

__all__ = ["DECIMAL_PLACES", "read_boolean", "read_decimal", "read_int", "read_time"]

DECIMAL_PLACES = 10
"""Decimals are kept as whole numbers of 10 ** -10."""

_EXACT_DIGITS = 15  # what a double, SQLite's only fraction, gives back unchanged
_LARGEST = 10**38
_CONTEXT = Context(prec=60)
_INT = re.compile(r"[0-9]{1,18}")
_DECIMAL = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_TIME = re.compile(
    r"([0-9]{4})([0-9]{2})([0-9]{2})-([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,12}))?", re.ASCII
)


def read_int(text: str) -> tuple[int | None, bool]:
    """Read a SeqNum: digits only, 18 at the most."""
    return (int(text), True) if _INT.fullmatch(text) else (None, False)


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


def read_time(text: str) -> tuple[int | None, bool]:
    """Read a UTCTimestamp as microseconds since 1970; digits beyond them are cut and not exact."""
    match = _TIME.fullmatch(text)
    if not match:
        return None, False
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    if not (year >= 1 and 1 <= month <= 12 and hour < 24 and minute < 60 and second < 60):
        return None, False
    if not 1 <= day <= calendar.monthrange(year, month)[1]:
        return None, False
    fraction = match[7] or ""
    seconds = calendar.timegm((year, month, day, hour, minute, second))
    micros = seconds * 1_000_000 + int(fraction[:6].ljust(6, "0"))
    return micros, not fraction[6:].strip("0")
