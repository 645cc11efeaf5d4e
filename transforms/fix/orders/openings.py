"""Where an id begins anew, and where it is that of several orders.

An id is *opened* on a day, so that it is not the id that it was before: a ClOrdID by a new order,
or by the request for a replace or cancel that it is the id of; an OrderID by a report whose ClOrdID
a new order opened that day. Copies (PossDupFlag, PossResend) open nothing.

Some ids do not say whose a message is. Their events are *loose*: their ClOrdID ties them to
nothing, their OrigClOrdID and OrderID do.

* A ClOrdID is *shared* on a day if it is that of a request about several orders: a mass cancel,
  whose reports have it as their ClOrdID, or a cancel that a client has sent for two orders. That is
  so if two reports say under it that an order is cancelled, and name different ones; or if it comes
  with several OrigClOrdIDs and several OrderIDs. (FIX 4.4, Order Mass Cancel Report: each affected
  order that is canceled is acknowledged with a separate Execution Report.)
* An order *goes on* under a ClOrdID that another one, or a request, opens that day, if the ClOrdID
  comes with several OrderIDs, and its own was with this ClOrdID on the day before on which it is
  found. A report that says that it is new is of a new order, though. (FIX 4.4, OrderID, wants
  the OrderIDs of multi-day orders unique across days.)

So it depends on the ids of a day, and on the day before on which an OrderID is found.
"""

from typing import NamedTuple

from fixfeed.transforms.fix.orders.events import ASKING, NEW, Events, is_copy
from fixfeed.transforms.fix.orders.ids import CL_ORD_ID, ORDER_ID, Id

__all__ = ["ABOUT", "CANCELLED", "FRESH", "Openings", "openings"]

ABOUT = frozenset({"8", "9", "F", "G", "AC", "t", "u"})
"""Requests about an order that is there, and what answers them."""

CANCELLED = frozenset("4")
"""ExecType, or OrdStatus without one, of reports that an order is cancelled."""

FRESH = frozenset("0A8")
"""ExecType, or OrdStatus without one, of reports of new orders: New, Pending New, Rejected."""

_Node = tuple[Id, int]


class Openings(NamedTuple):
    """Which ids are opened, each with the day, and which events are loose."""

    opened: set[_Node]
    loose: set[int]


def openings(events: Events, ids: list[tuple[Id, ...]]) -> Openings:
    """Return where ids are opened, and whose ClOrdID ties nothing.

    Only ids that tie events count, so that it depends on nothing outside their chains.
    """
    opened: set[_Node] = set()
    by_new_order: set[_Node] = set()
    for row, kind in enumerate(events.msg_type):
        if kind in ASKING and ids[row] and not is_copy(events, row):
            one = ids[row][0]
            if one[2] == events.cl_ord_id[row] != events.orig_cl_ord_id[row]:
                opened.add((one, events.day[row]))
                if kind in NEW:
                    by_new_order.add((one, events.day[row]))
    several_days = len(set(events.day)) > 1
    going_on = _going_on(events, ids, opened) if several_days else set()
    shared = _shared(events, ids, by_new_order)
    opened |= shared
    for row, of_event in enumerate(ids) if several_days else ():
        if _has_both(of_event):
            first, order, day = *of_event, events.day[row]
            if (first, day) in by_new_order and (first, order, day) not in going_on:
                opened.add((order, day))
    loose = set()
    for row, of_event in enumerate(ids) if going_on or shared else ():
        if len(of_event) < 2:
            continue
        (first, second), day = of_event[:2], events.day[row]
        both = _has_both(of_event)
        if (first, day) in shared and _is_own(events, ids, row):
            is_loose = not (both and (first, day) in by_new_order)
        else:
            is_loose = both and (first, second, day) in going_on and (second, day) not in opened
        if is_loose:
            loose.add(row)
    return Openings(opened, loose)


def _has_both(of_event: tuple[Id, ...]) -> bool:
    """Return whether an event has a ClOrdID and an OrderID alone.

    With an OrigClOrdID it may be about an older order.
    """
    return len(of_event) == 2 and of_event[1][1] == ORDER_ID


def _is_own(events: Events, ids: list[tuple[Id, ...]], row: int) -> bool:
    """Return whether the first of several ids of an event is its ClOrdID."""
    return len(ids[row]) > 1 and ids[row][0][2] == events.cl_ord_id[row]


def _says(events: Events, row: int, letters: frozenset[str]) -> bool:
    """Return whether a report says by its ExecType, or without one by its OrdStatus, one of these.

    Reports of a status that was asked for do not count.
    """
    return (
        events.msg_type[row] == "8"
        and (events.exec_type[row] or events.ord_status[row] or " ") in letters
        and events.exec_trans_type[row] in (None, "0")
    )


def _shared(events: Events, ids: list[tuple[Id, ...]], by_new_order: set[_Node]) -> set[_Node]:
    cancelled: dict[_Node, set[Id]] = {}
    named: dict[_Node, tuple[set[Id], set[Id]]] = {}
    for row, of_event in enumerate(ids):
        if len(of_event) < 2 or events.msg_type[row] not in ABOUT:
            continue
        ends = _says(events, row, CANCELLED)
        if not (ends or len(of_event) == 3) or not _is_own(events, ids, row):
            continue
        node = of_event[0], events.day[row]
        if len(of_event) == 3:
            originals, orders = named.setdefault(node, (set(), set()))
            originals.add(of_event[1])
            orders.add(of_event[2])
        if ends and (of_event[1][1] == CL_ORD_ID or node not in by_new_order):
            cancelled.setdefault(node, set()).add(of_event[1])
    found = {node for node, orders in cancelled.items() if len(orders) > 1}
    found |= {node for node, both in named.items() if min(map(len, both)) > 1}
    return found


def _going_on(
    events: Events, ids: list[tuple[Id, ...]], opened: set[_Node]
) -> set[tuple[Id, Id, int]]:
    """Return the orders that go on: ClOrdID, OrderID and day."""
    orders: dict[_Node, set[Id]] = {}
    fresh: set[tuple[Id, Id, int]] = set()
    for row, of_event in enumerate(ids):
        if len(of_event) > 1 and of_event[-1][1] == ORDER_ID:
            node = of_event[0], events.day[row]
            if node in opened:
                orders.setdefault(node, set()).add(of_event[-1])
                if _says(events, row, FRESH) and not is_copy(events, row):
                    fresh.add((of_event[0], of_event[-1], events.day[row]))
    doubtful = {node: several for node, several in orders.items() if len(several) > 1}
    if not doubtful:
        return set()
    with_id: dict[Id, dict[int, set[Id]]] = {}
    for row, of_event in enumerate(ids):
        if of_event and of_event[-1][1] == ORDER_ID:
            on_day = with_id.setdefault(of_event[-1], {})
            on_day.setdefault(events.day[row], set()).update(of_event[:-1])
    found = set()
    for (one, day), several in doubtful.items():
        for order in several:
            before = max((other for other in with_id[order] if other < day), default=None)
            if before is not None and one in with_id[order][before]:
                found.add((one, order, day))
    return found - fresh
