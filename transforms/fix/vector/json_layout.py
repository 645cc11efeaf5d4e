"""The order in which the fields of a block stand in its JSON, and the checks of its groups.

What is not as the dictionary has it, beyond the order of the fields of an entry, is left to the
scalar parser.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fixfeed.transforms.fix.defects import GROUP_FOREIGN, GROUP_ORDER
from fixfeed.transforms.fix.swar import LOW_BYTES
from fixfeed.transforms.fix.vector.json_glue import BAD, DOUBT, NEW, STRAY
from fixfeed.transforms.fix.vector.rows import Rows
from fixfeed.transforms.fix.vector.slots import COUNT, EDGE, GROUP, START, WHOLE, Slots

__all__ = ["Layout", "check_groups", "lay_out"]

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

_COUNTED = 4096
# The last word is that of no text: SOH is in no value.
_COUNT_TEXTS = np.array(
    [*(int.from_bytes(b"%d" % number, "little") for number in range(_COUNTED)), 1 << 56], np.uint64
)


@dataclass(slots=True)
class Layout:
    """Fields in the order of their output: row after row, each row's from `begin[row]` on.

    `source` are the fields, `slot` their slots, `pairs` the pairs that lead to them, and last the
    one that ends the last row. A row whose text comes from elsewhere (`WHOLE`) has one field, or
    several of which all but the first are silent (`silent`).
    """

    source: Ints
    slot: Ints
    begin: Ints
    pairs: Ints
    silent: Ints

    def whole_rows(self) -> list[int]:
        """Return the rows whose text comes from elsewhere."""
        return np.flatnonzero(self.slot.take(self.begin) == WHOLE).tolist()

    def without_text(self, row: Ints) -> Ints:
        """Return the rows for which there was no room for a pair; `row` are those of all fields.

        A pair that begins a row has the end of the row before in it.
        """
        places = np.flatnonzero(self.pairs < 0)
        return row.take(self.source.take(np.concatenate([places, places - 1]), mode="clip"))

    def replace(self, slots: Slots, rows: Ints) -> None:
        """Make whole rows of `rows`, which may have been laid out by mistake."""
        behind = np.append(self.begin[1:], len(self.source))
        first, last = self.begin[rows], behind[rows] - 1
        self.slot[first] = self.slot[last] = WHOLE
        inside = [np.arange(at + 1, end) for at, end in zip(first, behind[rows], strict=True)]
        self.silent = np.concatenate([self.silent, *inside])
        self.pairs[first] = self._pairs_at(slots, first)
        self.pairs[last + 1] = self._pairs_at(slots, last + 1)

    def _pairs_at(self, slots: Slots, at: Ints) -> Ints:
        """Return the pairs that begin rows, or end the last one, at these places."""
        before = np.where(at > 0, self.slot.take(np.maximum(at - 1, 0)), EDGE)
        slot = np.where(at < len(self.slot), self.slot.take(at, mode="clip"), EDGE)
        key = (before << 32) | slot | START
        return slots.pairs_of(key.view(np.uint64))


def lay_out(
    rows: Rows,
    slots: Slots,
    slot: Ints,
    keep: Mask,
    first: Ints,
    repeats: Ints,
) -> Layout:
    """Lay out the fields in `keep`, which is changed and has none of odd rows.

    `first[f]` is the first field with the tag of field `f` at the message's level of its row;
    `repeats` are the fields there that are not the first. They move behind it.
    """
    keep[rows.first[rows.odd]] = True
    source, row, per_row = _by_row(rows, keep)
    empty = np.flatnonzero(per_row == 0)
    if len(empty):
        keep[rows.first[empty]] = True
        source, row, per_row = _by_row(rows, keep)
    begin = np.cumsum(per_row) - per_row
    ordered = slot.take(source)
    ordered[begin[rows.odd]] = ordered[begin[empty]] = WHOLE
    if len(repeats):
        _gather(rows, slots, source, ordered, row, first, repeats)
    key = np.empty(len(source) + 1, np.int64)
    key[0] = EDGE
    np.left_shift(ordered, 32, out=key[1:])
    key[:-1] |= ordered
    key[begin] |= START
    key[-1] |= START | EDGE
    pairs = slots.pairs_of(key.view(np.uint64))
    return Layout(source, ordered, begin, pairs, np.empty(0, np.int64))


def _by_row(rows: Rows, keep: Mask) -> tuple[Ints, Ints, Ints]:
    """Return the fields in `keep`, the row of each, and how many a row has."""
    source = np.flatnonzero(keep)
    row = rows.row.take(source)
    return source, row, np.bincount(row, minlength=len(rows.first))


def _gather(
    rows: Rows, slots: Slots, source: Ints, slot: Ints, row: Ints, first: Ints, repeats: Ints
) -> None:
    """Move repeated fields behind the first of their tag, where they become an array."""
    to = np.arange(len(rows.row))
    to[repeats] = first[repeats]
    involved = np.zeros(len(rows.first), bool)
    involved[rows.row.take(repeats)] = True
    places = np.flatnonzero(involved.take(row))
    order = np.argsort(to.take(source.take(places)), kind="stable")
    source[places], slot[places] = source[places][order], slot[places][order]
    further = places[to.take(source.take(places)) != source.take(places)]
    # A repeated tag that is left out has no further ones either.
    opens = further[~np.isin(further - 1, further)] - 1
    if len(further):
        slot[opens] = slots.in_array(slot[opens], "[")
        slot[further] = slots.in_array(slot[further], ",")


def check_groups(rows: Rows, slots: Slots, layout: Layout, defects: Ints) -> tuple[Ints, Ints]:
    """Return the rows that only the scalar parser can nest, and the places where entries begin.

    What else is wrong with groups is added to `defects`.
    """
    flags = slots.pair_flags(layout.pairs)
    marked = np.flatnonzero(flags)
    bad = np.zeros(len(rows.first), bool)
    if len(marked):
        row = rows.row.take(layout.source)
        failed = marked[flags.take(marked) & BAD > 0]
        bad[row.take(failed, mode="clip")] = True
        strays = marked[flags.take(marked) & STRAY > 0]
        defects[row.take(strays)] |= GROUP_FOREIGN
    counts = np.flatnonzero(slots.flags.take(layout.slot) & COUNT)
    begins = marked[flags.take(marked) & NEW > 0]
    if len(counts):
        row = rows.row.take(layout.source)
        counts = counts[~bad[row.take(counts)]]
        begins = begins[~bad[row.take(begins)]]
        bad[row.take(counts[_is_wrong(rows, slots, layout, counts, begins)])] = True
        doubtful = np.flatnonzero(flags & DOUBT)
        if len(doubtful):
            _check_entries(rows, slots, layout, flags, doubtful, bad, defects)
    return np.flatnonzero(bad), begins


def _is_wrong(rows: Rows, slots: Slots, layout: Layout, counts: Ints, begins: Ints) -> Mask:
    """Tell which counts are not the text of the number of entries that follow."""
    depth = slots.depth.take(layout.slot.take(counts)) + 1
    begin_depth = slots.depth.take(layout.slot.take(begins))
    number = np.empty(len(counts), np.int64)
    for level in range(1, int(depth.max(initial=0)) + 1):
        here = depth == level
        entries = begins[begin_depth == level]
        number[here] = np.diff(np.searchsorted(entries, counts[here]), append=len(entries))
    field = layout.source.take(counts)
    at = rows.equals.take(field) + 1
    length = rows.stop.take(field) - at
    text = rows.words[at] & LOW_BYTES.take(np.minimum(length, 8))
    return (text != _COUNT_TEXTS.take(np.minimum(number, _COUNTED))) | (length > 8)


def _check_entries(
    rows: Rows,
    slots: Slots,
    layout: Layout,
    flags: NDArray[np.uint8],
    doubtful: Ints,
    bad: Mask,
    defects: Ints,
) -> None:
    """Look for a tag twice in an entry, and for members that are out of order."""
    row = rows.row.take(layout.source)
    looked_at = np.zeros(len(bad), bool)
    looked_at[row.take(doubtful)] = True
    looked_at &= ~bad
    in_entries = slots.flags.take(layout.slot) & GROUP > 0
    places = np.flatnonzero(looked_at.take(row) & in_entries)
    depths = slots.depth.take(layout.slot.take(places))
    for level in range(1, int(depths.max(initial=0)) + 1):
        at = places[depths == level]
        # At one depth an entry lasts until the next one begins.
        entry = np.cumsum(flags.take(at) & NEW)
        tags = int(rows.ids.max()) + 1
        tag = entry * tags + rows.ids.take(layout.source.take(at))
        order = np.argsort(tag, kind="stable")
        twice = tag[order[1:]] == tag[order[:-1]]
        bad[row.take(at[order[1:][twice]])] = True
        position = slots.position.take(layout.slot.take(at))
        known = np.flatnonzero(position >= 0)
        entry, position = entry.take(known), position.take(known)
        falls = (entry[1:] == entry[:-1]) & (position[1:] < position[:-1])
        defects[row.take(at[known[1:][falls]])] |= GROUP_ORDER
