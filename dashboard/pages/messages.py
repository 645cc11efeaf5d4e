"""Messages: a histogram, a page of the table, and the message that is open."""

import os
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from fixfeed.dashboard import opened
from fixfeed.dashboard.amounts import EXACT, with_amounts
from fixfeed.dashboard.brush import chart_of_messages
from fixfeed.dashboard.filters import ADMIN, export_link, shown_period
from fixfeed.dashboard.markup.text import escaped, markdown, time_of
from fixfeed.dashboard.message_panel import message_panel
from fixfeed.dashboard.queries import messages, overview
from fixfeed.dashboard.queries.conditions import step_of
from fixfeed.dashboard.queries.cursor import CursorError
from fixfeed.dashboard.streamlit_app import TOKENS
from fixfeed.dashboard.trouble import Trouble
from fixfeed.dashboard.view import View

_ROWS = 100
_HEIGHT = 560
_PATIENCE = 2.0  # seconds
_EVERY = 5  # seconds

Row = dict[str, Any]


def page(view: View) -> None:
    """Show the page."""
    view = _without_admin(view)
    _histogram(view)
    if not st.query_params.get("message"):
        _table(view)
        return
    table, panel = st.columns([3, 2], gap="medium")
    with table:
        _table(view)
    with panel, st.container(key="open_message"):
        message_panel(st.query_params.get("message", ""))


def _without_admin(view: View) -> View:
    """Hide heartbeats and test requests, unless the types or a box say otherwise."""
    # Of a link that is opened the box has not been drawn yet.
    shown = st.session_state.get("admin", st.query_params.get("admin") == "true")
    if view.types or shown:
        return view
    return replace(view, types=tuple(one for one in opened.types() if one not in ADMIN))


def _histogram(view: View) -> None:
    shown = shown_period(view)
    step = step_of(shown)
    rows = opened.asked(overview.minutes, shown, step)
    if rows:
        chart_of_messages(rows, view, step, 130, key=f"messages-{hash(shown)}")
        if view.text.strip():
            st.caption(
                "The bars count all messages of the other filters, whatever is searched for."
            )


def _table(view: View) -> None:
    key = f"{hash(view)}"
    if st.session_state.get("messages_of", key) != key:
        # Another filter: its first page, whatever message was open.
        for name in ("at", "message"):
            st.query_params.pop(name, None)
    st.session_state["messages_of"] = key
    cursor = st.query_params.get("at")
    # Without a search an index knows the answer, and only other users can delay it.
    seconds = messages.SEARCHED if view.text else _PATIENCE
    try:
        found = messages.page(opened.database(), view, cursor=cursor, limit=_ROWS, seconds=seconds)
    except CursorError as error:
        st.warning(markdown(str(error)))
        found = messages.page(opened.database(), view, limit=_ROWS)
    _bar(view, found, cursor)
    if not found.rows:
        if found.searched_to is None:
            st.info("No message matches these filters.", icon=":material/search_off:")
        return
    shown, columns = with_amounts(_shown(found.rows), _AMOUNTS)
    for name, of_fill, of_order in (("Qty", "LastQty", "OrderQty"), ("Price", "LastPx", "Price")):
        columns[name]["help"] = f"{of_fill} of a fill, {of_order} of all others."
    st.dataframe(
        shown,
        # Its selection is a number of a row, so other rows need another table.
        key=f"table-{key}-{cursor}",
        on_select=lambda: _open(f"table-{key}-{cursor}", found.rows),
        selection_mode="single-row",
        hide_index=True,
        height=_HEIGHT,
        row_height=29,
        placeholder="",
        column_config={**_COLUMNS, **columns},
    )


def _bar(view: View, found: messages.Page, cursor: str | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button("Newest", icon=":material/first_page:", disabled=cursor is None,
                  on_click=_go, args=(None,))  # fmt: skip
        st.button("Newer", icon=":material/chevron_left:", disabled=found.newer is None,
                  on_click=_go, args=(found.newer,))  # fmt: skip
        st.button("Older", icon=":material/chevron_right:", icon_position="right",
                  disabled=found.older is None or found.searched_to is not None,
                  on_click=_go, args=(found.older,))  # fmt: skip
        if found.searched_to is not None:
            st.button(
                f"Searched back to {found.searched_to:%Y-%m-%d %H:%M:%S}, go on",
                icon=":material/manage_search:",
                type="primary",
                on_click=_go,
                args=(found.older,),
            )
        if not st.session_state.get("type"):
            st.checkbox("heartbeats too", key="admin", bind="query-params")
        count = messages.count(opened.database(), view)
        st.caption(
            f"{len(found.rows):,} messages on this page"
            if count is None
            else f"{count:,} messages in view"
        )
        if found.rows:
            if not st.query_params.get("message"):
                st.caption("Tick the box before a message to open it (Shift+Space).")
            st.html(_files(view))
        if count is not None and cursor is None and view.end is None:
            st.fragment(_since_then, run_every=_EVERY)(view, count)


def _since_then(view: View, count: int) -> None:
    """Offer the messages that have come since the page was made, without moving the table."""
    context = get_script_run_ctx()
    if context is None or not context.fragment_ids_this_run:
        return  # the page has counted them just now
    try:
        come = (messages.count(opened.database(), view) or 0) - count
    except Trouble:
        return  # the page tells it as soon as somebody does anything
    if come > 0 and st.button(f"{come:,} more have come, show them", type="primary"):
        st.rerun()


def _files(view: View) -> str:
    """Return the links to all messages of a view as files, which the API makes as they are read.

    A browser follows a link without a token: where one is needed, it is told what to ask for.
    """
    if TOKENS in os.environ:
        asked = escaped(export_link(view, "csv"))
        return f'<span class="ff-place">all of them, with a token: <code>{asked}</code></span>'
    links = (
        f'<a href="{escaped(export_link(view, kind))}" download>{label}</a>'
        for kind, label in (("csv", "CSV"), ("parquet", "Parquet"))
    )
    return f'<span class="ff-place">all of them as {" or ".join(links)}</span>'


def _go(cursor: str | None) -> None:
    _keep_place()
    st.query_params.pop("message", None)
    if cursor is None:
        st.query_params.pop("at", None)
    else:
        st.query_params["at"] = cursor


def _keep_place() -> None:
    """Say that a person goes somewhere, whatever else is changed by the same click.

    A click also ends what was written into a filter, and both come at once.
    """
    st.session_state.pop("messages_of", None)


def _open(key: str, rows: Sequence[Row]) -> None:
    _keep_place()
    chosen = st.session_state[key]["selection"]["rows"]
    if chosen and chosen[0] < len(rows):
        st.query_params["message"] = str(rows[chosen[0]]["message_id"])
    else:
        st.query_params.pop("message", None)


_TEXT = st.column_config.TextColumn
_COLUMNS = {
    "Time (UTC)": _TEXT(width=175, pinned=True),
    "Type": _TEXT(width=150),
    "Session": _TEXT(width=185),
    "Seq": st.column_config.NumberColumn(width=85, format="%d"),
    "ClOrdID": _TEXT(width=110),
    "Symbol": _TEXT(width=75),
    "Side": _TEXT(width=55),
    "Status": _TEXT(width=105),
    "Text": _TEXT(width=170),
    "Account": _TEXT(width=90),
    "Defects": _TEXT(width=120),
}
_AMOUNTS = {"Qty": EXACT, "Price": EXACT}


def _shown(rows: Sequence[Row]) -> dict[str, list[Any]]:
    named = opened.names().or_value
    return {
        "Time (UTC)": [_time(row) for row in rows],
        "Type": [named(row, "MsgType", "msg_type") for row in rows],
        "Session": [row["session"] or "" for row in rows],
        "Seq": [row["msg_seq_num"] for row in rows],
        "ClOrdID": [row["cl_ord_id"] or "" for row in rows],
        "Symbol": [row["symbol"] or "" for row in rows],
        "Side": [named(row, "Side", "side") for row in rows],
        "Qty": [_amount(row, "last_qty", "order_qty") for row in rows],
        "Price": [_amount(row, "last_px", "price") for row in rows],
        "Status": [named(row, "OrdStatus", "ord_status") for row in rows],
        "Text": [row["text"] or "" for row in rows],
        "Account": [row["account"] or "" for row in rows],
        "Defects": [row["defects"] or "" for row in rows],
    }


def _time(row: Row) -> str:
    return time_of(row["time"]) if row["time"] else "no time"


def _amount(row: Row, of_fill: str, of_order: str) -> Decimal | None:
    value: Decimal | None = row[of_fill] if row["last_qty"] else row[of_order]
    return value


if __name__ == "__main__":  # as Streamlit runs it
    page(st.session_state["view"])
