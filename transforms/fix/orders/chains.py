"""Which events belong together: chains of orders, through the ids that they have in common.

An event ties its ids (`ids`) together: a replace its ClOrdID and OrigClOrdID, a report its ClOrdID
and OrderID.

Ids may be used again on another day, and orders may live for days. So what counts is an id on a
day. It is the same id as on the day before on which it is found, unless it is opened (`openings`).

Whether two ids on two days are the same thus depends on these two days and on what is between them.
So of the stored chains, new events may change those with their ids on their days, on the nearest
day before, and on the nearest one after. No others.

A chain has several *parts* if it has loose events (`openings`): without what these do not tie, its
events fall apart.
"""

from itertools import pairwise

from fixfeed.transforms.fix.orders.events import Events
from fixfeed.transforms.fix.orders.ids import Id
from fixfeed.transforms.fix.orders.openings import openings

__all__ = ["Chains"]


class Chains:
    """The chains of events: `rows` are those of each chain, by time.

    `part` numbers the parts that events are of; None if no event is loose. `tying` are the ids of
    each event that tie it in its part. An event without any id is in no chain.
    """

    def __init__(self, events: Events, ids: list[tuple[Id, ...]]):
        """`ids` are those of `ids_of`."""
        found = openings(events, ids)
        by_time = sorted(range(len(events)), key=[one or 0 for one in events.time].__getitem__)
        chain = _roots(events, ids, found.opened)
        rows: dict[int, list[int]] = {}
        for row in by_time:
            if chain[row] >= 0:
                rows.setdefault(chain[row], []).append(row)
        self.rows = list(rows.values())
        self.tying = ids
        self.part: list[int] | None = None
        if found.loose:
            self.tying = [one[1:] if row in found.loose else one for row, one in enumerate(ids)]
            self.part = _roots(events, self.tying, found.opened)


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
