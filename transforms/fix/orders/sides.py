"""Where both sides of a session order, each with ids of its own: which side an event is of.

Ids are those of a session pair, so that an allocation is of its order whichever side sends it. If
both sides order, and number alike, a chain is of both, and is made again for each of them.

A feed that carries requests and their answers in one direction, as an order system sends to who
watches it, has one side that orders: nobody speaks for another one. So a chain is of both sides of
a session pair only if both of them have sent requests or answers in it.
"""

from collections.abc import Mapping, Sequence

from fixfeed.transforms.fix.orders.chains import Chains
from fixfeed.transforms.fix.orders.events import ASKING, Events
from fixfeed.transforms.fix.orders.ids import Id
from fixfeed.transforms.fix.orders.whose import whose

__all__ = ["BY_SENDER", "BY_TARGET", "OfSides", "apart"]

BY_SENDER = ASKING | {"H", "Q"}
"""Messages whose sender orders: requests, questions after a status, and doubts of a fill."""

BY_TARGET = frozenset({"8", "9", "r", "N"})
"""Messages whose target orders: what answers these. So is a refusal of one of them (j)."""


class OfSides(Chains):
    """The chains of each side. Each is within one chain of both."""

    def named(self, row: int) -> tuple[Id, int]:
        """See `Chains`; the id has the side in its session pair."""
        (pair, kind, text), day = super().named(row)
        return (pair.rpartition("\0")[0], kind, text), day


def apart(events: Events, ids: list[tuple[Id, ...]], chains: Chains) -> OfSides | None:
    """Return the chains of each side, of the events whose chain is of both; None without any."""
    own: list[tuple[Id, ...]] = [()] * len(events)
    found = False
    for number, rows in enumerate(chains.rows):
        sides = _sides(events, rows)
        found = found or bool(sides)
        for row in rows if sides else ():
            pair = events.pair[row]
            of_side = f"{pair}\0{sides[row]}" if row in sides else pair
            # With the number of its chain: what an id is depends on nothing outside.
            own[row] = tuple(
                (f"{of_side if one == pair else one}\0{number}", kind, text)
                for one, kind, text in ids[row]
            )
    return OfSides(events, own) if found else None


def _sides(events: Events, rows: Sequence[int]) -> Mapping[int, str]:
    """Return the side that each event of a chain is of, by the CompID; nothing if one side orders.

    What does not say so is of the side that its ids were last seen with.
    """
    said = {row: side for row in rows if (side := _side_of(events, row)) is not None}
    if len(set(said.values())) < 2:
        return {}
    found: dict[int, str] = {}
    for pair in {events.pair[row] for row in said}:
        own = [row for row in rows if events.pair[row] == pair]
        ordering = {said[row] for row in own if row in said}
        # A refusal (j) is of engines, also of who only watches.
        speaking = {
            events.sender_comp_id[row] for row in own if row in said and events.msg_type[row] != "j"
        }
        if len(ordering) > 1 and len(speaking) > 1:
            found |= whose(events, own, said.get, min(ordering))
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
