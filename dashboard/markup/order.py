"""An order: what it is, its messages as swim lanes, its fills."""

import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fixfeed.dashboard.markup.text import cell, duration, escaped, time_of
from fixfeed.transforms.fix.decode.sentence import number, sentence_of
from fixfeed.transforms.fix.first_of import microseconds
from fixfeed.transforms.fix.session_pair import comp_id_of

__all__ = ["Name", "facts_of", "fills_of", "ids_of", "lanes_of", "status_badge", "status_of"]

Row = Mapping[str, Any]
Name = Callable[[Row, str, str], str]
"""What a value of a field is called in a message or order, `` if it has no name."""

_BADGES = {"2": "good", "8": "bad", "4": "", "C": "", "3": "", "0": "open", "1": "open"}
_FACTS = (
    ("symbol", "Symbol"), ("side", "Side"), ("order_qty", "OrderQty"), ("price", "Price"),
    ("stop_px", "StopPx"), ("ord_type", "OrdType"), ("time_in_force", "TimeInForce"),
    ("account", "Account"), ("currency", "Currency"), ("cum_qty", "CumQty"),
    ("leaves_qty", "LeavesQty"),
    ("avg_px", "AvgPx"), ("reported_cum_qty", "CumQty reported"),
    ("reject_reason", "reason"), ("text", "Text"), ("session", "session"), ("problems", "problems"),
)  # fmt: skip
_CODED = {"side": "Side", "ord_type": "OrdType", "time_in_force": "TimeInForce",
          "reject_reason": "OrdRejReason"}  # fmt: skip
_TIMES = (
    ("acknowledged_at", "to its acknowledgement"),
    ("first_fill_at", "to its first fill"),
    ("ended_at", "to its end"),
)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_SLOW = 1.0  # seconds between two steps that deserve a look


def status_badge(order: Row, name: Name) -> str:
    """Return the status of an order as a coloured word."""
    colour = _BADGES.get(order.get("ord_status") or "", "")
    return f'<span class="ff-badge ff-badge-{colour}">{escaped(status_of(order, name))}</span>'


def status_of(order: Row, name: Name) -> str:
    """Return the status of an order in words, also if no report has told one.

    A business reject, which is no report, may have refused the order, or a reject what was asked
    of it.
    """
    status = order.get("ord_status")
    if status is not None:
        return name(order, "OrdStatus", status) or status
    return "no report, a refusal" if order.get("rejects") else "no report"


def facts_of(order: Row, name: Name) -> str:
    """Return the facts of an order that it has, and how long it waited for what."""
    facts = []
    for column, label in _FACTS:
        value = order.get(column)
        if column == "reject_reason" and order.get("ord_status") != "8":
            continue  # of a cancel reject or a business reject, whose codes mean something else
        if value in (None, "") or (column == "reported_cum_qty" and value == order.get("cum_qty")):
            continue
        text = cell(value)
        if column in _CODED:
            text = escaped(name(order, _CODED[column], str(value)) or value)
        facts.append((label, text))
    sent = order.get("sent_at")
    for column, label in _TIMES:
        if sent and order.get(column):
            facts.append((label, escaped(duration(_seconds(sent, order[column])))))
    inner = "".join(f"<div><dt>{label}</dt><dd>{text}</dd></div>" for label, text in facts)
    return f'<dl class="ff-facts">{inner}</dl>'


def _seconds(since: datetime.datetime, until: datetime.datetime) -> float:
    return (until - since).total_seconds()


def ids_of(ids: Sequence[Row]) -> str:
    """Return the ids of an order, by kind: ClOrdIDs in their chain, OrderIDs and others."""
    by_kind: dict[str, list[str]] = {}
    for one in ids:
        by_kind.setdefault(one["kind"], []).append(one["id"])
    return "<br>".join(
        f'<span class="ff-fact">{escaped(kind)}</span> ' + " → ".join(map(escaped, found))
        for kind, found in by_kind.items()
    )


def lanes_of(
    order: Row,
    steps: Sequence[Row],
    name: Name,
    *,
    clock: str = "sending_time",
    link: Callable[[Row], str] | None = None,
) -> str:
    """Return the messages of an order as arrows between its two parties, with the time between.

    `steps` are its messages in order, with the columns of `order_messages` and of `messages`. The
    times are those of the column `clock`; of a message that stands for one that did not come, and
    was sent again, OrigSendingTime in place of SendingTime. `link` gives the address of a message.
    """
    session = order.get("session") or ""
    left, _, right = session.partition(":")[2].partition("->")
    if not right:
        ends = order["session_pair"].partition("<->")
        left, right = comp_id_of(ends[0]), comp_id_of(ends[2])
    rows = [
        '<div class="ff-when ff-since">UTC</div>',
        f'<div class="ff-parties"><span>{escaped(left)}</span><span>{escaped(right)}</span></div>',
        '<div class="ff-state ff-since">CumQty / LeavesQty</div>',
    ]
    before: datetime.datetime | None = None
    day = None
    for step in steps:
        at = step.get(clock) or step.get("sending_time") or step.get("captured_at")
        first = _first_sent(step) if clock == "sending_time" else None
        again, at = (at, first) if first else (None, at)
        since = _seconds(before, at) if before and at and not step["copied"] else None
        shown_day = at is not None and at.date() != day
        rows.append(_when(at, since, again, day=shown_day))
        rows.append(_arrow(step, left, name, link))
        rows.append(_state(step, name))
        if at and not step["copied"]:
            before = at
        day = at.date() if at else day
    return f'<div class="ff-lanes">{"".join(rows)}</div>'


def _first_sent(step: Row) -> datetime.datetime | None:
    """Return OrigSendingTime of a message that was sent again, of which the first did not come."""
    if not step.get("poss_dup_flag") or step["copied"]:
        return None
    first = microseconds((step.get("fields") or {}).get("OrigSendingTime"))
    return None if first is None else _EPOCH + datetime.timedelta(microseconds=first)


def _when(
    at: datetime.datetime | None,
    since: float | None,
    again: datetime.datetime | None,
    *,
    day: bool,
) -> str:
    passed = ""
    if since is not None:
        slow = " ff-slow" if abs(since) >= _SLOW else ""
        sign = "+" if since >= 0 else ""
        passed = f'<div class="ff-since{slow}">{sign}{escaped(duration(since))}</div>'
    shown = time_of(at, day=False) if at else "no time"
    on = f'<div class="ff-since">{at:%Y-%m-%d}</div>' if at and day else ""
    if again:
        passed += f'<div class="ff-since">sent again {time_of(again, day=day)}</div>'
    return f'<div class="ff-when">{on}{shown}{passed}</div>'


def _arrow(step: Row, left: str, name: Name, link: Callable[[Row], str] | None) -> str:
    sender = step.get("sender_comp_id") or ""
    side = "ff-right" if sender == left else "ff-left"
    colour = ""
    kind = step.get("exec_type") or step.get("ord_status")
    if step.get("msg_type") in ("3", "9", "j") or (step.get("msg_type") == "8" and kind == "8"):
        colour = " ff-refused"
    elif step.get("last_qty"):
        colour = " ff-filled"
    copy = " ff-copy" if step["copied"] else ""
    kind_name = name(step, "MsgType", step.get("msg_type") or "") or step.get("msg_type")
    title = escaped(kind_name)
    if link:
        title = f'<a href="{escaped(link(step))}" target="_self">{title}</a>'
    said = sentence_of(step, lambda field, value: name(step, field, value))
    said = said.removeprefix(f"{sender} ")
    return (
        f'<div class="ff-arrow {side}{colour}{copy}"><div class="ff-said">'
        f'<span class="ff-kind">{title}</span> {escaped(said)}</div>'
        '<div class="ff-line"></div></div>'
    )


def _state(step: Row, name: Name) -> str:
    if step.get("msg_type") != "8":
        return '<div class="ff-state"></div>'
    status = step.get("ord_status")
    said = name(step, "OrdStatus", status) or status if status else ""
    filled, left = number(step.get("cum_qty")), number(step.get("leaves_qty"))
    amounts = f"{filled or '-'} / {left or '-'}"
    return (
        f'<div class="ff-state">{escaped(amounts)}<div class="ff-since">{escaped(said)}</div></div>'
    )


_FILLS = (
    ("sending_time", "time", ""), ("exec_id", "ExecID", ""), ("last_qty", "quantity", "ff-number"),
    ("last_px", "price", "ff-number"), ("cum_qty", "CumQty", "ff-number"),
    ("leaves_qty", "LeavesQty", "ff-number"), ("last_mkt", "LastMkt", ""),
)  # fmt: skip


def fills_of(executions: Sequence[Row]) -> str:
    """Return the fills of an order as a table; those that were busted or corrected struck out."""
    if not executions:
        return ""
    heads = "".join(f'<th class="{kind}">{label}</th>' for _, label, kind in _FILLS)
    rows = [f"<tr>{heads}<th></th></tr>"]
    for one in executions:
        cells = "".join(
            f'<td class="{kind}">{cell(one[column])}</td>' for column, _, kind in _FILLS
        )
        why = ""
        if one.get("busted_by"):
            why = f"busted by {one['busted_by']}"
        elif one.get("corrected_by"):
            why = f"corrected by {one['corrected_by']}"
        elif one.get("kind") == "correction":
            why = f"corrects {one['exec_ref_id']}" if one.get("exec_ref_id") else "correction"
        gone = "" if one["stands"] else ' class="ff-gone"'
        rows.append(f'<tr{gone}>{cells}<td class="ff-why">{escaped(why)}</td></tr>')
    return f'<div class="ff-scroll"><table class="ff-table">{"".join(rows)}</table></div>'
