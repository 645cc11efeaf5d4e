"""Which events belong together: chains of orders, through the ids that they have in common.

Ids are those of one session pair (both CompIDs, whichever of them sends). An event ties its ids
together: a replace its ClOrdID and OrigClOrdID, a report its ClOrdID and OrderID.
SecondaryOrderIDs, which may be those of a parent or a trade, tie only events without other ids.

Ids may be used again on another day, and orders may live for days. So what counts is an id on a
day. It is the same id as on the day before on which it is found, unless it is *opened*: a ClOrdID
by a new order or by the request for a replace or cancel that it is the id of, an OrderID by a
report whose ClOrdID a new order opened that day. Copies (PossDupFlag, PossResend) open nothing.

Whether two ids on two days are the same thus depends on these two days and on what is between them.
So of the stored chains, new events may change those with their ids on their days, on the nearest
day before, and on the nearest one after. No others.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from fixfeed.transforms.fix.orders.events import NEW, Events

__all__ = ["CL_ORD_ID", "EXEC_ID", "ORDER_ID", "SECONDARY", "Id", "chains", "ids_of", "is_copy"]

CL_ORD_ID, ORDER_ID, SECONDARY, EXEC_ID = "ClOrdID", "OrderID", "SecondaryOrderID", "ExecID"

_NO_ID = frozenset({"NONE", "UNKNOWN", "N/A", "NA", "[N/A]", "NULL", "NIL", "0", "-", "", "*"})
"""What is written where an id is required and there is none, in upper case."""

_ASKING = NEW | {"F", "G", "AC", "t", "u"}


class Id(NamedTuple):
    """An id in a session pair."""

    pair: str
    kind: str
    id: str


def is_copy(events: Events, row: int) -> bool:
    """Return whether an event says that it may have been sent before."""
    return bool(events.poss_dup_flag[row]) or events.more[row].get("PossResend") == "Y"


def ids_of(events: Events, row: int) -> list[Id]:
    """Return the ids that tie an event to others, its ClOrdID first."""
    pair = events.pair[row]
    found = [
        Id(pair, kind, one)
        for kind, one in (
            (CL_ORD_ID, events.cl_ord_id[row]),
            (CL_ORD_ID, events.orig_cl_ord_id[row]),
            (ORDER_ID, events.order_id[row]),
        )
        if one is not None and one.upper() not in _NO_ID
    ]
    return found or list(_last_resorts(events, row))


def _last_resorts(events: Events, row: int) -> Iterator[Id]:
    pair, more = events.pair[row], events.more[row]
    if events.msg_type[row] == "j" and more.get("RefMsgType") in _ASKING:
        refused = more.get("BusinessRejectRefID")
        if isinstance(refused, str):
            yield Id(pair, CL_ORD_ID, refused)
        return
    for kind, one in (
        (SECONDARY, more.get("SecondaryOrderID")),
        (EXEC_ID, events.exec_ref_id[row] or events.exec_id[row]),
        (CL_ORD_ID, events.cl_ord_id[row]),
    ):
        if isinstance(one, str) and (kind == CL_ORD_ID or one.upper() not in _NO_ID):
            yield Id(pair, kind, one)
            return


def chains(events: Events) -> list[list[int]]:
    """Return the events of each chain, in any order. An event without any id is in none."""
    nodes: dict[tuple[Id, int], int] = {}
    parents: list[int] = []
    node_of_row = []
    for row in range(len(events)):
        first = -1
        for one in ids_of(events, row):
            node = nodes.get((one, events.day[row]))
            if node is None:
                node = nodes[one, events.day[row]] = len(parents)
                parents.append(node)
            if first < 0:
                first = node
            else:
                _join(parents, first, node)
        node_of_row.append(first)
    _join_days(events, nodes, parents)
    found: dict[int, list[int]] = {}
    for row, node in enumerate(node_of_row):
        if node >= 0:
            found.setdefault(_root(parents, node), []).append(row)
    return list(found.values())


def _join_days(events: Events, nodes: dict[tuple[Id, int], int], parents: list[int]) -> None:
    """Join what an id is on a day and on the day before on which it is found."""
    days: dict[Id, list[int]] = {}
    for one, day in nodes:
        days.setdefault(one, []).append(day)
    several = {one: sorted(found) for one, found in days.items() if len(found) > 1}
    if not several:
        return
    opened = _opened(events, several)
    for one, found in several.items():
        for before, day in pairwise(found):
            if (one, day) not in opened:
                _join(parents, nodes[one, before], nodes[one, day])


def _opened(events: Events, ids: Iterable[Id]) -> set[tuple[Id, int]]:
    wanted = set(ids)
    opened, by_new_order = set(), set()
    for row, kind in enumerate(events.msg_type):
        if kind in _ASKING and not is_copy(events, row):
            cl_ord_id = events.cl_ord_id[row]
            if cl_ord_id is not None and cl_ord_id != events.orig_cl_ord_id[row]:
                one = (Id(events.pair[row], CL_ORD_ID, cl_ord_id), events.day[row])
                opened.add(one)
                if kind in NEW:
                    by_new_order.add(one)
    for row, order_id in enumerate(events.order_id):
        if order_id is not None and events.orig_cl_ord_id[row] in (None, events.cl_ord_id[row]):
            reported = Id(events.pair[row], ORDER_ID, order_id)
            if reported in wanted and events.cl_ord_id[row] is not None:
                asked = Id(events.pair[row], CL_ORD_ID, events.cl_ord_id[row])
                if (asked, events.day[row]) in by_new_order:
                    opened.add((reported, events.day[row]))
    return opened


def _root(parents: list[int], node: int) -> int:
    while parents[node] != node:
        parents[node] = node = parents[parents[node]]
    return node


def _join(parents: list[int], one: int, other: int) -> None:
    one, other = _root(parents, one), _root(parents, other)
    if one != other:
        parents[max(one, other)] = min(one, other)
