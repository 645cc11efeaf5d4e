"""Reads one prefix: when its message was captured, and in which direction it went.

`prefix.times` has the forms of times, `prefix.directions` those of directions, both by the shape of
a prefix: its text with every digit a zero.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from fixfeed.transforms.fix.prefix.directions import TIME_MARK, direction
from fixfeed.transforms.fix.prefix.log_format import USUAL_FORMAT, LogFormat
from fixfeed.transforms.fix.prefix.times import Layout, find_time, moment, shape_of

__all__ = ["Found", "look_at", "read_prefix"]

_TOO_LONG = 1000  # characters of a prefix
# Codes that colour a terminal, as they are or escaped, with digits as zeros; they mean nothing.
_COLOUR = re.compile(r"(?:\x1b|\\u000b|\\x0b|\\000)\[[0;]*[mK]")


class Found(NamedTuple):
    """Where a prefix has its time, and the direction it shows; each None if it has none."""

    layout: Layout | None
    direction: str | None


def read_prefix(text: str, log: LogFormat = USUAL_FORMAT) -> tuple[int | None, str | None]:
    """Return the time in a prefix, as microseconds since 1970, and the direction, `in` or `out`.

    Each is None where the text has none. Digits beyond microseconds are cut.
    """
    found = look_at(shape_of(text), log)
    micros = moment(text, found.layout, log.time_zone) if found.layout else None
    return micros, found.direction


def look_at(shape: str, log: LogFormat) -> Found:
    """Return the time and direction in a prefix of this shape (`prefix.times.shape_of`)."""
    # No logger writes so much; the search for times and words takes the square of the length.
    return Found(None, None) if len(shape) > _TOO_LONG else _find(shape, log)


@lru_cache(maxsize=1 << 12)
def _find(shape: str, log: LogFormat) -> Found:
    shape = _COLOUR.sub(lambda colour: " " * len(colour[0]), shape)
    layout = find_time(shape, log.patterns)
    if layout:
        shape = f"{shape[: layout.start]}{TIME_MARK}{shape[layout.end :]}"
    return Found(layout, direction(shape))
