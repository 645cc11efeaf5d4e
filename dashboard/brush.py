"""A chart along time whose brush sets the times of the filter row."""

import datetime
from typing import Any

import streamlit as st

__all__ = ["brushed_chart"]


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
    first, last = (datetime.datetime.fromtimestamp(ms / 1000, datetime.UTC) for ms in times)
    if last - first < datetime.timedelta(seconds=1):
        return
    st.session_state["brushed"] = True
    st.session_state["from"] = f"{first:%Y-%m-%d %H:%M:%S}"
    st.session_state["to"] = f"{last:%Y-%m-%d %H:%M:%S}"
