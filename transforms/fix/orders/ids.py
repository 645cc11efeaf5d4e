"""The ids of events: those that tie them to others, and what is none.

Ids are those of one session pair (both CompIDs, whichever of them sends). Where the user names a
session of drop copies, OrderIDs are those of the firm whose reports it has copies of
(`drop_copies`), and a copy has no other id. SecondaryOrderIDs, which may be those of a parent or a
trade, tie only events without other ids.
"""

from collections.abc import Mapping
from typing import Any

from fixfeed.transforms.fix.orders.events import ASKING, GROUPS, NO_ID, Events, entries

__all__ = [
    "CL_ORD_ID",
    "EXEC_ID",
    "ORDER_ID",
    "SECONDARY",
    "Id",
    "Span",
    "ids_of",
    "is_id",
    "last_resort",
]

CL_ORD_ID, ORDER_ID, SECONDARY, EXEC_ID = "ClOrdID", "OrderID", "SecondaryOrderID", "ExecID"

_LONGEST_NO_ID = max(map(len, NO_ID))

Id = tuple[str, str, str]
"""An id: its session pair, its kind, and its text."""

Span = tuple[int, int]
"""The first and the last day of an id."""


def ids_of(events: Events) -> list[tuple[Id, ...]]:
    """Return the ids that tie each event to others, its ClOrdID first.

    A mass cancel report has those of its entries alone: its own are of the request.
    """
    found: list[tuple[Id, ...]] = []
    columns = (events.pair, events.cl_ord_id, events.orig_cl_ord_id, events.order_id)
    for row, (pair, cl_ord_id, original, order_id) in enumerate(zip(*columns, strict=True)):
        ids: tuple[Id, ...] = ()
        if events.msg_type[row] == "r" and not any(entries(events.more[row], GROUPS["r"])):
            found.append(ids)
            continue
        if events.drop_copied[row] and order_id is not None and is_id(order_id):
            found.append(((events.order_pair[row], ORDER_ID, order_id),))
            continue
        if cl_ord_id is not None and is_id(cl_ord_id):
            ids = ((pair, CL_ORD_ID, cl_ord_id),)
        if original is not None and original != cl_ord_id and is_id(original):
            ids += ((pair, CL_ORD_ID, original),)
        if order_id is not None and is_id(order_id):
            ids += ((events.order_pair[row], ORDER_ID, order_id),)
        if not ids:
            columns = (events.msg_type, events.exec_ref_id, events.exec_id, events.cl_ord_id)
            one = last_resort(events.more[row], *(column[row] for column in columns))
            ids = () if one is None else ((pair, *one),)
        found.append(ids)
    return found


def is_id(text: str) -> bool:
    """Return whether a text is an id, none of those that are written where there is none."""
    return len(text) > _LONGEST_NO_ID or text.upper() not in NO_ID


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
        if isinstance(one, str) and (kind == CL_ORD_ID or is_id(one)):
            return kind, one
    return None
