"""Where both sides of a session order, each with ids of its own: which side an event is of.

Ids are those of a session pair, so that an allocation is of its order whichever side sends it. If
both sides order, and number alike, a chain is of both, and is made again for each of them.

A feed that carries requests and their answers in one direction, as an order system sends to who
watches it, has one side that orders: nobody speaks for another one. So a chain is of both sides of
a session pair only if both of them have sent new orders or answers in it.
"""

from collections.abc import Mapping, Sequence
from functools import partial

from fixfeed.transforms.fix.orders.chains import Chains
from fixfeed.transforms.fix.orders.events import ASKING, NEW, Events
from fixfeed.transforms.fix.orders.ids import Id
from fixfeed.transforms.fix.orders.sequence import in_order
from fixfeed.transforms.fix.orders.whose import whose

__all__ = ["BY_SENDER", "BY_TARGET", "OfSides", "apart"]

BY_SENDER = ASKING | {"H", "Q"}
"""Messages whose sender orders: requests, questions after a status, and doubts of a fill."""

BY_TARGET = frozenset({"8", "9", "r", "N"})
"""Messages whose target orders: what answers these. So is a refusal of one of them (j)."""

_BEGINNING = NEW | BY_TARGET
"""Messages by which a side has a part of its own in a chain. Engines refuse (j), also those of who
only watches; and who cancels, asks or doubts may speak of an order that the other side has entered.
"""


class OfSides(Chains):
    """The chains of each side. Each is within one chain of both; `within` has them by its place."""

    def __init__(self, events: Events, ids: list[tuple[Id, ...]], both: Mapping[int, list[int]]):
        """`ids` are those of each side, `both` the events of chains of both sides, in order."""
        super().__init__(events, ids)
        places = {row: place for place, rows in enumerate(self.rows) for row in rows}
        self.within: dict[int, list[list[int]]] = {}
        for number, rows in both.items():
            each: dict[int, list[int]] = {}
            for row in rows:
                each.setdefault(places[row], []).append(row)
            self.within[number] = list(each.values())

    def named(self, row: int) -> tuple[Id, int]:
        """See `Chains`; the id has the side in its session pair."""
        (pair, kind, text), day = super().named(row)
        return (pair.rpartition("\0")[0], kind, text), day


def apart(events: Events, ids: list[tuple[Id, ...]], chains: Chains) -> OfSides | None:
    """Return the chains of each side, of the events whose chain is of both; None without any."""
    own: list[tuple[Id, ...]] = [()] * len(events)
    both: dict[int, list[int]] = {}
    for number, rows in enumerate(chains.rows):
        ordering = _both_ordering(events, rows)
        if not ordering:
            continue
        both[number] = rows = in_order(events, rows)
        sides = _sides(events, rows, ordering)
        for row in rows:
            pair = events.pair[row]
            of_side = f"{pair}\0{sides[row]}" if row in sides else pair
            # With the number of its chain: what an id is depends on nothing outside.
            own[row] = tuple(
                (f"{of_side if one == pair else one}\0{number}", kind, text)
                for one, kind, text in ids[row]
            )
    return OfSides(events, own, both) if both else None


def _both_ordering(events: Events, rows: Sequence[int]) -> Mapping[str, set[str]]:
    """Return the session pairs of a chain in which both sides order, with their CompIDs."""
    ordering: dict[str, set[str]] = {}
    speaking: dict[str, set[str | None]] = {}
    for row in rows:
        side = _side_of(events, row)
        if side is not None:
            ordering.setdefault(events.pair[row], set()).add(side)
            if events.msg_type[row] in _BEGINNING:
                speaking.setdefault(events.pair[row], set()).add(events.sender_comp_id[row])
    return {
        pair: sides
        for pair, sides in ordering.items()
        if len(sides) > 1 and len(speaking.get(pair, ())) > 1
    }


def _sides(
    events: Events, rows: Sequence[int], ordering: Mapping[str, set[str]]
) -> Mapping[int, str]:
    """Return the side that each event in pairs of which both order is of, by the CompID.

    What does not say so is of the side that its ids were last seen with.
    """
    found: dict[int, str] = {}
    for pair, sides in ordering.items():
        own = [row for row in rows if events.pair[row] == pair]
        found |= whose(events, own, partial(_side_of, events), min(sides))
    return found


def _side_of(events: Events, row: int) -> str | None:
    kind = events.msg_type[row]
    if events.drop_copied[row]:
        return None
    if kind in BY_SENDER:
        return events.sender_comp_id[row]
    if kind in BY_TARGET or (kind == "j" and events.more[row].get("RefMsgType") in BY_SENDER):
        return events.target_comp_id[row]
    return None
