"""The first field of each tag in each message, and the fields that repeat a tag."""

from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fixfeed.transforms.fix.arrays import Ints

__all__ = ["FirstFields", "Firsts"]

_MOST_CELLS = 1 << 25


class Firsts(NamedTuple):
    """The first fields of tags: `table[id, row]` is one, or -1; `of[f]` is that of field `f`'s tag.

    `repeats` are the fields at the message's level that are not the first of their tag; for fields
    at another level `of` means nothing. The table is right for the wanted ids only.
    """

    table: Any
    of: Any
    repeats: Ints


class FirstFields:
    """Finds the first fields of tags; it keeps its table from block to block."""

    def __init__(self, wanted: Collection[int]):
        """`wanted` are the ids of tags that the table is asked for."""
        self._wanted = slice(min(wanted), max(wanted) + 1)
        self._cells = np.empty(0, np.int32)

    def find(self, own: Ints, row: Ints, *, count: int, tags: int) -> Firsts:
        """Return the first fields; they hold until the next call.

        `own` has the tag id of each field at the message's level, and -1 of the others, which do
        not count; `row` the row. There are `count` rows and `tags` ids.
        """
        number = np.arange(len(row), dtype=np.int32)
        counts = own >= 0
        # Id -1 has the last row of the table.
        key = own * count
        key += row
        size = (tags + 1) * count
        table: Any
        if size > _MOST_CELLS:
            # A log of thousands of tags, or of very short messages.
            table, first = _by_sorting(key, number, self._wanted.stop * count)
        else:
            if len(self._cells) < size:
                self._cells = np.empty(size + size // 2, np.int32)
            table = self._cells[:size]
            # Cells of other tags, left from the block before, are written over or not read.
            table.reshape(-1, count)[self._wanted].fill(-1)
            # The last field stays, which mostly is the first; backwards would take twice as long.
            table[key] = number
            first = table.take(key)
            earlier = np.flatnonzero((first != number) & counts)[::-1]
            if len(earlier):
                table[key[earlier]] = number[earlier]
                first = table.take(key)
        repeats = np.flatnonzero((first != number) & counts)
        return Firsts(table.reshape(-1, count), first, repeats)


def _by_sorting(key: Ints, number: NDArray[np.int32], size: int) -> tuple[NDArray[np.int32], Ints]:
    """Return the first `size` cells of the table, and the first field of each key."""
    table = np.full(size, -1, np.int32)
    known = (key >= 0) & (key < size)
    table[key[known][::-1]] = number[known][::-1]
    order = np.argsort(key, kind="stable")
    begins = np.ones(len(order), bool)
    begins[1:] = key[order[1:]] != key[order[:-1]]
    first = np.empty(len(order), np.int64)
    first[order] = order[begins][np.cumsum(begins) - 1]
    return table, first
