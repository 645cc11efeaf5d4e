"""The parameters of `replay:`: how fast, from when to when, and how long gaps may be."""

import datetime
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from fixfeed.io.files.replaying import Pace
from fixfeed.io.files.window import Window
from fixfeed.pipelines.durations import read_duration, read_moment
from fixfeed.pipelines.option import Option, UsageError
from fixfeed.pipelines.uris import UnknownPlace

__all__ = ["PACE", "pace_of"]

_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")


def _read_speed(text: str) -> float:
    if not _NUMBER.fullmatch(text) or (float(text) == 0 and text != "0"):
        raise UsageError(
            f"speed is {text!r}, expected a number such as 10 or 0.5, or 0 for as fast as it goes"
        )
    return float(text)


PACE = (
    Option(
        name="speed",
        help="how many times as fast as the log; 0 is as fast as it goes",
        metavar="N",
        shown="1",
        read=_read_speed,
    ),
    Option(
        name="from",
        help="the first time that is replayed, in UTC: 09:30 of each day, or 2026-11-20T09:30",
        metavar="TIME",
        read=partial(read_moment, "from"),
    ),
    Option(
        name="to",
        help="the time before which it ends, in the same form",
        metavar="TIME",
        read=partial(read_moment, "to"),
    ),
    Option(
        name="max-gap",
        help="the longest time of the log without a message; a longer one is shortened to it",
        metavar="TIME",
        read=partial(read_duration, "max-gap"),
    ),
)
"""The parameters."""


def pace_of(given: Sequence[Mapping[str, Any]]) -> Pace:
    """Return the pace that the parameters of all URIs give together: they have one clock.

    Raises `UnknownPlace` if two of them contradict each other, or nothing is between from and to.
    """
    values: dict[str, Any] = {}
    for one in given:
        for word, value in one.items():
            if values.setdefault(word, value) != value:
                raise UnknownPlace(
                    f"replay: has one clock for all its files: found two values of {word}; give it "
                    "once, or start another job"
                )
    begin, end = values.get("from"), values.get("to")
    if begin is not None and end is not None:
        of_day = [isinstance(one, datetime.time) for one in (begin, end)]
        if any(of_day) and not all(of_day):
            raise UnknownPlace(
                "replay: from and to are two times of day, or two dates with a time; found one of "
                "each"
            )
        if begin == end or (begin > end and not any(of_day)):
            raise UnknownPlace(f"replay: nothing is from {begin} to {end}")
    return Pace(values.get("speed", 1.0), Window.of(begin, end), values.get("max-gap"))
