"""Sessions: when they were there, their sequence numbers, gaps and what filled them."""

import datetime
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from fixfeed.dashboard import opened
from fixfeed.dashboard.brush import brushed_chart
from fixfeed.dashboard.charts.sessions import silences, strip
from fixfeed.dashboard.filters import messages_link, shown_period, told_minutes
from fixfeed.dashboard.markup.table import Cell, table_of
from fixfeed.dashboard.markup.text import duration, time_of
from fixfeed.dashboard.moments import after
from fixfeed.dashboard.queries import sessions
from fixfeed.dashboard.queries.sessions import Gap
from fixfeed.dashboard.view import View

_STRIPS = 24
_GAPS = 300
_AFTER = datetime.timedelta(hours=1)  # in which messages after a gap are shown
_EVENTS = {
    "logons": "logon",
    "logouts": "logout",
    "resets": "reset",
    "gap_fills": "gap fill",
    "resend_requests": "resend request",
    "rejects": "reject",
}

Row = dict[str, Any]


def page(view: View) -> None:
    """Show the page."""
    shown = shown_period(view)
    days = opened.asked(sessions.days, shown)
    if not days:
        st.info("No session has sent anything in this time.", icon=":material/search_off:")
        return
    gaps = opened.asked(sessions.gaps, shown)
    told_minutes(shown, "Charts")
    st.subheader("When they were there")
    _strips(shown, days, gaps)
    st.subheader("How long they were silent")
    _silences(shown)
    st.subheader("Sequence numbers")
    if not _has_whole_days(shown):
        st.caption("Of whole days in UTC, as sequence numbers are, and so are gaps.")
    _days(days)
    st.subheader("Gaps, and what filled them")
    _gaps(shown, gaps)


def _strips(view: View, days: Sequence[Row], gaps: Sequence[Gap]) -> None:
    known = sorted({row["session"] for row in days if row["session"]})
    if len(known) > _STRIPS:
        st.caption(f"The first {_STRIPS} of {len(known)} sessions; choose some above.")
    own = replace(view, sessions=tuple(known[:_STRIPS]))
    events = [
        {"session": row["session"], "time": row["minute"], "what": _EVENTS[column]}
        for row in opened.asked(sessions.events, own)
        for column in sessions.EVENTS
        if row[column]
    ]
    events += [
        {"session": gap.session, "time": gap.at, "what": "gap"}
        for gap in gaps
        if gap.what == sessions.NEVER and gap.session in own.sessions and gap.at
    ]
    brushed_chart(strip(opened.asked(sessions.presences, own), events), key=f"strip-{hash(own)}")


def _silences(view: View) -> None:
    rows = opened.asked(sessions.silences, view)
    known = sorted({row["session"] for row in rows})[:_STRIPS]
    st.caption(
        "Minutes by their longest silence: where there is nothing to say, heartbeats keep it at "
        "HeartBtInt, so regular ones are one stripe there."
    )
    st.vega_lite_chart(silences([row for row in rows if row["session"] in known]), width="stretch")


def _has_whole_days(view: View) -> bool:
    return all(time is None or time.time() == datetime.time() for time in (view.begin, view.end))


def _days(days: Sequence[Row]) -> None:
    rows = []
    for row in days:
        session = row["session"]
        numbers, silence = "", None
        if session and row["first_number"] is not None:
            numbers = f"{row['first_number']:,} to {row['last_number']:,}"
        if session:
            silence = row["longest_silence"]
        rows.append(
            [
                Cell(session or "(no session)"),
                Cell(str(row["day"])),
                Cell(f"{row['first_time']:%H:%M:%S}"),
                Cell(f"{row['last_time']:%H:%M:%S}"),
                Cell(row["messages"], _messages_of(row)),
                Cell(numbers),
                Cell((session and row["missing"]) or "", bad=bool(session)),
                Cell((session and row["duplicates"]) or ""),
                Cell(row["logons"] or ""),
                Cell(row["resets"] or ""),
                Cell(row["resend_requests"] or ""),
                Cell(row["heart_bt_int"] or ""),
                Cell((session and row["silences"]) or ""),
                Cell(duration(silence) if silence else ""),
                Cell(row["rejects"] or ""),
            ]
        )
    heads = (
        "session", "day", "from", "to", "#messages", "#numbers", "#missing", "#again", "#logons",
        "#resets", "#resend requests", "#HeartBtInt", "#silences", "#longest", "#rejects",
    )  # fmt: skip
    st.html(table_of(heads, rows))


def _messages_of(row: Row) -> str:
    """Return the address of all messages of a session on a day."""
    begin = datetime.datetime.combine(row["day"], datetime.time(), datetime.UTC)
    view = View(
        text="" if row["session"] else "session missing",
        sessions=(row["session"],) if row["session"] else (),
        begin=begin,
        end=after(begin, datetime.timedelta(days=1)),
    )
    return messages_link(view, admin="true")


def _gaps(view: View, gaps: Sequence[Gap]) -> None:
    rows = []
    for gap in gaps[:_GAPS]:
        numbers = f"{gap.first:,}" if gap.numbers == 1 else f"{gap.first:,} to {gap.last:,}"
        around = f"MsgSeqNum>={max(1, gap.first - 20)} MsgSeqNum<={gap.last + 20}"
        begin, end = f"{gap.day}", f"{gap.day} 23:59:59.999999"
        if gap.at is not None:
            # From the end of the day on much would have to be read until they are found.
            end = f"{after(gap.at, _AFTER):%Y-%m-%d %H:%M}"
        address = messages_link(
            view, q=around, session=[gap.session], type=None, from_=begin, to=end,
            admin="true",
        )  # fmt: skip
        rows.append(
            [
                Cell(gap.session),
                Cell(str(gap.day)),
                Cell(numbers),
                Cell(gap.numbers),
                _became(view, gap),
                Cell(time_of(gap.at, day=False) if gap.at else ""),
                Cell("20 on each side", None if gap.appl_id is not None else address),
            ]
        )
    heads = ("session", "day", "#numbers", "#how many", "what became of them",
             "filled, or next number, at", "messages")  # fmt: skip
    st.html(table_of(heads, rows, empty="No number is missing, and none came late."))
    if any(gap.what == sessions.NEVER for gap in gaps):
        st.caption(
            "What is missing may have come damaged: as a [failure](quality), or as a message "
            "whose CompIDs or version cannot be read, of which *(no session)* has the number."
        )
    if len(gaps) > _GAPS:
        st.caption(f"The first {_GAPS} of {len(gaps):,}; choose a session or a shorter time.")


def _became(view: View, gap: Gap) -> Cell:
    """Return what became of numbers that did not come when they were due."""
    if gap.what != sessions.NEVER:
        return Cell(f"came late: {gap.what}")
    if not gap.without_time:
        return Cell("missing", bad=True)
    stored = "stored, without a time"
    if gap.without_time < gap.numbers:
        stored = f"missing; {gap.without_time:,} of them {stored}"
    address = messages_link(
        view, q=f"MsgSeqNum>={gap.first} MsgSeqNum<={gap.last}", session=[gap.session],
        type=None, from_=None, to=None, admin="true",
    )  # fmt: skip
    return Cell(stored, address, bad=gap.without_time < gap.numbers)


if __name__ == "__main__":  # as Streamlit runs it
    page(st.session_state["view"])
