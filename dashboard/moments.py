"""Times before and after others; none is beyond the first and the last that there is."""

import datetime

__all__ = ["LAST", "after", "before", "of_ms"]

_FIRST = datetime.datetime.min.replace(tzinfo=datetime.UTC)
LAST = datetime.datetime.max.replace(tzinfo=datetime.UTC)
"""The last time that there is: as an end it has nothing after it, so what is then is inside."""


def after(time: datetime.datetime, by: datetime.timedelta) -> datetime.datetime:
    """Return a time in UTC so much later.

    >>> last = datetime.datetime(9999, 12, 31, 23, 59, tzinfo=datetime.UTC)
    >>> print(after(last, datetime.timedelta(days=1)))
    9999-12-31 23:59:59.999999+00:00
    """
    return time + by if LAST - time >= by else LAST


def before(time: datetime.datetime, by: datetime.timedelta) -> datetime.datetime:
    """Return a time in UTC so much earlier."""
    return time - by if time - _FIRST >= by else _FIRST


def of_ms(milliseconds: float) -> datetime.datetime:
    """Return the time in UTC so many milliseconds after 1970, as Vega has times.

    >>> print(of_ms(1_500), of_ms(-1e15))
    1970-01-01 00:00:01.500000+00:00 0001-01-01 00:00:00+00:00
    """
    least, most = (time.timestamp() * 1000 for time in (_FIRST, LAST))
    if milliseconds >= most:
        return LAST
    return datetime.datetime.fromtimestamp(max(milliseconds, least) / 1000, datetime.UTC)
