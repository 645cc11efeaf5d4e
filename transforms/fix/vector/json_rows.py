"""Puts JSON texts together from pieces of the block: one Arrow `take` for all of its messages."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from fixfeed.transforms.fix.arrays import Ints
from fixfeed.transforms.fix.scalar.fields import decode
from fixfeed.transforms.fix.vector.json_layout import Layout
from fixfeed.transforms.fix.vector.rows import Rows
from fixfeed.transforms.fix.vector.slots import COUNT, Slots

__all__ = ["PARTS", "PLAIN", "Pieces", "Tokens", "escape", "json_rows"]

PLAIN, PARTS = range(2)
"""A message as one object, and as one of header, body and trailer."""


class Pieces:
    """The texts of all pairs, for all blocks; new ones are added after those there are."""

    def __init__(self, slots: Slots, *, parts: bool):
        """`parts` decides whether there are texts of messages in parts too."""
        self._slots = slots
        self._parts = parts
        self._texts: list[bytes] = []
        self.joined = b""
        self.ends = np.zeros(0, np.int64)

    def learn(self) -> None:
        """Take in the pairs that are new; to be called before the texts are used."""
        new = self._slots.pairs[len(self) :]
        if not new:
            return
        for pair in new:
            self._texts.append(pair.plain.encode())
            if self._parts:
                self._texts.append(pair.parts.encode())
        self.joined = b"".join(self._texts)
        self.ends = np.cumsum([len(text) for text in self._texts])

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self._texts) // (2 if self._parts else 1)

    def places(self, pairs: Ints, form: int) -> Ints:
        """Return the places of the texts of pairs."""
        return pairs * 2 + form if self._parts else pairs


class Tokens:
    """The texts that rows are put together from, numbered: values of fields, pieces, extra texts.

    Token `2 * f` is the value of field `f`.
    """

    def __init__(self, rows: Rows, shown: bytes | bytearray, pieces: Pieces):
        """`shown` are the bytes of the block as people may see them.

        `pieces` must not change any more.
        """
        self._rows = rows
        self._shown = shown
        self._pieces = pieces
        self._first_piece = 2 * len(rows.row)
        self._first_extra = self._first_piece + len(pieces.ends)
        self._extra: list[bytes] = []
        self._array: pa.Array | None = None
        self.nothing = self.add(b"")

    def add(self, text: bytes) -> int:
        """Return the token of a text that is nowhere in the block. Not after `take`."""
        self._extra.append(text)
        return self._first_extra + len(self._extra) - 1

    def pairs(self, pairs: Ints, form: int) -> Ints:
        """Return the tokens of pairs, as text of one of the forms."""
        return self._pieces.places(pairs, form) + self._first_piece

    def take(self, tokens: NDArray[Any]) -> pa.StringArray:
        """Return the texts of `tokens`; the order of offsets is that of `tokens`."""
        if self._array is None:
            self._array = self._build()
        return self._array.take(pa.array(tokens.astype(np.int32, copy=False)))

    def _build(self) -> pa.Array:
        rows, fields = self._rows, len(self._rows.row)
        size = len(self._shown)
        offsets = np.empty(self._first_extra + len(self._extra) + 1, np.int32)
        np.add(rows.equals, 1, out=offsets[0 : 2 * fields : 2], casting="same_kind")
        offsets[1 : 2 * fields : 2] = rows.stop
        offsets[2 * fields] = size
        pieces = offsets[2 * fields + 1 : self._first_extra + 1]
        pieces[:] = self._pieces.ends
        pieces += size
        ends = np.cumsum([len(text) for text in self._extra])
        offsets[self._first_extra + 1 :] = ends + (size + len(self._pieces.joined))
        buffer = pa.py_buffer(b"".join([self._shown, self._pieces.joined, *self._extra]))
        return pa.Array.from_buffers(
            pa.string(), len(offsets) - 1, [None, pa.py_buffer(offsets), buffer]
        )


def escape(rows: Rows, fields: Ints, tokens: Tokens) -> tuple[dict[int, int], dict[int, int]]:
    """Return, by field, tokens of values as JSON escapes them, and of those that are not UTF-8."""
    escaped: dict[int, int] = {}
    recoded: dict[int, int] = {}
    at, end = (rows.equals.take(fields) + 1).tolist(), rows.stop.take(fields).tolist()
    for field, begin, stop in zip(fields.tolist(), at, end, strict=True):
        value = rows.data[begin:stop]
        text = decode(value)
        escaped[field] = tokens.add(orjson.dumps(text)[1:-1])
        if not value.isascii() and (again := text.encode()) != value:
            recoded[field] = tokens.add(again)
    return escaped, recoded


def json_rows(
    slots: Slots,
    layout: Layout,
    tokens: Tokens,
    form: int,
    escaped: Mapping[int, int],
    whole: Mapping[int, int],
) -> pa.StringArray:
    """Return the JSON text of each row, in one of the forms.

    `escaped` has tokens of values that JSON wants escaped, by field; `whole` those of rows that are
    laid out as whole, by row.
    """
    count = len(layout.begin)
    fields = len(layout.source)
    value = layout.source * 2
    if escaped:
        number = np.fromiter(escaped, np.int64)
        substitute = np.arange(int(layout.source.max()) + 1) * 2
        number_here = number < len(substitute)
        substitute[number[number_here]] = np.fromiter(escaped.values(), np.int64)[number_here]
        value = substitute.take(layout.source)
    value[slots.flags.take(layout.slot) & COUNT > 0] = tokens.nothing
    value[layout.begin[list(whole)]] = list(whole.values())
    sequence = np.empty(2 * fields + 1, np.int32)
    sequence[0::2] = tokens.pairs(layout.pairs, form)
    sequence[1::2] = value
    if len(layout.silent):
        sequence[2 * layout.silent] = sequence[2 * layout.silent + 1] = tokens.nothing
    taken = tokens.take(sequence)
    offsets = np.frombuffer(taken.buffers()[1], np.int32)
    row_offsets = np.empty(count + 1, np.int32)
    row_offsets[:count] = offsets.take(2 * layout.begin)
    before = layout.slot.take(np.maximum(layout.begin - 1, 0))
    row_offsets[1:count] += slots.closing[:, form].take(before[1:])
    row_offsets[count] = offsets[len(sequence)]
    return pa.Array.from_buffers(
        pa.string(), count, [None, pa.py_buffer(row_offsets), taken.buffers()[2]]
    )
