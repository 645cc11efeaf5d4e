"""Small numbers for 64-bit words, found for whole arrays at once."""

from collections.abc import Callable
from typing import Any

import numpy as np

from fixfeed.transforms.fix.arrays import Ints, Words

__all__ = ["Numbered"]

_FACTORS = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F
_BITS = 13
_MOST_STRANGERS = 200_000


class Numbered:
    """A table from words to numbers, which `make(word)` gives when a word is first seen.

    `make` returns a number of 0 or more, each number for one word only, or None for a word that has
    none; such words get -1. Words hash into a table of 8,192 places, small enough to stay in a
    processor's cache, those that collide into a second one, and the rest are looked up one by one.
    """

    def __init__(self, make: Callable[[int], int | None]):
        """Start with an empty table."""
        self._make = make
        self._places = [np.full(1 << _BITS, -1, np.int64) for _ in _FACTORS]
        # The last key belongs to number -1, which wraps to it, and is never the key of a place.
        self._keys = np.zeros(1, np.uint64)
        self._elsewhere: dict[int, int] = {}

    def __call__(self, words: Words) -> Ints:
        """Return the numbers of `words`."""
        numbers = self._find(words, 0)
        missing = np.flatnonzero((self._keys.take(numbers, mode="wrap") != words) | (numbers < 0))
        if len(missing):
            wanted = words[missing]
            second = self._find(wanted, 1)
            numbers[missing] = second
            unknown = (self._keys.take(second, mode="wrap") != wanted) | (second < 0)
            if unknown.any():
                distinct, inverse = np.unique(wanted[unknown], return_inverse=True)
                found = [self._one(word) for word in distinct.tolist()]
                numbers[missing[unknown]] = np.array(found, np.int64)[inverse]
        return numbers

    def _find(self, words: Words, which: int) -> Any:
        hashed = words * np.uint64(_FACTORS[which])
        hashed >>= np.uint64(64 - _BITS)
        return self._places[which].take(hashed.view(np.int64))

    def _one(self, word: int) -> int:
        number = self._elsewhere.get(word)
        if number is None:
            made = self._make(word)
            number = -1 if made is None else made
            if number >= 0:
                self._remember(word, number)
            if len(self._elsewhere) < _MOST_STRANGERS or number >= 0:
                self._elsewhere[word] = number
        return number

    def _remember(self, word: int, number: int) -> None:
        if number + 2 > len(self._keys):
            keys = np.zeros(max(2 * len(self._keys), number + 2), np.uint64)
            keys[: len(self._keys) - 1] = self._keys[:-1]
            self._keys = keys
        self._keys[number] = word
        for places, factor in zip(self._places, _FACTORS, strict=True):
            place = (word * factor & (1 << 64) - 1) >> 64 - _BITS
            if places[place] < 0:
                places[place] = number
                break
