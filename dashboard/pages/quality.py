"""Data quality: what came in is accounted for, what failed and what was wrong is here."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from fixfeed.dashboard import opened
from fixfeed.dashboard.database import Database
from fixfeed.dashboard.filters import link, messages_link
from fixfeed.dashboard.markup.table import Cell, table_of
from fixfeed.dashboard.markup.text import duration, escaped, markdown, time_of
from fixfeed.dashboard.queries import quality
from fixfeed.dashboard.queries.cursor import CursorError
from fixfeed.dashboard.trouble import Kind, Trouble
from fixfeed.dashboard.view import View
from fixfeed.transforms.fix.defects import MEANINGS

_COUNTED = 20.0  # seconds: PostgreSQL counts some millions in one
_SHOWN = 300  # of the bytes of a failure
_COLUMNS = 12  # of sources, those with the most defects

Row = dict[str, Any]


def page(view: View) -> None:
    """Show the page."""
    database = opened.database()
    st.subheader("Does it add up?")
    accounts = st.container()
    st.subheader("Sources")
    _sources(quality.sources(database))
    st.subheader("Failures: bytes that are no message")
    _failures()
    st.subheader("Defects: messages with something wrong, by source")
    _defects(view, quality.defects(database, view))
    st.subheader("Runs")
    _runs(quality.runs(database))
    with accounts:  # last, as all messages are counted
        _accounts(database)


def _accounts(database: Database) -> None:
    try:
        with st.spinner("Counting all messages"):
            accounts = quality.accounts(database, seconds=_COUNTED)
    except Trouble as trouble:
        if trouble.kind is not Kind.DEADLINE:
            raise
        st.warning(
            f"Counting all messages takes longer than {_COUNTED:.0f} seconds here. Look again when "
            "less is going on, or compare count(*) of messages with sum(stored) of progress.",
            icon=":material/timer_off:",
        )
        return
    rows = [
        [
            Cell(account.what),
            Cell("; ".join(f"{name} {value:,}" for name, value in account.numbers.items())),
            Cell(account.told),
            Cell("adds up" if account.agrees else "DOES NOT ADD UP"),
        ]
        for account in accounts
    ]  # fmt: skip
    wrong = [not account.agrees for account in accounts]
    if any(wrong):
        st.error(
            "These numbers have to be the same, and are not. While a job runs they may differ for "
            "a moment: look again. If they stay so, tell us.",
            icon=":material/error:",
        )
    else:
        st.success(
            "All that came in is accounted for. What sessions lack is on *Sessions*.",
            icon=":material/check:",
        )
    st.html(table_of(("what", "numbers", "made of", ""), rows, wrong=wrong))


def _sources(sources: Sequence[Row]) -> None:
    rows = []
    for row in sources:
        come = row["stored"] + row["filtered"] + row["failed"]
        rows.append(
            [
                Cell(row["name"]),
                Cell(row["kind"]),
                Cell(row["bytes"]),
                Cell(come),
                Cell(row["stored"]),
                Cell(row["filtered"] or ""),
                Cell(row["failed"] or "", link("quality", {"source": str(row["source_id"])})),
                Cell(row["skipped"] or ""),
                Cell(f"{row['open']:,} bytes open" if row["open"] else "", bad=bool(row["open"])),
                Cell(time_of(f"{row['last_seen']:%Y-%m-%d %H:%M:%S}")),
            ]
        )  # fmt: skip
    heads = ("source", "kind", "#bytes", "#came in", "#stored", "#filtered", "#failed",
             "#other lines", "not read yet", "last seen (UTC)")  # fmt: skip
    st.html(table_of(heads, rows, empty="No source has been read."))


def _failures() -> None:
    database = opened.database()
    by_reason = quality.failures_by_reason(database)
    if not by_reason:
        st.html(table_of((), [], empty="None: everything that looked like a message is one."))
        return
    rows = [
        [
            Cell(row["reason"], link("quality", {"reason": row["reason"]})),
            Cell(row["failures"], link("quality", {"reason": row["reason"]})),
            Cell(row["detail"]),
            Cell(row["with_detail"]),
        ]
        for row in by_reason
    ]
    st.html(table_of(("reason", "#failures", "the most frequent detail", "#have it"), rows))
    reason = st.query_params.get("reason")
    source = st.query_params.get("source")
    if not (reason or source):
        st.caption("Choose a reason or a source to see the bytes.")
        return
    source_id = int(source) if source and source.isascii() and source.isdecimal() else None
    if source_id is not None and source_id >= 2**23:
        source_id = None
    try:
        found = quality.failures(
            database, reason=reason, source_id=source_id, cursor=st.query_params.get("after")
        )
    except CursorError as error:
        st.warning(markdown(str(error)))
        return
    body = []
    for row in found.rows:
        raw = bytes(row["raw"])
        text = raw[:_SHOWN].decode("utf-8", "backslashreplace")
        more = f" … {len(raw) - _SHOWN:,} bytes more" if len(raw) > _SHOWN else ""
        body.append(
            '<tr><td><div class="ff-place">'
            f"{escaped(row['source'] or 'unknown source')} @ {row['position']:,} · "
            f"<b>{escaped(row['reason'])}</b>: {escaped(row['detail'])}</div>"
            f'<div class="ff-raw">{escaped(text)}{escaped(more)}</div>'
            f'<details><summary class="ff-place">as hex</summary>'
            f'<div class="ff-raw">{raw[:_SHOWN].hex(" ")}</div></details></td></tr>'
        )
    st.html(f'<table class="ff-table">{"".join(body)}</table>')
    with st.container(horizontal=True):
        st.button("All reasons", on_click=_all_reasons, icon=":material/close:")
        st.button("Next", disabled=found.older is None, on_click=_next, args=(found.older,),
                  icon=":material/chevron_right:", icon_position="right")  # fmt: skip


def _all_reasons() -> None:
    for name in ("reason", "source", "after"):
        st.query_params.pop(name, None)


def _next(cursor: str) -> None:
    st.query_params["after"] = cursor


def _having(kind: str) -> str:
    """Return the search for messages with a defect, which may be one of several."""
    ways = (f"= {kind}", f"like '{kind},*'", f"like '*,{kind}'", f"like '*,{kind},*'")
    return f"defects exists ({' or '.join(f'defects {way}' for way in ways)})"


def _defects(view: View, found: Sequence[Row]) -> None:
    by_source: dict[str, int] = {}
    by_kind: dict[str, int] = {}
    cells: dict[tuple[str, str], int] = {}
    for row in found:
        source, kind = row["source"] or "?", row["kind"]
        by_source[source] = by_source.get(source, 0) + row["messages"]
        by_kind[kind] = by_kind.get(kind, 0) + row["messages"]
        cells[kind, source] = cells.get((kind, source), 0) + row["messages"]
    shown = sorted(by_source, key=lambda source: -by_source[source])[:_COLUMNS]
    most = max(cells.values(), default=1)
    heads = "".join(f'<th class="ff-number">{escaped(_short(one))}</th>' for one in shown)
    rows = []
    for kind in sorted(by_kind, key=lambda kind: -by_kind[kind]):
        address = escaped(messages_link(view, q=_having(kind), admin="true"))
        parts = []
        for source in shown:
            count = cells.get((kind, source), 0)
            shade = f' style="background:rgba(220,38,38,{0.08 + 0.5 * count / most:.2f})"'
            parts.append(f'<td class="ff-number"{shade if count else ""}>{count or ""}</td>')
        rows.append(
            f'<tr><td title="{escaped(MEANINGS.get(kind, ""))}">{escaped(kind)}</td>'
            f'<td class="ff-number"><a href="{address}" target="_self">{by_kind[kind]:,}</a></td>'
            f"{''.join(parts)}</tr>"
        )
    if not rows:
        st.html(table_of((), [], empty="No message has a defect."))
        return
    st.html(
        '<div class="ff-scroll"><table class="ff-table"><thead><tr><th>defect</th>'
        f'<th class="ff-number">messages</th>{heads}</tr></thead><tbody>{"".join(rows)}</tbody>'
        "</table></div>"
    )
    if len(by_source) > _COLUMNS:
        st.caption(f"The {_COLUMNS} sources with the most of {len(by_source):,}.")


def _short(name: str) -> str:
    return name.rpartition("/")[2][-24:]


def _runs(found: Sequence[Row]) -> None:
    rows = []
    for row in found:
        counts = row["counts"] or {}
        took = (row["ended_at"] - row["started_at"]).total_seconds() if row["ended_at"] else None
        rows.append(
            [
                Cell(row["run_id"]),
                Cell(f"{row['started_at']:%Y-%m-%d %H:%M:%S}"),
                Cell(duration(took) if took is not None else "not ended"),
                Cell(row["ended"] or ""),
                Cell(row["version"]),
                Cell((row["configuration"] or {}).get("rules", "")),
                Cell(counts.get("read", "")),
                Cell(counts.get("stored", "")),
                Cell(counts.get("repeated") or ""),
                Cell(counts.get("filtered") or ""),
                Cell(sum((counts.get("failed") or {}).values()) or ""),
                Cell(", ".join((row["configuration"] or {}).get("input", []))[:80]),
            ]
        )
    heads = ("#run", "began (UTC)", "took", "ended", "version", "rules", "#came in", "#stored",
             "#repeated", "#filtered", "#failed", "input")  # fmt: skip
    st.html(table_of(heads, rows, empty="No run has stored anything here."))


if __name__ == "__main__":  # as Streamlit runs it
    page(st.session_state["view"])
