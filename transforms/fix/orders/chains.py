"""Which events belong together: chains of orders, through the ids that they have in common.

An event ties its ids (`ids`) together: a replace its ClOrdID and OrigClOrdID, a report its ClOrdID
and OrderID.

Ids may be used again on another day, and orders may live for days. So what counts is an id on a
day. It is the same id as on the day before on which it is found, unless it is opened (`openings`);
and if it is mixed, its events are of one chain with those of the day before, as only all of them
together say which they are of.

Whether two ids on two days are tied thus depends on these two days and on what is between them.
So of the stored chains, new events may change those with their ids on their days, on the nearest
day before, and on the nearest one after. No others.

A chain has several *parts*, each of one order or more, if it has loose events (`openings`), or a
ClOrdID that begins in it on two days (`generations`).
"""

from itertools import pairwise

from fixfeed.transforms.fix.orders.events import Events
from fixfeed.transforms.fix.orders.generations import Generations
from fixfeed.transforms.fix.orders.ids import Id
from fixfeed.transforms.fix.orders.openings import openings
from fixfeed.transforms.fix.orders.sequence import Step

__all__ = ["Chains"]


class Chains:
    """The chains of events: `rows` are those of each chain, by time.

    `tying` are the ids of each event that tie it in its part. An event without any id is in no
    chain.
    """

    def __init__(self, events: Events, ids: list[tuple[Id, ...]]):
        """`ids` are those of `ids_of`."""
        self._events = events
        self._found = found = openings(events, ids)
        by_time = sorted(range(len(events)), key=[one or 0 for one in events.time].__getitem__)
        chain = _roots(events, ids, found.opened - found.mixed)
        rows: dict[int, list[int]] = {}
        for row in by_time:
            if chain[row] >= 0:
                rows.setdefault(chain[row], []).append(row)
        self.rows = list(rows.values())
        self.tying = ids
        self._part: list[int] | None = None
        if found.loose:
            self.tying = [one[1:] if row in found.loose else one for row, one in enumerate(ids)]
            self._part = _roots(events, self.tying, found.opened)
        self._named: dict[int, tuple[Id, int]] = {}

    def parts(self, steps: list[Step]) -> list[list[Step]]:
        """Return the steps of each part of a chain, given its steps."""
        if len({self._events.day[step.row] for step in steps}) > 1:
            found = Generations(self._events, self.tying, self._found, steps)
            if found.several:
                parts = found.parts()
                self._named |= found.named
                return parts
        if self._part is None:
            return [steps]
        parts_of: dict[int, list[Step]] = {}
        for step in steps:
            parts_of.setdefault(self._part[step.row], []).append(step)
        return list(parts_of.values())

    def named(self, row: int) -> tuple[Id, int]:
        """Return the first id that ties an event, and a day on which it is that of no other part.

        `parts` comes first.
        """
        return self._named.get(row) or (self.tying[row][0], self._events.day[row])


def _roots(events: Events, ids: list[tuple[Id, ...]], opened: set[tuple[Id, int]]) -> list[int]:
    """Return for each event a number that all have that its ids tie it to, -1 without any id."""
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
    if len(set(events.day)) > 1:
        _join_days(nodes, parents, opened)
    return [-1 if node < 0 else _root(parents, node) for node in node_of_row]


def _join_days(
    nodes: dict[tuple[Id, int], int], parents: list[int], opened: set[tuple[Id, int]]
) -> None:
    """Join what an id is on a day and on the day before on which it is found."""
    days: dict[Id, list[int]] = {}
    for one, day in nodes:
        days.setdefault(one, []).append(day)
    for one, found in days.items():
        for before, day in pairwise(sorted(found)):
            if (one, day) not in opened:
                _join(parents, nodes[one, before], nodes[one, day])


def _root(parents: list[int], node: int) -> int:
    while parents[node] != node:
        parents[node] = node = parents[parents[node]]
    return node


def _join(parents: list[int], one: int, other: int) -> None:
    one, other = _root(parents, one), _root(parents, other)
    if one != other:
        parents[max(one, other)] = min(one, other)
