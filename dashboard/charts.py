"""Charts as Vega-Lite specifications: pure functions of rows, in UTC, with no address in them."""

import datetime
import math
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = [
    "in_bars",
    "legend_of",
    "messages_by_time",
    "percentiles",
    "strip",
    "waiting",
    "width_of",
]

Row = Mapping[str, Any]
Spec = dict[str, Any]

_STEPS = {"minute": 60, "ten minutes": 600, "hour": 3600, "day": 86400}
_KINDS = 7
"""Of the types of messages so many have a colour of their own."""
_COLOURS = ("#2563eb", "#93c5fd", "#0d9488", "#86efac", "#8b5cf6", "#f59e0b", "#f9a8d4", "#94a3b8")
_BARS = 180
_SQUARES = 96

_OTHERS = "other types"
_BRUSH = {"name": "brush", "select": {"type": "interval", "encodings": ["x"]}}
_FORMATS = {"minute": "%H:%M", "ten minutes": "%H:%M", "hour": "%d %b %H:%M", "day": "%d %b %Y"}
_TOLD = {
    "minute": "%Y-%m-%d %H:%M",
    "ten minutes": "%Y-%m-%d %H:%M",
    "hour": "%Y-%m-%d %H:%M",
    "day": "%Y-%m-%d",
}


def messages_by_time(
    rows: Sequence[Row], called: Mapping[str, str], step: str, height: int = 200
) -> Spec:
    """Return bars of messages by time, stacked by type; a brush along the time is named `brush`.

    `rows` have `time`, `msg_type` and `messages`; `called` are the names of types; `step` is what
    they are counted by (`queries.conditions.step_of`). If there are many, a bar has several.
    """
    labels = _labels(rows, called)
    length = width_of([row["time"] for row in rows], step, _BARS)
    by_time: dict[int, dict[str, int]] = {}
    for row in rows:
        label = labels.get(row["msg_type"] or "", _OTHERS)
        counted = by_time.setdefault(_ms(row["time"]) // length * length, {})
        counted[label] = counted.get(label, 0) + row["messages"]
    domain = list(legend_of(rows, called))
    values = []
    for time, counted in by_time.items():
        below = 0
        for label in domain:
            if counted.get(label):
                values.append({"t": time, "u": time + length, "type": label,
                               "low": below, "high": below + counted[label],
                               "messages": counted[label]})  # fmt: skip
                below += counted[label]
    return {
        "height": height,
        "data": {"values": values},
        "params": [_BRUSH],
        "mark": {"type": "rect", "tooltip": True},
        "encoding": {
            "x": _time("t", step),
            "x2": {"field": "u"},
            "y": {"field": "low", "type": "quantitative",
                  "axis": {"title": None, "format": "~s", "tickCount": 3}},
            "y2": {"field": "high"},
            "color": {"field": "type", "type": "nominal",
                      "scale": {"domain": domain, "range": list(_COLOURS[: len(domain)])},
                      "legend": None},
            "tooltip": [
                _from(step),
                {"field": "type", "title": "type"},
                {"field": "messages", "format": ","},
            ],
        },
    }  # fmt: skip


def legend_of(rows: Sequence[Row], called: Mapping[str, str]) -> dict[str, tuple[str, str | None]]:
    """Return what the bars of `messages_by_time` are: each label with its colour and its type.

    The type is None of what is left beside the most frequent types.
    """
    labels = _labels(rows, called)
    found: dict[str, tuple[str, str | None]] = {
        label: (colour, kind)
        for (kind, label), colour in zip(labels.items(), _COLOURS, strict=False)
    }
    if any((row["msg_type"] or "") not in labels for row in rows):
        found[_OTHERS] = _COLOURS[len(labels)], None
    return found


def _labels(rows: Sequence[Row], called: Mapping[str, str]) -> dict[str, str]:
    """Return the names of the most frequent types, the most frequent first."""
    totals: dict[str, int] = {}
    for row in rows:
        kind = row["msg_type"] or ""
        totals[kind] = totals.get(kind, 0) + row["messages"]
    frequent = sorted(totals, key=lambda kind: (-totals[kind], kind))[:_KINDS]
    return {kind: called.get(kind) or kind or "no type" for kind in frequent}


def percentiles(rows: Sequence[Row], step: str, height: int = 220) -> Spec:
    """Return lines of percentiles by time; `rows` have `time`, `percentile` and `seconds`."""
    values = [
        {"t": _ms(row["time"]), "percentile": row["percentile"], "ms": row["seconds"] * 1000}
        for row in rows
        if row["seconds"] > 0
    ]
    return {
        "height": height,
        "data": {"values": values},
        "params": [_BRUSH],
        "mark": {"type": "line", "tooltip": True, "point": {"size": 22}, "strokeWidth": 1.5},
        "encoding": {
            "x": _time("t", step),
            "y": {"field": "ms", "type": "quantitative", "scale": {"type": "log", "nice": False},
                  "axis": {"title": "milliseconds", "format": "~g", "tickCount": 5,
                           "grid": False}},
            "color": {"field": "percentile", "type": "nominal", "sort": None,
                      "scale": {"range": ["#2563eb", "#f59e0b", "#dc2626"]},
                      "legend": {"title": None, "orient": "top"}},
            "tooltip": [
                _from(step),
                {"field": "percentile"},
                {"field": "ms", "format": ".4~g", "title": "ms"},
            ],
        },
    }  # fmt: skip


def waiting(rows: Sequence[Row], step: str, height: int = 240) -> Spec:
    """Return a heat map of how long requests waited, by time.

    `rows` have `time`, `up_to` in seconds and `requests`; below are the short times, logarithmic.
    """
    summed: dict[tuple[datetime.datetime, int], int] = {}
    for time, own in in_bars(rows, step, _SQUARES).items():
        for row in own:
            if row["up_to"] > 0:
                # Two of the eight buckets of a doubling make a square of the picture.
                key = time, round(4 * math.log2(row["up_to"] * 1e6))
                summed[key] = summed.get(key, 0) + row["requests"]
    length = width_of([row["time"] for row in rows], step, _SQUARES)
    values = [
        {"t": _ms(time), "u": _ms(time) + length, "low": 1e-3 * 2 ** ((quarter - 1) / 4),
         "high": 1e-3 * 2 ** (quarter / 4), "requests": requests}
        for (time, quarter), requests in summed.items()
    ]  # fmt: skip
    return {
        "height": height,
        "data": {"values": values},
        "params": [_BRUSH],
        "mark": {"type": "rect", "tooltip": True, "color": "#2563eb"},
        "encoding": {
            "x": _time("t", step),
            "x2": {"field": "u"},
            "y": {"field": "low", "type": "quantitative", "scale": {"type": "log", "nice": False},
                  "axis": {"title": "milliseconds", "format": "~g", "tickCount": 5,
                           "grid": False}},
            "y2": {"field": "high"},
            "opacity": {"field": "requests", "type": "quantitative",
                        "scale": {"range": [0.18, 1], "type": "sqrt"}, "legend": None},
            "tooltip": [
                _from(step),
                {"field": "high", "format": ".3~g", "title": "up to, ms"},
                {"field": "requests", "format": ","},
            ],
        },
    }  # fmt: skip


_EVENTS = {
    "logon": ("triangle-up", "#15803d"),
    "logout": ("triangle-down", "#64748b"),
    "reset": ("diamond", "#d97706"),
    "gap": ("circle", "#dc2626"),
    "resend request": ("triangle-right", "#7c3aed"),
    "gap fill": ("square", "#0d9488"),
    "reject": ("cross", "#be185d"),
}
"""What may happen in a session, how it is drawn, and its colour."""


def strip(rows: Sequence[Row], events: Sequence[Row], step: str = "minute") -> Spec:
    """Return what sessions did over time: when messages came, and what else happened.

    `rows` have `session`, `time` and `messages`; `events` have `session`, `time`, `until` and
    `what`.
    """
    sessions = sorted({row["session"] for row in [*rows, *events]})
    length = _STEPS[step] * 1000
    busy = [
        {"session": row["session"], "t": _ms(row["time"]), "u": _ms(row["time"]) + length,
         "messages": row["messages"]}
        for row in rows
    ]  # fmt: skip
    marks = [
        {"session": row["session"], "t": _ms(row["time"]), "what": row["what"]} for row in events
    ]
    kinds = [what for what in _EVENTS if any(row["what"] == what for row in events)]
    marked = [_EVENTS[what] for what in kinds]
    legend = {"title": None, "orient": "top"}
    y = {"field": "session", "type": "nominal", "sort": sessions,
         "axis": {"title": None, "labelLimit": 260, "labelOverlap": False}}  # fmt: skip
    return {
        "height": {"step": 24},
        "layer": [
            {
                "data": {"values": busy},
                "params": [_BRUSH],
                "mark": {"type": "bar", "height": 9, "opacity": 0.35, "color": "#3b82f6"},
                "encoding": {
                    "x": _time("t", step),
                    "x2": {"field": "u"},
                    "y": y,
                    "tooltip": [{"field": "session"}, {"field": "messages", "format": ","}],
                },
            },
            {
                "data": {"values": marks},
                "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
                "encoding": {
                    "x": _time("t", step),
                    "y": y,
                    "shape": {"field": "what", "type": "nominal", "legend": legend,
                              "scale": {"domain": kinds, "range": [one[0] for one in marked]}},
                    "color": {"field": "what", "type": "nominal", "legend": legend,
                              "scale": {"domain": kinds, "range": [one[1] for one in marked]}},
                    "tooltip": [
                        {"field": "session"},
                        {"field": "what"},
                        {"field": "t", "type": "temporal", "format": "%Y-%m-%d %H:%M:%S",
                         "timeUnit": "utcyearmonthdatehoursminutesseconds", "title": "at"},
                    ],
                },
            },
        ],
    }  # fmt: skip


def _from(step: str) -> dict[str, Any]:
    return {
        "field": "t",
        "type": "temporal",
        "title": "from",
        "format": _TOLD[step],
        "timeUnit": "utcyearmonthdatehoursminutes",
    }


def _time(field: str, step: str) -> dict[str, Any]:
    return {
        "field": field,
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
    one = _STEPS[step] * 1000
    if not times:
        return one
    steps = (_ms(max(times)) - _ms(min(times))) / one + 1
    return one * next((n for n in _SEVERAL if steps / n <= most), _SEVERAL[-1])


def in_bars(rows: Sequence[Row], step: str, most: int) -> dict[datetime.datetime, list[Row]]:
    """Return rows by the time at which their bar begins, as wide as `width_of` says."""
    width = width_of([row["time"] for row in rows], step, most)
    found: dict[datetime.datetime, list[Row]] = {}
    for row in rows:
        begin = _ms(row["time"]) // width * width
        time = datetime.datetime.fromtimestamp(begin / 1000, datetime.UTC)
        found.setdefault(time, []).append(row)
    return found


def _ms(time: datetime.datetime) -> int:
    return int(time.timestamp() * 1000)
