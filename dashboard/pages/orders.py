"""Orders: a list of them, and one order as swim lanes, with its ids, its fills and a report."""

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from fixfeed.dashboard import opened
from fixfeed.dashboard.amounts import EXACT, with_amounts
from fixfeed.dashboard.filters import link, page_link
from fixfeed.dashboard.markup.order import (
    facts_of,
    fills_of,
    ids_of,
    lanes_of,
    status_badge,
    status_of,
)
from fixfeed.dashboard.markup.report import report_of
from fixfeed.dashboard.markup.text import escaped, markdown, time_of
from fixfeed.dashboard.queries import orders
from fixfeed.dashboard.queries.cursor import CursorError
from fixfeed.dashboard.queries.messages import Page
from fixfeed.dashboard.queries.overview import rejects
from fixfeed.dashboard.queries.refusals import texts_of_refusals
from fixfeed.dashboard.queries.statuses import UnknownStatus, statuses
from fixfeed.dashboard.view import View

_ROWS = 100
_TEXTS = 1000  # of refusals, the most frequent ones
_OFFERED = 8
_LANES = 200  # an order with more messages shows the first so many
_STATUSES = ("0", "1", "2", "3", "4", "5", "6", "8", "9", "A", "C", "E")

Row = Mapping[str, Any]


def page(view: View) -> None:
    """Show the list, or the order that the address names."""
    key = st.query_params.get("order")
    if key:
        _one(key)
    else:
        _list(view)


def _list(view: View) -> None:
    names = opened.names()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="of_orders"):
        id = st.text_input("Any id", key="id", bind="query-params", width=220,
                           placeholder="ClOrdID, OrderID, ExecID")  # fmt: skip
        symbol = st.text_input("Symbol", key="symbol", bind="query-params", width=140)
        given = st.multiselect(
            "Status", _STATUSES, key="status", bind="query-params", placeholder="all", width=260,
            format_func=lambda one: _status(names({}, "OrdStatus", one), one),
            accept_new_options=True,
        )  # fmt: skip
        refused = st.text_input("Refused with", key="refused", bind="query-params", width=200,
                                placeholder="Text, exactly",
                                help="Text of a message that refuses, as it is there in full: "
                                "capitals count. The overview and the page of an order lead to "
                                "those with the same one.")  # fmt: skip
        problems = st.checkbox("with problems", key="problems", bind="query-params")
    chosen = [value for one in given for value in _values(one)]
    key = f"{hash((view, id, symbol, tuple(chosen), refused, problems))}"
    if st.session_state.get("orders_of", key) != key:
        st.query_params.pop("at", None)
    st.session_state["orders_of"] = key
    cursor = st.query_params.get("at")
    asked: dict[str, Any] = {
        "id": (id or "").strip(" ") or None,
        "status": chosen or None,
        "symbol": (symbol or "").strip(" ") or None,
        "refused": refused or None,
        "problems": problems,
    }
    try:
        found = orders.page(opened.database(), view, cursor=cursor, limit=_ROWS, **asked)
    except CursorError as error:
        st.warning(markdown(str(error)))
        found = orders.page(opened.database(), view, limit=_ROWS, **asked)
    _bar(found, cursor)
    if not found.rows:
        if found.searched_to is None:
            _tell_nothing(view, id, refused)
        return
    shown, columns = with_amounts(_shown(found.rows), _AMOUNTS)
    st.dataframe(
        shown,
        key=f"orders-{key}-{cursor}",
        on_select=lambda: _open(f"orders-{key}-{cursor}", found.rows),
        selection_mode="single-row",
        hide_index=True,
        height=600 if len(found.rows) > 18 else "auto",
        row_height=30,
        placeholder="",
        column_config={**_COLUMNS, **columns},
    )


def _status(name: str | None, value: str) -> str:
    """Return a status as it is shown; a name that the address has stays as it is."""
    return f"{name or '?'} ({value})" if len(value) == 1 else value


def _values(shown: str) -> list[str]:
    """Return the values of a status as it is shown, or as people name it."""
    value = shown.rpartition("(")[2].rstrip(")")
    try:
        return statuses(opened.database(), value)
    except UnknownStatus as error:
        st.warning(markdown(f"Status: {error}"))
        return [value]


def _tell_nothing(view: View, id: str | None, refused: str | None) -> None:
    told = f"No order has the id {markdown(id)}." if id else "No order matches these filters."
    st.info(told, icon=":material/search_off:")
    if not refused:
        return
    there = [row["text"] for row in opened.asked(rejects, view, limit=_TEXTS) if row["text"]]
    if refused in there:
        return  # other filters leave none
    words = refused.casefold()
    near = [text for text in there if words in text.casefold()] or there
    links = ", ".join(f"[{markdown(one)}]({page_link('orders', view, refused=one)})"
                      for one in near[:_OFFERED])  # fmt: skip
    if links:
        st.caption(f"No refusal has just the text {markdown(refused)}; there are: {links}")


def _bar(found: Page, cursor: str | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button("Newest", icon=":material/first_page:", disabled=cursor is None,
                  on_click=_go, args=(None,))  # fmt: skip
        if found.searched_to is not None:
            st.button(f"Searched back to {found.searched_to:%Y-%m-%d %H:%M:%S}, go on",
                      icon=":material/manage_search:", type="primary", on_click=_go,
                      args=(found.older,))  # fmt: skip
        else:
            st.button("Older", icon=":material/chevron_right:", icon_position="right",
                      disabled=found.older is None, on_click=_go, args=(found.older,))  # fmt: skip
        if found.rows:
            count = "1 order" if len(found.rows) == 1 else f"{len(found.rows):,} orders"
            st.caption(f"{count} on this page; tick the box before one to open it (Shift+Space)")


def _go(cursor: str | None) -> None:
    # The click also ends what was written into a filter: both come at once, and both count.
    st.session_state.pop("orders_of", None)
    if cursor is None:
        st.query_params.pop("at", None)
    else:
        st.query_params["at"] = cursor


def _open(key: str, rows: Sequence[Row]) -> None:
    chosen = st.session_state[key]["selection"]["rows"]
    if chosen and chosen[0] < len(rows):
        st.query_params["order"] = str(rows[chosen[0]]["order_key"])


_TEXT = st.column_config.TextColumn
_COLUMNS = {
    "Began (UTC)": _TEXT(width=175, pinned=True),
    "Status": _TEXT(width=150),
    "Symbol": _TEXT(width=80),
    "Side": _TEXT(width=60),
    "Filled": st.column_config.ProgressColumn(
        width=110, format="percent", min_value=0, max_value=1
    ),
    "ClOrdID": _TEXT(width=130),
    "Session": _TEXT(width=190),
    "Messages": st.column_config.NumberColumn(width=80),
    "Rejects": st.column_config.NumberColumn(width=70),
    "Text": _TEXT(width=170),
    "Problems": _TEXT(width=120),
}
_AMOUNTS = {"Qty": EXACT, "Average": 10, "Price": EXACT}


def _shown(rows: Sequence[Row]) -> dict[str, list[Any]]:
    named = opened.names().or_value
    return {
        "Began (UTC)": [time_of(row["first_message_at"]) or "no time" for row in rows],
        "Status": [status_of(row, opened.names()) for row in rows],
        "Symbol": [row["symbol"] or row["security_id"] or "" for row in rows],
        "Side": [named(row, "Side", "side") for row in rows],
        "Qty": [row["order_qty"] for row in rows],
        "Filled": [_filled(row) for row in rows],
        "Average": [row["avg_px"] if row["fills"] else None for row in rows],
        "Price": [row["price"] for row in rows],
        "ClOrdID": [row["last_cl_ord_id"] or row["first_cl_ord_id"] or row["order_id"] or ""
                    for row in rows],
        "Session": [
            f"{row['session'] or row['session_pair']}{' (drop copy)' if row['drop_copy'] else ''}"
            for row in rows
        ],
        "Messages": [row["messages"] for row in rows],
        "Rejects": [row["rejects"] or None for row in rows],
        "Text": [row["text"] or "" for row in rows],
        "Problems": [row["problems"] or "" for row in rows],
    }  # fmt: skip


def _filled(row: Row) -> float | None:
    if not row["order_qty"] or row["cum_qty"] is None:
        return None
    return min(1.0, float(row["cum_qty"] / row["order_qty"]))


def _one(text: str) -> None:
    whole = None
    if text.isascii() and text.lstrip("-").isdecimal() and abs(int(text)) < 2**63:
        whole = orders.order(opened.database(), int(text))
    st.button("All orders", icon=":material/arrow_back:", on_click=_close)
    if whole is None:
        st.warning(f"There is no order with the key {markdown(text[:30])} here.")
        return
    names = opened.names()
    order, steps = whole["order"], whole["messages"]
    known = order["first_cl_ord_id"] or order["order_id"] or str(order["order_key"])
    st.html(
        f'<div class="ff-sentence">Order {escaped(known)} {status_badge(order, names)}</div>'
        f"{facts_of(order, names)}<div>{ids_of(whole['ids'])}</div>"
    )
    same = ", ".join(
        f"[{markdown(text)}]({link('orders', {'refused': text})})"
        for text in texts_of_refusals(steps)
    )
    if same and not order["drop_copy"]:
        st.caption(f"All orders that were refused with the same Text: {same}")
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        clock = st.segmented_control(
            "Times", ("sent", "in the log"), default="sent", required=True, key="clock_of_lanes",
            bind="query-params", help="SendingTime, or when the log says that it came or went",
        )  # fmt: skip
        copies = st.checkbox("copies too", key="copies", bind="query-params")
        st.download_button(
            "Report",
            report_of(order, steps, whole["executions"], whole["ids"], names,
                      place=opened.database().place, now=datetime.datetime.now(datetime.UTC)),
            f"order-{order['order_key']}.html",
            "text/html",
            icon=":material/description:",
            on_click="ignore",
            help="One HTML file with everything about this order, its messages as they came too",
        )  # fmt: skip
    clock = clock or "sent"  # a link may name none: `?clock_of_lanes=`
    chosen = [step for step in steps if copies or not step["copied"]]
    column = "sending_time" if clock == "sent" else "captured_at"
    st.html(lanes_of(order, chosen[:_LANES], names, clock=column, link=_message))
    if len(chosen) > _LANES:
        st.caption(f"The first {_LANES:,} of {len(chosen):,} messages; the report has them all.")
    fills = fills_of(whole["executions"])
    if fills:
        st.subheader("Fills")
        st.html(fills)


def _message(step: Row) -> str:
    return link("messages", {"message": str(step["message_id"])})


def _close() -> None:
    st.query_params.pop("order", None)


if __name__ == "__main__":  # as Streamlit runs it
    page(st.session_state["view"])
