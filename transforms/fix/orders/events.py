"""The messages that orders are made from, as lists by column: one event for each order in them.

Most messages are about one order and are one event. A list, a mass cancel report, an allocation or
a trade names many orders in a group: each entry is an event of its own, with the ids of the entry.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.transforms.fix.first_of import microseconds, text_of
from fixfeed.transforms.fix.orders.drop_copies import NO_DROP_COPIES, DropCopies
from fixfeed.transforms.fix.orders.midnight import DAY, Ask, Told, early, is_answer, is_late
from fixfeed.transforms.fix.orders.numbers import ONE, integers
from fixfeed.transforms.fix.schema import DATE, DECIMAL, LONGEST_TEXT, TIME
from fixfeed.transforms.fix.session_pair import session_pair

__all__ = [
    "ASKING",
    "COLUMNS",
    "DAY",
    "GIVING",
    "GROUPS",
    "IDS",
    "MSG_TYPES",
    "NEW",
    "NO_EXEC_ID",
    "NO_ID",
    "Events",
    "entries",
    "is_copy",
    "more_of",
    "short",
    "with_short_ids",
]

COLUMNS = (
    "captured_at",
    "begin_string",
    "msg_type",
    "sender_comp_id",
    "target_comp_id",
    "sender_sub_id",
    "target_sub_id",
    "on_behalf_of_comp_id",
    "msg_seq_num",
    "poss_dup_flag",
    "sending_time",
    "transact_time",
    "trade_date",
    "cl_ord_id",
    "orig_cl_ord_id",
    "order_id",
    "exec_id",
    "exec_ref_id",
    "exec_trans_type",
    "exec_type",
    "ord_status",
    "symbol",
    "security_id",
    "side",
    "ord_type",
    "time_in_force",
    "order_qty",
    "price",
    "stop_px",
    "last_qty",
    "last_px",
    "last_mkt",
    "cum_qty",
    "leaves_qty",
    "avg_px",
    "account",
    "currency",
    "text",
    "fields",
)
"""The columns of messages that say something of orders."""

NEW = frozenset({"D", "AB", "E", "s"})
"""Messages that begin orders: single, multi-leg, list, cross."""

ASKING = NEW | {"F", "G", "AC", "t", "u"}
"""These, and requests to cancel or to replace."""

NO_ID = frozenset({"NONE", "UNKNOWN", "N/A", "NA", "[N/A]", "NULL", "NIL", "0", "-", "", "*"})
"""What is written where an id is required and there is none, in upper case."""

NO_EXEC_ID = ("0", "NONE")
"""What an ExecID or ExecRefID is, in upper case, where there is none."""

GROUPS: Mapping[str, tuple[str, ...]] = {
    "E": ("NoOrders",),
    "N": ("NoOrders",),
    "J": ("NoOrders",),
    "AK": ("NoOrders",),
    "AE": ("NoSides",),
    "s": ("NoSides",),
    "t": ("NoSides",),
    "u": ("NoSides",),
    "r": ("NoAffectedOrders",),
}
"""Messages that name orders in a group, whose entries are events."""

REPORTS = frozenset({"8", "9", "j", "r", "N"})
"""Messages that answer requests."""

GIVING = REPORTS | {"AE", "AK"}
"""Messages whose sender has given the OrderIDs in them: reports, trades and confirmations. Of all
others, requests, doubts of a fill and allocations, the target has."""

MSG_TYPES = ("8", "9", "AB", "AC", "AE", "AK", "D", "E", "F", "G", "H", "J", "N", "Q", "j", "r",
             "s", "t", "u")  # fmt: skip
"""The types of messages that say something of orders; mass quotes and their answers do not."""

_WANTED = (
    *("OrigSendingTime", "PossResend", "SecondaryOrderID", "OrdRejReason", "CxlRejReason"),
    *("CopyMsgIndicator", "MultiLegReportingType", "BusinessRejectRefID", "BusinessRejectReason"),
    *(
        "RefMsgType",
        "ListID",
        "AllocID",
        "DeliverToCompID",
        "NoOrders",
        "NoSides",
        "NoAffectedOrders",
    ),
)
_MORE_IDS = ("SecondaryOrderID", "ListID", "AllocID")
IDS: Mapping[str, tuple[str, ...]] = {
    "cl_ord_id": ("ClOrdID",),
    "orig_cl_ord_id": ("OrigClOrdID", "AffectedOrigClOrdID"),
    "order_id": ("OrderID", "AffectedOrderID"),
}
"""Ids of an entry; those of the message are not its own."""
_ENTRY = {
    "account": "Account",
    "side": "Side",
    "symbol": "Symbol",
    "security_id": "SecurityID",
    "ord_type": "OrdType",
    "time_in_force": "TimeInForce",
    "currency": "Currency",
    "ord_status": "OrdStatus",
    "text": "Text",
}
_ENTRY_NUMBERS = {
    "order_qty": "OrderQty",
    "price": "Price",
    "stop_px": "StopPx",
    "cum_qty": "CumQty",
    "leaves_qty": "LeavesQty",
    "avg_px": "AvgPx",
}
_NOTHING: Mapping[str, Any] = {}


class Events:
    """Events by column: what event `i` has in a column is `events.side[i]`, None if nothing.

    Decimals are whole numbers (`numbers`), times microseconds and dates days since 1970. `more` has
    the fields without a column. `divided` is whether some events are entries of one message. `pair`
    are both CompIDs, in alphabetical order: `BROKER<->BUYSIDE`. `time` is when the message was
    first sent: OrigSendingTime of a copy, else SendingTime, else the time of the log. `day` is its
    day (UTC) since 1970, the next one of an answer before midnight to a request after it
    (`midnight`); -1 without a time, or before 1970, as engines write 00010101 for no time.
    `suspect` is whether it may be a copy, or have copies.
    """

    def __init__(self, messages: pa.Table, drop_copies: DropCopies = NO_DROP_COPIES):
        """`messages` has message_id and `COLUMNS`."""
        messages = messages.combine_chunks()
        self.message_id: list[int] = messages["message_id"].to_pylist()
        for name in COLUMNS:
            if name != "fields":
                setattr(self, name, _values(messages[name]))
        self.more: list[Mapping[str, Any]] = [_NOTHING] * len(self.message_id)
        for row, more in more_of(messages["fields"].combine_chunks()).items():
            self.more[row] = more
        # Spelt out for readers and type checkers; set above.
        self.msg_type: list[str]
        self.sender_comp_id: list[str | None]
        self.divided = self._divide()
        self.pair = self._pairs()
        self.order_pair, self.drop_copied = self._parties(drop_copies)
        self.time = self._times()
        self.day = [-1 if one is None or one < 0 else one // DAY for one in self.time]
        for row in self._early():
            self.day[row] += 1
        self.suspect = self._suspects()

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.message_id)

    def __getattr__(self, name: str) -> list[Any]:
        """Tell type checkers what a column is."""
        raise AttributeError(name)

    def _divide(self) -> bool:
        """Put events of entries in the place of the messages that name orders in a group.

        Returns whether there are any.
        """
        names = ["message_id", "more", *(name for name in COLUMNS if name != "fields")]
        columns = {name: getattr(self, name) for name in names}
        left_out = set()
        with_groups = [row for row, kind in enumerate(self.msg_type) if kind in GROUPS]
        for row in with_groups:
            kind = self.msg_type[row]
            for entry in entries(self.more[row], GROUPS[kind]):
                for column in columns.values():
                    column.append(column[row])
                for name, fields in IDS.items():
                    columns[name][-1] = next(
                        (short(text_of(entry[one])) for one in fields if one in entry), None
                    )
                for name, field in _ENTRY.items():
                    if field in entry:
                        value = text_of(entry[field])
                        columns[name][-1] = value if name == "text" else short(value)
                for name, field in _ENTRY_NUMBERS.items():
                    if field in entry:
                        columns[name][-1] = _number(entry[field])
                columns["more"][-1] = {**self.more[row], **with_short_ids(entry)}
                left_out.add(row)
        if left_out:
            kept = [row for row in range(len(self)) if row not in left_out]
            for name, column in columns.items():
                setattr(self, name, [column[row] for row in kept])
        return bool(left_out)

    def _pairs(self) -> list[str]:
        known: dict[tuple[str | None, str | None], str] = {}
        pairs = []
        for both in zip(self.sender_comp_id, self.target_comp_id, strict=True):
            pair = known.get(both)
            if pair is None:
                pair = known[both] = session_pair(*both)
            pairs.append(pair)
        return pairs

    def _parties(self, drop_copies: DropCopies) -> tuple[list[str], list[bool]]:
        if not drop_copies:
            return self.pair, [False] * len(self)
        of_orders, copied = list(self.pair), []
        ends = zip(self.sender_comp_id, self.target_comp_id, self.msg_type, strict=True)
        for row, (sender, target, kind) in enumerate(ends):
            firm = drop_copies.firm_of(sender, target, gives=kind in GIVING)
            of_orders[row] = of_orders[row] if firm is None else firm
            copied.append(drop_copies.copied(sender, target) is not None)
        return of_orders, copied

    def _suspects(self) -> list[bool]:
        """Return whether each event may be a copy of another one, or have one."""
        suspect = [
            bool(again) or "PossResend" in more
            for again, more in zip(self.poss_dup_flag, self.more, strict=True)
        ]
        first: dict[tuple[Any, ...], int] = {}
        sent = zip(
            self.sender_comp_id, self.target_comp_id, self.msg_seq_num, self.time, strict=True
        )
        for row, one in enumerate(sent):
            known = first.setdefault(one, row)
            if known != row:
                suspect[row] = suspect[known] = True
        return suspect

    def _times(self) -> list[int | None]:
        times = [
            captured if sent is None else sent
            for sent, captured in zip(self.sending_time, self.captured_at, strict=True)
        ]
        for row, again in enumerate(self.poss_dup_flag):
            if again and "OrigSendingTime" in self.more[row]:
                first = microseconds(self.more[row]["OrigSendingTime"])
                times[row] = times[row] if first is None else first
        return times

    def _early(self) -> list[int]:
        """Return the events that count for the next day (`midnight`)."""
        late = [
            row
            for row, time in enumerate(self.time)
            if time is not None and is_late(time) and self.msg_type[row] not in ASKING
        ]
        told = []
        for row in late:
            kind, one, original = self.msg_type[row], self.cl_ord_id[row], self.orig_cl_ord_id[row]
            if kind == "j" and one is None and self.more[row].get("RefMsgType") in ASKING:
                one = text_of(self.more[row].get("BusinessRejectRefID"))
            if one is not None and one.upper() not in NO_ID and not self.drop_copied[row]:
                said = self.exec_type[row] or self.ord_status[row]
                answers = is_answer(kind, said, one, original)
                told.append(Told(row, (self.pair[row], one), self.time[row] or 0, answers))
        if not told:
            return []
        keys = {one.key for one in told}
        asks = []
        for row, kind in enumerate(self.msg_type):
            time, one = self.time[row], self.cl_ord_id[row]
            is_own = kind in ASKING and one != self.orig_cl_ord_id[row] and not is_copy(self, row)
            if is_own and time is not None and one is not None and not self.drop_copied[row]:
                key = self.pair[row], one
                if key in keys:
                    asks.append(Ask(key, time))
        return early(told, asks)


def is_copy(events: Events, row: int) -> bool:
    """Return whether an event says that it may have been sent before."""
    return bool(events.poss_dup_flag[row]) or events.more[row].get("PossResend") == "Y"


def _values(column: pa.ChunkedArray) -> list[Any]:
    array = column.combine_chunks()
    if array.type == TIME:
        array = array.cast(pa.int64())
    if array.type == DATE:
        array = array.cast(pa.int32())
    values: list[Any] = integers(array) if array.type == DECIMAL else array.to_pylist()
    return values


def more_of(fields: pa.Array) -> dict[int, Mapping[str, Any]]:
    """Return the fields without a column that matter, by row, where there are any.

    Of a field that repeats it is the first value; a group is the list of its entries.
    """
    wanted = pc.match_substring_regex(fields, f'"(?:{"|".join(_WANTED)})"').fill_null(False)
    rows = pc.indices_nonzero(wanted)
    found: dict[int, Mapping[str, Any]] = {}
    for row, text in zip(rows.to_pylist(), fields.take(rows).to_pylist(), strict=True):
        read = orjson.loads(text)
        more = {name: read[name] for name in _WANTED if name in read}
        for name, value in more.items():
            if isinstance(value, list):
                more[name] = text_of(value) or value
        found[row] = with_short_ids(more)
    return found


def entries(more: Mapping[str, Any], groups: tuple[str, ...]) -> Iterator[Mapping[str, Any]]:
    """Yield the entries of these groups of a message, given its `more_of`."""
    for group in groups:
        entries = more.get(group)
        if isinstance(entries, list):
            yield from (one for one in entries if isinstance(one, dict))


def with_short_ids(more: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return fields without the ids among them that no table holds (`LONGEST_TEXT`)."""
    long = [name for name in _MORE_IDS if name in more and short(text_of(more[name])) is None]
    return {name: more[name] for name in more if name not in long} if long else more


def short(text: str | None) -> str | None:
    """Return a text, None if it is longer than columns of messages hold, as that is no id."""
    return None if text is None or len(text) > LONGEST_TEXT else text


def _number(value: Any) -> int | None:
    text = text_of(value)
    if text is None:
        return None
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    whole, _, places = digits.partition(".")
    if not (whole + places).isascii() or not (whole + places).isdigit():
        return None
    return sign * (int(whole or "0") * ONE + int(places[:10].ljust(10, "0")))
