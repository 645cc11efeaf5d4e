"""Finds the place of every field of a block; equal to `scalar.groups`.

Rows whose groups are not as the dictionary has them are left to the scalar parser.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fixfeed.transforms.fix.defects import BAD_FIELD
from fixfeed.transforms.fix.dictionary.choose import Dictionaries
from fixfeed.transforms.fix.scalar.fields import decode
from fixfeed.transforms.fix.swar import LOW_BYTES
from fixfeed.transforms.fix.vector.id_table import Numbered
from fixfeed.transforms.fix.vector.rows import Rows
from fixfeed.transforms.fix.vector.slots import CANNOT_SAY, COUNT, EDGE, GARBLED, GROUP, Slots

__all__ = ["RowTypes", "find_slots"]

Ints = NDArray[np.int64]

_MOST_TEXTS = 500


class RowTypes:
    """Finds the types of rows: which dictionary, and which MsgType."""

    def __init__(self, slots: Slots, dictionaries: Dictionaries, ids: Mapping[int, int]):
        """`ids` gives the ids of 49, 56 and 1128 in the table of tags."""
        self._slots, self._dictionaries, self._ids = slots, dictionaries, ids
        # The texts of BeginString and of ApplVerID that there were, numbered.
        self._texts: list[str] = []
        self._text_numbers = Numbered(self._new_text)

    def _new_text(self, word: int) -> int | None:
        if len(self._texts) == _MOST_TEXTS:
            return None
        self._texts.append(word.to_bytes(8, "little").rstrip(b"\0").decode("latin-1"))
        return len(self._texts) - 1

    def find(self, rows: Rows, logged_on: Mapping[str, str]) -> Ints:
        """Return the type of each row that is not odd; 0 for the others, and where none is known.

        Regular rows begin with BeginString, BodyLength and MsgType.
        """
        types = np.zeros(len(rows.start), np.int64)
        regular = np.flatnonzero(~rows.odd)
        version = self._numbers(rows, rows.first.take(regular))
        applied = np.full(len(regular), _MOST_TEXTS)
        with_applied = self._first_with(rows, 1128)
        if with_applied is not None:
            field = with_applied.take(regular)
            applied = np.where(field < 0, applied, self._numbers(rows, np.maximum(field, 0)))
        clear = (version >= 0) & (applied >= 0)
        regular, version, applied = regular[clear], version[clear], applied[clear]
        if not len(regular):
            return types
        choice = version * (_MOST_TEXTS + 1) + applied
        sessions, session = self._sessions(rows, regular, logged_on)
        choice = choice * len(sessions) + session
        chosen = np.flatnonzero(np.bincount(choice))
        numbers = np.zeros(int(chosen[-1]) + 1, np.int64)
        for one in chosen.tolist():
            texts, name = divmod(one, len(sessions))
            begin_string, appl_ver_id = divmod(texts, _MOST_TEXTS + 1)
            dictionary = self._dictionaries.choose(
                self._texts[begin_string],
                "" if appl_ver_id == _MOST_TEXTS else self._texts[appl_ver_id],
                sessions[name],
                logged_on,
            )
            numbers[one] = self._slots.dictionary(dictionary)
        msg_type = rows.first.take(regular) + 2
        types[regular] = self._slots.types_of(numbers.take(choice), *_values(rows, msg_type))
        return types

    def _numbers(self, rows: Rows, fields: Ints) -> Ints:
        """Return the numbers of texts, -1 for those that are longer than a word."""
        words, length = _values(rows, fields)
        return np.where(length > 8, -1, self._text_numbers(words))

    def _sessions(
        self, rows: Rows, regular: Ints, logged_on: Mapping[str, str]
    ) -> tuple[list[str], Ints]:
        """Return the sessions and each row's, if dictionaries are chosen by them."""
        matters = self._dictionaries.by_session or (
            set(logged_on.values()) - {self._dictionaries.default_appl_ver_id}
        )
        if not matters:
            return ["->"], np.zeros(len(regular), np.int64)
        none = np.full(len(rows.start), -1)
        sender, target = (self._first_with(rows, tag) for tag in (49, 56))
        parts = [(none if part is None else part).take(regular) for part in (sender, target)]
        names: dict[str, int] = {}
        numbers = np.empty(len(regular), np.int64)
        for index, fields in enumerate(zip(*(part.tolist() for part in parts), strict=True)):
            name = "->".join(decode(rows.value(field)) if field >= 0 else "" for field in fields)
            numbers[index] = names.setdefault(name, len(names))
        return list(names), numbers

    def _first_with(self, rows: Rows, tag: int) -> Ints | None:
        """Return each row's first field of a tag, -1 where it has none; None if no row has one."""
        fields = np.flatnonzero(rows.ids == self._ids[tag])
        if not len(fields):
            return None
        first = np.full(len(rows.start), -1)
        first[rows.row[fields[::-1]]] = fields[::-1]
        return first


def _values(rows: Rows, fields: Ints) -> tuple[NDArray[np.uint64], Ints]:
    """Return the words of values, and how long these are."""
    at = rows.equals.take(fields) + 1
    length = rows.stop.take(fields) - at
    return rows.words[at] & LOW_BYTES.take(np.minimum(length, 8)), length


def find_slots(
    rows: Rows, slots: Slots, types: Ints, special: Ints, msg_type: int, defects: Ints
) -> tuple[Ints, NDArray[np.uint8]]:
    """Return the slot of each field (`EDGE` in odd rows), and its flags.

    Rows that only the scalar parser can read are added to `rows.odd`, fields without a tag to
    `defects`. `special` are the fields whose values are not plain text; `msg_type` is the id of
    MsgType.
    """
    row = rows.row
    slot = slots.slots_of(types, rows.ids, row)
    rows.odd |= types == 0
    if rows.odd.any():
        slot[rows.fields_of(rows.odd)] = EDGE
    strangers = np.flatnonzero(slot < 0)
    if len(strangers):
        _place_strangers(rows, slots, types, slot, strangers)
        unclear = strangers[slot.take(strangers) == CANNOT_SAY]
        rows.odd[row.take(unclear)] = True
        garbled = slots.flags.take(slot.take(strangers)) & GARBLED > 0
        defects[row.take(strangers[garbled])] |= BAD_FIELD
    if slots.has_unclear:
        rows.odd[row[slot == CANNOT_SAY]] = True
    flags = slots.flags.take(slot)
    order = slots.order.take(slot)
    falls = np.flatnonzero(order[1:] < order[:-1])
    falls = falls[row.take(falls) == row.take(falls + 1)]
    rows.odd[row.take(falls)] = True
    grouped = flags & GROUP
    if grouped.any():
        # Behind a field of the message a group is closed, whatever is left out or moved.
        closed = grouped[1:] & ~(flags[:-1] | (flags[:-1] >> 1))
        rows.odd[row.take(np.flatnonzero(closed) + 1)] = True
    if len(special):
        # A NUL hides at the end of a word.
        told = special[(flags.take(special) & COUNT > 0) | (rows.ids.take(special) == msg_type)]
        rows.odd[row.take(told)] = True
    return slot, flags


def _place_strangers(rows: Rows, slots: Slots, types: Ints, slot: Ints, strangers: Ints) -> None:
    """Give fields that are members of nothing the level that the fields around them tell."""
    run_begins = np.empty(len(strangers), bool)
    run_begins[0] = True
    run_begins[1:] = strangers[1:] != strangers[:-1] + 1
    run = np.cumsum(run_begins) - 1
    heads = np.flatnonzero(run_begins)
    # A run may go over the end of a row; what counts is each stranger's own row.
    before = (strangers[heads] - 1)[run]
    behind = (strangers[np.append(heads[1:], len(strangers)) - 1] + 1)[run]
    row = rows.row.take(strangers)
    first, last = rows.first.take(row), rows.last.take(row)
    known_before = np.where(before >= first, slot.take(np.maximum(before, 0)), EDGE)
    known_behind = np.where(behind <= last, slot.take(np.minimum(behind, len(slot) - 1)), EDGE)
    types, ids = types.take(row), rows.ids.take(strangers)
    slot[strangers] = slots.foreign(known_before, known_behind, types, ids)
    _keep_own(slots, slot, rows.row, _Strangers(strangers, row, known_before, types, ids))


class _Strangers(NamedTuple):
    """Fields that are members of nothing, in their order: rows, types of these, ids of tags.

    `before` are the slots of the last members before them.
    """

    at: Ints
    row: Ints
    before: Ints
    types: Ints
    ids: Ints

    def some(self, which: NDArray[np.bool_]) -> "_Strangers":
        """Return those that a mask picks."""
        return _Strangers(*(column[which] for column in self))


def _keep_own(slots: Slots, slot: Ints, field_rows: Ints, strangers: _Strangers) -> None:
    """Leave strangers in the last entry of a group that has their tags in earlier entries.

    `slot` has places of strangers by the fields around them, `field_rows` the rows of all fields;
    places change of those that stand between the last entry of a group and a field outside it.
    """
    place = slot.take(strangers.at)
    depth = slots.depth.take(place)
    grouped = depth > 0
    leaving = (slots.depth.take(strangers.before) > depth) & (place != CANNOT_SAY)
    if not grouped.any() or not leaving.any():
        return
    # Few rows have both, unless it is a venue's way to write all groups.
    has = np.zeros(int(strangers.row[-1]) + 1, bool)
    has[strangers.row[grouped]] = True
    inside = has.take(strangers.row)
    leaving &= inside
    if not leaving.any():
        return
    strangers, leaving, depth = strangers.some(inside), leaving[inside], depth[inside]
    known_depth, before_depth = slots.depth.take(slot), slots.depth.take(strangers.before)
    counts_entries = slots.flags.take(slot) & COUNT > 0
    begins_entry = slots.position.take(slot) == 0
    no_tag = slots.flags.take(slot.take(strangers.at)) & GARBLED > 0
    run = np.cumsum(np.diff(strangers.at, prepend=-2) != 1)
    tags = int(strangers.ids.max()) + 1
    # The innermost groups first: what stays in an entry of theirs is in none of those around.
    for level in range(int(before_depth.max()), 0, -1):
        # A number for each group of this depth with each tag, and one for each entry.
        groups = np.flatnonzero(counts_entries & (known_depth == level - 1))
        entries = np.flatnonzero(begins_entry & (known_depth == level))
        # A group inside the entries of another one is one group in all of them.
        kinds = field_rows.take(groups) * (int(slot.max()) + 1) + slot.take(groups)
        kind = np.append(0, np.unique(kinds, return_inverse=True)[1] + 1)
        group = kind.take(np.searchsorted(groups, strangers.at)) * tags + strangers.ids
        entry = np.searchsorted(entries, strangers.at)
        while True:
            holders = np.flatnonzero((depth == level) & ~no_tag)
            held, first = np.unique(group.take(holders), return_index=True)
            if not len(held):
                break
            moving = leaving & (before_depth >= level) & (depth < level)
            asking = np.flatnonzero(moving & ~no_tag)
            found = np.minimum(np.searchsorted(held, group.take(asking)), len(held) - 1)
            is_own = held.take(found) == group.take(asking)
            is_own &= entry.take(holders.take(first.take(found))) < entry.take(asking)
            own = asking[is_own]
            # What stands before a field of an entry stands in it as well.
            last = np.full(int(run[-1]) + 1, -1)
            last[run.take(own)] = own
            moving &= np.arange(len(run)) <= last.take(run)
            if not moving.any():
                break
            # Those that have moved may tell more of the entries after them.
            moved = strangers.some(moving)
            slot[moved.at] = slots.own(moved.before, level, moved.types, moved.ids)
            depth[moving] = level
