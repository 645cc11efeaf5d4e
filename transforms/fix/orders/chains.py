"""Which events belong together: chains of orders, through the ids that they have in common.

Ids are those of one session pair (both CompIDs, whichever of them sends). An event ties its ids
together: a replace its ClOrdID and OrigClOrdID, a report its ClOrdID and OrderID.
Where the user names a session of drop copies, OrderIDs are those of the firm whose reports it has
copies of (`drop_copies`), and a copy has no other id.
SecondaryOrderIDs, which may be those of a parent or a trade, tie only events without other ids.

Ids may be used again on another day, and orders may live for days. So what counts is an id on a
day. It is the same id as on the day before on which it is found, unless it is *opened*: a ClOrdID
by a new order or by the request for a replace or cancel that it is the id of, an OrderID by a
report whose ClOrdID a new order opened that day. Copies (PossDupFlag, PossResend) open nothing.

Whether two ids on two days are the same thus depends on these two days and on what is between them.
So of the stored chains, new events may change those with their ids on their days, on the nearest
day before, and on the nearest one after. No others.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from fixfeed.transforms.fix.orders.events import NEW, Events

__all__ = [
    "ASKING",
    "CL_ORD_ID",
    "EXEC_ID",
    "NO_ID",
    "ORDER_ID",
    "SECONDARY",
    "Id",
    "Span",
    "chains",
    "ids_of",
    "is_copy",
    "last_resort",
]

CL_ORD_ID, ORDER_ID, SECONDARY, EXEC_ID = "ClOrdID", "OrderID", "SecondaryOrderID", "ExecID"

NO_ID = frozenset({"NONE", "UNKNOWN", "N/A", "NA", "[N/A]", "NULL", "NIL", "0", "-", "", "*"})
"""What is written where an id is required and there is none, in upper case."""

_LONGESTNO_ID = max(map(len, NO_ID))

ASKING = NEW | {"F", "G", "AC", "t", "u"}


Id = tuple[str, str, str]
"""An id: its session pair, its kind, and its text."""

Span = tuple[int, int]
"""The first and the last day of an id."""


def is_copy(events: Events, row: int) -> bool:
    """Return whether an event says that it may have been sent before."""
    return bool(events.poss_dup_flag[row]) or events.more[row].get("PossResend") == "Y"


def ids_of(events: Events) -> list[tuple[Id, ...]]:
    """Return the ids that tie each event to others, its ClOrdID first."""
    found: list[tuple[Id, ...]] = []
    columns = (events.pair, events.cl_ord_id, events.orig_cl_ord_id, events.order_id)
    for row, (pair, cl_ord_id, original, order_id) in enumerate(zip(*columns, strict=True)):
        ids: tuple[Id, ...] = ()
        if events.drop_copied[row] and order_id is not None and _is_id(order_id):
            found.append(((events.order_pair[row], ORDER_ID, order_id),))
            continue
        if cl_ord_id is not None and _is_id(cl_ord_id):
            ids = ((pair, CL_ORD_ID, cl_ord_id),)
        if original is not None and original != cl_ord_id and _is_id(original):
            ids += ((pair, CL_ORD_ID, original),)
        if order_id is not None and _is_id(order_id):
            ids += ((events.order_pair[row], ORDER_ID, order_id),)
        if not ids:
            columns = (events.msg_type, events.exec_ref_id, events.exec_id, events.cl_ord_id)
            one = last_resort(events.more[row], *(column[row] for column in columns))
            ids = () if one is None else ((pair, *one),)
        found.append(ids)
    return found


def _is_id(text: str) -> bool:
    return len(text) > _LONGESTNO_ID or text.upper() not in NO_ID


def last_resort(
    more: Mapping[str, Any],
    msg_type: str,
    exec_ref_id: str | None,
    exec_id: str | None,
    cl_ord_id: str | None,
) -> tuple[str, str] | None:
    """Return the kind and the text of the id of an event that has no other, None if none is left.

    The arguments are the event's columns.
    """
    if msg_type == "j":
        refused = more.get("BusinessRejectRefID")
        if isinstance(refused, str) and more.get("RefMsgType") in ASKING:
            return CL_ORD_ID, refused
        return None
    for kind, one in (
        (SECONDARY, more.get("SecondaryOrderID")),
        (EXEC_ID, exec_ref_id or exec_id),
        (CL_ORD_ID, cl_ord_id),
    ):
        if isinstance(one, str) and (kind == CL_ORD_ID or _is_id(one)):
            return kind, one
    return None


def chains(events: Events, ids: list[tuple[Id, ...]]) -> list[list[int]]:
    """Return the events of each chain, by time; `ids` are those of `ids_of`.

    An event without any id is in none.
    """
    nodes: dict[tuple[Id, int], int] = {}
    parents: list[int] = []
    node_of_row = []
    for day, found_ids in zip(events.day, ids, strict=True):
        first = -1
        for one in found_ids:
            node = nodes.get((one, day))
            if node is None:
                node = nodes[one, day] = len(parents)
                parents.append(node)
            if first < 0:
                first = node
            else:
                _join(parents, first, node)
        node_of_row.append(first)
    _join_days(events, ids, nodes, parents)
    found: dict[int, list[int]] = {}
    by_time = sorted(range(len(events)), key=[one or 0 for one in events.time].__getitem__)
    for row in by_time:
        node = node_of_row[row]
        if node >= 0:
            found.setdefault(_root(parents, node), []).append(row)
    return list(found.values())


def _join_days(
    events: Events,
    ids: list[tuple[Id, ...]],
    nodes: dict[tuple[Id, int], int],
    parents: list[int],
) -> None:
    """Join what an id is on a day and on the day before on which it is found."""
    if len(set(events.day)) < 2:
        return
    days: dict[Id, list[int]] = {}
    for one, day in nodes:
        days.setdefault(one, []).append(day)
    several = {one: sorted(found) for one, found in days.items() if len(found) > 1}
    if not several:
        return
    opened = _opened(events, ids)
    for one, found in several.items():
        for before, day in pairwise(found):
            if (one, day) not in opened:
                _join(parents, nodes[one, before], nodes[one, day])


def _opened(events: Events, ids: list[tuple[Id, ...]]) -> set[tuple[Id, int]]:
    """Return the ids that are opened, each with the day.

    Only ids that tie events count, so that it depends on nothing outside their chains.
    """
    opened, by_new_order = set(), set()
    for row, kind in enumerate(events.msg_type):
        if kind in ASKING and ids[row] and not is_copy(events, row):
            one = ids[row][0]
            if one[2] == events.cl_ord_id[row] != events.orig_cl_ord_id[row]:
                opened.add((one, events.day[row]))
                if kind in NEW:
                    by_new_order.add((one, events.day[row]))
    for row, of_event in enumerate(ids):
        # Its ClOrdID and its OrderID alone: with an OrigClOrdID it may be about an older order.
        day = events.day[row]
        both = len(of_event) == 2 and of_event[1][1] == ORDER_ID
        if both and (of_event[0], day) in by_new_order:
            opened.add((of_event[1], day))
    return opened


def _root(parents: list[int], node: int) -> int:
    while parents[node] != node:
        parents[node] = node = parents[parents[node]]
    return node


def _join(parents: list[int], one: int, other: int) -> None:
    one, other = _root(parents, one), _root(parents, other)
    if one != other:
        parents[max(one, other)] = min(one, other)
