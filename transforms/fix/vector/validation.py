"""Checks the fields of a block against their dictionaries; equal to `scalar.validation`."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fixfeed.transforms.fix.arrays import Ints, Mask, Words
from fixfeed.transforms.fix.defects import (
    BAD_VALUE,
    MISSING_FIELD,
    UNKNOWN_MSG_TYPE,
)
from fixfeed.transforms.fix.dictionary.union import Field
from fixfeed.transforms.fix.dictionary.version import VersionDictionary
from fixfeed.transforms.fix.scalar.fields import decode
from fixfeed.transforms.fix.scalar.validation import (
    DATES,
    DECIMALS,
    TIMES,
    WHOLE,
    check_tag,
    check_value,
)
from fixfeed.transforms.fix.schema import COLUMNS, DATE, DECIMAL, TIME
from fixfeed.transforms.fix.swar import LOW_BYTES, ZEROS, all_digits
from fixfeed.transforms.fix.vector.groups import Places
from fixfeed.transforms.fix.vector.id_table import Numbered
from fixfeed.transforms.fix.vector.rows import Rows
from fixfeed.transforms.fix.vector.slots import Slots

__all__ = ["FieldChecks"]

_U = np.uint64

_ANY, _WHOLE, _INT, _DECIMAL, _OTHER = range(5)
"""How the value of a slot is checked: not at all; as digits, with a sign, with sign and point; by
the result for the same text before."""

_COLUMN_TYPES = {column.tag: column.type for column in COLUMNS}
_SHORT = 6  # bytes of a value that fit beside the number of its field in a word
_MOST_FIELDS = 1 << 64 - 8 * _SHORT
_MOST_TEXTS = 100_000
_LONGEST_NUMBER = 16

_DOTS, _LOW_SEVEN = (_U(int(x * 8, 16)) for x in ("2e", "7f"))


class FieldChecks:
    """What dictionaries require of the fields in each slot."""

    def __init__(self, slots: Slots):
        """`slots` may grow between blocks."""
        self._slots = slots
        self._fields: list[Field] = []
        self._numbers: dict[int, int] = {}
        self._kind = np.zeros(0, np.uint8)
        self._field = np.zeros(0, np.int64)
        self._tag_defects = np.zeros(0, np.int64)
        self._type_defects = np.zeros(0, np.int64)
        self._needs = np.zeros(0, np.int64)
        self._required = np.zeros(0, np.uint8)
        self._texts = Numbered(self._new_text)
        self._text_defects: list[int] = []
        self._known_texts = np.zeros(0, np.int64)
        self._check = lru_cache(1 << 16)(self._value_defects)

    def _learn(self) -> None:
        types = self._slots.types[len(self._type_defects) :]
        wrong_types = [_type_defects(*one) for one in types]
        self._type_defects = np.append(self._type_defects, np.array(wrong_types, np.int64))
        new = list(self._slots.slots[len(self._kind) :])
        if not new:
            return
        kinds, fields, tag_defects, needs, required = [], [], [], [], []
        for number, slot in enumerate(new, len(self._kind)):
            dictionary, msg_type = self._slots.origin(number)
            field = dictionary.fields.get(slot.tag) if dictionary.is_known else None
            kinds.append(_kind(field, slot.depth) if field else _ANY)
            fields.append(self._number(field) if field else -1)
            is_stranger = slot.scope is not None and slot.position < 0
            wrong = 0
            if is_stranger and slot.tag > 0 and dictionary.is_known:
                wrong = check_tag(slot.tag, dictionary, msg_type or "")
            tag_defects.append(wrong)
            needs.append(len(slot.scope.required) if slot.scope else 0)
            required.append(slot.scope is not None and slot.tag in slot.scope.required)
        self._kind = np.append(self._kind, np.array(kinds, np.uint8))
        self._field = np.append(self._field, np.array(fields, np.int64))
        self._tag_defects = np.append(self._tag_defects, np.array(tag_defects, np.int64))
        self._needs = np.append(self._needs, np.array(needs, np.int64))
        self._required = np.append(self._required, np.array(required, np.uint8))

    def _number(self, field: Field) -> int:
        """Return the number of a field; fields of other dictionaries have other numbers."""
        number = self._numbers.setdefault(id(field), len(self._fields))
        if number == len(self._fields):
            self._fields.append(field)
        return number

    def check(self, rows: Rows, places: Places, special: Ints, repeats: Ints, begins: Ints) -> Ints:
        """Return the defects of each row; those of odd rows mean nothing.

        `special` are the fields whose values are not plain text, `repeats` those that repeat a tag
        at the message's level, `begins` those that begin entries.
        """
        self._learn()
        slot = places.slot
        kind = self._kind.take(slot)
        values = _Values(rows, slot, rows.stop - rows.equals - 1)
        kind[values.length == 0] = _ANY
        kind[special] = _ANY
        not_numbers, long = _check_numbers(values, kind)
        wrong, unknown = self._check_texts(values, np.flatnonzero(kind == _OTHER))
        # Values read into a column were checked there, unless they are not the first.
        by_text = np.concatenate([np.union1d(repeats, special), long, unknown])
        defects = self._type_defects.take(places.types)
        defects[self._lacks_required(rows, places, repeats, begins)] |= MISSING_FIELD
        defects[rows.row.take(not_numbers)] |= BAD_VALUE
        tags = self._tag_defects.take(slot)
        strange = np.flatnonzero(tags)
        np.bitwise_or.at(defects, rows.row.take(strange), tags.take(strange))
        np.bitwise_or.at(defects, rows.row.take(wrong.fields), wrong.defects)
        one_by_one = self._check_one_by_one(values, by_text)
        np.bitwise_or.at(defects, rows.row.take(by_text), one_by_one)
        return defects

    def _lacks_required(self, rows: Rows, places: Places, repeats: Ints, begins: Ints) -> Mask:
        """Tell which rows have fewer required fields than there should be.

        In rows that are not odd no entry has a tag twice.
        """
        required = self._required.take(places.slot)
        required[repeats] = 0
        present = np.add.reduceat(required, rows.first, dtype=np.int64)
        wanted = self._slots.required.take(places.types)
        needs = self._needs.take(places.slot.take(begins))
        entries = np.bincount(rows.row.take(begins), needs, minlength=len(rows.start))
        return present < wanted + entries.astype(np.int64)

    def _check_texts(self, values: "_Values", fields: Ints) -> tuple["_Wrong", Ints]:
        """Return the fields with wrong values, and the fields that it cannot decide on."""
        number = self._field.take(values.slot.take(fields))
        length = values.length.take(fields)
        is_short = (length <= _SHORT) & (number < _MOST_FIELDS)
        others, fields = fields[~is_short], fields[is_short]
        words = values.rows.words[values.rows.equals.take(fields) + 1]
        words &= LOW_BYTES.take(length[is_short])
        words |= number[is_short].view(_U) << _U(8 * _SHORT)
        found = self._texts(words)
        if len(self._known_texts) <= len(self._text_defects):
            self._known_texts = np.array([*self._text_defects, 0], np.int64)
        defects = self._known_texts.take(found, mode="wrap")
        wrong = np.flatnonzero(defects)
        unknown = np.concatenate([others, fields[found < 0]])
        return _Wrong(fields.take(wrong), defects.take(wrong)), unknown

    def _new_text(self, key: int) -> int | None:
        if len(self._text_defects) == _MOST_TEXTS:
            return None
        text = key.to_bytes(8, "little")[:_SHORT].rstrip(b"\0").decode("ascii", "replace")
        self._text_defects.append(self._value_defects(key >> 8 * _SHORT, text))
        return len(self._text_defects) - 1

    def _value_defects(self, number: int, text: str) -> int:
        return check_value(self._fields[number], text)

    def _check_one_by_one(self, values: "_Values", fields: Ints) -> Ints:
        """Return the defects of the values of fields."""
        numbers = self._field.take(values.slot.take(fields)).tolist()
        return np.array(
            [
                self._check(number, decode(values.rows.value(field))) if number >= 0 else 0
                for field, number in zip(fields.tolist(), numbers, strict=True)
            ],
            np.int64,
        )


class _Values(NamedTuple):
    """The values of all fields of a block, by their slots, and how long they are."""

    rows: Rows
    slot: Ints
    length: Ints


class _Wrong(NamedTuple):
    """Fields, and the defects of each."""

    fields: Ints
    defects: Ints


def _check_numbers(values: _Values, kind: NDArray[np.uint8]) -> tuple[Ints, Ints]:
    """Return the fields whose values are not the numbers that they should be, and too long ones."""
    numbers = np.flatnonzero((kind - np.uint8(1)) < 3)
    if not len(numbers):
        return numbers, numbers
    rows, kind, length = values.rows, kind.take(numbers), values.length.take(numbers)
    at = rows.equals.take(numbers) + 1
    signed = (rows.octets.take(at) == ord("-")) & (kind != _WHOLE)
    at += signed
    length = length - signed
    low, low_dots = _digits(rows.words[at], np.minimum(length, 8))
    high, high_dots = _digits(rows.words[at + 8], np.clip(length - 8, 0, 8))
    points = low_dots.astype(np.int64) + high_dots
    right = low & high & (points <= (kind == _DECIMAL)) & (length > points)
    long = length > _LONGEST_NUMBER
    return numbers[~right & ~long], numbers[long]


def _type_defects(dictionary: VersionDictionary, msg_type: str | None) -> int:
    return UNKNOWN_MSG_TYPE if dictionary.is_known and msg_type is None else 0


def _kind(field: Field, depth: int) -> int:
    """Return how the values of a field are checked."""
    if field.values and field.tag != 35:
        return _OTHER
    column = _COLUMN_TYPES.get(field.tag) if depth == 0 else None
    if field.type in WHOLE:
        return _WHOLE
    if field.type == "INT":
        return _INT
    if field.type in DECIMALS:
        return _ANY if column == DECIMAL else _DECIMAL
    if (field.type in TIMES and column == TIME) or (field.type in DATES and column == DATE):
        return _ANY
    return _OTHER if check_value(field, "\1\1") else _ANY


def _digits(words: Words, length: Ints) -> tuple[Mask, NDArray[np.uint8]]:
    """Tell whether the first `length` bytes are digits except for points, and count the points.

    The count is 2 if there are more.
    """
    kept = LOW_BYTES.take(length)
    found = (words & kept) | (ZEROS & ~kept)
    other = found ^ _DOTS
    # The highest bit of each byte that is a point; exact, no carry leaves a byte.
    points = ~(((other & _LOW_SEVEN) + _LOW_SEVEN) | other | _LOW_SEVEN)
    found ^= (points >> _U(7)) * _U(0x1E)
    count = (points != 0).astype(np.uint8)
    count += (points & (points - _U(1))) != 0
    return all_digits(found), count
