"""Lengths of time and times of day, as people write them: `100ms`, `10m`, `17:30`."""

import datetime
import re

from fixfeed.pipelines.option import UsageError

__all__ = ["read_duration", "read_time_of_day", "seconds_until"]

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?(ms|s|m|h|d)")
_DAY = datetime.timedelta(days=1)


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
