"""How long requests waited, along time."""

import datetime
import math
from collections.abc import Sequence

from fixfeed.dashboard.charts.axes import (
    BRUSH,
    Row,
    Spec,
    axis_of,
    in_bars,
    ms,
    told_from,
    width_of,
)

__all__ = ["LEAST", "percentiles", "waiting"]

_SQUARES = 96
LEAST = 1e-6
"""Seconds, the end of the first bucket: of answers that have the time of their requests."""
_NAMES = ("p50", "p95", "p99")
_AXIS = {
    "title": None,
    "labelExpr": "datum.value < 1 ? format(datum.value * 1000, '~g') + ' µs' : datum.value < 1000"
    " ? format(datum.value, '~g') + ' ms' : format(datum.value / 1000, '~g') + ' s'",
    "tickCount": 5,
    "grid": False,
}


def percentiles(rows: Sequence[Row], step: str, height: int = 220) -> Spec:
    """Return lines of percentiles by time; `rows` have `time`, `percentile` and `seconds`.

    The highest is the widest and below the others, so where they are the same all are seen. What
    took no time by its clock is on no logarithmic axis, and left out.
    """
    values = [
        {"t": ms(row["time"]), "percentile": row["percentile"], "ms": row["seconds"] * 1000}
        for row in sorted(rows, key=lambda row: -_NAMES.index(row["percentile"]))
        if row["seconds"] > LEAST
    ]
    return {
        "height": height,
        "data": {"values": values},
        "params": [BRUSH],
        "mark": {"type": "line", "tooltip": True, "point": {"size": 22}},
        "encoding": {
            "x": axis_of(step),
            "y": {"field": "ms", "type": "quantitative", "scale": {"type": "log", "nice": False},
                  "axis": _AXIS},
            "color": {"field": "percentile", "type": "nominal", "sort": None,
                      "scale": {"domain": [*_NAMES], "range": ["#2563eb", "#f59e0b", "#dc2626"]},
                      "legend": {"title": None, "orient": "top"}},
            "strokeWidth": {"field": "percentile", "type": "nominal", "legend": None,
                            "scale": {"domain": [*_NAMES], "range": [1.5, 5, 9]}},
            "tooltip": [
                told_from(step),
                {"field": "percentile"},
                {"field": "ms", "format": ".4~g", "title": "ms"},
            ],
        },
    }  # fmt: skip


def waiting(rows: Sequence[Row], step: str, height: int = 240) -> Spec:
    """Return a heat map of how long requests waited, by time.

    `rows` have `time`, `up_to` in seconds and `requests`; below are the short times, logarithmic.
    What took no time by its clock is left out.
    """
    summed: dict[tuple[datetime.datetime, int], int] = {}
    for time, own in in_bars(rows, step, _SQUARES).items():
        for row in own:
            if row["up_to"] > LEAST:
                # Two of the eight buckets of a doubling make a square of the picture.
                key = time, round(4 * math.log2(row["up_to"] * 1e6))
                summed[key] = summed.get(key, 0) + row["requests"]
    length = width_of([row["time"] for row in rows], step, _SQUARES)
    values = [
        {"t": ms(time), "u": ms(time) + length, "low": 1e-3 * 2 ** ((quarter - 1) / 4),
         "high": 1e-3 * 2 ** (quarter / 4), "requests": requests}
        for (time, quarter), requests in summed.items()
    ]  # fmt: skip
    return {
        "height": height,
        "data": {"values": values},
        "params": [BRUSH],
        "mark": {"type": "rect", "tooltip": True, "color": "#2563eb"},
        "encoding": {
            "x": axis_of(step),
            "x2": {"field": "u"},
            "y": {"field": "low", "type": "quantitative", "scale": {"type": "log", "nice": False},
                  "axis": _AXIS},
            "y2": {"field": "high"},
            "opacity": {"field": "requests", "type": "quantitative",
                        "scale": {"range": [0.18, 1], "type": "sqrt"}, "legend": None},
            "tooltip": [
                told_from(step),
                {"field": "high", "format": ".3~g", "title": "up to, ms"},
                {"field": "requests", "format": ","},
            ],
        },
    }  # fmt: skip
