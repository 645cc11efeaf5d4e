"""The events of chains in the order in which they happened: the twin of `orders.sequence`."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fixfeed.transforms.fix.orders.events import COLUMNS, MSG_TYPES
from fixfeed.transforms.fix.orders.numbers import halves
from fixfeed.transforms.fix.orders.sequence import REPORTS
from fixfeed.transforms.fix.orders.vector.events import Events, Flags, Ints, flags, is_in
from fixfeed.transforms.fix.schema import TIME

__all__ = ["LARGE", "Lines"]

LARGE = 1 << 61
"""Numbers below it can be added within 64 bits."""


_ALIKE = tuple(
    name
    for name in COLUMNS
    if name not in ("fields", "captured_at", "sender_comp_id", "msg_seq_num", "sending_time")
)
"""What copies have in common here beside sender, time and number, and fields without a column."""

_DIGITS = 10**15, 10**16
"""Times (from 2001 to 2286) between these have as many digits, so their texts sort as they do."""


class Lines:
    """The events of chains, a line each, chain by chain and in order within each.

    `event` are the events, `chain` numbers the chains from 0, in which they are; `start` is where
    each begins, `count` how many lines it has. `copy` are further events that are the same message
    in another log, `copied` the lines of those that they are copies of. `doubtful` are the chains
    whose order `orders.sequence` may see otherwise: two messages of one sender, time and number
    that are not alike may be one.
    """

    def __init__(self, events: Events, event: Ints, chain: Ints):
        """`chain` numbers the chains of the events given, each of which has one."""
        self.events = events
        sender = _ranked(events["sender_comp_id"])[event]
        number = events["msg_seq_num"].fill_null(-1).to_numpy()[event]
        time = events.time[event]
        captured = events["captured_at"].cast(pa.int64()).fill_null(np.iinfo(np.int64).max)
        order = np.lexsort((captured.to_numpy()[event], number, sender, time, chain))
        event, chain, time, sender, number = (
            column[order] for column in (event, chain, time, sender, number)
        )
        tied = np.zeros(len(order), bool)
        tied[1:] = (chain[1:] == chain[:-1]) & (time[1:] == time[:-1])
        same = tied.copy()
        same[1:] &= (sender[1:] == sender[:-1]) & (number[1:] == number[:-1])
        copies = same.copy()
        copies[copies] = self._alike(event, np.flatnonzero(copies))
        doubtful = same & ~copies
        unnumbered = number <= 0
        doubtful |= tied & unnumbered
        doubtful[1:] |= tied[1:] & unnumbered[:-1]
        kept = ~copies
        begins = np.ones(int(kept.sum()), bool)
        begins[1:] = np.diff(chain[kept]) != 0
        self.event, self.time = event[kept], time[kept]
        merged = self._merged(tied[kept])
        self.event = self.event[merged]
        line = np.argsort(merged) if len(merged) else merged
        self.copy, self.copied = event[copies], line[(np.cumsum(kept) - 1)[copies]]
        self.chain = np.cumsum(begins) - 1
        self.start = np.flatnonzero(begins)
        self.count = np.diff(np.append(self.start, len(begins)))
        self.kind = _kinds(events["msg_type"])[self.event]
        self.doubtful = np.zeros(len(self.start), bool)
        self.doubtful[(self.chain[np.cumsum(kept) - 1])[doubtful]] = True

    def _merged(self, tied: Flags) -> Ints:
        """Return the lines in order, given which are of the chain and time of the one before.

        Of the lines of one time, each side's are in order already; a report goes to the first place
        that is after the reports before it, and after the request whose ClOrdID it has.
        """
        order = np.arange(len(self.event))
        asks = ~is_in(self.events["msg_type"], REPORTS)[self.event]
        group = np.cumsum(~tied)
        mixed = np.unique(group[1:][tied[1:] & (asks[1:] != asks[:-1])])
        lines = np.flatnonzero(np.isin(group, mixed)) if len(mixed) else order[:0]
        if not len(lines):
            return order
        group, asks = group[lines], asks[lines]
        coded = self.events["cl_ord_id"].dictionary_encode().indices.fill_null(-1).to_numpy()
        many = len(coded) + 1
        key = group * many + coded[self.event[lines]] + 1
        before = np.cumsum(asks) - asks
        place = before - before[np.searchsorted(group, group)]  # among the requests of its group
        by_key = np.argsort(key[asks], kind="stable")
        keys, places = key[asks][by_key], place[asks][by_key]
        reports = ~asks
        found = np.searchsorted(keys, key[reports], side="right") - 1
        needed = np.where(keys[found] == key[reports], places[found] + 1, 0)
        taken = np.maximum.accumulate(group[reports] * many + needed) - group[reports] * many
        rank = 2 * place + 1
        rank[reports] = 2 * taken
        order[lines] = lines[np.lexsort((rank, group))]
        return order

    def _alike(self, event: Ints, lines: Ints) -> Flags:
        """Return which events are the message of the one before, in another log."""
        one, other = event[lines - 1], event[lines]
        alike: Flags = self.events.row[one] != self.events.row[other]
        alike &= self.events.day[one] == self.events.day[other]
        for name in _ALIKE if len(lines) else ():
            left, right = (self.events[name].take(pa.array(rows)) for rows in (one, other))
            both = pc.and_(left.is_null(), right.is_null())
            alike &= flags(pc.or_(pc.equal(left, right).fill_null(False), both))
        more = self.events.more
        with_more = np.zeros(len(self.events), bool)
        with_more[list(more)] = True
        for place in np.flatnonzero(alike & (with_more[one] | with_more[other])).tolist():
            alike[place] = more.get(int(one[place])) == more.get(int(other[place]))
        for rows in (one, other):
            captured = self.events["captured_at"].cast(pa.int64()).take(pa.array(rows))
            captured = captured.fill_null(_DIGITS[0]).to_numpy()
            alike &= (captured >= _DIGITS[0]) & (captured < _DIGITS[1])
        return alike

    def __len__(self) -> int:
        """Return the number of lines."""
        return len(self.event)

    def of(self, kinds: str | tuple[str, ...]) -> Flags:
        """Return which lines are messages of these types."""
        return np.isin(self.kind, [MSG_TYPES.index(kind) for kind in kinds])

    def letters(self, name: str) -> Ints:
        """Return the code points of a column; 0 where it is null, -1 where it is no letter."""
        coded = self.events[name].dictionary_encode()
        texts = coded.dictionary.to_pylist()
        points = [ord(text) if len(text) == 1 and text != "\0" else -1 for text in texts]
        codes = coded.indices.fill_null(len(points)).to_numpy()
        return np.array([*points, 0])[codes][self.event]

    def numbers(self, name: str) -> tuple[Ints, Flags, Flags]:
        """Return decimals as whole numbers, which of them are there, and which too large."""
        column = self.events[name]
        none = np.zeros(len(self), bool)
        if column.null_count == len(column):
            return np.zeros(len(self), np.int64), none, none
        low, high = (half[self.event] for half in halves(column))
        there = column.is_valid().to_numpy(zero_copy_only=False)[self.event]
        large = there & ((high != low >> 63) | (low > LARGE) | (low < -LARGE))
        return np.where(there, low, 0), there, large

    def coded(self, *columns: pa.Array) -> list[Ints]:
        """Return columns of events with a number in the place of each text; -1 for null."""
        coded = pa.concat_arrays(columns).dictionary_encode().indices.fill_null(-1)
        codes = coded.to_numpy().astype(np.int64).reshape(len(columns), -1)
        return [one[self.event] for one in codes]

    def match(self, which: Flags, codes: Ints, lines: Ints, by: Ints) -> Ints:
        """Return for each of some lines one of `which` in its chain with the code it has in `by`.

        It is -1 where there is none.
        """
        many = int(max(codes.max(initial=0), by.max(initial=0))) + 1
        those = np.flatnonzero(which)
        keys = self.chain[those] * many + codes[those]
        order = np.argsort(keys, kind="stable")
        those, keys = those[order], keys[order]
        wanted = self.chain[lines] * many + by[lines]
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        if not len(keys):
            return np.full(len(lines), -1)
        return np.where(keys[place] == wanted, those[place], -1)

    def first(self, which: Flags) -> Ints:
        """Return the first of these lines in each chain; -1 where there is none."""
        if not len(self.start):
            return self.start
        lines = np.where(which, np.arange(len(self)), len(self))
        found = np.minimum.reduceat(lines, self.start)
        return np.where(found < len(self), found, -1)

    def last(self, which: Flags) -> Ints:
        """Return the last of these lines in each chain; -1 where there is none."""
        if not len(self.start):
            return self.start
        return np.maximum.reduceat(np.where(which, np.arange(len(self)), -1), self.start)

    def counted(self, which: Flags) -> Ints:
        """Return how many of these lines each chain has."""
        return np.bincount(self.chain[which], minlength=len(self.start))

    def summed(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the sum of values of lines in each chain."""
        return np.add.reduceat(values, self.start) if len(self.start) else values

    def any(self, which: Flags) -> Flags:
        """Return which chains have any of these lines."""
        return self.counted(which) > 0

    def take(self, column: pa.Array, lines: Ints) -> pa.Array:
        """Return the values of a column of events on lines; null for -1."""
        if not len(self):
            return pa.nulls(len(lines), column.type)
        return column.take(pa.array(self.event[lines], mask=lines < 0))

    def times(self, lines: Ints) -> pa.Array:
        """Return the times of lines; null for -1."""
        times = self.time[lines] if len(self) else np.zeros(len(lines), np.int64)
        return pa.array(times, mask=lines < 0).cast(TIME)

    @staticmethod
    def those(lines: Ints, which: Flags) -> Ints:
        """Return the lines that are of a kind, -1 in the place of the others."""
        return np.where(which[lines] & (lines >= 0), lines, -1) if len(which) else lines


def _kinds(types: pa.Array) -> Ints:
    found = pc.index_in(types, pa.array(MSG_TYPES)).fill_null(-1)
    return found.to_numpy().astype(np.int64)


def _ranked(texts: pa.Array) -> Ints:
    """Return the rank of each text among all; that of null is that of an empty one."""
    coded = texts.fill_null("").dictionary_encode()
    known = coded.dictionary.to_pylist()
    ranks = np.empty(len(known), np.int64)
    ranks[sorted(range(len(known)), key=known.__getitem__)] = np.arange(len(known))
    return ranks[coded.indices.to_numpy()]
