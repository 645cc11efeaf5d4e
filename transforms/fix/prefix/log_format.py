"""The user's description of logs whose prefixes are not understood by themselves."""

import re
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from fixfeed.transforms.fix.prefix.times import MONTH
from fixfeed.transforms.fix.prefix.zones import ZONE
from fixfeed.transforms.nearest import nearest

__all__ = ["USUAL_FORMAT", "LogFormat", "LogFormatError", "read_log_format"]

_D = "[0-9]"
_DIRECTIVES = {
    "Y": rf"(?P<year>{_D}{{4}})",
    "y": rf"(?P<year>{_D}{{2}})",
    "m": rf"(?P<month>{_D}{{1,2}})",
    "b": MONTH,
    "B": MONTH,
    "d": rf"(?P<day>{_D}{{1,2}})",
    "e": rf"(?P<day>{_D}{{1,2}})",
    "H": rf"(?P<hour>{_D}{{1,2}})",
    "I": rf"(?P<hour>{_D}{{1,2}})",
    "M": rf"(?P<minute>{_D}{{2}})",
    "S": rf"(?P<second>{_D}{{2}})",
    "f": rf"(?P<fraction>{_D}{{1,12}})",
    "p": r"(?P<half>[ap])\.?[ \u00a0\u202f]?m\b\.?",
    "z": ZONE,
    "Z": ZONE,
    "s": rf"(?P<epoch>{_D}{{10}})",
    "a": r"[^\W\d_]+\.?",
    "A": r"[^\W\d_]+",
    "%": "%",
}
_SHORTHANDS = {"%T": "%H:%M:%S", "%F": "%Y-%m-%d"}
_PART = re.compile(r"%(.?)|(\s+)|([0-9])|(.)", re.DOTALL)
_EXAMPLE = "'%d.%m.%Y %H:%M:%S.%f'"


class LogFormatError(ValueError):
    """A pattern or zone that cannot be used; the text says what was found and expected."""


class LogFormat(NamedTuple):
    """How to read the text before messages; to be made by `read_log_format`.

    `captured_at` are patterns of times, tried in turn before the known forms. `time_zone` is the
    IANA name of the zone of times without an offset, None for UTC. `we_are` are our own CompIDs:
    a message from one of them went out, a message to one of them came in.
    """

    captured_at: tuple[str, ...] = ()
    time_zone: str | None = None
    we_are: tuple[str, ...] = ()

    @property
    def patterns(self) -> tuple[re.Pattern[str], ...]:
        """The patterns as regular expressions, with groups as in `prefix.times.layout_of`."""
        return tuple(map(_expression, self.captured_at))


USUAL_FORMAT = LogFormat()
"""How prefixes are read by default."""


def read_log_format(
    *, captured_at: Sequence[str] = (), time_zone: str | None = None, we_are: Sequence[str] = ()
) -> LogFormat:
    """Return the format; patterns are as in `strptime`, and are found anywhere before a message.

    The directives are %Y %y %m %b %B %d %e %H %I %M %S %f %p %z %Z %s %a %A %T %F and %%. A blank
    is one or more. %f is a fraction of one to twelve digits, %s an epoch of ten, after which %f may
    follow.

    Raises:
      LogFormatError: A pattern has an unknown directive, or no date or time, or the zone is none of
        IANA's.
    """
    for pattern in captured_at:
        _expression(pattern)
    if time_zone is not None:
        _check_zone(time_zone)
    for one in we_are:
        if not one:
            raise LogFormatError("we-are is empty, expected a SenderCompID such as BROKER")
    return LogFormat(tuple(captured_at), time_zone, tuple(we_are))


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    text = pattern
    for short, long in _SHORTHANDS.items():
        text = text.replace(short, long)
    parts: list[str] = []
    seen: set[str] = set()
    for directive, blank, digit, other in _PART.findall(text):
        if digit:
            raise LogFormatError(
                f"captured-at is {pattern!r}: found the digit {digit}, expected none; the pattern "
                "may begin anywhere in the text before a message, so leave it out"
            )
        if blank or other:
            parts.append(r"\s+" if blank else re.escape(other))
            continue
        if directive not in _DIRECTIVES:
            known = " ".join(f"%{one}" for one in (*_DIRECTIVES, "T", "F"))
            raise LogFormatError(
                f"captured-at is {pattern!r}: found %{directive}, expected one of {known}, "
                f"as in {_EXAMPLE}"
            )
        expression = _DIRECTIVES[directive]
        groups = set(re.compile(expression).groupindex)
        if groups & seen:
            raise LogFormatError(
                f"captured-at is {pattern!r}: found %{directive}, but what it stands for is there "
                "already"
            )
        seen |= groups
        parts.append(expression)
    missing = _missing(seen, text)
    if missing:
        raise LogFormatError(
            f"captured-at is {pattern!r}: found no {missing}, expected a date and a time, "
            f"as in {_EXAMPLE}"
        )
    zone = "" if "zone" in seen or "epoch" in seen else f"{ZONE}?"
    return re.compile(rf"(?<![0-9]){''.join(parts)}(?![0-9]){zone}", re.IGNORECASE | re.ASCII)


def _missing(seen: set[str], text: str) -> str | None:
    if "epoch" in seen:
        return None
    names = {"year": "year (%Y)", "day": "day (%d)", "hour": "hour (%H)", "minute": "minute (%M)"}
    missing = [name for group, name in names.items() if group not in seen]
    if not seen & {"month", "name"}:
        missing.insert(0, "month (%m)")
    if "%I" in text and "half" not in seen:
        missing.append("AM or PM (%p)")
    return ", ".join(missing) or None


def _check_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:  # ZoneInfoNotFoundError is a KeyError.
        known = sorted(available_timezones())
        by_city = {one.rpartition("/")[2].lower(): one for one in known}
        near = nearest(name.rpartition("/")[2].lower(), by_city)
        hint = f"; the nearest is {by_city[near]}" if near else ""
        raise LogFormatError(
            f"log-time-zone is {name!r}, expected a name of the IANA database such as "
            f"Europe/Paris or America/New_York{hint}"
        ) from error
