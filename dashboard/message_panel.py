"""The message that is open: what it says, its fields, its bytes, and what is around it."""

from typing import Any

import streamlit as st

from fixfeed.dashboard import opened
from fixfeed.dashboard.filters import link
from fixfeed.dashboard.markup.message import compared, raw_of, tree_of
from fixfeed.dashboard.markup.table import Cell, table_of
from fixfeed.dashboard.markup.text import escaped, markdown, time_of
from fixfeed.dashboard.queries import messages, orders
from fixfeed.transforms.fix.decode.message import DecodedMessage
from fixfeed.transforms.fix.decode.sentence import TOLD, sentence_of
from fixfeed.transforms.fix.decode.stored import decode_stored, delimiter_of

__all__ = ["message_panel"]

_AROUND = 20
_FIELDS = 1000  # that are shown at once
_SHOWN = ("Fields", "Raw", "Around it", "Compare")

Row = dict[str, Any]


def message_panel(text: str) -> None:
    """Show the message whose message_id a text is."""
    row = _message(text)
    if row is None:
        if text:
            st.warning(f"There is no message {markdown(text[:30])} here.")
        return
    names = opened.names()
    decoded = decode_stored(row, names.meanings)
    where = f"{row['source'] or 'unknown source'} @ {row['position']:,}"
    kind = names(row, "MsgType", row["msg_type"] or "") or row["msg_type"]
    head = " · ".join(
        part
        for part in (
            f"{kind} ({row['msg_type']})",
            row["session"] or "no session",
            f"seq {row['msg_seq_num']}" if row["msg_seq_num"] is not None else "",
            row["direction"] or "",
        )
        if part
    )
    defects = "".join(
        f' <span class="ff-badge ff-badge-bad">{escaped(kind)}</span>'
        for kind in (row["defects"] or "").split(",")
        if kind
    )
    st.html(
        f'<div class="ff-sentence">{escaped(_said(row))}{defects}</div>'
        f'<div class="ff-place">{escaped(head)}</div>'
        f'<div class="ff-place">{time_of(row["time"]) or "no time"} · {escaped(where)}</div>'
    )
    _buttons(row)
    shown = st.segmented_control(
        "Show", _SHOWN, default=_SHOWN[0], key="shown", bind="query-params",
        label_visibility="collapsed", required=True,
    )  # fmt: skip
    if shown == "Raw":
        _raw(row)
    elif shown == "Around it":
        _around(row)
    elif shown == "Compare":
        _compare(row, decoded)
    elif decoded is None:
        st.caption("This message cannot be decoded; its bytes are under Raw.")
    else:
        most = _most(len(decoded.fields), "after them those with defects")
        with st.container(height=620, border=False):
            st.html(tree_of(decoded, most))


def _most(fields: int, otherwise: str) -> int | None:
    """Return how many fields to show, None for all: a browser takes a second for a thousand."""
    if fields <= _FIELDS:
        return None
    whole = st.checkbox(f"All {fields:,} fields, which take a browser long", key="whole")
    if whole:
        return None
    st.caption(f"{_FIELDS:,} of {fields:,} fields, and {otherwise}.")
    return _FIELDS


def _message(text: str | None) -> Row | None:
    if not text or not text.isascii() or not text.isdecimal() or int(text) >= 2**63:
        return None
    return messages.message(opened.database(), int(text))


def _buttons(row: Row) -> None:
    with st.container(horizontal=True, gap="small"):
        keys = orders.of_message(opened.database(), row["message_id"])
        for key in keys[:3]:
            label = "Its order" if len(keys) == 1 else f"Order {str(key)[-4:]}"
            if st.button(label, icon=":material/receipt_long:", key=f"order-{key}"):
                st.switch_page("orders.py", query_params={"order": str(key)})
        st.button("Close", icon=":material/close:", on_click=_close)


def _close() -> None:
    st.query_params.pop("message", None)


def _raw(row: Row) -> None:
    raw = bytes(row["raw"])
    st.html(raw_of(raw, delimiter_of(raw)))
    if row["prefix"]:
        st.html(f'<div class="ff-place">in the log before it: {escaped(row["prefix"])}</div>')
    if row["masked"]:
        st.caption(f"Masked, and not what came: the values of tags {markdown(row['masked'])}.")
    st.caption(f"message_id {row['message_id']}, {len(raw):,} bytes")
    st.download_button(
        "Bytes", raw, f"message-{row['message_id']}.fix", on_click="ignore",
        icon=":material/download:",
    )  # fmt: skip


def _around(row: Row) -> None:
    columns = (*TOLD, "msg_seq_num")
    found = messages.around(
        opened.database(), row["message_id"], each=_AROUND, both=True, columns=columns
    )
    body = []
    for one in found:
        here = one["message_id"] == row["message_id"]
        address = link("messages", {"message": str(one["message_id"]), "shown": "Around it"})
        said = Cell(_said(one), None if here else address)
        time = time_of(one["time"], day=False)
        parts = (one["sender_comp_id"] or "", one["msg_seq_num"], one["msg_type"] or "", time)
        body.append([Cell("▶" if here else ""), *map(Cell, parts), said])
    with st.container(height=620, border=False):
        st.html(table_of(("", "from", "#seq", "type", "time", "message"), body))


def _said(row: Row) -> str:
    names = opened.names()
    return sentence_of(row, lambda field, value: names(row, field, value))


def _compare(row: Row, decoded: DecodedMessage | None) -> None:
    other = st.text_input("Other message_id", key="with", bind="query-params",
                          placeholder="the one of its type before it in its session")  # fmt: skip
    against = _message(other) if other else messages.alike_before(opened.database(), row)
    if against is None or decoded is None:
        st.caption("There is no such message to compare with.")
        return
    there = decode_stored(against, opened.names().meanings)
    if there is None:
        st.caption("The other message cannot be decoded.")
        return
    st.caption(
        f"Left this one; right message {against['message_id']}, seq {against['msg_seq_num']}."
    )
    most = _most(max(len(decoded.fields), len(there.fields)), "no others that are alike")
    with st.container(height=420, border=False):
        st.html(compared(decoded, there, most))
