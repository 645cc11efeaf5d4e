"""The order in which the events of a chain happened, and which of them are copies.

Events are in the order of their time (`Events.time`). At the same time, each side's are in the
order of MsgSeqNum, and a report comes after the request whose ClOrdID it has. What is left is in
the order of what it says, so that message_id decides only between events that say the same.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple

import orjson

from fixfeed.transforms.fix.orders.events import (
    COLUMNS,
    DAY,
    NO_EXEC_ID,
    REPORTS,
    Events,
    is_copy,
)

__all__ = ["MORE", "REPORTS", "Step", "in_order", "steps"]

MORE = (
    *("exec_ref_id", "exec_trans_type", "symbol", "security_id", "side", "account", "currency"),
    *("order_qty", "price", "stop_px", "ord_type", "time_in_force", "last_mkt", "avg_px"),
)
"""Columns that tell apart messages which are otherwise the same, as two logs may have them."""

_OF_LOGS = ("captured_at", "fields")
"""Columns that one message may have otherwise in another log, or that events have as `more`."""

_BY_CONTENT: tuple[str, ...] = (
    *("msg_type", "cl_ord_id", "orig_cl_ord_id", "order_id", "exec_id", "exec_type", "ord_status"),
    *("cum_qty", "last_qty", "last_px", "leaves_qty", "text"),
    *MORE,
    "captured_at",
)
_BY_CONTENT += tuple(name for name in COLUMNS if name not in (*_BY_CONTENT, "fields"))
"""All columns, in which events of the same time and number are compared one after the other."""

_LATE = (-1, -2, 1)
"""Days beside its own on which a drop copy may have its report: it was sent later, by a clock."""


class Step(NamedTuple):
    """An event, and the events that are copies of it.

    Copies are what was sent again (PossDupFlag; PossResend with an id that is known), the same
    message in another log (without a MsgSeqNum, one that says all the same), and drop copies of a
    report. If the first event is not in the data, a copy stands for it.
    """

    row: int
    copies: list[int]


def steps(events: Events, rows: list[int]) -> list[Step]:
    """Return the events of a chain, given by time, as steps, in order."""
    copied = [row for row in rows if events.drop_copied[row]]
    if not copied:
        return _steps(events, rows)
    found = _steps(events, [row for row in rows if not events.drop_copied[row]])
    known = {name: one for one in reversed(found) for name in _reported(events, one.row)}
    alone: set[int] = set()
    told: list[Step] = []  # what the drop copies are about, in their order
    for one in _steps(events, copied):
        original = next((known[n] for n in _copied(events, one.row) if n in known), None)
        if original is None:
            # There is no other message that says so, or it came by another drop copy.
            alone.add(one.row)
            known |= {name: one for name in _reported(events, one.row) if name not in known}
        else:
            original.copies.extend([one.row, *one.copies])
        told.append(original or one)
    return _woven(events, found, told, alone)


def _woven(events: Events, found: list[Step], told: list[Step], alone: set[int]) -> list[Step]:
    """Return `found`, and those of the steps that drop copies have `told` which are `alone`.

    At the same time one of these comes after what the drop copy before it is about, else before
    what the next one is about. What was sent again, and has a drop copy that is older, is as old.
    """
    times = {step.row: _first_sent(events, step) for step in found}
    times |= {row: events.time[row] or 0 for row in alone}
    places = {step.row: (float(place), 0) for place, step in enumerate(found)}
    for order, back in ((told, 0.5), (told[::-1], -0.5)):
        last: dict[int, float] = {}  # by time, the place of what was told last
        for number, step in enumerate(order):
            time = times[step.row]
            if step.row not in alone:
                last[time] = places[step.row][0]
            elif step.row not in places and time in last:
                places[step.row] = last[time] + back, number if back > 0 else -number
    rest = {step.row: step for step in told if step.row in alone}
    for number, row in enumerate(rest):
        places.setdefault(row, (float(len(found)), number))
    return sorted([*found, *rest.values()], key=lambda step: (times[step.row], places[step.row]))


def _first_sent(events: Events, step: Step) -> int:
    """Return when a step was, as far as drop copies know of one that was sent again."""
    time = events.time[step.row]
    if time is None or not is_copy(events, step.row):
        return time or 0
    copies = (events.time[row] for row in step.copies if events.drop_copied[row])
    return min([time, *(one for one in copies if one is not None)])


def _reported(events: Events, row: int) -> list[tuple[Any, ...]]:
    """Return what a report and its drop copies have in common, the more the better first.

    A drop copy may be of another version of FIX, and so have another ExecType.
    """
    kind, exec_id = events.msg_type[row], events.exec_id[row]
    when = events.transact_time[row] or events.time[row]
    day = None if when is None else when // DAY
    state = (events.exec_type[row], events.exec_trans_type[row], events.ord_status[row])
    if _has_exec_id(events, row):
        change = (events.last_qty[row], events.last_px[row])
        return [(kind, exec_id, day, *state, *change), (kind, exec_id, day, events.cum_qty[row])]
    ids = (events.cl_ord_id[row], events.orig_cl_ord_id[row])
    return [(kind, *ids, *state, events.cum_qty[row])]


def _copied(events: Events, row: int) -> Iterator[tuple[Any, ...]]:
    """Yield what the report of a drop copy may have in common with it, the best first.

    Without a TransactTime it does not say on which day it was: the report with its quantity and
    price in the two days before is meant then, as in the view `fills`.
    """
    found = _reported(events, row)
    yield from found
    if events.transact_time[row] is None and len(found) > 1:
        kind, exec_id, day, *more = found[0]
        for late in _LATE if day is not None else ():
            yield kind, exec_id, day + late, *more


def _steps(events: Events, rows: list[int]) -> list[Step]:
    ordered = in_order(events, rows)
    if not any(events.suspect[row] for row in rows):
        return [Step(row, []) for row in ordered]
    found: list[Step] = []
    exact: dict[tuple[Any, ...], Step] = {}
    numbered: dict[tuple[Any, ...], Step] = {}
    resent: dict[tuple[Any, ...], Step] = {}
    for row in ordered:
        content = _content_of(events, row)
        sent: tuple[Any, ...] = (content, events.time[row])
        if content[1] is None:
            sent += _all_of(events, row)
        nameless = content[1] is None and events.time[row] is None
        known = None if nameless else exact.get(sent)
        if known is None and is_copy(events, row):
            # A log may not say when it was first sent; a report may have another number then.
            if not numbered:
                numbered = {_content_of(events, one.row): one for one in reversed(found)}
                resent = {_named(events, one.row): one for one in reversed(found)}
            known = numbered.get(content) or resent.get(_named(events, row))
        if known is not None:
            known.copies.append(row)
            continue
        step = Step(row, [])
        found.append(step)
        exact[sent] = step
        numbered.clear()
    return found


def _content_of(events: Events, row: int) -> tuple[Any, ...]:
    """Return what a message and its copies have in common."""
    return (
        events.sender_comp_id[row],
        events.msg_seq_num[row],
        events.msg_type[row],
        events.cl_ord_id[row],
        events.orig_cl_ord_id[row],
        events.order_id[row],
        events.exec_id[row],
    )


def _all_of(events: Events, row: int) -> tuple[Any, ...]:
    """Return what a message without a number has to have in common with its copies: all it says."""
    said = tuple(getattr(events, name)[row] for name in COLUMNS if name not in _OF_LOGS)
    return (*said, _more(events, row))


def _more(events: Events, row: int) -> str:
    """Return the fields without a column as a text."""
    return orjson.dumps(dict(events.more[row]), option=orjson.OPT_SORT_KEYS).decode()


def _named(events: Events, row: int) -> tuple[Any, ...]:
    """Return what a message sent again under another number has in common with the first.

    Reports without an ExecID are told apart by what they say.
    """
    sent_by, _, *named = _content_of(events, row)
    named += [events.exec_type[row], events.ord_status[row]]
    if not _has_exec_id(events, row):
        named += [events.last_qty[row], events.last_px[row], events.cum_qty[row]]
    return (sent_by, *named)


def _has_exec_id(events: Events, row: int) -> bool:
    exec_id = events.exec_id[row]
    return exec_id is not None and exec_id.upper() not in NO_EXEC_ID


def in_order(events: Events, rows: list[int]) -> list[int]:
    """Return the events of a chain, given by time, in order; by what they say at the same time."""
    times = {row: events.time[row] or 0 for row in rows}
    if len(set(times.values())) == len(rows):
        return rows
    ordered: list[int] = []
    for _, same in groupby(rows, key=times.__getitem__):
        ties = list(same)
        ordered += _untied(events, ties) if len(ties) > 1 else ties
    return ordered


def _untied(events: Events, ties: list[int]) -> list[int]:
    """Return events of the same time in order."""

    def number(row: int) -> tuple[str, int, bool]:
        sent_by = events.sender_comp_id[row] or ""
        return sent_by, events.msg_seq_num[row] or 0, bool(events.poss_dup_flag[row])

    if len(set(map(number, ties))) == len(ties):
        ties.sort(key=number)
    else:
        ties.sort(key=lambda row: (number(row), _rest(events, row)))
    return _merged(events, ties)


def _rest(events: Events, row: int) -> tuple[str, ...]:
    """Return what tells apart events of the same time and number, for an order among them."""
    return (*(str(getattr(events, name)[row]) for name in _BY_CONTENT), _more(events, row))


def _merged(events: Events, ties: list[int]) -> list[int]:
    """Return events of the same time, in the order of each side, with reports after requests."""
    asking = [row for row in ties if events.msg_type[row] not in REPORTS]
    reports = [row for row in ties if events.msg_type[row] in REPORTS]
    if not asking or not reports:
        return ties
    merged: list[int] = []
    waiting = {events.cl_ord_id[row]: place for place, row in enumerate(asking)}
    taken = 0
    for row in reports:
        needed = waiting.get(events.cl_ord_id[row], -1) + 1
        merged += asking[taken:needed]
        taken = max(taken, needed)
        merged.append(row)
    return merged + asking[taken:]
