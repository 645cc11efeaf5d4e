"""Bars of messages by time and type, and their legend."""

from collections.abc import Mapping, Sequence

from fixfeed.dashboard.charts.axes import BRUSH, Row, Spec, axis_of, ms, told_from, width_of

__all__ = ["legend_of", "messages_by_time"]

_KINDS = 7
"""Of the types of messages so many have a colour of their own."""
_COLOURS = ("#2563eb", "#93c5fd", "#0d9488", "#86efac", "#8b5cf6", "#f59e0b", "#f9a8d4", "#94a3b8")
_BARS = 180

_OTHERS = "other types"


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
        counted = by_time.setdefault(ms(row["time"]) // length * length, {})
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
        "params": [BRUSH],
        "mark": {"type": "rect", "tooltip": True},
        "encoding": {
            "x": axis_of(step),
            "x2": {"field": "u"},
            "y": {"field": "low", "type": "quantitative",
                  "axis": {"title": None, "format": "~s", "tickCount": 3}},
            "y2": {"field": "high"},
            "color": {"field": "type", "type": "nominal",
                      "scale": {"domain": domain, "range": list(_COLOURS[: len(domain)])},
                      "legend": None},
            "tooltip": [
                told_from(step),
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
