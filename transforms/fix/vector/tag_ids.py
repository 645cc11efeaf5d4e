"""Numbers the tags of a block without reading them as numbers.

The text of a tag is one word of 64 bits; a multiplication hashes it into a table that gives the
tag's id. What the table does not know goes through Python once.
"""

import re
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from fixfeed.transforms.fix.arrays import Ints, Words
from fixfeed.transforms.fix.swar import first_byte, word

__all__ = ["MOST_IDS", "TagTable", "tag_texts"]

_U = np.uint64
_EQUALS = word(b"=" * 8)
_TAG = re.compile(rb"[1-9][0-9]{0,7}")
# After zeros there may be the tag of a length field, which framing needs to know.
_GARBLED = re.compile(rb"(?![1-9][0-9]*\Z|0)[\w .-]{1,8}")
# How many bits number the places of the table, and the factor of the hash, found by trial: all tags
# of up to four digits have places of their own.
_BITS = 15
_FACTOR = 0xC8CF0B6E8BA3754D

_MOST_TAGS = 8000
_MOST_GARBLED = 500
_MOST_STRANGERS = 100_000
_FEW = 500
"""Below this many strangers a dictionary costs less than sorting them."""

MOST_IDS = _MOST_TAGS + _MOST_GARBLED
"""The most ids that a table grows to; `slots` packs them into words and relies on it."""


class TagTable:
    """Small ids, from 0 on, for the texts of tags in the order they were first seen.

    `tags[id]` is the tag number. A table grows as new tags come, up to a bound that keeps a log of
    ever new tags from filling the memory; tags beyond it get -1. So do texts that are not a tag,
    except some short ones: `garbled` has those by the negative numbers that they have in `tags`.
    The ids below `lengths` are those of length fields (95 RawDataLength).
    """

    def __init__(
        self, tags: Iterable[int], may_be_garbled: Callable[[bytes], bool], *, lengths: int = 0
    ):
        """`tags` get the first ids, those of `lengths` length fields before the others.

        `may_be_garbled` decides which texts that are not a tag get ids too.
        """
        self.lengths = lengths
        self.tags: list[int] = []
        self.garbled: dict[int, str] = {}
        self._may_be_garbled = may_be_garbled
        # Ids by the hash of the text, as wide as they are returned to save a conversion, and beside
        # them the text with that id; where there is none, it is 0, the text of no tag.
        self._ids = np.full(1 << _BITS, -1, np.int64)
        self._keys = np.zeros(1 << _BITS, _U)
        self._elsewhere: dict[int, int] = {}
        for tag in tags:
            self._add(int.from_bytes(b"%d" % tag, "little"), tag)

    def _add(self, key: int, tag: int) -> int:
        number = len(self.tags)
        self.tags.append(tag)
        place = (key * _FACTOR & (1 << 64) - 1) >> 64 - _BITS
        if self._ids[place] < 0:
            self._ids[place], self._keys[place] = number, key
        else:
            self._elsewhere[key] = number
        return number

    def ids(self, words: Words) -> Ints:
        """Return the id of each tag, -1 for texts other than tags of one to eight digits."""
        hashed = words * _U(_FACTOR)
        hashed >>= _U(64 - _BITS)
        places = hashed.view(np.int64)
        ids = self._ids.take(places)
        strange = np.flatnonzero(self._keys.take(places) != words)
        if len(strange) < _FEW:
            keys = words[strange].tolist()
            known = {key: self._look_up(key) for key in dict.fromkeys(keys)}
            ids[strange] = [known[key] for key in keys]
        else:
            distinct, inverse = np.unique(words[strange], return_inverse=True)
            found = np.array([self._look_up(key) for key in distinct.tolist()], np.int64)
            ids[strange] = found[inverse]
        return ids

    def _look_up(self, key: int) -> int:
        number = self._elsewhere.get(key)
        if number is None:
            text = key.to_bytes(8, "little").rstrip(b"\0")
            if _TAG.fullmatch(text) and len(self.tags) < _MOST_TAGS:
                return self._add(key, int(text))
            if self._is_garbled(text):
                number = -1 - len(self.garbled)
                self.garbled[number] = text.decode()
                return self._add(key, number)
            number = -1
            if len(self._elsewhere) < _MOST_STRANGERS:
                self._elsewhere[key] = number
        return number

    def _is_garbled(self, text: bytes) -> bool:
        if len(self.garbled) == _MOST_GARBLED or not _GARBLED.fullmatch(text):
            return False
        return self._may_be_garbled(text)


def tag_texts(padded: bytes, at: Ints) -> tuple[Words, NDArray[np.uint8]]:
    """Return the texts from each place to the first `=` as words, and how long they are.

    Place 0 is the one after the first eight bytes of `padded`. Length 7 means seven bytes or more,
    of which the text holds seven.
    """
    # Aligned words are gathered much faster than those of `view`, which numpy copies one by one:
    # the two that hold the bytes from a place on cost two thirds.
    whole = np.frombuffer(padded, "<u8", len(padded) // 8)[1:]
    number = at >> 3
    shift = at.astype(_U)
    shift &= _U(7)
    shift <<= _U(3)
    texts = whole.take(number)
    texts >>= shift
    np.subtract(_U(64), shift, out=shift)
    # A word shifted by all its bits is 0.
    texts |= whole[1:].take(number) << shift
    _, found = first_byte(texts, _EQUALS)
    length = np.bitwise_count(found)
    length >>= 3
    length -= 1
    found >>= _U(8)
    texts &= found
    return texts, length
