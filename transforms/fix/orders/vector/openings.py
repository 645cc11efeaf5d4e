"""Where ids are opened or are those of several orders: the twin of `orders.openings`."""

from typing import NamedTuple

import numpy as np
import pyarrow.compute as pc

from fixfeed.transforms.fix.orders.events import ASKING, NEW
from fixfeed.transforms.fix.orders.ids import CL_ORD_ID
from fixfeed.transforms.fix.orders.midnight import SKEW
from fixfeed.transforms.fix.orders.openings import ABOUT, ANSWERS, CANCELLED, FRESH, REJECTED
from fixfeed.transforms.fix.orders.vector.events import Events, Flags, Ints, flags, is_in
from fixfeed.transforms.fix.orders.vector.ids import KINDS, Ids

__all__ = ["Nodes", "Openings", "openings"]


class Nodes(NamedTuple):
    """Ids on days, which are numbered by id and by day.

    `of_event` has three for each event, as `Ids.of_event`; -1 where there is none. Node number `i`
    is `key[i]`: its id times `days`, and its day as one of so many.
    """

    of_event: Ints
    key: Ints
    days: int

    @property
    def first(self) -> Ints:
        """The first node of each event; -1 where there is none."""
        one, other, last = self.of_event
        found = np.where(one >= 0, one, other)
        return np.where(found >= 0, found, last)

    def before(self) -> Ints:
        """Return for each node that of its id on the nearest day before; -1 where there is none."""
        order = np.argsort(self.key)
        ids = self.key[order] // self.days
        same = np.append(False, ids[1:] == ids[:-1])[: len(ids)]
        found = np.full(len(ids), -1)
        found[order[same]] = order[np.flatnonzero(same) - 1]
        return found


class Openings(NamedTuple):
    """Which nodes are opened, which are mixed, and which events are loose, or may be."""

    opened: Flags
    mixed: Flags
    loose: Flags


def openings(events: Events, ids: Ids, nodes: Nodes, before: Ints) -> Openings:
    """Return where ids are opened, given the node before each, and whose ClOrdID ties nothing."""
    own, original, order = nodes.of_event
    opened = np.zeros(len(nodes.key), bool)
    by_new_order = opened.copy()
    cl_ord_id = events["cl_ord_id"]
    asking = pc.not_equal(cl_ord_id, events["orig_cl_ord_id"]).fill_null(True)
    asking = flags(pc.and_(asking, cl_ord_id.is_valid()))
    asking &= is_in(events["msg_type"], ASKING) & ~events.copied
    # Its ClOrdID is its first id; it is so of last resort as well.
    kind = np.where(ids.first >= 0, ids.kind[ids.first], -1) if len(ids.kind) else ids.first
    asking &= (own >= 0) & (kind == KINDS.index(CL_ORD_ID))
    opened[own[asking]] = True
    by_new_order[own[asking & is_in(events["msg_type"], NEW)]] = True
    shared = _shared(events, nodes, by_new_order)
    loose = np.zeros(len(own), bool)
    loose[own >= 0] = shared[own[own >= 0]]
    both = ((own >= 0) ^ (original >= 0)) & (order >= 0)
    going_on, mixed = _mixed(events, ids, nodes, opened & (before >= 0), asking)
    first = nodes.first
    both[both] = by_new_order[first[both]]
    echoed = _echoed(events, ids, nodes, opened)
    opened[order[both & ~going_on]] = True
    return Openings(opened | echoed | shared, mixed, loose)


def _echoed(events: Events, ids: Ids, nodes: Nodes, opened: Flags) -> Flags:
    """Return the OrderIDs that a venue has made of the ClOrdIDs of requests of the day.

    `opened` are those ClOrdIDs.
    """
    own, _, order = nodes.of_event
    found, other = np.zeros(len(nodes.key), bool), np.zeros(len(nodes.key), bool)
    reports = np.flatnonzero((order >= 0) & is_in(events["msg_type"], ("8",)))
    texts = np.append(ids.text, -1)[ids.of_event[:, reports]]
    same = texts[:2] == texts[2]
    other[order[reports[~same.any(axis=0)]]] = True
    asked = reports[same[0]]
    found[order[asked[opened[own[asked]]]]] = True
    return found & ~other


def _shared(events: Events, nodes: Nodes, by_new_order: Flags) -> Flags:
    own, original, order = nodes.of_event
    about = is_in(events["msg_type"], ABOUT) & (own >= 0) & ((original >= 0) | (order >= 0))
    whole = about & (original >= 0) & (order >= 0)
    found = _several(nodes, own[whole], original[whole])
    found &= _several(nodes, own[whole], order[whole])
    cancelled = about & says(events, CANCELLED)
    cancelled[cancelled] = (original[cancelled] >= 0) | ~by_new_order[own[cancelled]]
    named = np.where(original >= 0, original, order)
    return found | _several(nodes, own[cancelled], named[cancelled])


def _mixed(
    events: Events, ids: Ids, nodes: Nodes, again: Flags, opening: Flags
) -> tuple[Flags, Flags]:
    """Return the events whose order goes on, and the nodes that are mixed.

    `again` are the ClOrdIDs that are opened and were there before, `opening` the events that open
    one.
    """
    own, original, order = nodes.of_event
    first = nodes.first
    both = (own >= 0) & (original >= 0)
    going_on, mixed = np.zeros(len(own), bool), np.zeros(len(again), bool)
    used = first >= 0
    used[used] = again[first[used]]
    named = both & is_in(events["msg_type"], ASKING)
    named[named] = again[original[named]]
    if not (used | named).any():
        return going_on, mixed
    # Requests that name a ClOrdID before it is opened.
    since = np.full(len(again), np.iinfo(np.int64).max)
    np.minimum.at(since, own[opening], events.time[opening])
    named[named] = since[original[named]] > events.time[named]
    mixed[original[named]] = True
    # Answers whose request with both ids is not of the day.
    both &= used
    requests = opening & ~is_in(events["msg_type"], NEW)
    texts = np.where(ids.of_event[1] >= 0, ids.of_event[1], len(ids.text))
    pairs = first * (len(ids.text) + 1) + texts
    answering = is_in(events["msg_type"], ANSWERS)
    answers = both & answering
    answers[answers] = ~np.isin(pairs[answers], pairs[both & requests])
    mixed[own[answers]] = True
    # OrderIDs of which a report without an OrigClOrdID has one that no other one has.
    with_order = used & (order >= 0) & (first != order)
    several = _several(nodes, first[with_order], order[with_order])
    by_business = is_in(events["msg_type"], ("j",)) & is_in(events.told("RefMsgType"), NEW)
    refused = says(events, REJECTED) | by_business
    refused &= used & (order < 0) & ~both & ~events.copied
    several[np.intersect1d(first[refused], first[with_order])] = True
    alone = with_order & ~both
    alone[alone] = several[first[alone]]
    pairs = first * len(again) + order
    foreign = alone.copy()
    foreign[alone] = ~np.isin(pairs[alone], pairs[with_order & both])
    mixed[first[foreign]] = True
    early = answering & (with_order | both)
    early[early] = events.time[early] < since[first[early]] - SKEW
    mixed[first[early]] |= several[first[early]]
    fresh = pairs[with_order & says(events, FRESH) & ~events.copied]
    going_on[alone] = mixed[first[alone]] & ~np.isin(pairs[alone], fresh)
    return going_on, mixed


def _several(nodes: Nodes, one: Ints, other: Ints) -> Flags:
    """Return which nodes are in `one` beside different ones of `other`."""
    least, most = np.full(len(nodes.key), len(nodes.key)), np.full(len(nodes.key), -1)
    np.minimum.at(least, one, other)
    np.maximum.at(most, one, other)
    several: Flags = most > least
    return several


def says(events: Events, letters: frozenset[str]) -> Flags:
    """Return which reports say one of these by their ExecType, or without one by OrdStatus."""
    said = is_in(events["exec_type"], letters)
    by_status = events["exec_type"].is_null().to_numpy(zero_copy_only=False)
    said |= by_status & is_in(events["ord_status"], letters)
    transaction = events["exec_trans_type"]
    plain = flags(pc.or_(transaction.is_null(), pc.equal(transaction, "0").fill_null(False)))
    return said & plain & is_in(events["msg_type"], ("8",))
