"""Chains of all events at once: the twin of `orders.chains`, with the same chains."""

from typing import NamedTuple

import numpy as np

from fixfeed.transforms.fix.orders.ids import CL_ORD_ID
from fixfeed.transforms.fix.orders.vector.events import Events, Flags, Ints
from fixfeed.transforms.fix.orders.vector.ids import KINDS, Ids, numbered
from fixfeed.transforms.fix.orders.vector.openings import Nodes, openings

__all__ = ["Chains", "chains"]


class Chains(NamedTuple):
    """The number of the chain that each event is of, -1 if it has no id, and which may be loose.

    Those are as well whose ClOrdID begins anew in their chain. What parts such chains have is told
    by `orders.chains`.
    """

    of_event: Ints
    loose: Flags


def chains(events: Events, ids: Ids) -> Chains:
    """Return the chains of events."""
    days, day = np.unique(events.day, return_inverse=True)
    nodes = Nodes(ids.of_event, np.arange(len(ids.text)), 1)
    if len(days) > 1:
        keys = np.where(ids.of_event >= 0, ids.of_event * len(days) + day, -1)
        of_node, of_event = numbered(keys)
        nodes = Nodes(of_event, of_node, len(days))
    before = nodes.before() if len(days) > 1 else np.full(len(nodes.key), -1)
    found = openings(events, ids, nodes, before)
    first = nodes.first
    same = np.flatnonzero((before >= 0) & (~found.opened | found.mixed))
    ties = [(before[same], same)]
    ties += [
        (first[tied], level[tied])
        for level in nodes.of_event[1:]
        for tied in [(level >= 0) & (level != first)]
    ]
    count = len(nodes.key)
    one, other = (np.concatenate(side) for side in zip(*ties, strict=True))
    root = _joined(count, one, other)
    number = np.cumsum(root == np.arange(count)) - 1
    of_chain = np.where(first >= 0, number[root][first] if count else -1, -1)
    loose = found.loose
    if (found.opened & (before >= 0)).any():
        of_node = number[root]
        several = np.zeros(count, bool)
        several[of_node[_begins_again(ids, nodes, found.opened, of_node)]] = True
        loose = loose | np.append(several, False)[of_chain]
    return Chains(of_chain, loose)


def _begins_again(ids: Ids, nodes: Nodes, opened: Flags, chain: Ints) -> Ints:
    """Return the ClOrdIDs that are opened on a day, and are found in their chain before."""
    one = nodes.key // nodes.days
    order = np.lexsort((nodes.key, chain))
    same = (chain[order][1:] == chain[order][:-1]) & (one[order][1:] == one[order][:-1])
    later = order[1:][same]
    return later[opened[later] & (ids.kind[one[later]] == KINDS.index(CL_ORD_ID))]


def _joined(count: int, one: Ints, other: Ints) -> Ints:
    """Return for each node the first of those that it is tied to, over any others."""
    root = np.arange(count)
    while True:
        a, b = root[one], root[other]
        apart = a != b
        if not apart.any():
            return root
        one, other, a, b = one[apart], other[apart], a[apart], b[apart]
        np.minimum.at(root, np.maximum(a, b), np.minimum(a, b))
        while not np.array_equal(above := root[root], root):
            root = above
