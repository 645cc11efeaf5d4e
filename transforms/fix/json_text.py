"""One JSON text a row, put together by a single Arrow `take` over the bytes of the block.

The keys of all known tags stand behind the block in one buffer. A row's text is key, value, key,
value, ..., end; values are taken where they stand, or escaped where JSON wants it. A tag that
repeats in a row becomes an array of its values, at the place of the first.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from transforms.fix.rows import Rows

__all__ = ["Tokens", "json_rows", "key_pieces"]

Ints = NDArray[np.int64]

# A key piece closes what stands before it (nothing, a value, an array) and opens a value or array.
_CLOSES = ("{", '",', '"],')
_OPENS = ('"', '["')
_VARIANTS = len(_CLOSES) * len(_OPENS)
_ROW_START, _AFTER_VALUE, _AFTER_ARRAY = (len(_OPENS) * k for k in range(3))
_ENDS = (b'"}', b'"]}', b"{}", b'","', b"")
_END_VALUE, _END_ARRAY, _EMPTY_OBJECT, _SEPARATOR, _NOTHING = range(len(_ENDS))


def key_pieces(names: Sequence[str]) -> list[bytes]:
    """Return the pieces for the tags with these names, then the ends; see `json_rows`."""
    pieces = [
        f"{close}{orjson.dumps(name).decode()}:{opening}".encode()
        for name in names
        for close in _CLOSES
        for opening in _OPENS
    ]
    return [*pieces, *_ENDS]


class Tokens:
    """The texts that rows are put together from, numbered: values of fields, pieces, extra texts.

    Token `2 * f` is the value of field `f`.
    """

    def __init__(self, rows: Rows, pieces: bytes, piece_ends: Ints, piece_count: int):
        """`pieces` are those of `key_pieces` in one, `piece_ends` where each of them ends."""
        self._rows = rows
        self._pieces = pieces
        self._piece_ends = piece_ends
        self.first_piece = 2 * len(rows.row)
        self._first_extra = self.first_piece + piece_count
        self.nothing = self._first_extra - len(_ENDS) + _NOTHING
        self._extra: list[bytes] = []
        self._array: pa.Array | None = None

    def add(self, text: bytes) -> int:
        """Return the token of a text that stands nowhere in the block. Not after `take`."""
        self._extra.append(text)
        return self._first_extra + len(self._extra) - 1

    def end_piece(self, kind: int) -> int:
        """Return the token of one of the ends."""
        return self._first_extra - len(_ENDS) + kind

    def take(self, tokens: NDArray[Any]) -> pa.StringArray:
        """Return the texts of `tokens`; the order of offsets is that of `tokens`."""
        if self._array is None:
            self._array = self._build()
        return self._array.take(pa.array(tokens.astype(np.int32, copy=False)))

    def _build(self) -> pa.Array:
        rows, fields = self._rows, len(self._rows.row)
        size = len(rows.data)
        offsets = np.empty(self._first_extra + len(self._extra) + 1, np.int32)
        offsets[0 : 2 * fields : 2] = rows.equals
        offsets[0 : 2 * fields : 2] += 1
        offsets[1 : 2 * fields : 2] = rows.stop
        offsets[2 * fields] = size
        offsets[2 * fields + 1 : self._first_extra + 1] = self._piece_ends
        offsets[2 * fields + 1 : self._first_extra + 1] += size
        if self._extra:
            ends = np.cumsum([len(text) for text in self._extra])
            offsets[self._first_extra + 1 :] = ends + (size + len(self._pieces))
        buffer = pa.py_buffer(b"".join([rows.data, self._pieces, *self._extra]))
        return pa.Array.from_buffers(
            pa.string(), len(offsets) - 1, [None, pa.py_buffer(offsets), buffer]
        )


def json_rows(
    rows: Rows,
    tokens: Tokens,
    keep: NDArray[np.bool_],
    first_of_tag: Ints,
    repeats: Ints,
    escaped: Mapping[int, int],
    texts: Mapping[int, int],
) -> pa.StringArray:
    """Return the JSON object of each row's fields that are in `keep`.

    `first_of_tag[f]` is the first field with the tag of field `f` in its row; `repeats` are the
    fields that are not the first. `escaped` gives tokens of values that JSON wants escaped, `texts`
    the tokens of rows whose whole JSON is known (their fields must not be in `keep`).
    """
    count = len(rows.start)
    source = np.flatnonzero(keep)
    row = rows.row.take(source)
    per_row = np.bincount(row, minlength=count)
    begin = np.cumsum(per_row) - per_row
    variant = np.full(len(source), _AFTER_VALUE, np.int64)
    full = per_row > 0
    variant[begin[full]] = _ROW_START
    ends = np.where(full, _END_VALUE, _EMPTY_OBJECT)
    separators = np.empty(0, np.int64)
    if len(repeats):
        involved = np.zeros(count, bool)
        involved[rows.row.take(repeats)] = True
        places = np.flatnonzero(involved.take(row))
        if len(places):
            group = first_of_tag.take(source[places])
            order = np.argsort(group, kind="stable")
            source[places] = source[places][order]
            group = group[order]
            is_first = np.ones(len(group), bool)
            is_first[1:] = group[1:] != group[:-1]
            goes_on = np.zeros(len(group), bool)
            goes_on[:-1] = ~is_first[1:]
            in_array = goes_on | ~is_first
            starts = np.isin(places, begin[full])
            after_array = np.zeros(len(group), bool)
            after_array[1:] = in_array[:-1]
            variant[places] = np.where(
                starts, _ROW_START, np.where(after_array, _AFTER_ARRAY, _AFTER_VALUE)
            ) + (is_first & goes_on)
            separators = places[~is_first]
            closing = in_array.copy()
            closing[:-1] &= row[places[1:]] != row[places[:-1]]
            ends[row[places[closing]]] = _END_ARRAY
    key = rows.ids.take(source) * _VARIANTS
    key += variant
    key += tokens.first_piece
    key[separators] = tokens.end_piece(_SEPARATOR)
    value = source * 2
    if escaped:
        substitute = np.arange(len(rows.row), dtype=np.int64) * 2
        fields = np.fromiter(escaped, np.int64)
        substitute[fields] = np.fromiter(escaped.values(), np.int64)
        value = substitute.take(source)
    ends += tokens.end_piece(0)
    for index, token in texts.items():
        ends[index] = token
    sequence = np.empty(2 * len(source) + count, np.int32)
    at = np.arange(len(source)) * 2 + row
    sequence[at] = key
    sequence[at + 1] = value
    begin_piece = 2 * begin + np.arange(count)
    sequence[begin_piece + 2 * per_row] = ends
    taken = tokens.take(sequence)
    offsets = np.frombuffer(taken.buffers()[1], np.int32)
    row_offsets = np.empty(count + 1, np.int32)
    row_offsets[:count] = offsets.take(begin_piece)
    row_offsets[count] = offsets[len(sequence)]
    return pa.Array.from_buffers(
        pa.string(), count, [None, pa.py_buffer(row_offsets), taken.buffers()[2]]
    )
