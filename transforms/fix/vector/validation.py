"""Checks the fields of a block against their dictionaries; equal to `scalar.validation`."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fixfeed.transforms.fix.defects import (
    BAD_VALUE,
    MISSING_FIELD,
    UNEXPECTED_TAG,
    UNKNOWN_MSG_TYPE,
    UNKNOWN_TAG,
    UNKNOWN_VALUE,
)
from fixfeed.transforms.fix.dictionary.union import Field
from fixfeed.transforms.fix.dictionary.version import VersionDictionary
from fixfeed.transforms.fix.scalar.fields import decode
from fixfeed.transforms.fix.scalar.validation import DECIMALS, TIMES, WHOLE, check_tag, check_value
from fixfeed.transforms.fix.schema import COLUMNS, DECIMAL, TIME
from fixfeed.transforms.fix.swar import LOW_BYTES, ZEROS, all_digits
from fixfeed.transforms.fix.vector.id_table import Numbered
from fixfeed.transforms.fix.vector.rows import Rows
from fixfeed.transforms.fix.vector.slots import Slots

__all__ = ["FieldChecks"]

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Words = NDArray[np.uint64]
_U = np.uint64

_ANY, _WHOLE, _INT, _DECIMAL, _OTHER = range(5)
"""How the value of a slot is checked: not at all; as digits, with a sign, with sign and point; by
what was found of the same text before."""

_COLUMN_TYPES = {column.tag: column.type for column in COLUMNS}
_SHORT = 6  # bytes of a value that fit beside the number of its field in a word
_MOST_TEXTS = 100_000
_LONGEST_NUMBER = 16

_DOTS, _LOW_SEVEN = (_U(int(x * 8, 16)) for x in ("2e", "7f"))


class FieldChecks:
    """What is known of slots as to what a dictionary wants of their fields."""

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
        """Return the number of a field; fields of other dictionaries have other ones."""
        number = self._numbers.setdefault(id(field), len(self._fields))
        if number == len(self._fields):
            self._fields.append(field)
        return number

    def check(
        self,
        rows: Rows,
        types: Ints,
        slot: Ints,
        special: Ints,
        repeats: Ints,
        begins: Ints,
        defects: Ints,
    ) -> None:
        """Add what is wrong to `defects`; what it says of odd rows means nothing.

        `special` are the fields whose values are not plain text, `repeats` those that repeat a tag
        at the message's level, `begins` those that begin entries.
        """
        self._learn()
        defects |= self._type_defects.take(types)
        row = rows.row
        wrong = self._tag_defects.take(slot)
        _add(defects, row, np.flatnonzero(wrong), wrong, (UNKNOWN_TAG, UNEXPECTED_TAG))
        self._check_required(rows, types, slot, repeats, begins, defects)
        kind = self._kind.take(slot)
        length = rows.stop - rows.equals - 1
        kind[length == 0] = _ANY
        # What a column has read was checked there, but for values that are not the first.
        self._one_by_one(rows, slot, np.union1d(repeats, special), defects)
        kind[special] = _ANY
        self._check_numbers(rows, slot, kind, length, defects)
        self._check_texts(rows, slot, np.flatnonzero(kind == _OTHER), length, defects)

    def _check_required(
        self, rows: Rows, types: Ints, slot: Ints, repeats: Ints, begins: Ints, defects: Ints
    ) -> None:
        """Compare how many required fields there are with how many there should be.

        In rows that are not odd no entry has a tag twice.
        """
        count = len(rows.start)
        required = self._required.take(slot)
        required[repeats] = 0
        present = np.add.reduceat(required, rows.first, dtype=np.int64)
        wanted = self._slots.required.take(types)
        entries = np.bincount(
            rows.row.take(begins), self._needs.take(slot.take(begins)), minlength=count
        )
        defects[present < wanted + entries.astype(np.int64)] |= MISSING_FIELD

    def _check_numbers(
        self, rows: Rows, slot: Ints, kind: NDArray[np.uint8], length: Ints, defects: Ints
    ) -> None:
        numbers = np.flatnonzero((kind - np.uint8(1)) < 3)
        if not len(numbers):
            return
        kind, length = kind.take(numbers), length.take(numbers)
        at = rows.equals.take(numbers) + 1
        signed = (rows.octets.take(at) == ord("-")) & (kind != _WHOLE)
        at += signed
        length = length - signed
        low, low_dots = _digits(rows.words[at], np.minimum(length, 8))
        high, high_dots = _digits(rows.words[at + 8], np.clip(length - 8, 0, 8))
        points = low_dots.astype(np.int64) + high_dots
        right = low & high & (points <= (kind == _DECIMAL)) & (length > points)
        long = length > _LONGEST_NUMBER
        self._one_by_one(rows, slot, numbers[long], defects)
        defects[rows.row.take(numbers[~right & ~long])] |= BAD_VALUE

    def _check_texts(
        self, rows: Rows, slot: Ints, fields: Ints, length: Ints, defects: Ints
    ) -> None:
        short = (length.take(fields) <= _SHORT) & (self._field.take(slot.take(fields)) < 1 << 16)
        self._one_by_one(rows, slot, fields[~short], defects)
        fields = fields[short]
        words = rows.words[rows.equals.take(fields) + 1] & LOW_BYTES.take(length.take(fields))
        words |= self._field.take(slot.take(fields)).view(_U) << _U(8 * _SHORT)
        found = self._texts(words)
        if len(self._known_texts) <= len(self._text_defects):
            self._known_texts = np.array([*self._text_defects, 0], np.int64)
        wrong = self._known_texts.take(found, mode="wrap")
        _add(defects, rows.row.take(fields), np.flatnonzero(wrong), wrong)
        self._one_by_one(rows, slot, fields[found < 0], defects)

    def _new_text(self, key: int) -> int | None:
        if len(self._text_defects) == _MOST_TEXTS:
            return None
        text = key.to_bytes(8, "little")[:_SHORT].rstrip(b"\0").decode("ascii", "replace")
        self._text_defects.append(self._value_defects(key >> 8 * _SHORT, text))
        return len(self._text_defects) - 1

    def _value_defects(self, number: int, text: str) -> int:
        return check_value(self._fields[number], text)

    def _one_by_one(self, rows: Rows, slot: Ints, fields: Ints, defects: Ints) -> None:
        for field in fields.tolist():
            number = int(self._field[slot[field]])
            if number >= 0:
                text = decode(rows.value(field))
                defects[rows.row[field]] |= self._check(number, text)


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
    if field.type in TIMES and column == TIME:
        return _ANY
    return _OTHER if check_value(field, "\1\1") else _ANY


def _digits(words: Words, length: Ints) -> tuple[Mask, NDArray[np.uint8]]:
    """Tell whether the first `length` bytes are digits but for points, and count the points.

    The count is 2 where there are more.
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


def _add(
    defects: Ints,
    row: Ints,
    fields: Ints,
    wrong: Ints,
    kinds: tuple[int, ...] = (BAD_VALUE, UNKNOWN_VALUE),
) -> None:
    for kind in kinds if len(fields) else ():
        defects[row.take(fields[wrong.take(fields) & kind > 0])] |= kind
