"""Lengths of time and times of day, as people write them: `100ms`, `10m`, `17:30`."""

import datetime
import re

from fixfeed.pipelines.option import UsageError

__all__ = ["read_duration", "read_moment", "read_time_of_day", "seconds_until"]

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?(ms|s|m|h|d)")
_DAY = datetime.timedelta(days=1)
_TIME = re.compile(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?")
_DATE = re.compile(r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})(?:[T -](.+))?")


def read_duration(word: str, text: str) -> float:
    """Return a length of time in seconds. Raises `UsageError`, which names the option `word`.

    >>> read_duration("for", "1.5m")
    90.0
    """
    match = _DURATION.fullmatch(text.strip().lower())
    if not match or not float(match[1]):
        raise UsageError(f"{word} is {text!r}, expected a length of time such as 100ms, 30s or 2h")
    return float(match[1]) * _UNITS[match[2]]


def read_time_of_day(word: str, text: str) -> datetime.time:
    """Return a time of day. Raises `UsageError`, which names the option `word`.

    >>> read_time_of_day("until", "17:30")
    datetime.time(17, 30)
    """
    try:
        if re.fullmatch(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?", text.strip()):
            return datetime.time.fromisoformat(text.strip().zfill(5 if text.count(":") < 2 else 8))
    except ValueError:
        pass
    raise UsageError(f"{word} is {text!r}, expected a time of day such as 17:30 or 17:30:15")


def read_moment(word: str, text: str) -> datetime.time | datetime.datetime:
    """Return a time of day, or a date with a time, in UTC unless it has an offset.

    A date alone is its beginning; FIX's own form is read too. Raises `UsageError`, which names the
    option `word`.

    >>> read_moment("from", "9:30"), read_moment("to", "20261120-16:00")
    (datetime.time(9, 30), datetime.datetime(2026, 11, 20, 16, 0, tzinfo=datetime.timezone.utc))
    """
    text = text.strip()
    date = _DATE.fullmatch(text)
    try:
        if _TIME.fullmatch(text):
            return datetime.time.fromisoformat(text if text.index(":") == 2 else f"0{text}")
        if date:
            day, clock = "-".join(date.groups()[:3]), date[4] or "00:00"
            moment = datetime.datetime.fromisoformat(f"{day}T{clock}")
            return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
    except ValueError:
        pass
    raise UsageError(
        f"{word} is {text!r}, expected a time of day such as 09:30, or a date with one such as "
        "2026-11-20T09:30, in UTC"
    )


def seconds_until(when: datetime.time, now: datetime.datetime) -> float:
    """Return how many seconds after `now` it is `when` for the first time.

    `now` is in the zone of the machine, without saying so.

    >>> seconds_until(datetime.time(17, 30), datetime.datetime(2026, 3, 2, 17, 0))
    1800.0
    """
    then = now.replace(
        hour=when.hour, minute=when.minute, second=when.second, microsecond=when.microsecond
    )
    return ((then if then > now else then + _DAY) - now).total_seconds()
