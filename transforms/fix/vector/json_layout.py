"""The order of a block's fields in its JSON, and the checks of its groups.

Groups that are not as the dictionary has them are left to the scalar parser, unless an entry only
has its fields in another order or has fields that are not members.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fixfeed.transforms.fix.arrays import Ints, Mask
from fixfeed.transforms.fix.defects import GROUP_FOREIGN, GROUP_ORDER
from fixfeed.transforms.fix.swar import LOW_BYTES
from fixfeed.transforms.fix.vector.first_fields import Firsts
from fixfeed.transforms.fix.vector.json_glue import BAD, DOUBT, NEW, STRAY
from fixfeed.transforms.fix.vector.rows import Rows
from fixfeed.transforms.fix.vector.slots import COUNT, EDGE, GROUP, START, WHOLE, Slots

__all__ = ["Groups", "Layout", "check_groups", "lay_out"]

_COUNTED = 4096
# The last word matches no text, as SOH is in no value.
_COUNT_TEXTS = np.array(
    [*(int.from_bytes(b"%d" % number, "little") for number in range(_COUNTED)), 1 << 56], np.uint64
)


@dataclass(frozen=True, slots=True)
class Layout:
    """Fields in the order of their output: row after row, each row's from `begin[row]` on.

    `source` are the fields, `slot` their slots, `pairs` the pairs that lead to them, and last the
    one that ends the last row. A row whose text comes from elsewhere (`WHOLE`) has one field, or
    several of which all but the first are silent (`silent`).

    In `8=FIX.4.4|9=20|35=D|55=A|11=x|55=B|10=207` Symbol (55) is repeated: it moves after the first
    one, and both have slots of an array. 8, 9 and 10 are left out here:

    >>> from fixfeed.transforms.fix.dictionary.choose import BUILT_IN
    >>> from fixfeed.transforms.fix.vector.first_fields import FirstFields
    >>> from fixfeed.transforms.fix.vector.groups import RowTypes, find_slots
    >>> from fixfeed.transforms.fix.vector.rows import find_rows
    >>> from fixfeed.transforms.fix.vector.tag_ids import TagTable
    >>> tags = TagTable([10, 9, 8, 35, 49, 56, 1128], lambda text: False)
    >>> rows = find_rows(b"8=FIX.4.4|9=20|35=D|55=A|11=x|55=B|10=207|", b"|", tags)
    >>> slots, nothing, ids = Slots(tags), np.empty(0, np.int64), {1128: 6, 49: 4, 56: 5}
    >>> types, _ = RowTypes(slots, BUILT_IN, ids).find(rows, rows.irregular, {})
    >>> places = find_slots(rows, rows.irregular, slots, types, nothing)
    >>> own = slots.own_ids.take(places.slot)
    >>> firsts = FirstFields([0]).find(own, rows.row, count=1, tags=len(tags.tags))
    >>> layout = lay_out(rows, rows.irregular, slots, places.slot, rows.ids > 2, firsts)
    >>> layout.source.tolist(), layout.begin.tolist()
    ([2, 3, 5, 4], [0])
    >>> glue = [slots.pairs[number].plain for number in layout.pairs]
    >>> values = [rows.value(field).decode() for field in layout.source]
    >>> "".join(text + value for text, value in zip(glue, [*values, ""]))
    '{"MsgType":"D","Symbol":["A","B"],"ClOrdID":"x"}'
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

        A pair that begins a row also holds the end of the row before.
        """
        places = np.flatnonzero(self.pairs < 0)
        return row.take(self.source.take(np.concatenate([places, places - 1]), mode="clip"))

    def with_whole(self, slots: Slots, rows: Ints) -> "Layout":
        """Return the layout in which `rows`, which may have been laid out by mistake, are whole."""
        behind = np.append(self.begin[1:], len(self.source))
        first, last = self.begin[rows], behind[rows] - 1
        slot, pairs = self.slot.copy(), self.pairs.copy()
        slot[first] = slot[last] = WHOLE
        inside = [np.arange(at + 1, end) for at, end in zip(first, behind[rows], strict=True)]
        pairs[first] = _pairs_at(slots, slot, first)
        pairs[last + 1] = _pairs_at(slots, slot, last + 1)
        silent = np.concatenate([self.silent, *inside])
        return Layout(self.source, slot, self.begin, pairs, silent)


def _pairs_at(slots: Slots, slot: Ints, at: Ints) -> Ints:
    """Return the pairs that begin rows, or end the last one, at these places."""
    before = np.where(at > 0, slot.take(np.maximum(at - 1, 0)), EDGE)
    behind = np.where(at < len(slot), slot.take(at, mode="clip"), EDGE)
    key = (before << 32) | behind | START
    return slots.pairs_of(key.view(np.uint64))


def lay_out(rows: Rows, odd: Mask, slots: Slots, slot: Ints, keep: Mask, firsts: Firsts) -> Layout:
    """Lay out the fields in `keep`, which has none of odd rows; `slot` has the slots of all fields.

    Fields that repeat a tag at the message's level move after the first one.
    """
    keep = keep.copy()
    keep[rows.first[odd]] = True
    source, row, per_row = _by_row(rows, keep)
    empty = np.flatnonzero(per_row == 0)
    if len(empty):
        keep[rows.first[empty]] = True
        source, row, per_row = _by_row(rows, keep)
    begin = np.cumsum(per_row) - per_row
    ordered = slot.take(source)
    ordered[begin[odd]] = ordered[begin[empty]] = WHOLE
    if len(firsts.repeats):
        involved = np.zeros(len(rows.first), bool)
        involved[rows.row.take(firsts.repeats)] = True
        places = np.flatnonzero(involved.take(row))
        gathered = _gathered(slots, source.take(places), ordered.take(places), firsts)
        source[places], ordered[places] = gathered
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


def _gathered(slots: Slots, source: Ints, slot: Ints, firsts: Firsts) -> tuple[Ints, Ints]:
    """Move repeated fields after the first of their tag, where they become an array.

    Takes and returns fields and their slots: all that is laid out of some rows.
    """
    repeats = np.zeros(len(firsts.of), bool)
    repeats[firsts.repeats] = True
    is_repeat = repeats.take(source)
    to = np.where(is_repeat, firsts.of.take(source), source)
    order = np.argsort(to, kind="stable")
    source, slot, is_repeat = source[order], slot[order], is_repeat[order]
    further = np.flatnonzero(is_repeat)
    # A repeated tag that is left out has no further ones either.
    opens = further[~np.isin(further - 1, further)] - 1
    if len(further):
        slot[opens] = slots.in_array(slot[opens], "[")
        slot[further] = slots.in_array(slot[further], ",")
    return source, slot


class Groups(NamedTuple):
    """What is known of the groups of a block.

    `odd` are the rows that only the scalar parser can nest, `begins` the fields that begin entries,
    `defects` those of each row.
    """

    odd: Ints
    begins: Ints
    defects: Ints


def check_groups(rows: Rows, slots: Slots, layout: Layout) -> Groups:
    """Check whether groups have as many entries as they count, and are as in the dictionary."""
    flags = slots.pair_flags(layout.pairs)
    marked = np.flatnonzero(flags)
    bad = np.zeros(len(rows.first), bool)
    defects = np.zeros(len(rows.first), np.int64)
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
            looked_at = np.zeros(len(bad), bool)
            looked_at[row.take(doubtful)] = True
            looked_at &= ~bad
            twice, falls = _check_entries(rows, slots, layout, flags, looked_at.take(row))
            bad[row.take(twice)] = True
            defects[row.take(falls)] |= GROUP_ORDER
    return Groups(np.flatnonzero(bad), layout.source.take(begins), defects)


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
    rows: Rows, slots: Slots, layout: Layout, flags: NDArray[np.uint8], looked_at: Mask
) -> tuple[Ints, Ints]:
    """Return the places of tags that an entry has twice, and of members that are out of order.

    `flags` are those of the layout's pairs; only the places in `looked_at` are looked at.
    """
    in_entries = slots.flags.take(layout.slot) & GROUP > 0
    places = np.flatnonzero(looked_at & in_entries)
    depths = slots.depth.take(layout.slot.take(places))
    tags = int(rows.ids.max()) + 1
    twice, out_of_order = [], []
    for level in range(1, int(depths.max(initial=0)) + 1):
        at = places[depths == level]
        # At one depth an entry lasts until the next one begins.
        entry = np.cumsum(flags.take(at) & NEW)
        tag = entry * tags + rows.ids.take(layout.source.take(at))
        order = np.argsort(tag, kind="stable")
        same = tag[order[1:]] == tag[order[:-1]]
        twice.append(at[order[1:][same]])
        position = slots.position.take(layout.slot.take(at))
        known = np.flatnonzero(position >= 0)
        entry, position = entry.take(known), position.take(known)
        falls = (entry[1:] == entry[:-1]) & (position[1:] < position[:-1])
        out_of_order.append(at[known[1:][falls]])
    nothing = np.empty(0, np.int64)
    return np.concatenate([nothing, *twice]), np.concatenate([nothing, *out_of_order])
