"""Finds the place of every field of a block; equal to `scalar.groups`.

Rows whose groups are not as the dictionary has them are left to the scalar parser.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fixfeed.transforms.fix.arrays import Ints, Mask, Words
from fixfeed.transforms.fix.dictionary.choose import APPL_VER_ID, APPL_VER_IDS, Dictionaries
from fixfeed.transforms.fix.scalar.fields import decode
from fixfeed.transforms.fix.swar import LOW_BYTES
from fixfeed.transforms.fix.vector.id_table import Numbered
from fixfeed.transforms.fix.vector.rows import Rows
from fixfeed.transforms.fix.vector.slots import CANNOT_SAY, COUNT, EDGE, GARBLED, GROUP, Slots

__all__ = ["APPL_VERS", "Places", "RowTypes", "find_slots"]

_MOST_TEXTS = 500

APPL_VERS = ("", *APPL_VER_IDS)
"""The values of ApplVerID (1128) that name a version, after none."""


class RowTypes:
    """Finds the types of rows: which dictionary, and which MsgType."""

    def __init__(self, slots: Slots, dictionaries: Dictionaries, ids: Mapping[int, int]):
        """`ids` gives the ids of 49, 56 and 1128 in the table of tags."""
        self._slots, self._dictionaries, self._ids = slots, dictionaries, ids
        # The texts of BeginString and of ApplVerID seen so far, numbered.
        self._texts: list[str] = []
        self._text_numbers = Numbered(self._new_text)

    def _new_text(self, word: int) -> int | None:
        if len(self._texts) == _MOST_TEXTS:
            return None
        self._texts.append(word.to_bytes(8, "little").rstrip(b"\0").decode("latin-1"))
        return len(self._texts) - 1

    def find(
        self, rows: Rows, odd: Mask, logged_on: Mapping[str, str]
    ) -> tuple[Ints, NDArray[np.int8]]:
        """Return the type of each row that is not odd; 0 for the others, and where none is known.

        Also return the place in `APPL_VERS` of the version that it is read by, 0 if it is not of
        FIXT.1.1. Rows that are not odd begin with BeginString, BodyLength and MsgType.
        """
        types = np.zeros(len(rows.start), np.int64)
        applied_to = np.zeros(len(rows.start), np.int8)
        regular = np.flatnonzero(~odd)
        version = self._numbers(rows, rows.first.take(regular))
        applied = np.full(len(regular), _MOST_TEXTS)
        with_applied = self._first_with(rows, APPL_VER_ID)
        if with_applied is not None:
            field = with_applied.take(regular)
            applied = np.where(field < 0, applied, self._numbers(rows, np.maximum(field, 0)))
        clear = (version >= 0) & (applied >= 0)
        regular, version, applied = regular[clear], version[clear], applied[clear]
        if not len(regular):
            return types, applied_to
        choice = version * (_MOST_TEXTS + 1) + applied
        sessions, session = self._sessions(rows, regular, logged_on)
        choice = choice * len(sessions) + session
        chosen = np.flatnonzero(np.bincount(choice))
        numbers = np.zeros(int(chosen[-1]) + 1, np.int64)
        versions = np.zeros(len(numbers), np.int8)
        for one in chosen.tolist():
            texts, name = divmod(one, len(sessions))
            begin_string, appl_ver_id = divmod(texts, _MOST_TEXTS + 1)
            key = (
                self._texts[begin_string],
                "" if appl_ver_id == _MOST_TEXTS else self._texts[appl_ver_id],
                sessions[name],
                logged_on,
            )
            numbers[one] = self._slots.dictionary(self._dictionaries.choose(*key))
            versions[one] = APPL_VERS.index(self._dictionaries.applied(*key))
        msg_type = rows.first.take(regular) + 2
        types[regular] = self._slots.types_of(numbers.take(choice), *_values(rows, msg_type))
        applied_to[regular] = versions.take(choice)
        return types, applied_to

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


def _values(rows: Rows, fields: Ints) -> tuple[Words, Ints]:
    """Return the words of values, and their lengths."""
    at = rows.equals.take(fields) + 1
    length = rows.stop.take(fields) - at
    return rows.words[at] & LOW_BYTES.take(np.minimum(length, 8)), length


class Places(NamedTuple):
    """Where the fields of a block belong.

    `types` are those of the rows; `slot` are the slots of the fields, `EDGE` in odd rows, and
    `flags` the slots' flags. `odd` are the rows that only the scalar parser can place, and
    `without_tag` those with a field that has no tag.
    """

    types: Ints
    slot: Ints
    flags: NDArray[np.uint8]
    odd: Ints
    without_tag: Ints


def find_slots(rows: Rows, odd: Mask, slots: Slots, types: Ints, special: Ints) -> Places:
    """Return the places of the fields of rows that are not odd, which all have a type.

    `special` are the fields whose values are not plain text.
    """
    row = rows.row
    slot = slots.slots_of(types, rows.ids, row)
    if odd.any():
        slot[rows.fields_of(odd)] = EDGE
    found: list[Ints] = []
    without_tag = np.empty(0, np.int64)
    strangers = np.flatnonzero(slot < 0)
    if len(strangers):
        several = _strangers(rows, slots, types, slot, strangers)
        slot[strangers] = several.place
        moved, place = _in_own_entries(slots, slot, row, several)
        slot[moved] = place
        place = slot.take(strangers)
        found.append(row.take(strangers[place == CANNOT_SAY]))
        without_tag = row.take(strangers[slots.flags.take(place) & GARBLED > 0])
    if slots.has_unclear:
        found.append(row[slot == CANNOT_SAY])
    flags = slots.flags.take(slot)
    order = slots.order.take(slot)
    falls = np.flatnonzero(order[1:] < order[:-1])
    found.append(row.take(falls[row.take(falls) == row.take(falls + 1)]))
    grouped = flags & GROUP
    if grouped.any():
        # A field of the message closes a group, whatever is left out or moved.
        closed = grouped[1:] & ~(flags[:-1] | (flags[:-1] >> 1))
        found.append(row.take(np.flatnonzero(closed) + 1))
    if len(special):
        # A NUL at the end of a count cannot be told from the padding of its word.
        found.append(row.take(special[flags.take(special) & COUNT > 0]))
    return Places(types, slot, flags, np.concatenate(found), without_tag)


def _strangers(rows: Rows, slots: Slots, types: Ints, slot: Ints, strangers: Ints) -> "_Strangers":
    """Give fields that are members of nothing the level that the fields around them imply."""
    run_begins = np.empty(len(strangers), bool)
    run_begins[0] = True
    run_begins[1:] = strangers[1:] != strangers[:-1] + 1
    run = np.cumsum(run_begins) - 1
    heads = np.flatnonzero(run_begins)
    # A run may go over the end of a row; each stranger's own row counts.
    before = (strangers[heads] - 1)[run]
    behind = (strangers[np.append(heads[1:], len(strangers)) - 1] + 1)[run]
    row = rows.row.take(strangers)
    first, last = rows.first.take(row), rows.last.take(row)
    known_before = np.where(before >= first, slot.take(np.maximum(before, 0)), EDGE)
    known_behind = np.where(behind <= last, slot.take(np.minimum(behind, len(slot) - 1)), EDGE)
    types, ids = types.take(row), rows.ids.take(strangers)
    place = slots.foreign(known_before, known_behind, types, ids)
    return _Strangers(strangers, row, known_before, types, ids, place)


class _Strangers(NamedTuple):
    """Fields that are members of nothing, in their order: rows, types of these, ids of tags.

    `before` are the slots of the last members before them, `place` their own slots according to the
    fields around them.
    """

    at: Ints
    row: Ints
    before: Ints
    types: Ints
    ids: Ints
    place: Ints

    def some(self, which: Mask) -> "_Strangers":
        """Return those that a mask picks."""
        return _Strangers(*(column[which] for column in self))


def _in_own_entries(
    slots: Slots, slot: Ints, field_rows: Ints, strangers: _Strangers
) -> tuple[Ints, Ints]:
    """Leave strangers in the last entry of a group that has their tags in earlier entries.

    Return those that change their places, which are between the last entry of a group and a field
    outside it, and their new slots. `slot` has the slots of all fields, the places of strangers
    included, and `field_rows` their rows.
    """
    nothing = np.empty(0, np.int64)
    depth = slots.depth.take(strangers.place)
    grouped = depth > 0
    leaving = slots.depth.take(strangers.before) > depth
    leaving &= strangers.place != CANNOT_SAY
    if not grouped.any() or not leaving.any():
        return nothing, nothing
    # Few rows have both, unless it is a venue's way to write all groups.
    has = np.zeros(int(strangers.row[-1]) + 1, bool)
    has[strangers.row[grouped]] = True
    inside = has.take(strangers.row)
    leaving &= inside
    if not leaving.any():
        return nothing, nothing
    strangers, leaving, depth = strangers.some(inside), leaving[inside], depth[inside]
    known_depth, before_depth = slots.depth.take(slot), slots.depth.take(strangers.before)
    counts_entries = slots.flags.take(slot) & COUNT > 0
    begins_entry = slots.position.take(slot) == 0
    no_tag = slots.flags.take(strangers.place) & GARBLED > 0
    run = np.cumsum(np.diff(strangers.at, prepend=-2) != 1)
    tags = int(strangers.ids.max()) + 1
    fields, places = [nothing], [nothing]
    # The innermost groups first: a stranger in one of their entries is in none of those around.
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
            # The strangers before one that is in an entry are in it as well.
            last = np.full(int(run[-1]) + 1, -1)
            last[run.take(own)] = own
            moving &= np.arange(len(run)) <= last.take(run)
            if not moving.any():
                break
            # Those that have moved may decide for more of them in later entries.
            moved = strangers.some(moving)
            fields.append(moved.at)
            places.append(slots.own(moved.before, level, moved.types, moved.ids))
            depth[moving] = level
    return np.concatenate(fields), np.concatenate(places)
