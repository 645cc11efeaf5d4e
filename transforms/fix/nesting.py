"""Finds the place of every field of a block; equal to `transforms.fix.groups`.

Rows whose groups are not as the dictionary has them are left to the scalar parser.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from transforms.fix.choice import Dictionaries
from transforms.fix.rows import Rows
from transforms.fix.slots import CANNOT_SAY, COUNT, EDGE, GROUP, Slots
from transforms.fix.words import LOW_BYTES

__all__ = ["RowTypes", "find_slots"]

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

_LONG = np.uint64(0xFF << 56 | 0x01)
"""The word of a value that is longer than a word; no MsgType has it."""


class RowTypes:
    """Finds the types of rows: which dictionary, and which MsgType."""

    def __init__(self, slots: Slots, dictionaries: Dictionaries, ids: Mapping[int, int]):
        """`ids` gives the ids of 8, 35, 49, 56 and 1128 in the table of tags."""
        self._slots, self._dictionaries, self._ids = slots, dictionaries, ids

    def find(self, rows: Rows, logged_on: Mapping[str, str]) -> Ints:
        """Return the type of each row that is not odd; 0 for the others.

        Regular rows begin with BeginString, BodyLength and MsgType.
        """
        types = np.zeros(len(rows.start), np.int64)
        regular = np.flatnonzero(~rows.odd)
        if not len(regular):
            return types
        msg_type = _value_words(rows, rows.first[regular] + 2)
        choices, inverse = self._choices(rows, regular, logged_on)
        for number, key in enumerate(choices):
            dictionary = self._dictionaries.choose(*key, logged_on)
            chosen = slice(None) if len(choices) == 1 else inverse == number
            types[regular[chosen]] = self._slots.types_of(dictionary, msg_type[chosen])
        return types

    def _choices(
        self, rows: Rows, regular: Ints, logged_on: Mapping[str, str]
    ) -> tuple[list[tuple[str, str, str]], Ints]:
        """Return what dictionaries are chosen by, and for each regular row which of them."""
        version = rows.first[regular]
        words = [_value_words(rows, version)]
        columns = [version]
        applied = self._first_with(rows, 1128)
        if applied is not None:
            columns.append(applied[regular])
            words.append(np.where(columns[1] < 0, 0, _value_words(rows, columns[1])))
        by_session = self._dictionaries.by_session or bool(
            set(logged_on.values()) - {self._dictionaries.default_appl_ver_id}
        )
        if by_session:
            return self._by_session(rows, regular, columns)
        if all((column == column[0]).all() for column in words):
            picked, inverse = np.zeros(1, np.int64), np.zeros(len(regular), np.int64)
        else:
            _, picked, inverse = np.unique(
                np.stack(words), axis=1, return_index=True, return_inverse=True
            )
        keys = []
        for index in picked.tolist():
            begin_string, *applied_ids = (_text(rows, column[index]) for column in columns)
            keys.append((begin_string, *(applied_ids or [""]), "->"))
        return keys, inverse.ravel()

    def _by_session(
        self, rows: Rows, regular: Ints, columns: list[Ints]
    ) -> tuple[list[tuple[str, str, str]], Ints]:
        sender, target = (self._first_with(rows, tag) for tag in (49, 56))
        none = np.full(len(rows.start), -1)
        parts = [
            *columns,
            *([] if len(columns) == 2 else [none[regular]]),
            (none if sender is None else sender)[regular],
            (none if target is None else target)[regular],
        ]
        keys: dict[tuple[str, str, str], int] = {}
        inverse = np.empty(len(regular), np.int64)
        for index, fields in enumerate(zip(*(part.tolist() for part in parts), strict=True)):
            begin_string, applied, sent, received = (_text(rows, field) for field in fields)
            key = begin_string, applied, f"{sent}->{received}"
            inverse[index] = keys.setdefault(key, len(keys))
        return list(keys), inverse

    def _first_with(self, rows: Rows, tag: int) -> Ints | None:
        """Return each row's first field of a tag, -1 where it has none; None if no row has one."""
        fields = np.flatnonzero(rows.ids == self._ids[tag])
        if not len(fields):
            return None
        first = np.full(len(rows.start), -1)
        first[rows.row[fields[::-1]]] = fields[::-1]
        return first


def _value_words(rows: Rows, fields: Ints) -> NDArray[np.uint64]:
    at = rows.equals[fields] + 1
    length = rows.stop[fields] - at
    words = rows.words[at] & LOW_BYTES.take(np.minimum(length, 8))
    return np.where(length > 8, _LONG, words)


def _text(rows: Rows, field: int) -> str:
    if field < 0:
        return ""
    value = rows.value(field)
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def find_slots(
    rows: Rows, slots: Slots, types: Ints, special: Ints, msg_type: int
) -> tuple[Ints, NDArray[np.uint8]]:
    """Return the slot of each field (`EDGE` in odd rows), and its flags; add to `rows.odd`.

    `special` are the fields whose values are not plain text; `msg_type` is the id of MsgType.
    """
    row = rows.row
    slot = slots.slots_of(types, rows.ids, row)
    rows.odd |= types == 0
    if rows.odd.any():
        slot[rows.odd.take(row)] = EDGE
    strangers = np.flatnonzero(slot < 0)
    if len(strangers):
        _place_strangers(rows, slots, types, slot, strangers)
        unclear = strangers[slot.take(strangers) == CANNOT_SAY]
        rows.odd[row.take(unclear)] = True
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
    slot[strangers] = slots.foreign(
        known_before, known_behind, types.take(row), rows.ids.take(strangers)
    )
