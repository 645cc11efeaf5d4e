"""What sessions did along time, and how long they were silent."""

import math
from collections.abc import Sequence

from fixfeed.dashboard.charts.axes import BRUSH, Row, Spec, axis_of, ms, told_from

__all__ = ["silences", "strip"]

_MINUTE = 60_000
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


def strip(rows: Sequence[Row], events: Sequence[Row]) -> Spec:
    """Return what sessions did over time: when messages came, and what else happened.

    `rows` are those of `queries.sessions.presences`; `events` have `session`, `time` and `what`.
    """
    sessions = sorted({row["session"] for row in [*rows, *events]})
    busy = [
        {"session": row["session"], "t": ms(row["first"]), "u": ms(row["last"]) + _MINUTE,
         "messages": row["messages"]}
        for row in rows
    ]  # fmt: skip
    marks = [
        {"session": row["session"], "t": ms(row["time"]), "what": row["what"]} for row in events
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
                "params": [BRUSH],
                "mark": {"type": "bar", "height": 9, "opacity": 0.35, "color": "#3b82f6"},
                "encoding": {
                    "x": axis_of("minute"),
                    "x2": {"field": "u"},
                    "y": y,
                    "tooltip": [
                        {"field": "session"},
                        told_from("minute"),
                        {**told_from("minute"), "field": "u", "title": "to"},
                        {"field": "messages", "format": ","},
                    ],
                },
            },
            {
                "data": {"values": marks},
                "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
                "encoding": {
                    "x": axis_of("minute"),
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


_ALLOWED = {
    "up to HeartBtInt and a fifth": (1.2, "#2563eb"),
    "longer": (2.0, "#f59e0b"),
    "more than twice HeartBtInt": (math.inf, "#dc2626"),
}
"""How silences are judged: up to so many HeartBtInt, and the colour.

FIX has a peer wait for HeartBtInt and a reasonable time for the way, here a fifth. Then it sends a
TestRequest, and if nothing comes for as long again, the connection is lost.
"""
_UNKNOWN = ("no HeartBtInt known", "#94a3b8")
_BUCKETS = 8  # to a doubling


def silences(rows: Sequence[Row]) -> Spec:
    """Return a histogram for each session: in how many minutes its longest silence was how long.

    `rows` are those of `queries.sessions.silences`.
    """
    summed: dict[tuple[str, int | None, int, str], int] = {}
    for row in rows:
        bucket = round(_BUCKETS * math.log2(max(row["seconds"], 1)))
        judged = _judged(row["seconds"], row["heart_bt_int"])
        key = row["session"], row["heart_bt_int"], bucket, judged
        summed[key] = summed.get(key, 0) + row["minutes"]
    values = [
        {"session": session, "HeartBtInt": interval, "judged": judged, "minutes": minutes,
         "low": 2 ** ((bucket - 0.5) / _BUCKETS), "high": 2 ** ((bucket + 0.5) / _BUCKETS),
         "seconds": round(2 ** (bucket / _BUCKETS))}
        for (session, interval, bucket, judged), minutes in summed.items()
    ]  # fmt: skip
    colours = {judged: colour for judged, (_, colour) in _ALLOWED.items()} | dict([_UNKNOWN])
    kinds = [judged for judged in colours if any(one["judged"] == judged for one in values)]
    return {
        "height": {"step": 24},
        "data": {"values": values},
        "mark": {"type": "bar", "height": 17, "tooltip": True},
        "encoding": {
            "x": {"field": "low", "type": "quantitative", "scale": {"type": "log", "nice": False},
                  "axis": {"title": "seconds", "format": "~s", "tickCount": 8, "grid": True}},
            "x2": {"field": "high"},
            "y": {"field": "session", "type": "nominal",
                  "axis": {"title": None, "labelLimit": 260, "labelOverlap": False}},
            "opacity": {"field": "minutes", "type": "quantitative",
                        "scale": {"range": [0.25, 1], "type": "sqrt"}, "legend": None},
            "color": {"field": "judged", "type": "nominal",
                      "scale": {"domain": kinds, "range": [colours[one] for one in kinds]},
                      "legend": {"title": None, "orient": "top", "labelLimit": 300}},
            "tooltip": [
                {"field": "session"},
                {"field": "seconds", "title": "about, seconds"},
                {"field": "HeartBtInt"},
                {"field": "minutes", "format": ","},
            ],
        },
    }  # fmt: skip


def _judged(seconds: int, interval: int | None) -> str:
    if not interval:
        return _UNKNOWN[0]
    return next(name for name, (most, _) in _ALLOWED.items() if seconds <= most * interval)
