"""The orders of a chain: one, unless several parties use its ids, or they are used again."""

from collections.abc import Iterator, Mapping

from fixfeed.transforms.fix.orders.events import ASKING, NEW, REPORTS, Events, is_copy
from fixfeed.transforms.fix.orders.fills import FILL, kind_of
from fixfeed.transforms.fix.orders.life import DUPLICATE, ENDED, LEG, Life, an_id
from fixfeed.transforms.fix.orders.openings import ACKNOWLEDGED, FRESH, says
from fixfeed.transforms.fix.orders.sequence import Step
from fixfeed.transforms.fix.orders.whose import named_by, whose

__all__ = ["lives"]

_IS_NEW = frozenset("0")


Party = tuple[str | None, str | None]
"""Who orders behind a CompID: OnBehalfOfCompID and SenderSubID, of reports what answers these."""


def lives(events: Events, steps: list[Step]) -> list[Life]:
    """Return the orders of a chain.

    They are one, unless

    * several parties behind one CompID use one ClOrdID, of a new order, for requests of their own:
      each party has its own orders then. What does not say whose it is, is of the party that its
      ids were last seen with.
    * a ClOrdID is used again after its order has ended: by a new order, or a report of a new one
      (ExecType New or Pending New, where there was one before or the OrderID is another; Rejected
      with another OrderID), that is no copy. While its order is open, a new order is another one
      if a report says that it is new and has another OrderID; before the first report, if several
      do, of which the first is of the order that came first. What follows is then of the order that
      its ids were last seen with.
    """
    parties = _parties(events, steps)
    if not parties:
        return _lives(events, steps)
    return [life for part in _by_party(events, steps, parties) for life in _lives(events, part)]


def _parties(events: Events, steps: list[Step]) -> list[Party]:
    """Return the parties that use the ClOrdID of a new order for a request of their own, in order.

    A party that has it as OrigClOrdID too asks about the order of another one: venues set 41 = 11.
    """
    of_id: dict[str | None, dict[Party, None]] = {}
    of_new: set[str | None] = set()
    for row in (step.row for step in steps):
        one = events.cl_ord_id[row]
        asks = events.msg_type[row] in ASKING and one != events.orig_cl_ord_id[row]
        if asks and any(party := _party(events, row)):
            of_id.setdefault(one, {})[party] = None
            if events.msg_type[row] in NEW:
                of_new.add(one)
    found = (own for one, own in of_id.items() if one in of_new and len(own) > 1)
    return list(dict.fromkeys(party for own in found for party in own))


def _party(events: Events, row: int) -> Party:
    if events.msg_type[row] in REPORTS:
        return events.more[row].get("DeliverToCompID"), events.target_sub_id[row]
    return events.on_behalf_of_comp_id[row], events.sender_sub_id[row]


def _by_party(events: Events, steps: list[Step], parties: list[Party]) -> Iterator[list[Step]]:
    """Yield the steps of each party."""

    def said(row: int) -> Party | None:
        named = _party(events, row)
        meant = [
            party
            for party in parties
            if any(named) and all(a in (None, b) for a, b in zip(named, party, strict=True))
        ]
        return meant[0] if len(meant) == 1 else None

    of_row = whose(events, (step.row for step in steps), said, parties[0])
    for party in parties:
        if found := [step for step in steps if of_row[step.row] == party]:
            yield found


def _lives(events: Events, steps: list[Step]) -> list[Life]:
    by_legs = not any(_is_fill_of_whole(events, step.row) for step in steps)
    requests = {
        events.cl_ord_id[step.row]: step.row
        for step in reversed(steps)
        if events.msg_type[step.row] in ASKING - NEW
    }
    found = [Life(events, by_legs=by_legs, requests=requests)]
    of_id: dict[tuple[str, str], Life] = {}
    awaited: dict[str, Life] = {}
    given = _given(events, steps)
    for place, step in enumerate(steps):
        life = found[-1]
        if len(found) > 1:
            order_id = an_id(events.order_id[step.row])
            life = awaited.get(order_id or "") or _meant(events, step.row, of_id) or life
        again = _is_again if life.ended else _is_another
        crossing = _crossing(events, steps, place, found, given)
        begins = crossing or again(events, steps, place, life)
        if begins:
            if len(found) == 1:
                of_id = {one: life for before in life.steps for one in named_by(events, before.row)}
            life = Life(events, by_legs=by_legs, requests=requests)
            awaited |= zip(crossing, [*_waiting(events, step.row, found), life], strict=False)
            found.append(life)
        if len(found) > 1:
            for one in named_by(events, step.row):
                if begins or not _waits(of_id.get(one), life):
                    of_id[one] = life
        life.tell(step)
    return found


def _meant(events: Events, row: int, of_id: dict[tuple[str, str], Life]) -> Life | None:
    """Return the order that an event is of, given those that ids were last seen with."""
    ids = named_by(events, row)
    life = next((of_id[one] for one in ids if one in of_id), None)
    order_id = an_id(events.order_id[row])
    other = of_id.get(("O", order_id)) if order_id else None
    if not life or not other or life.values.get("order_id") == order_id:
        return life
    # Its ClOrdID was used again; an OrderID that is another order's says more.
    if life.values.get("order_id") is not None:
        return other
    # The new one has none yet. Where a venue gives an OrderID again, its reports have it too, but
    # for busts, corrections and status reports of what has ended.
    told = kind_of(events, row) not in (None, FILL) or events.exec_type[row] == "I"
    return other if told or events.exec_trans_type[row] == "3" or not other.ended else life


def _waits(holder: Life | None, life: Life) -> bool:
    """Return whether another order has an id that still waits for its first report under it."""
    if holder is None or holder is life:
        return False
    return holder.has_beginning and holder.values.get("order_id") is None


def _is_fill_of_whole(events: Events, row: int) -> bool:
    is_leg = events.more[row].get("MultiLegReportingType") == LEG
    return events.msg_type[row] == "8" and not is_leg and kind_of(events, row) == FILL


def _is_again(events: Events, steps: list[Step], place: int, life: Life) -> bool:
    """Return whether a step begins another order under the ids of one that has ended."""
    row = steps[place].row
    cl_ord_id, kind = events.cl_ord_id[row], events.msg_type[row]
    if cl_ord_id is None or is_copy(events, row):
        return False
    if kind == "8":
        # A bust of the only fill makes an order new again, in FIX up to 4.2 by ExecType as well:
        # `says` leaves it out.
        order_id, known = an_id(events.order_id[row]), life.values.get("order_id")
        before = [one.row for one in life.steps if events.cl_ord_id[one.row] == cl_ord_id]
        if None not in (order_id, known) and order_id != known:
            return bool(before) and says(events, row, FRESH)
        # It may come after the fill that has ended its order: two threads of a venue, or clocks.
        letters = next((one for one in (_IS_NEW, ACKNOWLEDGED) if says(events, row, one)), None)
        return letters is not None and any(says(events, one, letters) for one in before)
    if kind not in NEW or not life.has_beginning:
        return False
    # The answer to one that is refused as a duplicate says so.
    return not any(
        events.msg_type[later.row] == "8"
        and events.cl_ord_id[later.row] == cl_ord_id
        and events.more[later.row].get("OrdRejReason") == DUPLICATE
        for later in steps[place + 1 :]
    )


def _is_another(events: Events, steps: list[Step], place: int, life: Life) -> bool:
    """Return whether a step is a new order beside one that is open and has its ClOrdID.

    A report that it is new has another OrderID, before there is one more new order.
    """
    row, known = steps[place].row, life.values.get("order_id")
    is_new = events.msg_type[row] in NEW and life.has_beginning and not is_copy(events, row)
    if not is_new or known is None:
        return False
    for later in steps[place + 1 :]:
        if events.cl_ord_id[later.row] != events.cl_ord_id[row]:
            continue
        if events.msg_type[later.row] in NEW and not is_copy(events, later.row):
            return False
        is_other = an_id(events.order_id[later.row]) not in (None, known)
        if is_other and says(events, later.row, ACKNOWLEDGED):
            return True
    return False


def _given(events: Events, steps: list[Step]) -> dict[str | None, set[str]]:
    """Return which OrderIDs reports of new orders give under each ClOrdID."""
    found: dict[str | None, set[str]] = {}
    for row in (step.row for step in steps):
        order_id = an_id(events.order_id[row])
        if order_id is not None and says(events, row, _IS_NEW):
            found.setdefault(events.cl_ord_id[row], set()).add(order_id)
    return found


def _crossing(
    events: Events,
    steps: list[Step],
    place: int,
    found: list[Life],
    of_all: Mapping[str | None, set[str]],
) -> list[str]:
    """Return the OrderIDs that are given to new orders with one ClOrdID that wait for a report.

    Nothing is returned if there are no more of them than orders that wait already: then a step is
    no other order. Each order gets one in its turn if there are enough for all to come as well;
    else some are never answered, and once all that were have ended, what is given after one more
    new order is of that one. `of_all` are those given in the whole chain (`_given`), of which there
    are too few wherever an engine sends an order again and again.
    """
    row = steps[place].row
    if events.msg_type[row] not in NEW or is_copy(events, row):
        return []
    waiting = _waiting(events, row, found)
    if not waiting or len(of_all.get(events.cl_ord_id[row], ())) <= len(waiting):
        return []
    given: dict[str, None] = {}
    ended: set[str | None] = set()
    to_come, soon = 0, None
    for later in (one.row for one in steps[place + 1 :]):
        if events.cl_ord_id[later] != events.cl_ord_id[row]:
            continue
        if events.msg_type[later] in NEW and not is_copy(events, later):
            to_come += 1
            soon = len(given) if soon is None and given and ended.issuperset(given) else soon
        order_id = an_id(events.order_id[later])
        if events.ord_status[later] in ENDED:
            ended.add(order_id)
        if order_id is not None and says(events, later, _IS_NEW):
            given[order_id] = None
    if len(given) - to_come <= len(waiting) and soon is not None:
        given = dict.fromkeys(list(given)[:soon])
    return list(given) if len(given) > len(waiting) else []


def _waiting(events: Events, row: int, found: list[Life]) -> list[Life]:
    """Return the orders that wait for their first report under the ClOrdID of a new order."""
    one = events.cl_ord_id[row]
    return [life for life in found if life.ord_status is None and life.first_cl_ord_id == one]
