"""Latency: how long requests waited for their answers, always with the clock that says so."""

import datetime
from collections.abc import Sequence
from typing import Any

import streamlit as st

from fixfeed.dashboard import opened
from fixfeed.dashboard.brush import brushed_chart
from fixfeed.dashboard.charts.axes import in_bars
from fixfeed.dashboard.charts.latency import LEAST, percentiles, waiting
from fixfeed.dashboard.filters import page_link, shown_period, told_minutes
from fixfeed.dashboard.markup.table import Cell, table_of
from fixfeed.dashboard.markup.text import duration, markdown, time_of
from fixfeed.dashboard.queries import latency
from fixfeed.dashboard.queries.conditions import step_of
from fixfeed.dashboard.queries.latency_by_symbol import by_symbol, of_symbol, percentiles_of
from fixfeed.dashboard.queries.slowest import slowest
from fixfeed.dashboard.view import View
from fixfeed.transforms.fix.latencies.schema import CLOCKS, KINDS

_SHARES = (50, 95, 99)
_SLOWEST = 100
_SYMBOLS = 300
_POINTS = 60

Row = dict[str, Any]


def page(view: View) -> None:
    """Show the page."""
    shown = shown_period(view)
    there = opened.asked(latency.kinds_and_clocks, shown)
    if not there:
        st.info("No request was answered in this time.", icon=":material/search_off:")
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        kind = st.segmented_control(
            "What", list(KINDS), default="acknowledged", required=True, key="kind",
            bind="query-params",
        )  # fmt: skip
        known = {row["clock"] for row in there}
        clock = st.segmented_control(
            "Clock", [one for one in CLOCKS if one in known], default=_usual(there), required=True,
            key="clock", bind="query-params",
            help="; ".join(f"{one}: {said}" for one, said in CLOCKS.items())
            + ". A latency by one clock says nothing about one by another.",
        )  # fmt: skip
        symbol = st.text_input("Symbol", key="symbol", bind="query-params", width=140)
    # A link may name none: `?kind=`.
    kind, clock = kind or "acknowledged", clock or _usual(there)
    asked = {"kind": kind, "clock": clock}
    symbol = (symbol or "").strip(" ")
    key = f"{hash((shown, symbol))}-{kind}-{clock}"
    if symbol:
        _of_symbol(shown, symbol, asked, key)
    else:
        _of_all(shown, there, asked, key)


def _of_all(shown: View, there: Sequence[Row], asked: dict[str, str], key: str) -> None:
    kind, clock = asked["kind"], asked["clock"]
    requests = sum(row["requests"] for row in there if (row["kind"], row["clock"]) == (kind, clock))
    if not requests:
        st.info(f"There is nothing {_named(asked)}. Choose another clock.",
                icon=":material/timer_off:")  # fmt: skip
        return
    step = step_of(shown)
    rows = opened.asked(latency.by_time, shown, step=step, **asked)
    _headline(rows, requests, asked)
    told_minutes(shown, "Percentiles and charts")
    others = ", ".join(
        f"{row['clock']} {row['requests']:,}"
        for row in there
        if row["kind"] == kind and row["clock"] != clock
    )
    if others:
        st.caption(
            f"By other clocks: {others}. A clock of a log has the sessions that are in this log."
        )
    _charts(rows, step, clock, key)
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader(f"Sessions, by the clock: {clock}")
        _sessions(shown, asked, opened.asked(latency.percentiles, shown, **asked))
        st.caption("Ends of buckets, at most a tenth more than exact; by symbol they are exact.")
    with right:
        st.subheader(f"The slowest, by the clock: {clock}")
        found, since = opened.asked(slowest, shown, limit=_SLOWEST, **asked)
        if since is not None:
            st.caption(
                "Very many waited about as long as the last of these: of such, those since"
                f" {time_of(since)} are listed. Choose a session or a shorter time for others."
            )
        _slowest(found)
    st.subheader(f"Symbols, by the clock: {clock}")
    _symbols(shown, asked, *opened.asked(by_symbol, shown, **asked))


def _of_symbol(shown: View, symbol: str, asked: dict[str, str], key: str) -> None:
    found, since = opened.asked(of_symbol, shown, symbol=symbol, **asked)
    if since is not None:
        st.caption(
            f"Of the newest requests, those since {time_of(since)}, all that are for"
            f" {markdown(symbol)}; choose a time for others."
        )
    if not found:
        st.info(f"No order of {markdown(symbol)} has anything {_named(asked)}.",
                icon=":material/search_off:")  # fmt: skip
        return
    rows = [
        {"time": row["began"], "up_to": row["seconds"] or LEAST, "requests": 1} for row in found
    ]
    _headline(rows, len(found), asked)
    _charts(rows, step_of(shown), asked["clock"], key)
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader(f"Sessions, by the clock: {asked['clock']}")
        _sessions(shown, {**asked, "symbol": symbol}, percentiles_of(found))
    with right:
        st.subheader(f"The slowest, by the clock: {asked['clock']}")
        _slowest(found[:_SLOWEST])


def _named(asked: dict[str, str]) -> str:
    return f"{KINDS[asked['kind']]}, by {CLOCKS[asked['clock']]}"


def _headline(rows: Sequence[Row], requests: int, asked: dict[str, str]) -> None:
    """Show the percentiles, and what the clocks do not tell.

    Of answers before their requests `up_to` is 0 or less, of those at the same time `LEAST`.
    """
    told = ", ".join(
        f"p{share} {_waited(latency.percentile(rows, share / 100))}" for share in _SHARES
    )
    st.markdown(f"**{requests:,} requests, {_named(asked)}: {told}**")
    if same := sum(row["requests"] for row in rows if 0 < row["up_to"] <= LEAST):
        st.caption(
            f"{same:,} answers have the time of their requests, told as 0 s: clocks of logs often"
            " count whole seconds or milliseconds."
        )
    if below := sum(row["requests"] for row in rows if row["up_to"] <= 0):
        st.warning(
            f"{below:,} answers are from before their requests: these clocks differ.",
            icon=":material/schedule:",
        )


def _waited(seconds: float | None) -> str:
    """Return how long something took, 0 s if the clock has not told it from nothing.

    >>> _waited(0.000001), _waited(0.0), _waited(0.02)
    ('0 s', '0 s', '20 ms')
    """
    if seconds is not None and 0 <= seconds <= LEAST:
        return "0 s"
    return duration(seconds)


def _charts(rows: Sequence[Row], step: str, clock: str, key: str) -> None:
    st.subheader(f"Percentiles by the clock: {clock}")
    brushed_chart(percentiles(_over_time(rows, step), step), key=f"p-{key}")
    st.subheader(f"How long, and when, by the clock: {clock}")
    brushed_chart(waiting(rows, step), key=f"w-{key}")


def _usual(there: Sequence[Row]) -> str:
    """Return the clock to begin with: that with the most requests, one of a log if it has half."""
    counted: dict[str, int] = {}
    for row in there:
        counted[row["clock"]] = counted.get(row["clock"], 0) + row["requests"]
    half = max(counted.values()) / 2
    return max(counted, key=lambda one: (one != "sent" and counted[one] >= half, counted[one]))


def _over_time(rows: Sequence[Row], step: str) -> list[Row]:
    return [
        {"time": time, "percentile": f"p{share}", "seconds": latency.percentile(own, share / 100)}
        for time, own in in_bars(rows, step, _POINTS).items()
        for share in _SHARES
    ]


def _sessions(view: View, asked: dict[str, str], found: Sequence[Row]) -> None:
    rows = [
        [
            _session(view, asked, row["session"]),
            Cell(row["requests"]),
            *(Cell(_waited(row[name])) for name in ("p50", "p95", "p99", "most")),
        ]
        for row in sorted(found, key=lambda row: -row["p99"])
    ]
    st.html(table_of(("session", "#requests", "#p50", "#p95", "#p99", "#at most"), rows))


def _session(view: View, asked: dict[str, str], session: str) -> Cell:
    """Return a session that leads to its own latencies."""
    return Cell(session, page_link("latency", view, **{**asked, "session": [session]}))


def _symbols(
    view: View, asked: dict[str, str], found: Sequence[Row], since: datetime.datetime | None
) -> None:
    if since is not None:
        st.caption(f"The newest requests, those since {time_of(since)}; choose a time for others.")
    rows = [
        [
            Cell(
                row["symbol"] or "(unknown)",
                page_link("latency", view, symbol=row["symbol"], **asked)
                if row["symbol"]
                else None,
            ),
            _session(view, asked, row["session"]),
            Cell(row["requests"]),
            *(Cell(_waited(row[name])) for name in ("p50", "p95", "p99", "most")),
        ]
        for row in sorted(found, key=lambda row: -row["p99"])[:_SYMBOLS]
    ]
    with st.container(height=420, border=False):
        st.html(table_of(("symbol", "session", "#requests", "#p50", "#p95", "#p99", "#most"), rows))
    if len(found) > _SYMBOLS:
        st.caption(f"The {_SYMBOLS} slowest of {len(found):,}; choose a session or a shorter time.")


def _slowest(found: Sequence[Row]) -> None:
    rows = [
        [
            Cell(_waited(row["seconds"])),
            Cell(time_of(row["began"])),
            Cell(
                row["cl_ord_id"],
                page_link("orders", View(sessions=(row["session"],)), id=row["cl_ord_id"]),
            ),
            Cell(row["session"]),
        ]
        for row in found
    ]
    with st.container(height=420, border=False):
        st.html(table_of(("#waited", "asked at (UTC)", "ClOrdID", "session"), rows))


if __name__ == "__main__":  # as Streamlit runs it
    page(st.session_state["view"])
