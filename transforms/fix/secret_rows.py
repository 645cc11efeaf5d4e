"""Which rows of a block hold secrets; the scalar parser masks them."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from transforms.fix.masking import RAW_DATA, Masking
from transforms.fix.rows import Rows
from transforms.fix.words import LOW_BYTES, word

__all__ = ["SecretRows"]

Ints = NDArray[np.int64]


class SecretRows:
    """Finds the rows that have a tag that is masked, or what looks like one inside a value."""

    def __init__(self, masking: Masking, ids: Mapping[int, int], *, also: int):
        """`ids` has the ids of all masked tags in the table of tags; `also` is one more tag."""
        self._masking = masking
        everywhere = [ids[tag] for tag in (*masking.tags, also) if self._is_everywhere(tag)]
        self._hidden = np.zeros(max(ids.values()) + 2, bool)
        self._hidden[everywhere] = True
        self._raw_data = ids[RAW_DATA] if RAW_DATA in masking.tags else None

    def _is_everywhere(self, tag: int) -> bool:
        return tag != RAW_DATA or self._masking.raw_data_everywhere

    def rows(self, rows: Rows) -> Ints:
        """Return the rows that hold secrets; rows without a MsgType in its place may be missing."""
        # Ids beyond those known here, and what is no tag, have the last place, which is empty.
        known = np.minimum(rows.ids, len(self._hidden) - 1)
        found = rows.row.take(np.flatnonzero(self._hidden.take(known, mode="wrap")))
        parts = [found]
        if self._raw_data is not None:
            raw_data = rows.row.take(np.flatnonzero(rows.ids == self._raw_data))
            parts.append(raw_data[self._is_logon(rows, raw_data)])
        parts.append(self._inside(rows))
        return np.concatenate(parts)

    def _is_logon(self, rows: Rows, row: Ints) -> NDArray[np.bool_]:
        field = np.minimum(rows.first.take(row) + 2, len(rows.ids) - 1)
        text = rows.words[rows.equals.take(field) + 1] & LOW_BYTES[1]
        return (text == word(b"A")) & (rows.stop.take(field) - rows.equals.take(field) == 2)

    def _inside(self, rows: Rows) -> Ints:
        """Return the rows with more `=` than fields whose bytes change when they are masked."""
        if not self._masking.tags:
            return np.empty(0, np.int64)
        ends = np.empty(2 * len(rows.start), np.int64)
        ends[0::2], ends[1::2] = rows.start, rows.end
        equals = np.add.reduceat((rows.octets == ord("=")).view(np.uint8), ends, dtype=np.int64)
        more = np.flatnonzero(equals[0::2] > rows.last - rows.first + 1)
        changed = []
        for row in more.tolist():
            message = rows.data[rows.start[row] : rows.end[row]]
            if self._masking.text(message) != message:
                changed.append(row)
        return np.array(changed, np.int64)
