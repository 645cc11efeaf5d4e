"""How much came, of what, when; which sessions are there; what is refused most often."""

import datetime
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from fixfeed.dashboard import opened
from fixfeed.dashboard.brush import chart_of_messages
from fixfeed.dashboard.filters import link, messages_link, page_link, shown_period
from fixfeed.dashboard.markup.table import Cell, table_of
from fixfeed.dashboard.markup.text import duration, markdown, time_of
from fixfeed.dashboard.markup.tile import tile_of, tiles_of
from fixfeed.dashboard.moments import before
from fixfeed.dashboard.queries import overview, sessions
from fixfeed.dashboard.queries.anomalies import anomalies, kinds_of_anomalies
from fixfeed.dashboard.queries.conditions import step_of
from fixfeed.dashboard.trouble import Trouble
from fixfeed.dashboard.view import View

_EVERY = 5  # seconds
_TABLES = 30  # the same for the tables, which cost more
_ANOMALIES = 6  # of the gravest
_LISTED = 300
_SEVERITIES = ("critical", "warning", "info")


def page(view: View) -> None:
    """Show the page, which the search does not choose: so its links have none either."""
    view = replace(view, text="")
    live = not (view.begin or view.end)
    if live:
        _ahead(view)
    st.fragment(_told_or, run_every=_EVERY if live else None)(_counts, view)
    st.fragment(_told_or, run_every=_TABLES if live else None)(_tables, view)


def _tables(view: View) -> None:
    shown = shown_period(view)
    _anomalies(shown)
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.subheader("Sessions")
        _sessions(shown)
    with right:
        st.subheader("Symbols")
        _symbols(shown)
        st.subheader("Why orders, cancels and replaces were refused")
        _rejects(shown)


def _ahead(view: View) -> None:
    later, messages = opened.asked(overview.ahead, view)
    if messages:
        st.warning(
            f"[{messages:,} messages]({messages_link(later, admin='true')}) have times after today"
            " (UTC): a clock that is wrong, or no time at all. Overview, Sessions and Latency leave"
            " them out unless you choose their time.",
            icon=":material/update:",
        )


def _told_or(show: Callable[[View], None], view: View) -> None:
    """Show a part of the page that comes again, without the rest, or tell why it cannot be."""
    try:
        show(view)
    except Trouble as trouble:
        st.error(markdown(str(trouble)), icon=":material/error:")


def _counts(view: View) -> None:
    shown = shown_period(view)
    step = step_of(shown)
    now = opened.asked(overview.counts, shown)
    past = None
    if shown.begin and shown.end:
        begin = before(shown.begin, shown.end - shown.begin)
        past = opened.asked(overview.counts, replace(shown, begin=begin, end=shown.begin))
    rows = opened.asked(overview.minutes, shown, step)
    tiles = [
        tile_of("Messages", now["messages"], _against(now, past, "messages"),
                messages_link(shown, admin="true"), _line(rows, "messages")),
        tile_of("Rejects (3, 9, j)", now["rejects"], _against(now, past, "rejects"),
                _address_of_rejects(shown), _line(rows, "rejects")),
        tile_of("Messages with defects", now["defective"], _against(now, past, "defective"),
                messages_link(shown, q="defects exists", admin="true"), _line(rows, "defective")),
        tile_of("Failures", opened.failures(), "of all times: what is no message", "quality"),
    ]  # fmt: skip
    st.html(tiles_of(tiles))
    chart_of_messages(rows, shown, step, 200, key=f"by_time-{hash(view)}")
    st.caption(_told(shown, live=not (view.begin or view.end)) + _timeless(view))


def _address_of_rejects(view: View) -> str:
    """Return the address of the messages that refuse another one, of the view's types if any."""
    if view.types:
        return messages_link(view, q=f"MsgType in ({', '.join(overview.REJECTS)})")
    return messages_link(view, type=list(overview.REJECTS))


def _against(now: dict[str, int], past: dict[str, int] | None, name: str) -> str:
    if not past or not past[name]:
        return ""
    return f"{(now[name] - past[name]) / past[name]:+.0%} against the period before"


def _line(rows: Sequence[dict[str, Any]], name: str) -> list[int]:
    """Return a count by time, in fifty steps or so."""
    counted: dict[datetime.datetime, int] = {}
    for row in rows:
        value = row["defective"] if name == "defective" else row["messages"]
        if name == "rejects" and row["msg_type"] not in overview.REJECTS:
            value = 0
        counted[row["time"]] = counted.get(row["time"], 0) + value
    if not counted:
        return []
    first, last = min(counted), max(counted)
    width = max((last - first) / 50, datetime.timedelta(minutes=1))
    steps = [0] * (int((last - first) / width) + 1)
    for time, value in counted.items():
        steps[int((time - first) / width)] += value
    return steps


def _told(view: View, *, live: bool) -> str:
    if not (view.begin and view.end):
        return "No message has a time yet."
    chosen = " (the day of the newest message)" if live else ""
    return (
        f"{view.begin:%Y-%m-%d %H:%M:%S} to {view.end:%Y-%m-%d %H:%M:%S} UTC{chosen}. "
        "Drag over the bars to choose a time."
    )


def _timeless(view: View) -> str:
    """Return the end of a caption: how many messages are in no time, with a link."""
    messages = opened.asked(overview.timeless, view)
    if not messages:
        return ""
    search = "sending_time missing captured_at missing"
    address = messages_link(replace(view, text=search, begin=None, end=None), admin="true")
    return f" [{messages:,} more]({address}) have no time, neither SendingTime nor one of the log."


def _sessions(view: View) -> None:
    days = opened.asked(sessions.days, view)
    counted = {row["session"]: row for row in opened.asked(overview.by_session, view)}
    newest, gone = opened.newest(), opened.asked(sessions.logged_out, view)
    by_session: dict[str | None, dict[str, Any]] = {}
    for row in days:
        one = by_session.setdefault(
            row["session"],
            {"last_time": row["last_time"], "missing": 0, "rejects": 0, "beat": None},
        )
        one["last_time"] = max(one["last_time"], row["last_time"])
        one["missing"] += row["missing"]
        one["rejects"] += row["rejects"]
        one["beat"] = row["heart_bt_int"] or one["beat"]
    rows = []
    for session, one in by_session.items():
        messages = counted.get(session, {"messages": 0, "defective": 0})
        if not messages["messages"]:
            continue
        name = session or ""
        own = {"session": [name]} if name else {}
        search = "" if name else "session missing"
        silent = (newest - one["last_time"]).total_seconds() if newest else 0.0
        late = bool(one["beat"]) and silent > 2 * one["beat"] + 60
        rows.append(
            [
                Cell(name or "(no session)", page_link("sessions", view, **own) if name else None),
                Cell(messages["messages"],
                     messages_link(view, **own, q=search, admin="true")),
                Cell(one["last_time"].strftime("%H:%M:%S")),
                _silence(silent if late else 0.0, is_gone=name in gone),
                Cell((name and one["missing"]) or "", page_link("sessions", view, **own),
                     bad=bool(name)),
                Cell(one["rejects"] or ""),
                Cell(messages["defective"] or "",
                     messages_link(view, **own, q=f"{search} defects exists".strip(),
                                   admin="true")),
            ]
        )  # fmt: skip
    counts = ("#missing", "#rejects (3, j)", "#defects")
    heads = ("session", "#messages", "last heard", "silent", *counts)
    st.html(table_of(heads, rows, empty="No session has sent anything in this time."))


def _silence(seconds: float, *, is_gone: bool) -> Cell:
    """Return for how long a session was silent, if it was to send something."""
    if is_gone:
        return Cell("logged out")
    return Cell(f"{duration(seconds)} ago" if seconds else "", bad=bool(seconds))


def _anomalies(view: View) -> None:
    """Show what is out of the ordinary, if there is anything: the gravest, or all of some kinds."""
    counted = opened.asked(kinds_of_anomalies, view)
    if not counted:
        return
    st.subheader("Out of the ordinary")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        every = st.checkbox(
            f"all {sum(counted.values()):,}", key="anomalies", bind="query-params",
            help="Else the gravest, and of these the newest.",
        )  # fmt: skip
        kinds = st.pills(
            "Kinds", list(counted), key="anomaly", bind="query-params", selection_mode="multi",
            label_visibility="collapsed",
            format_func=lambda kind: kind.replace("_", " "),
        )  # fmt: skip
    found = []
    if every or kinds:
        listed = opened.asked(anomalies, view, kinds=tuple(kinds or ()), limit=_LISTED)
        found = listed.rows
    else:
        for severity in _SEVERITIES:
            found += opened.asked(anomalies, view, severities=(severity,), limit=_ANOMALIES).rows
        found = found[:_ANOMALIES]
    with st.container(height=420 if len(found) > 2 * _ANOMALIES else "content", border=False):
        _list_anomalies(view, found)
    if len(found) == _LISTED:
        st.caption(f"The newest {_LISTED}; choose a kind, a session or a shorter time for others.")


def _list_anomalies(view: View, found: Sequence[dict[str, Any]]) -> None:
    rows = []
    for row in found:
        order = {"order": str(row["order_key"])} if row["order_key"] is not None else None
        address = link("orders", order) if order else None
        if address is None and row["session"]:
            address = page_link("sessions", view, session=[row["session"]])
        rows.append(
            [
                Cell(row["severity"], bad=row["severity"] == "critical"),
                Cell(time_of(row["happened_at"]) or "no time"),
                Cell(row["kind"].replace("_", " "), address),
                Cell(row["session"] or ""),
                Cell(row["symbol"] or ""),
                Cell(row["seen"]),
                Cell(row["expected"]),
            ]
        )
    heads = ("severity", "time (UTC)", "what", "session", "symbol", "seen", "expected")
    st.html(table_of(heads, rows))


def _symbols(view: View) -> None:
    rows = [
        [
            Cell(row["symbol"], page_link("orders", view, symbol=row["symbol"])),
            Cell(row["orders"]),
            Cell(row["fills"]),
            Cell(row["rejects"] or ""),
        ]
        for row in opened.asked(overview.symbols, view)
    ]
    heads = ("symbol", "#orders", "#fills", "#refused")
    st.html(table_of(heads, rows, empty="No order in this time."))


def _rejects(view: View) -> None:
    rows = [
        [Cell(row["text"] or "(no text)"), Cell(row["orders"], _refused_with(view, row["text"]))]
        for row in opened.asked(overview.rejects, view)
    ]
    st.html(table_of(("text", "#orders"), rows, empty="No order was refused in this time."))


def _refused_with(view: View, text: str) -> str | None:
    """Return the address of the orders that were refused something with a text."""
    return page_link("orders", view, refused=text) if text else None


if __name__ == "__main__":  # as Streamlit runs it
    page(st.session_state["view"])
