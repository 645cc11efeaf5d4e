"""What charts along time have in common: the axis, the brush, and how wide bars are."""

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from fixfeed.dashboard.moments import of_ms

__all__ = ["BRUSH", "STEPS", "Row", "Spec", "axis_of", "in_bars", "ms", "told_from", "width_of"]

Row = Mapping[str, Any]
Spec = dict[str, Any]

STEPS = {"minute": 60, "ten minutes": 600, "hour": 3600, "day": 86400}
"""What charts count by, and the seconds that it has."""
BRUSH = {"name": "brush", "select": {"type": "interval", "encodings": ["x"]}}
"""The parameter of a chart that a person drags over."""

_FORMATS = {"minute": "%H:%M", "ten minutes": "%H:%M", "hour": "%d %b %H:%M", "day": "%d %b %Y"}
_TOLD = {
    "minute": "%Y-%m-%d %H:%M",
    "ten minutes": "%Y-%m-%d %H:%M",
    "hour": "%Y-%m-%d %H:%M",
    "day": "%Y-%m-%d",
}


def told_from(step: str) -> dict[str, Any]:
    """Return what a tooltip says of when a bar begins."""
    return {
        "field": "t",
        "type": "temporal",
        "title": "from",
        "format": _TOLD[step],
        "timeUnit": "utcyearmonthdatehoursminutes",
    }


def axis_of(step: str) -> dict[str, Any]:
    """Return the axis of the time `t`, in UTC."""
    return {
        "field": "t",
        "type": "temporal",
        "scale": {"type": "utc"},
        "axis": {"title": None, "format": _FORMATS[step], "labelOverlap": True, "tickCount": 10},
    }


_SEVERAL = (1, 2, 5, 10, 15, 30, 60, 120, 240, 360, 720, 1440)


def width_of(times: Sequence[datetime.datetime], step: str, most: int) -> int:
    """Return the milliseconds of a bar: as many steps as it takes to have `most` of them or fewer.

    >>> day = [datetime.datetime(2025, 1, 2, hour, tzinfo=datetime.UTC) for hour in (0, 23)]
    >>> width_of(day, "minute", 180) // 60_000
    10
    """
    one = STEPS[step] * 1000
    if not times:
        return one
    steps = (ms(max(times)) - ms(min(times))) / one + 1
    return one * next((n for n in _SEVERAL if steps / n <= most), _SEVERAL[-1])


def in_bars(rows: Sequence[Row], step: str, most: int) -> dict[datetime.datetime, list[Row]]:
    """Return rows by the time at which their bar begins, as wide as `width_of` says."""
    width = width_of([row["time"] for row in rows], step, most)
    found: dict[datetime.datetime, list[Row]] = {}
    for row in rows:
        begin = ms(row["time"]) // width * width
        found.setdefault(of_ms(begin), []).append(row)
    return found


def ms(time: datetime.datetime) -> int:
    """Return a time in milliseconds, as Vega has times."""
    return int(time.timestamp() * 1000)
