"""Where an id begins anew, and where it is that of several orders.

An id is *opened* on a day, so that it is not the id that it was before: a ClOrdID by a new order,
or by the request for a replace or cancel that it is the id of; an OrderID by a report whose ClOrdID
a new order opened that day, or, where a venue sets 37 = 11, with that ClOrdID. Copies (PossDupFlag,
PossResend) open nothing.

Some ids do not say whose a message is.

* A ClOrdID is *shared* on a day if it is that of a request about several orders: a mass cancel,
  whose reports have it as their ClOrdID, or a cancel that a client has sent for two orders. That is
  so if two reports say under it that an order is cancelled, and name different ones; or if it comes
  with several OrigClOrdIDs and several OrderIDs. (FIX 4.4, Order Mass Cancel Report: each affected
  order that is canceled is acknowledged with a separate Execution Report.) Its events are *loose*:
  their ClOrdID ties them to nothing, their OrigClOrdID and OrderID do.
* A ClOrdID that is opened on a day is *mixed* if what it was before may be meant as well: an answer
  has it with an OrigClOrdID, and no request of the day has both; or a request names it before it is
  opened; or it comes with several OrderIDs, and a report without OrigClOrdID has one of them that
  no report with one has, or an answer was sent before it is opened; a new order that is refused
  without an OrderID counts as one more of these. Then it ties to what it was before (`chains`), and
  `generations` says which of both a message means. A report with one of several OrderIDs opens it
  only if it says that it is new: orders of days before go on with theirs.
  (FIX 4.4, OrderID, wants the OrderIDs of multi-day orders unique across days.)

So it depends on the ids of a day alone, and on whether a ClOrdID was there before.
"""

from typing import NamedTuple

from fixfeed.transforms.fix.orders.events import ASKING, NEW, Events, is_copy
from fixfeed.transforms.fix.orders.ids import CL_ORD_ID, ORDER_ID, Id
from fixfeed.transforms.fix.orders.midnight import SKEW

__all__ = [
    "ABOUT",
    "ACKNOWLEDGED",
    "ANSWERS",
    "CANCELLED",
    "FRESH",
    "NEW_ORDER",
    "REJECTED",
    "Openings",
    "openings",
    "says",
]

ABOUT = frozenset({"8", "9", "F", "G", "AC", "t", "u"})
"""Requests about an order that is there, and what answers them."""

CANCELLED = frozenset("4")
"""ExecType, or OrdStatus without one, of reports that an order is cancelled."""

REJECTED = frozenset("8")
"""ExecType, or OrdStatus without one, of reports that an order is refused."""

ACKNOWLEDGED = frozenset("0A")
"""ExecType, or OrdStatus without one, of reports that an order is new, or is going to be."""

FRESH = REJECTED | ACKNOWLEDGED
"""ExecType, or OrdStatus without one, of reports of new orders: New, Pending New, Rejected."""

ANSWERS = frozenset({"8", "9"})
"""Reports and refusals."""

NEW_ORDER = ""
"""What is in the place of the OrigClOrdID of a new order, which has none."""

_Node = tuple[Id, int]


class Openings(NamedTuple):
    """Which ids are opened and which of them are mixed, each with the day; which events are loose.

    `requests` are the OrigClOrdIDs of the requests that open a ClOrdID, None for one without; those
    of new orders are `NEW_ORDER`. `since` is when the first of them was sent.
    """

    opened: set[_Node]
    mixed: set[_Node]
    loose: set[int]
    requests: dict[_Node, set[str | None]]
    since: dict[_Node, int]


def openings(events: Events, ids: list[tuple[Id, ...]]) -> Openings:
    """Return where ids are opened or mixed, and whose ClOrdID ties nothing.

    Only ids that tie events count, so that it depends on nothing outside their chains.
    """
    requests: dict[_Node, set[str | None]] = {}
    since: dict[_Node, int] = {}
    for row, kind in enumerate(events.msg_type):
        if kind in ASKING and ids[row] and not is_copy(events, row):
            one = ids[row][0]
            if one[2] == events.cl_ord_id[row] != events.orig_cl_ord_id[row]:
                asked = NEW_ORDER if kind in NEW else events.orig_cl_ord_id[row]
                node, time = (one, events.day[row]), events.time[row] or 0
                requests.setdefault(node, set()).add(asked)
                since[node] = min(since.get(node, time), time)
    opened = set(requests)
    by_new_order = {node for node, asked in requests.items() if NEW_ORDER in asked}
    mixed: set[_Node] = set()
    going_on: set[tuple[Id, int, Id]] = set()
    if several_days := len(set(events.day)) > 1:
        mixed, going_on = _mixed(events, ids, requests, since)
    asked = {node: requests[node] for node in mixed}
    shared = _shared(events, ids, by_new_order, asked)
    opened |= shared
    for row, of_event in enumerate(ids) if several_days else ():
        if _has_both(of_event):
            first, order, day = *of_event, events.day[row]
            if (first, day) in by_new_order and (first, day, order) not in going_on:
                opened.add((order, day))
    if several_days:
        opened |= _echoed(events, ids, requests)
    loose = set()
    for row, of_event in enumerate(ids) if shared else ():
        if len(of_event) > 1 and _is_own(events, ids, row):
            node = of_event[0], events.day[row]
            if node in shared and not (_has_both(of_event) and node in by_new_order):
                loose.add(row)
    return Openings(opened, mixed, loose, requests, since)


def _echoed(
    events: Events, ids: list[tuple[Id, ...]], requests: dict[_Node, set[str | None]]
) -> set[_Node]:
    """Return the OrderIDs that a venue has made of the ClOrdIDs of requests of the day.

    All reports of the day have such a one as their ClOrdID or OrigClOrdID.
    """
    found: set[_Node] = set()
    other: set[_Node] = set()
    for row, of_event in enumerate(ids):
        if of_event and of_event[-1][1] == ORDER_ID and events.msg_type[row] == "8":
            node = of_event[-1], events.day[row]
            text = node[0][2]
            if all(one[2] != text for one in of_event[:-1]):
                other.add(node)
            elif text == events.cl_ord_id[row] and (of_event[0], node[1]) in requests:
                found.add(node)
    return found - other


def _has_both(of_event: tuple[Id, ...]) -> bool:
    """Return whether an event has a ClOrdID and an OrderID alone.

    With an OrigClOrdID it may be about an older order.
    """
    return len(of_event) == 2 and of_event[1][1] == ORDER_ID


def _is_own(events: Events, ids: list[tuple[Id, ...]], row: int) -> bool:
    """Return whether the first of several ids of an event is its ClOrdID."""
    return len(ids[row]) > 1 and ids[row][0][2] == events.cl_ord_id[row]


def says(events: Events, row: int, letters: frozenset[str]) -> bool:
    """Return whether a report says by its ExecType, or without one by its OrdStatus, one of these.

    Reports of a status that was asked for do not count.
    """
    return (
        events.msg_type[row] == "8"
        and (events.exec_type[row] or events.ord_status[row] or " ") in letters
        and events.exec_trans_type[row] in (None, "0")
    )


def _refuses(events: Events, row: int) -> bool:
    """Return whether a report, or a business reject, refuses a new order."""
    by_business = events.msg_type[row] == "j" and events.more[row].get("RefMsgType") in NEW
    return (by_business or says(events, row, REJECTED)) and not is_copy(events, row)


def _shared(
    events: Events,
    ids: list[tuple[Id, ...]],
    by_new_order: set[_Node],
    asked: dict[_Node, set[str | None]],
) -> set[_Node]:
    """Return the ClOrdIDs that are shared.

    `asked` are the OrigClOrdIDs of requests of those that are mixed. What else comes with these is
    of requests of the day before.
    """
    cancelled: dict[_Node, set[Id]] = {}
    named: dict[_Node, tuple[set[Id], set[Id]]] = {}
    for row, of_event in enumerate(ids):
        if len(of_event) < 2 or events.msg_type[row] not in ABOUT:
            continue
        ends = says(events, row, CANCELLED)
        if not (ends or len(of_event) == 3) or not _is_own(events, ids, row):
            continue
        node = of_event[0], events.day[row]
        if node in asked and (len(asked[node]) == 1 or of_event[1][2] not in asked[node]):
            continue
        if len(of_event) == 3:
            originals, orders = named.setdefault(node, (set(), set()))
            originals.add(of_event[1])
            orders.add(of_event[2])
        if ends and (of_event[1][1] == CL_ORD_ID or node not in by_new_order):
            cancelled.setdefault(node, set()).add(of_event[1])
    found = {node for node, orders in cancelled.items() if len(orders) > 1}
    found |= {node for node, both in named.items() if min(map(len, both)) > 1}
    return found


def _mixed(
    events: Events,
    ids: list[tuple[Id, ...]],
    requests: dict[_Node, set[str | None]],
    since: dict[_Node, int],
) -> tuple[set[_Node], set[tuple[Id, int, Id]]]:
    """Return the ClOrdIDs that are mixed; and the orders that go on: ClOrdID, day and OrderID."""
    first_day: dict[Id, int] = {}
    for row, of_event in enumerate(ids):
        for one in of_event:
            first_day[one] = min(first_day.get(one, events.day[row]), events.day[row])
    mixed: set[_Node] = set()
    early: set[_Node] = set()
    alone: dict[_Node, set[Id]] = {}
    beside: dict[_Node, set[Id]] = {}
    fresh: set[tuple[Id, int, Id]] = set()
    refused: set[_Node] = set()
    for row, of_event in enumerate(ids):
        day = events.day[row]
        if len(of_event) < 2:
            if of_event and _refuses(events, row):
                refused.add((of_event[0], day))
            continue
        has_original = of_event[1][1] == CL_ORD_ID
        if has_original and events.msg_type[row] in ASKING and first_day[of_event[1]] < day:
            about = of_event[1], day
            if about in since and since[about] > (events.time[row] or 0):
                mixed.add(about)
        node = of_event[0], day
        if node not in requests or first_day[of_event[0]] == day:
            continue
        if events.msg_type[row] in ANSWERS:
            if has_original and of_event[1][2] not in requests[node]:
                mixed.add(node)
            if (events.time[row] or 0) < since[node] - SKEW:
                early.add(node)
        if of_event[-1][1] == ORDER_ID:
            (beside if has_original else alone).setdefault(node, set()).add(of_event[-1])
            if says(events, row, FRESH) and not is_copy(events, row):
                fresh.add((*node, of_event[-1]))
    several = {
        node
        for node in alone.keys() | beside.keys()
        if len(alone.get(node, set()) | beside.get(node, set())) + (node in refused) > 1
    }
    mixed |= several & early
    mixed |= {node for node in several if alone.get(node, set()) - beside.get(node, set())}
    going_on = {(*node, order) for node in several & mixed for order in alone.get(node, ())}
    return mixed, going_on - fresh
