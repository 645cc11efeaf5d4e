"""The typed columns of a block, read from its bytes at once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from fixfeed.transforms.fix.arrays import Ints, Mask
from fixfeed.transforms.fix.scalar.fields import decode
from fixfeed.transforms.fix.scalar.message import Message, unreadable
from fixfeed.transforms.fix.schema import COLUMNS, DATE, DECIMAL, TIME, Column
from fixfeed.transforms.fix.vector.json_rows import Tokens
from fixfeed.transforms.fix.vector.rows import Rows
from fixfeed.transforms.fix.vector.values import booleans, dates, decimals, integers, times

__all__ = ["TypedColumns", "read_columns"]

_STRINGS = tuple(column for column in COLUMNS if column.type == pa.string())
_NAMES = {column.name: number for number, column in enumerate(_STRINGS)}
_PARTIES = [_NAMES[name] for name in ("begin_string", "sender_comp_id", "target_comp_id")]
_READERS: tuple[tuple[pa.DataType, Callable[..., Any], tuple[Column, ...]], ...] = tuple(
    (kind, reader, tuple(column for column in COLUMNS if column.type == kind))
    for kind, reader in (
        (DECIMAL, decimals),
        (TIME, times),
        (DATE, dates),
        (pa.int64(), integers),
        (pa.bool_(), booleans),
    )
)


class _Cells(NamedTuple):
    """The values of all columns of one type, column after column."""

    columns: tuple[Column, ...]
    values: Any
    present: Mask


def read_columns(rows: Rows, table: Ints, ids: Mapping[int, int], empty: Ints) -> "TypedColumns":
    """Read the columns that are not text.

    `table[id]` gives, for each row, the first field with a tag at the message's level, or -1; `ids`
    the id of a tag. `empty` are the fields without a value.
    """
    parts, inexact = [], []
    defects = np.zeros(len(rows.start), np.int64)
    for kind, reader, columns in _READERS:
        where = table[[ids[column.tag] for column in columns]].ravel()
        cells = np.flatnonzero(where >= 0)
        fields = where.take(cells).astype(np.int64)
        found, valid, exact, wrong = _read(rows, fields, kind, reader)
        values = np.zeros((len(where), *found.shape[1:]), found.dtype)
        values[cells] = found
        present = np.zeros(len(where), bool)
        present[cells] = valid
        parts.append(_Cells(columns, values, present))
        inexact.append(fields[~exact])
        for field, defect in wrong:
            defects[rows.row[field]] |= defect
    texts = table[[ids[column.tag] for column in _STRINGS]]
    numbers = {ids[column.tag]: number for number, column in enumerate(_STRINGS)}
    if len(empty):
        number_of = np.full(max(numbers) + 2, -1)
        number_of[list(numbers)] = list(numbers.values())
        # The last one stands for all other tags.
        tags = rows.ids.take(empty)
        number = number_of.take(np.where(tags < 0, len(number_of), tags), mode="clip")
        row = rows.row.take(empty)
        in_column = (number >= 0) & (texts[number, row] == empty)
        texts[number[in_column], row[in_column]] = -1
        inexact.append(empty[in_column])
    return TypedColumns(rows, parts, texts, numbers, np.concatenate(inexact), defects)


def _read(
    rows: Rows, fields: Ints, kind: pa.DataType, reader: Callable[..., Any]
) -> tuple[Any, Mask, Mask, list[tuple[int, int]]]:
    """Return the values of fields, which are valid and exact, and the others with their defects."""
    at = rows.equals.take(fields)
    at += 1
    length = rows.stop.take(fields)
    length -= at

    def text(index: int) -> str:
        return decode(rows.value(int(fields[index])))

    values, valid, *rest = reader(rows.words, at, length, text)
    wrong = [
        (int(fields[index]), unreadable(text(index), kind))
        for index in np.flatnonzero(~valid & (length > 0)).tolist()
    ]
    return values, valid, rest[0] if rest else valid, wrong


@dataclass(frozen=True, slots=True)
class TypedColumns:
    """The columns of the rows that are not odd; the scalar parser gives those of the others.

    `inexact` are the fields whose text has more than their column holds; `defects` has those of
    each row, for values that are not of their type. `texts[n]` has the fields of text column `n` by
    row, or -1, and `numbers` has `n` by the id of its tag.
    """

    rows: Rows
    parts: list[_Cells]
    texts: Ints
    numbers: Mapping[int, int]
    inexact: Ints
    defects: Ints

    def arrays(
        self, scalar: Mapping[int, Message | None], tokens: Tokens, recoded: Mapping[int, int]
    ) -> dict[str, pa.Array]:
        """Return an array for each column, and `session`.

        `scalar` are the messages of odd rows; `recoded` gives tokens of values that are not UTF-8.
        To be called once, as the values of odd rows are put into the columns themselves.
        """
        odd, count = np.array(sorted(scalar), np.int64), len(self.rows.start)
        columns: dict[str, pa.Array] = {}
        for part in self.parts:
            _put(part, odd, scalar, count)
            kind = part.columns[0].type
            for number, column in enumerate(part.columns):
                cells = slice(number * count, (number + 1) * count)
                columns[column.name] = _array(kind, part.values[cells], part.present[cells])
        return columns | self._strings(odd, scalar, tokens, recoded)

    def _strings(
        self,
        odd: Ints,
        scalar: Mapping[int, Message | None],
        tokens: Tokens,
        recoded: Mapping[int, int],
    ) -> dict[str, pa.Array]:
        rows, count = self.rows, len(self.rows.start)
        present = self.texts >= 0
        present[:, odd] = False
        taken = np.where(present, self.texts * np.int32(2), np.int32(tokens.nothing))
        for field, token in recoded.items():
            number, row = self.numbers.get(int(rows.ids[field])), rows.row[field]
            if number is not None and self.texts[number, row] == field:
                taken[number, row] = token
        for row, message in scalar.items():
            for name, value in message.columns.items() if message else ():
                if name in _NAMES:
                    present[_NAMES[name], row] = True
                    taken[_NAMES[name], row] = tokens.add(value.encode())
        # Columns that no message of the block has need no texts.
        used = np.flatnonzero(present.any(axis=1)).tolist()
        complete = np.logical_and.reduce(present[_PARTIES])
        sessions = np.empty((count, 2 * len(_PARTIES) - 1), np.int32)
        sessions[:, 0::2] = taken[_PARTIES].T
        sessions[:, 1::2] = tokens.add(b":"), tokens.add(b"->")
        sessions[~complete] = tokens.nothing
        texts = tokens.take(np.concatenate([taken[used].ravel(), sessions.ravel()]))
        _, offsets, buffer = texts.buffers()
        columns = dict.fromkeys(_NAMES, pa.nulls(count, pa.string()))
        for place, number in enumerate(used):
            ends = offsets.slice(4 * place * count, 4 * (count + 1))
            columns[_STRINGS[number].name] = _text_array(present[number], ends, buffer)
        ends = np.frombuffer(offsets, np.int32)[len(used) * count :: sessions.shape[1]]
        columns["session"] = _text_array(complete, pa.py_buffer(ends.copy()), buffer)
        return columns


def _put(part: _Cells, odd: Ints, scalar: Mapping[int, Message | None], count: int) -> None:
    """Put the scalar parser's values for odd rows into their cells; `count` is that of all rows."""
    if not len(odd):
        return
    part.present.reshape(-1, count)[:, odd] = False
    cells, values = [], []
    for row, message in scalar.items():
        content = message.columns if message else {}
        for number, column in enumerate(part.columns):
            if column.name in content:
                cells.append(number * count + row)
                values.append(content[column.name])
    if cells and part.columns[0].type == DECIMAL:
        octets = b"".join(value.to_bytes(16, "little", signed=True) for value in values)
        part.values[cells] = np.frombuffer(octets, np.int64).reshape(-1, 2)
    elif cells:
        part.values[cells] = values
    part.present[cells] = True


def _text_array(present: Mask, offsets: pa.Buffer, texts: pa.Buffer) -> pa.Array:
    count = len(present)
    nulls = count - int(np.count_nonzero(present))
    bitmap = pa.py_buffer(np.packbits(present, bitorder="little")) if nulls else None
    return pa.Array.from_buffers(pa.string(), count, [bitmap, offsets, texts], nulls)


def _array(kind: pa.DataType, values: Any, present: Mask) -> pa.Array:
    nulls = len(present) - int(np.count_nonzero(present))
    if kind == pa.bool_():
        return pa.array(values, mask=~present)
    bitmap = pa.py_buffer(np.packbits(present, bitorder="little")) if nulls else None
    if kind == DATE:
        values = values.astype(np.int32)
    buffer = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(kind, len(present), [bitmap, buffer], nulls)
