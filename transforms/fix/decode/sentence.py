"""What a message says in one plain sentence: `BROKER filled 800 of 2,100 VOD.L at 147.09`."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import orjson

__all__ = ["TOLD", "number", "sentence_of"]

TOLD = (
    "cl_ord_id", "exec_ref_id", "exec_trans_type", "exec_type", "fields", "last_px", "last_qty",
    "leaves_qty", "msg_type", "ord_status", "ord_type", "order_id", "order_qty", "orig_cl_ord_id",
    "poss_dup_flag", "price", "ref_seq_num", "security_id", "sender_comp_id", "side", "stop_px",
    "symbol", "target_comp_id", "text",
)  # fmt: skip
"""The columns that a sentence is made of."""

Row = Mapping[str, Any]
Name = Callable[[str, str], str]
"""What a value of a field is called, `` if it has no name."""


def sentence_of(row: Row, name: Name) -> str:
    """Return what a row of `messages` says, in one sentence without a full stop.

    It is made of columns and of `fields` alone, for most types of messages; of any other type it
    says who sends it to whom, and about what.

    >>> row = {"msg_type": "D", "sender_comp_id": "FUND", "target_comp_id": "BROKER", "side": "1",
    ...        "order_qty": 500.0, "symbol": "VOD.L", "price": 72.5, "ord_type": "2"}
    >>> names = {("Side", "1"): "Buy", ("OrdType", "2"): "Limit"}
    >>> sentence_of(row, lambda *one: names.get(one, ""))
    'FUND orders BROKER to buy 500 VOD.L at 72.5'
    """
    told = _TOLD.get(row.get("msg_type") or "")
    if told:
        return _again(row, told(_Message(row, name)))
    message = _Message(row, name)
    what = name("MsgType", row.get("msg_type") or "") or f"a message of type {row.get('msg_type')}"
    about = f" about {row['symbol']}" if row.get("symbol") else ""
    return _again(row, f"{message.sender} sends {what} to {message.target}{about}")


def number(value: Any) -> str:
    """Return a number as people read it: 2,100 or 147.09.

    >>> number(2100.0), number(Decimal("147.0900")), number(1e-7), number(None)
    ('2,100', '147.09', '0.0000001', '')
    """
    if value is None or value == "":
        return ""
    if isinstance(value, str):
        return value
    text = f"{value:,.10f}" if isinstance(value, float | Decimal) else f"{value:,}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _again(row: Row, told: str) -> str:
    return f"{told} (sent again)" if row.get("poss_dup_flag") else told


class _Message:
    """A row with its parties, and its values as parts of a sentence."""

    def __init__(self, row: Row, name: Name):
        self.row, self._name = row, name
        self.sender = row.get("sender_comp_id") or "somebody"
        self.target = row.get("target_comp_id") or "somebody"
        fields = row.get("fields") or {}
        self.fields: Mapping[str, Any] = (
            orjson.loads(fields) if isinstance(fields, str | bytes) else fields
        )

    def of(self, field: str, column: str) -> str:
        value = self.row.get(column)
        return self._name(field, str(value)) or str(value) if value not in (None, "") else ""

    def field(self, name: str) -> str:
        value = self.fields.get(name)
        return value if isinstance(value, str) else ""

    @property
    def symbol(self) -> str:
        return self.row.get("symbol") or self.row.get("security_id") or ""

    @property
    def deal(self) -> str:
        """Side, quantity, instrument and price, as far as they are there."""
        side = self.of("Side", "side").lower()
        parts = [side, number(self.row.get("order_qty")), self.symbol]
        return " ".join(part for part in parts if part) + self.price

    @property
    def price(self) -> str:
        if self.row.get("price") is not None:
            return f" at {number(self.row['price'])}"
        if self.row.get("ord_type") == "1":
            return " at the market"
        if self.row.get("stop_px") is not None:
            return f" with stop {number(self.row['stop_px'])}"
        return ""

    @property
    def reason(self) -> str:
        """What the free text says, after a colon."""
        return f": {self.row['text']}" if self.row.get("text") else ""

    @property
    def order(self) -> str:
        own = self.row.get("orig_cl_ord_id") or self.row.get("cl_ord_id")
        own = own or self.row.get("order_id")
        return f"order {own}" if own else "an order"


def _new_order(one: _Message) -> str:
    return f"{one.sender} orders {one.target} to {one.deal or 'trade'}"


def _cancel(one: _Message) -> str:
    return f"{one.sender} asks {one.target} to cancel {one.order}"


def _replace(one: _Message) -> str:
    to = number(one.row.get("order_qty"))
    to = f" by {to}" if to else ""
    return f"{one.sender} asks {one.target} to replace {one.order}{to}{one.price}"


def _report(one: _Message) -> str:
    row = one.row
    kind = row.get("exec_type") or row.get("ord_status") or ""
    change = row.get("exec_trans_type")
    total, symbol = number(row.get("order_qty")), one.symbol
    of = " ".join(part for part in ("of", total, symbol) if part) if total or symbol else ""
    last = " ".join(part for part in (number(row.get("last_qty")), of) if part)
    at = f" at {number(row['last_px'])}" if row.get("last_px") is not None else ""
    referred = f" (execution {row['exec_ref_id']})" if row.get("exec_ref_id") else ""
    if change == "1" or kind == "H":
        return f"{one.sender} takes back a fill {of}{referred}{one.reason}"
    if change == "2" or kind == "G":
        return f"{one.sender} corrects a fill to {last}{at}{referred}{one.reason}"
    if change == "3" or kind == "I":
        status = one.of("OrdStatus", "ord_status").lower()
        return f"{one.sender} says that {one.order} is {status or 'as it was'}{one.reason}"
    if kind in ("1", "2", "F") and row.get("last_qty"):
        leaves = row.get("leaves_qty")
        left = f", {number(leaves)} left" if leaves else ", nothing left" if leaves == 0 else ""
        return f"{one.sender} filled {last}{at}{left}{one.reason}"
    side = one.of("Side", "side").lower()
    deal = " ".join(part for part in (side, total, symbol) if part) or one.order
    verb = _REPORTED.get(kind)
    if verb:
        return f"{one.sender} {verb} {one.order}: {deal}{one.price}" + (
            f" ({row['text']})" if row.get("text") else ""
        )
    said = one.of("ExecType", "exec_type") or one.of("OrdStatus", "ord_status") or "something"
    return f"{one.sender} reports {said} of {one.order}{one.reason}"


_REPORTED = {
    "0": "accepts",
    "3": "is done for the day with",
    "4": "cancelled",
    "5": "replaced",
    "6": "will cancel",
    "7": "stopped",
    "8": "rejects",
    "9": "suspended",
    "A": "has received",
    "C": "let expire",
    "D": "restated",
    "E": "will replace",
}
"""What a report of this ExecType (in FIX before 4.1 OrdStatus) does to its order."""


def _cancel_reject(one: _Message) -> str:
    asked = {"1": "cancel", "2": "replace"}.get(one.field("CxlRejResponseTo"), "cancel or replace")
    return f"{one.sender} refuses to {asked} {one.order}{one.reason}"


def _logon(one: _Message) -> str:
    every = one.field("HeartBtInt")
    beat = f", heartbeat every {every} s" if every else ""
    reset = ", numbers begin anew" if one.field("ResetSeqNumFlag") == "Y" else ""
    return f"{one.sender} logs on to {one.target}{beat}{reset}"


def _logout(one: _Message) -> str:
    return f"{one.sender} logs out{one.reason}"


def _heartbeat(one: _Message) -> str:
    answers = f", asked by {one.field('TestReqID')}" if one.field("TestReqID") else ""
    return f"{one.sender} is there{answers}"


def _test_request(one: _Message) -> str:
    return f"{one.sender} asks {one.target} whether it is there"


def _resend_request(one: _Message) -> str:
    begin, end = one.field("BeginSeqNo") or "?", one.field("EndSeqNo")
    until = f" to {end}" if end not in ("", "0") else " and all after it"
    return f"{one.sender} asks {one.target} to send {begin}{until} again"


def _sequence_reset(one: _Message) -> str:
    after = one.field("NewSeqNo") or "?"
    if one.field("GapFillFlag") == "Y":
        return f"{one.sender} fills a gap: its next number is {after}"
    return f"{one.sender} sets its next number to {after}"


def _reject(one: _Message) -> str:
    refused = one.row.get("ref_seq_num")
    which = f" message {refused}" if refused is not None else " a message"
    field = one.field("RefTagID")
    about = f" (field {field})" if field else ""
    return f"{one.sender} refuses{which} of {one.target}{one.reason}{about}"


def _news(one: _Message) -> str:
    said = one.field("Headline") or one.row.get("text") or ""
    return f"{one.sender} tells {one.target}: {said}" if said else f"{one.sender} sends news"


def _market_data(one: _Message) -> str:
    entries = one.fields.get("NoMDEntries")
    many = len(entries) if isinstance(entries, list) else 0
    first = entries[0] if many and isinstance(entries[0], dict) else {}  # type: ignore[index]
    about = one.symbol or first.get("Symbol") or ""
    what = {"W": "snapshot", "X": "update"}[one.row["msg_type"]]
    about = f" of {about}" if about else ""
    return f"{one.sender} sends {one.target} a market data {what}{about}: {many:,} entries"


_TOLD: Mapping[str, Callable[[_Message], str]] = {
    "0": _heartbeat,
    "1": _test_request,
    "2": _resend_request,
    "3": _reject,
    "4": _sequence_reset,
    "5": _logout,
    "8": _report,
    "9": _cancel_reject,
    "A": _logon,
    "B": _news,
    "D": _new_order,
    "F": _cancel,
    "G": _replace,
    "W": _market_data,
    "X": _market_data,
    "j": _reject,
}
