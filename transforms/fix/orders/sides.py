"""Where both sides of a session order, each with ids of its own: which side an event is of.

Ids are those of a session pair, so that an allocation is of its order whichever side sends it. If
both sides order, and number alike, a chain is of both, and is made again for each of them.
"""

from collections.abc import Mapping, Sequence

from fixfeed.transforms.fix.orders.chains import Chains
from fixfeed.transforms.fix.orders.events import ASKING, Events
from fixfeed.transforms.fix.orders.ids import Id
from fixfeed.transforms.fix.orders.whose import whose

__all__ = ["BY_SENDER", "BY_TARGET", "apart"]

BY_SENDER = ASKING | {"H", "Q"}
"""Messages whose sender orders: requests, questions after a status, and doubts of a fill."""

BY_TARGET = frozenset({"8", "9", "r", "N"})
"""Messages whose target orders: what answers these. So is a refusal of one of them (j)."""


def apart(events: Events, ids: list[tuple[Id, ...]], chains: Chains) -> Chains | None:
    """Return the chains of each side, of the events whose chain is of both; None without any."""
    sides: dict[int, str] = {}
    for rows in chains.rows:
        sides |= _sides(events, rows)
    if not sides:
        return None
    own = [
        tuple((f"{pair}\0{sides[row]}", kind, text) for pair, kind, text in of_event)
        if row in sides
        else ()
        for row, of_event in enumerate(ids)
    ]
    return Chains(events, own)


def _sides(events: Events, rows: Sequence[int]) -> Mapping[int, str]:
    """Return the side that each event of a chain is of, by the CompID; nothing if one side orders.

    What does not say so is of the side that its ids were last seen with.
    """
    by_row = {row: side for row in rows if (side := _side_of(events, row)) is not None}
    of_pair: dict[str, set[str]] = {}
    for row, side in by_row.items():
        of_pair.setdefault(events.pair[row], set()).add(side)
    both = {side for sides in of_pair.values() if len(sides) > 1 for side in sides}
    if not both:
        return {}
    return whose(
        events, rows, lambda row: by_row[row] if by_row.get(row) in both else None, min(both)
    )


def _side_of(events: Events, row: int) -> str | None:
    kind = events.msg_type[row]
    if events.drop_copied[row]:
        return None
    if kind in BY_SENDER:
        return events.sender_comp_id[row]
    if kind in BY_TARGET or (kind == "j" and events.more[row].get("RefMsgType") in BY_SENDER):
        return events.target_comp_id[row]
    return None
