"""Whose an event is that does not say so: of the one that its ids were last seen with."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from fixfeed.transforms.fix.orders.events import Events
from fixfeed.transforms.fix.orders.life import an_id

__all__ = ["named_by", "whose"]

_Owner = TypeVar("_Owner")


def whose(
    events: Events, rows: Iterable[int], said: Callable[[int], _Owner | None], first: _Owner
) -> dict[int, _Owner]:
    """Return whose each event is; `said` returns it where the event says so, else None.

    What has ids that were not seen yet is of the owner of the event before, at first of `first`.
    """
    found: dict[int, _Owner] = {}
    seen: dict[tuple[str, str], _Owner] = {}
    latest = first
    for row in rows:
        names = named_by(events, row)
        own = said(row)
        if own is None:
            own = next((seen[one] for one in reversed(names) if one in seen), latest)
        found[row] = latest = own
        seen.update(dict.fromkeys(names, own))
    return found


def named_by(events: Events, row: int) -> list[tuple[str, str]]:
    """Return by which ids an event names its order: ClOrdID, OrigClOrdID, OrderID."""
    ids = (
        ("C", events.cl_ord_id[row]),
        ("C", events.orig_cl_ord_id[row]),
        ("O", an_id(events.order_id[row])),
    )
    return [(kind, one) for kind, one in ids if one is not None]
