"""Which order is meant by a ClOrdID that is used again, while an order of days before has it.

A *generation* of an id are the days from one on which it is opened (`openings`) until it is opened
again. A ClOrdID of a message is mostly that of the latest generation. It may be an earlier one:
clients begin their ClOrdIDs anew each day, while orders live for days; and requests are answered
on the day after.

* An answer with an OrigClOrdID is of the generation whose request has both.
* An OrderID says which order is meant: the one that has it already. And it is not the OrderID of an
  order that is new on a later day than that on which it began.
* A request means the order whose OrderID is in its answers.

What no OrderID and no request decides is of the latest generation.
"""

from collections.abc import Callable

from fixfeed.transforms.fix.orders.events import ASKING, Events
from fixfeed.transforms.fix.orders.ids import CL_ORD_ID, ORDER_ID, Id
from fixfeed.transforms.fix.orders.openings import FRESH, NEW_ORDER, Openings, says
from fixfeed.transforms.fix.orders.sequence import Step

__all__ = ["Generations"]

_Generation = tuple[Id, int]
"""An id, and the first day of a generation of it."""


class Generations:
    """The generations of the ids of a chain; `several` is whether a ClOrdID has several.

    `parts` tells which steps are of one order, and `named` the id that each event is tied by, with
    a day that no other order has it on.
    """

    def __init__(
        self, events: Events, tying: list[tuple[Id, ...]], found: Openings, steps: list[Step]
    ):
        """`tying` are the ids that tie events, `steps` those of the chain."""
        self._events, self._tying = events, tying
        self._requests, self._since = found.requests, found.since
        self._steps = steps
        days: dict[Id, set[int]] = {}
        for row in (step.row for step in steps):
            for one in tying[row]:
                days.setdefault(one, set()).add(events.day[row])
        self._begins = {
            one: [day for day in sorted(on) if day == min(on) or (one, day) in found.opened]
            for one, on in days.items()
        }
        self.several = any(
            len(begins) > 1 for one, begins in self._begins.items() if one[1] == CL_ORD_ID
        )
        self.named: dict[int, tuple[Id, int]] = {}
        self._parents: dict[_Generation, _Generation] = {}
        self._orders: dict[_Generation, set[_Generation]] = {}
        self._told: dict[tuple[Id, int], _Generation] = {}
        self._known: set[_Generation] = set()

    def parts(self) -> list[list[Step]]:
        """Return the steps of each part.

        What can mean one generation alone comes first, as it says what OrderIDs are.
        """
        requests: list[int] = []
        others: list[int] = []
        named: list[int] = []
        for row in (step.row for step in self._steps):
            if all(self._is_certain(row, one) for one in self._tying[row]):
                self._tie(row)
            elif any(one[1] == ORDER_ID for one in self._tying[row]):
                named.append(row)
            else:
                asks = self._events.msg_type[row] in ASKING
                (requests if asks else others).append(row)
        self._tie_first(named, lambda row: len(self._candidates(row)) < 2)
        # What is asked of a request that waits for its answer is known by the later request.
        self._tie_first(requests[::-1], lambda row: bool(self._orders_of(self._own(row))))
        for row in (*named, *requests, *others):
            if row not in self.named:
                self._tie(row)
        found: dict[_Generation, list[Step]] = {}
        for step in self._steps:
            root = self._root(self._latest(*self.named[step.row]))
            found.setdefault(root, []).append(step)
        return list(found.values())

    def _tie_first(self, rows: list[int], which: Callable[[int], bool]) -> None:
        for row in rows:
            if which(row):
                self._tie(row)

    def _is_certain(self, row: int, one: Id) -> bool:
        """Return whether there is one generation alone that an event can mean by an id."""
        is_one = one[1] != CL_ORD_ID or len(self._until(one, self._events.day[row])) == 1
        return is_one or (one[2] == self._events.cl_ord_id[row] and self._opens(row))

    def _opens(self, row: int) -> bool:
        """Return whether an event is of the latest generation of its ClOrdID, as it opens it."""
        events = self._events
        opens = events.cl_ord_id[row] != events.orig_cl_ord_id[row]
        return (opens and events.msg_type[row] in ASKING) or says(events, row, FRESH)

    def _tie(self, row: int) -> None:
        """Say which generations of its ids an event is of, and tie them together."""
        day = self._events.day[row]
        own = self._own(row)
        order = next((one for one in self._tying[row] if one[1] == ORDER_ID), None)
        other = own if order is None else self._latest(order, day)
        ties: list[_Generation] = []
        for one in self._tying[row]:
            if one[1] != CL_ORD_ID:
                meant: _Generation | None = self._latest(one, day)
            elif own is not None and one == own[0]:
                meant = own
            elif one[2] == self._events.cl_ord_id[row]:
                meant = None
            else:
                asked = own is not None and one[2] in self._requests.get(own, ())
                until = self._until(one, own[1] if own and asked else day)
                if self._events.msg_type[row] in ASKING:
                    until = [each for each in until if self._is_there(each, row)] or until
                meant = self._meant(until, other)
            if meant is not None:
                ties.append(meant)
        if own is not None and order is not None:
            self._told.setdefault((own[0], day), own)
        if not ties:
            ties.append(self._latest(self._tying[row][0], day))
        first = ties[0]
        self.named[row] = first[0], day if first == self._latest(first[0], day) else first[1]
        for each in ties[1:]:
            self._join(first, each)

    def _own(self, row: int) -> _Generation | None:
        """Return which generation of its ClOrdID an event is of, None if none or no known one."""
        return next(iter(self._candidates(row)), None)

    def _candidates(self, row: int) -> list[_Generation]:
        """Return which generations of its ClOrdID an event may be of, the most likely one first."""
        events, day = self._events, self._events.day[row]
        ids = self._tying[row]
        if not ids or ids[0][1] != CL_ORD_ID or ids[0][2] != events.cl_ord_id[row]:
            return []
        until = self._until(ids[0], day)
        if len(until) == 1 or self._opens(row):
            return until[:1]
        order = next((self._latest(one, day) for one in ids if one[1] == ORDER_ID), None)
        if len(ids) > 1 and ids[1][1] == CL_ORD_ID:
            asked = [one for one in until if ids[1][2] in self._requests.get(one, ())]
            if found := self._fitting(asked, until[0], order, asked=True):
                return found
            until = [one for one in until if self._requests.get(one) != {NEW_ORDER}] or until
        elif order is None and (ids[0], day) in self._told:
            return [self._told[ids[0], day]]
        return self._fitting(until, until[0], order)

    def _fitting(
        self,
        found: list[_Generation],
        latest: _Generation,
        order: _Generation | None,
        *,
        asked: bool = False,
    ) -> list[_Generation]:
        """Return the generations that may be of an order, those that began after it if any did."""
        found = [one for one in found if self._may_be(one, order, one == latest, asked=asked)]
        later = [one for one in found if order is None or one == latest or one[1] >= order[1]]
        return later or found

    def _is_there(self, one: _Generation, row: int) -> bool:
        """Return whether a ClOrdID has been opened when a client sends a request."""
        return one not in self._since or self._since[one] <= (self._events.time[row] or 0)

    def _meant(self, until: list[_Generation], other: _Generation | None) -> _Generation | None:
        """Return which of the generations is meant by what has another id as well."""
        if other is not None:
            for each in until:
                if self._root(each) == self._root(other):
                    return each
        fitting = (one for one in until if self._may_be(one, other, one == until[0]))
        return next(fitting, None)

    def _may_be(
        self,
        one: _Generation,
        other: _Generation | None,
        latest: bool,
        *,
        asked: bool = False,
    ) -> bool:
        """Return whether a generation of a ClOrdID may be of the order that has another id.

        `latest` is whether it is the one that is meant if nothing speaks against it, `asked`
        whether a request says so.
        """
        if other is None or self._root(one) == self._root(other):
            return True
        orders = self._orders_of(other)
        if not orders:
            return True
        has_others = bool(self._orders_of(one)) and not orders.isdisjoint(self._known)
        if min(begin for _, begin in orders) >= one[1]:
            return latest or not has_others
        requests = self._requests.get(one, set())
        if has_others or NEW_ORDER in requests:
            return False
        return asked or not requests or any(self._is_of(one, text, other) for text in requests)

    def _is_of(self, one: _Generation, original: str | None, other: _Generation) -> bool:
        """Return whether a request may be about an order that is known by another id."""
        if original is None or other not in self._known:
            return True
        about = (one[0][0], CL_ORD_ID, original)
        return about not in self._begins or any(
            self._root(each) == self._root(other) or not self._orders_of(each)
            for each in self._until(about, one[1])
        )

    def _latest(self, one: Id, day: int) -> _Generation:
        return one, max(begin for begin in self._begins[one] if begin <= day)

    def _until(self, one: Id, day: int) -> list[_Generation]:
        """Return the generations of an id that began until a day, the latest first."""
        return [(one, begin) for begin in reversed(self._begins[one]) if begin <= day]

    def _orders_of(self, one: _Generation | None) -> set[_Generation]:
        """Return the generations of OrderIDs that one is tied to."""
        if one is None:
            return set()
        root = self._root(one)
        return self._orders.get(root, {one} if one[0][1] == ORDER_ID else set())

    def _root(self, one: _Generation) -> _Generation:
        parents = self._parents
        while (above := parents.get(one, one)) != one:
            parents[one] = one = parents.get(above, above)
        return one

    def _join(self, one: _Generation, other: _Generation) -> None:
        self._known.update(each for each in (one, other) if each[0][1] == ORDER_ID)
        roots = self._root(one), self._root(other)
        if roots[0] != roots[1]:
            fewer, more = sorted(map(self._orders_of, roots), key=len)
            more |= fewer
            self._parents[roots[1]] = roots[0]
            self._orders[roots[0]] = more
