"""Numbers the tags of a block without reading them as numbers.

The text of a tag is one word, of 32 bits for up to three bytes, which most tags have, else of 64
bits; a multiplication hashes it into a table that gives the tag's id. What the table does not know
goes through Python once.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixfeed.transforms.fix.swar import first_byte, word

__all__ = ["TagTable", "short_tag_texts", "tag_texts"]

_U = np.uint64
_EQUALS = word(b"=" * 8)
_TAG = re.compile(rb"[1-9][0-9]{0,7}")
# Behind zeros there may be the tag of a length field, which framing wants to know of.
_GARBLED = re.compile(rb"(?![1-9][0-9]*\Z|0)[\w .-]{1,8}")
# By the size of a word: how many bits number the places of its table, and the factor of the hash,
# found by trial: all tags of up to four digits, or three, have places of their own.
_HASHES = {8: (15, 0xC8CF0B6E8BA3754D), 4: (12, 0xD637CFBB)}

_MOST_TAGS = 8000
_MOST_GARBLED = 500
_MOST_STRANGERS = 100_000
_FEW = 500
"""Below this many strangers a dictionary costs less than sorting them."""


class TagTable:
    """Small ids, from 0 on, for the texts of tags in the order they were first seen.

    `tags[id]` is the tag number. A table grows as new tags come, up to a bound that keeps a log of
    ever new tags from filling the memory; tags beyond it get -1. So do texts that are no tag, but
    for some short ones: `garbled` has those by the negative numbers that they have in `tags`.
    """

    def __init__(self, tags: Iterable[int], may_be_garbled: Callable[[bytes], bool]):
        """`tags` get the first ids; `may_be_garbled` tells which texts that are no tag get some."""
        self.tags: list[int] = []
        self.garbled: dict[int, str] = {}
        self._may_be_garbled = may_be_garbled
        # Ids by the hash of the text, wide as they are returned to save a conversion, and beside
        # them the text that has the id; 0, where there is none, is the text of no tag.
        self._tables = {
            size: (np.full(1 << bits, -1, np.int64), np.zeros(1 << bits, f"u{size}"))
            for size, (bits, _) in _HASHES.items()
        }
        self._elsewhere: dict[int, int] = {}
        for tag in tags:
            self._add(int.from_bytes(b"%d" % tag, "little"), tag)

    def _add(self, key: int, tag: int) -> int:
        number = len(self.tags)
        self.tags.append(tag)
        for size, (ids, keys) in self._tables.items():
            if key < 1 << 8 * size:
                bits, factor = _HASHES[size]
                slot = (key * factor & (1 << 8 * size) - 1) >> (8 * size - bits)
                if ids[slot] < 0:
                    ids[slot], keys[slot] = number, key
                else:
                    self._elsewhere[key] = number
        return number

    def ids(self, words: NDArray[np.unsignedinteger]) -> NDArray[np.int64]:
        """Return the id of each tag, -1 for what is no tag of one to eight digits."""
        size, kind = words.itemsize, words.dtype.type
        bits, factor = _HASHES[size]
        slots = words * kind(factor)
        slots >>= kind(8 * size - bits)
        places = slots.view(f"i{size}")
        known_ids, known_keys = self._tables[size]
        ids = known_ids.take(places)
        strange = np.flatnonzero(known_keys.take(places) != words)
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


def short_tag_texts(
    padded: bytes, at: NDArray[np.int64]
) -> tuple[NDArray[np.uint32], NDArray[np.uint8], NDArray[np.uint32]]:
    """Return the texts of up to three bytes from each place to the first `=`, and their lengths.

    Place 0 is as in `tag_texts`, which costs half as much again. The third array is 0 where a text
    is longer than that.
    """
    return _texts(padded, at, np.uint32)


def tag_texts(padded: bytes, at: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]:
    """Return the texts from each place to the first `=` as words, and how long they are.

    Place 0 is the one behind the first eight bytes of `padded`. Length 7 stands for seven bytes or
    more, of which the text holds seven.
    """
    texts, length, _ = _texts(padded, at, _U)
    return texts, length


def _texts(padded: bytes, at: NDArray[np.int64], kind: Any) -> tuple[Any, Any, Any]:
    """Return texts that fit a word with their `=`, lengths, and 0 where there is no `=` in it."""
    # Aligned words are gathered much faster than those of `view`, which numpy copies one by one:
    # the two that hold the bytes from a place on cost two thirds.
    size = kind(0).itemsize
    whole = np.frombuffer(padded, f"<u{size}", len(padded) // size)[8 // size :]
    number = at >> size.bit_length() - 1
    shift = at.astype(kind)
    shift &= kind(size - 1)
    shift <<= kind(3)
    texts = whole.take(number)
    texts >>= shift
    np.subtract(kind(8 * size), shift, out=shift)
    # Shifted by all its bits, a word is 0.
    texts |= whole[1:].take(number) << shift
    marked, found = first_byte(texts, kind(_EQUALS >> _U(64 - 8 * size)))
    length = np.bitwise_count(found)
    length >>= 3
    length -= 1
    found >>= kind(8)
    texts &= found
    return texts, length, marked
