"""A chart along time whose brush sets the times of the filter row."""

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from fixfeed.dashboard import opened
from fixfeed.dashboard.charts.messages import legend_of, messages_by_time
from fixfeed.dashboard.filters import messages_link
from fixfeed.dashboard.markup.text import escaped
from fixfeed.dashboard.moments import of_ms
from fixfeed.dashboard.view import View

__all__ = ["brushed_chart", "chart_of_messages"]


def chart_of_messages(
    rows: Sequence[Mapping[str, Any]], view: View, step: str, height: int, *, key: str
) -> None:
    """Show messages by time and type; each type leads to its messages, a brush sets the times."""
    names = opened.names()
    called = {kind: names({}, "MsgType", kind) for kind in {row["msg_type"] or "" for row in rows}}
    chips = []
    for label, (colour, kind) in legend_of(rows, called).items():
        chip = f'<i style="background:{colour}"></i>{escaped(label)}'
        if kind:
            address = escaped(messages_link(view, type=[kind]))
            chip = f'<a href="{address}" target="_self">{chip}</a>'
        chips.append(f"<span>{chip}</span>")
    st.html(f'<div class="ff-legend">{"".join(chips)}</div>')
    brushed_chart(messages_by_time(rows, called, step, height), key=key)


def brushed_chart(spec: dict[str, Any], *, key: str) -> None:
    """Show a chart whose interval `brush` is along the time `t`; what is brushed is chosen."""
    if st.session_state.pop("brushed", False):
        st.rerun()  # all of the page, where the chart is a fragment of it
    st.vega_lite_chart(spec, key=key, on_select=lambda: _chosen(key), width="stretch")


def _chosen(key: str) -> None:
    brush = st.session_state[key]["selection"].get("brush") or {}
    times = brush.get("t")
    if not times:
        return
    first, last = map(of_ms, times)
    if last - first < datetime.timedelta(seconds=1):
        return
    st.session_state["brushed"] = True
    st.session_state["from"] = f"{first:%Y-%m-%d %H:%M:%S}"
    st.session_state["to"] = f"{last:%Y-%m-%d %H:%M:%S}"
