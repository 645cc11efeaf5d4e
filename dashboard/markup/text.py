"""Values as escaped text: what a counterparty wrote is neither HTML nor a control character."""

import datetime
import html
import re
from decimal import Decimal
from typing import Any

from fixfeed.transforms.fix.decode.sentence import number

__all__ = ["cell", "duration", "escaped", "markdown", "time_of", "visible"]

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")

_PICTURES = {code: 0x2400 + code for code in range(32)} | {127: 0x2421}
# Marks that turn the direction of writing round, so that a value looks like another one.
_PICTURES |= dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], 0xFFFD)


def visible(text: str) -> str:
    r"""Return a text in which each control character is its picture.

    >>> visible("a\x01b")
    'a␁b'
    """
    return text.translate(_PICTURES)


def escaped(value: Any) -> str:
    """Return a value as text for HTML, `` for None.

    >>> escaped("<b>&")
    '&lt;b&gt;&amp;'
    """
    return "" if value is None else html.escape(visible(str(value)))


def markdown(text: str) -> str:
    r"""Return a text that Markdown shows as it is: no link, no picture that would be asked for.

    >>> print(markdown("![x](http://a)"))
    \!\[x\]\(http\:\/\/a\)
    """
    return _PUNCTUATION.sub(r"\\\1", visible(text))


def cell(value: Any) -> str:
    """Return a value as `escaped` text, numbers and times as people read them."""
    if isinstance(value, datetime.datetime):
        return time_of(value)
    if isinstance(value, bool):
        return "yes" if value else ""
    if value is None or isinstance(value, str):
        return escaped(value)
    return escaped(number(value))


def time_of(value: datetime.datetime | str | None, *, day: bool = True) -> str:
    """Return a time in UTC to the millisecond, or to the microsecond where it has those.

    >>> time_of("2025-01-02 08:00:01.500000"), time_of("2025-01-02 08:00:01.500001", day=False)
    ('2025-01-02 08:00:01.500', '08:00:01.500001')
    """
    if value is None:
        return ""
    text = value if isinstance(value, str) else value.strftime("%Y-%m-%d %H:%M:%S.%f")
    text = escaped(text)
    if len(text) == 26 and text.endswith("000"):
        text = text[:-3]
    return text if day else text[11:]


def duration(seconds: float | Decimal | None) -> str:
    """Return a length of time as people say it.

    >>> [duration(one) for one in (0.000012, Decimal("0.0215"), 3.5, 192, 7260, 172800, None)]
    ['12 µs', '21.5 ms', '3.5 s', '3 min 12 s', '2 h 1 min', '2 d', '']
    """
    if seconds is None:
        return ""
    seconds = float(seconds)
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds == 0:
        return "0"
    for unit, size in (("µs", 1e-6), ("ms", 1e-3), ("s", 1.0)):
        if seconds < 1000 * size and (unit != "s" or seconds < 60):
            return f"{float(f'{seconds / size:.3g}'):g} {unit}"
    for large, small, size in (("min", "s", 60), ("h", "min", 3600), ("d", "h", 86400)):
        if seconds < {"min": 3600, "h": 86400, "d": float("inf")}[large]:
            whole, rest = divmod(seconds, size)
            rest = int(rest / {"s": 1, "min": 60, "h": 3600}[small])
            return f"{int(whole)} {large}" + (f" {rest} {small}" if rest else "")
    raise AssertionError("every number is in one of these ranges")
