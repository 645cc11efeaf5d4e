"""Numbers the tags of a block without reading them as numbers.

The text of a tag, up to eight bytes, is one 64-bit word; a multiplication hashes it into a table
that gives the tag's id. What the table does not know goes through Python once.
"""

import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

__all__ = ["TagTable"]

_TAG = re.compile(rb"[1-9][0-9]{0,7}")
_FACTOR = 0x9E3779B97F4A7C15
_MOST_TAGS = 8000
_MOST_STRANGERS = 100_000


class TagTable:
    """Small ids, from 0 on, for the texts of tags in the order they were first seen.

    `tags[id]` is the tag number. A table grows as new tags come, up to a bound that keeps a log of
    ever new tags from filling the memory; tags beyond it get -1, as do texts that are no tag.
    """

    def __init__(self, tags: Iterable[int]):
        """`tags` get the first ids."""
        self.tags: list[int] = []
        self._slots = np.full(1 << 16, -1, np.int16)
        self._keys = np.zeros(1, np.uint64)
        self._elsewhere: dict[int, int] = {}
        for tag in tags:
            self._add(int.from_bytes(b"%d" % tag, "little"), tag)

    def _add(self, key: int, tag: int) -> int:
        number = len(self.tags)
        self.tags.append(tag)
        # The last key stays 0, which no tag has: id -1 points at it and so never matches.
        self._keys = np.append(self._keys[:-1], np.array([key, 0], np.uint64))
        slot = (key * _FACTOR & (1 << 64) - 1) >> 48
        if self._slots[slot] < 0:
            self._slots[slot] = number
        else:
            self._elsewhere[key] = number
        return number

    def ids(self, words: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the id of each tag, -1 for what is no tag of one to eight digits."""
        slots = ((words * np.uint64(_FACTOR)) >> np.uint64(48)).view(np.int64)
        ids = self._slots.take(slots).astype(np.int64)
        strange = np.flatnonzero(self._keys.take(ids, mode="wrap") != words)
        if len(strange):
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
            number = -1
            if len(self._elsewhere) < _MOST_STRANGERS:
                self._elsewhere[key] = number
        return number
