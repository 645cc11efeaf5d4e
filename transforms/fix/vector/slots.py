"""The meaning of the fields of all types of messages for nested JSON, learned once each.

In every version of FIX a tag has one place in a type of message. So message type and tag give a
*slot*: the level that a field belongs to. The text between two values, and whether one may follow
the other, depends on their two slots alone: a *pair*. Slots and pairs are few; Python works each
out when it is first seen, and blocks are read with tables of them.
"""

import numpy as np
from numpy.typing import NDArray

from fixfeed.transforms.fix.arrays import Ints, Words
from fixfeed.transforms.fix.dictionary.version import BODY, TRAILER, Scope, VersionDictionary
from fixfeed.transforms.fix.vector.id_table import Numbered
from fixfeed.transforms.fix.vector.json_glue import (
    BAD,
    NO_FIELD,
    WHOLE_ROW,
    PairText,
    Slot,
    pair_text,
    row_end,
)
from fixfeed.transforms.fix.vector.tag_ids import MOST_IDS, TagTable

__all__ = ["CANNOT_SAY", "COUNT", "EDGE", "GARBLED", "GROUP", "START", "WHOLE", "Slots"]

_Type = tuple[VersionDictionary, str | None]

_NO_TYPE: _Type = (
    VersionDictionary(
        {"version": "", "fields": {}, "components": {}, "messages": {}, "header": [], "trailer": []}
    ),
    None,
)

EDGE, CANNOT_SAY, WHOLE = range(3)
"""Slots of no field: `EDGE` before the first row and after the last one; `CANNOT_SAY` where only
the scalar parser can place a field; `WHOLE` in a row whose whole text is known."""

GROUP, COUNT, GARBLED = 1, 2, 4
"""Flags of a slot: in an entry of a group; counts a group; has no tag."""

START = 1 << 31
"""Marks the pair that a row begins with; its first slot is the last one of the row before."""

_TYPE_LENGTH = 6  # bytes of a MsgType that fit beside a dictionary's number in a word
_MOST_DICTIONARIES = 1 << 16
_MOST_TYPES = 1000
_MOST_SLOTS = 1 << 20
_MOST_PAIRS = 60_000

# The bits of a word for a field that is a member of nothing, see `_packed`; were one of them too
# narrow, a field would get the slot of another one.
_SLOT_BITS, _TYPE_BITS, _ID_BITS = 20, 10, 14
assert 2 * _SLOT_BITS + _TYPE_BITS + _ID_BITS == 64
assert _MOST_SLOTS <= 1 << _SLOT_BITS
assert _MOST_TYPES <= 1 << _TYPE_BITS
assert MOST_IDS <= 1 << _ID_BITS
assert _MOST_SLOTS <= START, "a pair has its second slot in the bits below START"
assert _MOST_DICTIONARIES <= 1 << 64 - 8 * _TYPE_LENGTH


class Slots:
    """The tables of types, slots and pairs.

    Of each slot, by number: `flags`; `depth`, how many groups it is in; `position` among the
    members of its level; `order` and `section`, the part of the message; `closing`, the lengths of
    the text that ends a row after it, in a plain object and in one of three parts; `own_ids`, the
    id of the tag of a field at the message's level, -1 for other slots. `has_unclear` means that
    there are tags without a slot of their own. `of_unknown_versions` are the types whose dictionary
    is the substitute for one that is missing.

    An order, `8=FIX.4.4|35=D|55=A|453=1|448=X|58=hi`, has its type by dictionary and MsgType, and
    each of its fields a slot by type and tag. 448 PartyID is in an entry of the group that
    453 NoPartyIDs counts:

    >>> from fixfeed.transforms.fix.dictionary.choose import BUILT_IN
    >>> tags = TagTable([8, 35, 55, 453, 448, 58], lambda text: False)
    >>> slots = Slots(tags)
    >>> dictionary = slots.dictionary(BUILT_IN.choose("FIX.4.4", "", "->", {}))
    >>> msg_type = np.array([ord("D")], np.uint64)
    >>> types = slots.types_of(np.array([dictionary]), msg_type, np.array([1]))
    >>> found = slots.slots_of(types, np.arange(6), np.zeros(6, np.int64))
    >>> [(slots.slots[number].name, slots.slots[number].depth) for number in found[2:]]
    [('Symbol', 0), ('NoPartyIDs', 0), ('PartyID', 1), ('Text', 0)]
    >>> slots.flags[found].tolist() == [0, 0, 0, COUNT, GROUP, 0]
    True

    Each slot and the next one make a pair, which has the JSON text between their values:

    >>> pairs = slots.pairs_of((found[:-1] << 32 | found[1:]).view(np.uint64))
    >>> [slots.pairs[number].plain for number in pairs]  # doctest: +NORMALIZE_WHITESPACE
    ['","MsgType":"', '","Symbol":"', '","NoPartyIDs":[', '{"PartyID":"',
     '"}],"Text":"']
    """

    def __init__(self, tags: TagTable):
        """`tags` numbers the tags; it may grow between calls."""
        self._tags = tags
        self._dictionaries: list[VersionDictionary] = []
        self._dictionary_numbers: dict[int, int] = {}
        # For each dictionary, the type of messages that it does not know.
        self._unknown: list[int] = []
        self._type_numbers = Numbered(self._new_type)
        # Type 0 is for rows that are not looked at.
        self.types: list[_Type] = [_NO_TYPE]
        self.of_unknown_versions: list[int] = []
        self.slots: list[Slot] = [NO_FIELD, NO_FIELD, WHOLE_ROW]
        self._origins: list[_Type] = [_NO_TYPE] * 3
        self.required = np.zeros(1, np.int64)
        self._numbers: dict[tuple[int, int, int, str, int], int] = {}
        self._table = np.zeros((8, 256), np.int64)
        self._filled = 1, 0
        self._foreign: list[int] = []
        self._foreign_numbers = Numbered(self._new_foreign)
        self._own: list[int] = []
        self._own_numbers = Numbered(self._new_own)
        self._pair_numbers = Numbered(self._new_pair)
        self.pairs: list[PairText] = []
        self._pair_flags = np.array([BAD], np.uint8)
        self.has_unclear = False
        self.flags = np.zeros(0, np.uint8)
        self.own_ids = np.zeros(0, np.int64)
        self.depth = np.zeros(0, np.int64)
        self.position = np.zeros(0, np.int64)
        self.order = np.zeros(0, np.int8)
        self.section = np.zeros(0, np.int8)
        self.closing = np.zeros((0, 2), np.int32)
        self._describe()

    # Types of messages.

    def dictionary(self, dictionary: VersionDictionary) -> int:
        """Return the number of a dictionary."""
        number = self._dictionary_numbers.setdefault(id(dictionary), len(self._dictionaries))
        assert number < _MOST_DICTIONARIES
        if number == len(self._dictionaries):
            self._dictionaries.append(dictionary)
            self._unknown.append(self._add_type(dictionary, None))
        return number

    def types_of(self, dictionaries: Ints, words: Words, length: Ints) -> Ints:
        """Return the types of messages by dictionary and MsgType; 0 where there is no room.

        A MsgType is given by its word and length; one longer than six bytes has no room.
        """
        keys = (dictionaries << 8 * _TYPE_LENGTH).view(np.uint64) | words
        found = self._type_numbers(keys)
        unknown = np.array(self._unknown, np.int64).take(dictionaries)
        return np.where(length > _TYPE_LENGTH, 0, np.where(found < 0, unknown, found))

    def _new_type(self, key: int) -> int | None:
        dictionary = self._dictionaries[min(key >> 8 * _TYPE_LENGTH, len(self._dictionaries) - 1)]
        text = key.to_bytes(8, "little")[:_TYPE_LENGTH].rstrip(b"\0").decode("latin-1")
        if text not in dictionary.message_types or len(self.types) == _MOST_TYPES:
            return None
        return self._add_type(dictionary, text)

    def _add_type(self, dictionary: VersionDictionary, msg_type: str | None) -> int:
        if len(self.types) == _MOST_TYPES:
            return 0
        if not dictionary.is_known:
            self.of_unknown_versions.append(len(self.types))
        self.types.append((dictionary, msg_type))
        self.required = np.append(self.required, len(dictionary.scope(msg_type).required))
        return len(self.types) - 1

    # Slots.

    def slots_of(self, types: Ints, ids: Ints, row: Ints) -> Ints:
        """Return the slot of each field, negative for those that are members of nothing."""
        self._fill()
        index = (types * self._table.shape[1]).take(row)
        index += ids
        return self._table.ravel().take(index)

    def _fill(self) -> None:
        """Give every type and tag its cell, where either is new since the last block."""
        types, tags = len(self.types), len(self._tags.tags)
        height, width = self._table.shape
        old_types, old_tags = self._filled
        if (types, tags) == self._filled:
            return
        assert tags <= 1 << _ID_BITS
        if types > height or tags > width:
            table = np.zeros((max(height, 2 * types), max(width, 2 * tags)), np.int64)
            table[:height, :width] = self._table
            self._table = table
        for number in range(1, types):
            dictionary, msg_type = self.types[number]
            homes = dictionary.homes(msg_type)
            for index in range(old_tags if number < old_types else 0, tags):
                tag = self._tags.tags[index]
                cell = -1
                if tag in homes:
                    scope = homes[tag]
                    cell = self._slot(number, scope, tag) if scope else CANNOT_SAY
                elif tag < 0 and dictionary.is_name(self._tags.garbled[tag]):
                    cell = CANNOT_SAY
                self.has_unclear |= cell == CANNOT_SAY
                self._table[number, index] = cell
        self._filled = types, tags
        self._describe()

    def _slot(self, kind: int, scope: Scope, tag: int, order: int | None = None) -> int:
        """Return the number of a slot; with `order`, its field is not a member of `scope`.

        `kind` is the type of message.
        """
        dictionary, _ = self.types[kind]
        if order is None:
            root, top = scope, tag
            while root.parent:
                root, top = root.parent, root.count
            slot = Slot(
                scope, tag, dictionary.name(tag), scope.position[tag], "", root.section[top]
            )
        else:
            name = self._tags.garbled[tag] if tag < 0 else dictionary.name(tag)
            slot = Slot(scope, tag, name, order=order)
        return self._number(slot, self.types[kind])

    def _number(self, slot: Slot, origin: _Type) -> int:
        key = (id(slot.scope), slot.tag, slot.position, slot.kind, slot.order)
        number = self._numbers.get(key)
        if number is None:
            number = len(self.slots)
            if number == _MOST_SLOTS:
                self.has_unclear = True
                return CANNOT_SAY
            self._numbers[key] = number
            self.slots.append(slot)
            self._origins.append(origin)
        return number

    def origin(self, slot: int) -> _Type:
        """Return the dictionary and the MsgType that a slot belongs to."""
        return self._origins[slot]

    def in_array(self, slots: Ints, kind: str) -> Ints:
        """Return the slots of the same fields where a repeated tag makes an array of them."""
        distinct, inverse = np.unique(slots, return_inverse=True)
        found = [
            self._number(self.slots[one]._replace(kind=kind), self._origins[one])
            for one in distinct.tolist()
        ]
        self._describe()
        return np.array(found, np.int64)[inverse]

    def _describe(self) -> None:
        """Keep the properties of new slots in arrays."""
        new = self.slots[len(self.flags) :]
        if new:
            flags = [
                GROUP * (one.depth > 0) + COUNT * (one.inner is not None) + GARBLED * (one.tag < 0)
                for one in new
            ]
            self.flags = np.append(self.flags, np.array(flags, np.uint8))
            ids = {tag: number for number, tag in enumerate(self._tags.tags)}
            own_ids = [-1 if one.depth or not one.scope else ids[one.tag] for one in new]
            self.own_ids = np.append(self.own_ids, np.array(own_ids, np.int64))
            self.depth = np.append(self.depth, [one.depth for one in new])
            self.position = np.append(self.position, [one.position for one in new])
            self.order = np.append(self.order, np.array([one.order for one in new], np.int8))
            self.section = np.append(self.section, np.array([one.section for one in new], np.int8))
            closing = [[len(text) for text in row_end(one)] for one in new]
            self.closing = np.concatenate([self.closing, np.array(closing, np.int32)])

    # Fields that are members of nothing.

    def foreign(self, before: Ints, behind: Ints, types: Ints, ids: Ints) -> Ints:
        """Return the slots of such fields between known ones, `EDGE` where a row begins or ends."""
        numbers = self._foreign_numbers(_packed(before, behind, types, ids))
        self._describe()
        slots = np.array([*self._foreign, CANNOT_SAY], np.int64)
        return slots.take(numbers, mode="wrap")

    def _new_foreign(self, key: int) -> int | None:
        first, second, kind, number = _unpacked(key)
        before, behind = self.slots[first], self.slots[second]
        dictionary, msg_type = self.types[kind]
        root = dictionary.scope(msg_type)
        level = behind.scope or root
        scope = before.scope or root
        while scope is not level and scope.parent:
            scope = scope.parent
        if scope is not level or CANNOT_SAY in (first, second):
            # The level has no entry that they could be in.
            return None
        order = behind.order if behind.scope else TRAILER
        if not level.parent and before.scope and min(order, BODY) < before.order:
            return None
        self._foreign.append(self._slot(kind, level, self._tags.tags[number], order))
        return len(self._foreign) - 1

    def own(self, before: Ints, depth: int, types: Ints, ids: Ints) -> Ints:
        """Return the slots of such fields in the entries that the fields `before` are in.

        `depth` is how many groups there are around: those entries, or ones that contain them.
        """
        numbers = self._own_numbers(_packed(before, np.full_like(before, depth), types, ids))
        self._describe()
        slots = np.array([*self._own, CANNOT_SAY], np.int64)
        return slots.take(numbers, mode="wrap")

    def _new_own(self, key: int) -> int | None:
        first, depth, kind, number = _unpacked(key)
        before = self.slots[first]
        scope = before.scope
        while scope and scope.depth > depth:
            scope = scope.parent
        if not scope:
            return None
        self._own.append(self._slot(kind, scope, self._tags.tags[number], before.order))
        return len(self._own) - 1

    # Pairs.

    def pairs_of(self, keys: Words) -> Ints:
        """Return the pairs of two slots, `first << 32 | second`, with `START` where a row begins.

        -1 where there is no room for a pair.
        """
        return self._pair_numbers(keys)

    def _new_pair(self, key: int) -> int | None:
        first, second = key >> 32, key & (START - 1)
        if len(self.pairs) >= _MOST_PAIRS and first != WHOLE and second != WHOLE:
            return None
        pair = pair_text(self.slots[first], self.slots[second], start=bool(key & START))
        self.pairs.append(pair)
        return len(self.pairs) - 1

    def pair_flags(self, pairs: Ints) -> NDArray[np.uint8]:
        """Return the flags of pairs, `BAD` for -1."""
        new = [pair.flags for pair in self.pairs[len(self._pair_flags) - 1 :]]
        if new:
            self._pair_flags = np.append(self._pair_flags[:-1], np.array([*new, BAD], np.uint8))
        return self._pair_flags.take(pairs, mode="wrap")


def _packed(first: Ints, second: Ints, types: Ints, ids: Ints) -> Words:
    """Return a word for each field: two slots, or a slot and a depth; its type and its tag's id."""
    key = first << _SLOT_BITS
    key |= second
    key <<= _TYPE_BITS
    key |= types
    key <<= _ID_BITS
    key |= ids
    return key.view(np.uint64)


def _unpacked(key: int) -> tuple[int, int, int, int]:
    """Return what `_packed` has put into a word."""
    rest, number = divmod(key, 1 << _ID_BITS)
    rest, kind = divmod(rest, 1 << _TYPE_BITS)
    first, second = divmod(rest, 1 << _SLOT_BITS)
    return first, second, kind, number
