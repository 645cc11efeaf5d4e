"""All messages of a block at once, with numpy and pyarrow; equal to `transforms.fix.scalar`.

The fields of regular messages are read as arrays. What is out of the ordinary (a garbled field, a
header out of order, delimiters inside data, a truncated message) goes to the scalar parser, and its
result is put into the same arrays.
"""

from typing import Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from transforms.fix.between import NO_MSG_TYPE, REASONS, Failure
from transforms.fix.defects import (
    BAD_VALUE,
    BODY_LENGTH,
    CHECK_SUM,
    CHECK_SUM_DELIMITER,
    EMPTY_VALUE,
    TRUNCATED,
)
from transforms.fix.dictionary import merged
from transforms.fix.framing import single_byte
from transforms.fix.json_text import Tokens, json_rows, key_pieces
from transforms.fix.oddities import INSIDE, mark_odd
from transforms.fix.rows import Rows, find_rows
from transforms.fix.scalar import Message, decode, parse_message
from transforms.fix.schema import COLUMNS, DECIMAL, TIME
from transforms.fix.tags import TagTable
from transforms.fix.values import is_beyond
from transforms.fix.words import booleans, decimals, integers, times

__all__ = ["Parsed", "VectorParser"]

Ints = NDArray[np.int64]
_STRINGS = tuple(column for column in COLUMNS if column.type == pa.string())
_TIMES = tuple(column for column in COLUMNS if column.type == TIME)
_DECIMALS = tuple(column for column in COLUMNS if column.type == DECIMAL)
_INTEGERS = tuple(column for column in COLUMNS if column.type == pa.int64())
_BOOLEANS = tuple(column for column in COLUMNS if column.type == pa.bool_())
_GROUPS = (_STRINGS, _TIMES, _DECIMALS, _INTEGERS, _BOOLEANS)
_PLACES = {column.name: (group, n) for group in _GROUPS for n, column in enumerate(group)}


class Parsed(NamedTuple):
    """What a block held: an array a column of `COLUMNS`, and the rest of what a batch needs.

    `start`, `end` and `prefix` are positions in the block; rows in `failed` are no messages.
    """

    columns: dict[str, pa.Array]
    fields: pa.Array
    defects: Ints
    start: Ints
    end: Ints
    prefix: Ints
    failed: list[int]
    failures: list[Failure]
    skipped: int


class VectorParser:
    """A parser of blocks that remembers the tags it has seen."""

    def __init__(self, *, fields: str = "rest"):
        """`fields` is one of `transforms.fix.scalar.FIELDS`."""
        self._all = fields == "all"
        self._fields = fields
        dictionary = merged()
        self._names = dictionary.fields
        self._lengths = dictionary.data_lengths
        own = (column.tag for column in COLUMNS)
        data = self._lengths.values()
        self._tags = TagTable(dict.fromkeys([*self._lengths, 8, 9, 35, 10, *own, *data]))
        self._id = {tag: number for number, tag in enumerate(self._tags.tags)}
        # The ids of data fields, by the ids of their length fields, which are the first ones.
        self.data_ids = [self._id[tag] for tag in data]
        self._known = 0
        self._scratch = np.empty(0, np.int32)

    def parse(self, data: bytes, delimiter: bytes) -> Parsed | None:
        """Return what `data` holds, None if no message begins in it; `delimiter` is one byte."""
        rows = find_rows(data, delimiter, self._tags, len(self._lengths))
        if rows is None:
            return None
        self._learn()
        return _Block(self, rows, delimiter).parsed()

    def _learn(self) -> None:
        """Make the JSON keys of tags that came with the last block."""
        tags = self._tags.tags
        if len(tags) == self._known:
            return
        self._known = len(tags)
        pieces = key_pieces([self._names[t].name if t in self._names else str(t) for t in tags])
        self.pieces = b"".join(pieces)
        self.piece_count = len(pieces)
        self.piece_ends = np.cumsum([len(piece) for piece in pieces])
        # Ids whose fields are left out of the JSON when a column, or the framing, has all they say.
        self.dropped = np.zeros(len(tags) + 1, bool)
        if not self._all:
            self.dropped[[self._id[t] for t in (9, 10, *(column.tag for column in COLUMNS))]] = True

    def firsts(self, rows: Rows, regular: NDArray[np.bool_]) -> tuple[Any, Any, Any]:
        """Return the table (tag id, row) -> first field or -1; each field's first; the repeats."""
        count = len(rows.start)
        size = (len(self._tags.tags) + 1) * count
        if len(self._scratch) < size:
            self._scratch = np.empty(2 * size, np.int32)
        table = self._scratch[:size]
        table.fill(-1)
        number = np.arange(len(rows.row), dtype=np.int32)
        ids = rows.ids if regular.all() else np.where(regular, rows.ids, len(self._tags.tags))
        key = ids * count
        key += rows.row
        table[key[::-1]] = number[::-1]
        first = table.take(key)
        repeats = np.flatnonzero((first != number) & regular)
        return table.reshape(-1, count), first, repeats


class _Block:
    """The reading of one block."""

    def __init__(self, parser: VectorParser, rows: Rows, delimiter: bytes):
        self.parser, self.rows, self.delimiter = parser, rows, delimiter
        self.count = len(rows.start)
        self.id = parser._id
        self.defects = np.zeros(self.count, np.int64)
        self.special = mark_odd(rows, delimiter, parser.data_ids)
        at = np.minimum(rows.first + 1, len(rows.ids) - 1)
        then = np.minimum(rows.first + 2, len(rows.ids) - 1)
        rows.odd |= (rows.ids[at] != self.id[9]) | (rows.ids[then] != self.id[35])
        rows.odd |= rows.last - rows.first < 2
        self.ended = rows.ids[rows.last] == self.id[10]
        self.regular = ~rows.odd.take(rows.row)
        self.regular &= rows.ids != INSIDE
        self.table, self.first, self.repeats = parser.firsts(rows, self.regular)
        self.tokens = Tokens(rows, parser.pieces, parser.piece_ends, parser.piece_count)
        self.escaped: dict[int, int] = {}
        self.recoded: dict[int, int] = {}
        self.inexact: list[Ints] = []
        # What the scalar parser read, by the type of column: (number of the column, row, value).
        self.cells: dict[Any, list[tuple[int, int, Any]]] = {group: [] for group in _GROUPS}
        self.scalar = self._parse_odd()

    def _parse_odd(self) -> dict[int, Message | None]:
        rows = self.rows
        parsed = {}
        for row in np.flatnonzero(rows.odd).tolist():
            own = rows.delimiters.get(row, self.delimiter)
            message = rows.data[rows.start[row] : rows.end[row]]
            one = own if len(own) == 1 else b"\x01"
            read = parse_message(single_byte(message, own), one, fields=self.parser._fields)
            parsed[row] = read
            for name, value in read.columns.items() if read else ():
                columns, number = _PLACES[name]
                self.cells[columns].append((number, row, value))
        return parsed

    # The columns.

    def parsed(self) -> Parsed:
        rows = self.rows
        self._check_framing()
        self._check_values()
        columns: dict[str, pa.Array] = {}
        for group, reader in (
            (_DECIMALS, decimals),
            (_TIMES, times),
            (_INTEGERS, integers),
            (_BOOLEANS, booleans),
        ):
            columns |= self._numbers(group, reader)
        self._texts()
        columns |= self._strings()
        scalar_json = {}
        failed, failures = [], list(rows.failures)
        for row, message in self.scalar.items():
            if message is None:
                failed.append(row)
                at = int(rows.prefix[row])
                raw = rows.data[at : rows.end[row]]
                failures.append(Failure(at, NO_MSG_TYPE, REASONS[NO_MSG_TYPE], raw))
                scalar_json[row] = self._empty_token
            else:
                self.defects[row] = message.defects
                scalar_json[row] = self._json_tokens[row]
        keep = self._kept()
        fields = json_rows(
            rows, self.tokens, keep, self.first, self.repeats, self.escaped, scalar_json
        )
        return Parsed(
            {column.name: columns[column.name] for column in COLUMNS},
            fields,
            self.defects,
            rows.start,
            rows.end,
            rows.prefix,
            failed,
            sorted(failures),
            rows.skipped,
        )

    def _check_framing(self) -> None:
        """Verify BodyLength and CheckSum of the regular rows."""
        rows = self.rows
        regular = np.flatnonzero(~rows.odd & self.ended)
        self.defects[~rows.odd & ~self.ended] |= TRUNCATED
        if not len(regular):
            return
        length, trailer = rows.first[regular] + 1, rows.last[regular]
        at = rows.equals[length] + 1
        wide = rows.stop[length] - at
        values, valid = integers(
            rows.words, at, wide, lambda i: _digits(self.rows.value(int(length[i])))
        )
        right = valid & (values == rows.tag[trailer] - rows.stop[length] - 1)
        self.defects[regular[~right]] |= BODY_LENGTH
        found = rows.words[rows.equals[trailer] + 1]
        written = np.zeros(len(regular), np.int64)
        good = rows.stop[trailer] - rows.equals[trailer] == 4
        for place, power in enumerate((100, 10, 1)):
            digit = ((found >> np.uint64(8 * place)) & np.uint64(0xFF)).view(np.int64) - 48
            good &= (digit >= 0) & (digit < 10)
            written += digit * power
        ends = np.empty(2 * len(regular), np.int64)
        ends[0::2], ends[1::2] = rows.start[regular], rows.tag[trailer]
        plain = np.add.reduceat(rows.octets, ends, dtype=np.uint8)[0::2].astype(np.int64)
        delimiters = trailer - rows.first[regular]
        real = (plain + (1 - self.delimiter[0]) * delimiters) & 255
        wrong = ~good | (real != written)
        over_delimiter = wrong & good & (plain == written)
        self.defects[regular[wrong & ~over_delimiter]] |= CHECK_SUM
        self.defects[regular[over_delimiter]] |= CHECK_SUM_DELIMITER

    def _check_values(self) -> None:
        rows = self.rows
        empty = np.flatnonzero((rows.stop - rows.equals == 1) & self.regular)
        self.defects[rows.row[empty]] |= EMPTY_VALUE

    def _numbers(self, columns, reader) -> dict[str, pa.Array]:
        """Read the columns of one type that is not text."""
        rows, count = self.rows, self.count
        where = self.table[[self.id[column.tag] for column in columns]].ravel()
        cells = np.flatnonzero(where >= 0)
        fields = where[cells].astype(np.int64)
        at = rows.equals[fields] + 1
        length = rows.stop[fields] - at
        text = lambda index: decode(self.rows.value(int(fields[index])))  # noqa: E731
        values, valid, *rest = reader(rows.words, at, length, text)
        exact = rest[0] if rest else valid
        self.inexact.append(fields[~exact])
        kind = columns[0].type
        for index in np.flatnonzero(~valid & (length > 0)).tolist():
            if kind in (TIME, DECIMAL) and is_beyond(text(index)):
                continue
            self.defects[rows.row[fields[index]]] |= BAD_VALUE
        width = values.shape[1:]
        whole = np.zeros((len(where), *width), values.dtype)
        whole[cells] = values
        present = np.zeros(len(where), bool)
        present[cells] = valid
        for number, row, value in self.cells[columns]:
            place = number * count + row
            present[place] = True
            if width:
                value = np.frombuffer(value.to_bytes(16, "little", signed=True), np.int64)
            whole[place] = value
        return {
            column.name: _array(
                kind, whole[n * count : (n + 1) * count], present[n * count : (n + 1) * count]
            )
            for n, column in enumerate(columns)
        }

    def _texts(self) -> None:
        """Give tokens to values that JSON escapes or that are not UTF-8, and to scalar rows."""
        for field in self.special.tolist():
            if not self.regular[field]:
                continue
            value = self.rows.value(field)
            text = decode(value)
            self.escaped[field] = self.tokens.add(orjson.dumps(text)[1:-1])
            recoded = text.encode()
            if recoded != value:
                self.recoded[field] = self.tokens.add(recoded)
        self._empty_token = self.tokens.add(b"{}")
        self._json_tokens = {
            row: self.tokens.add(message.fields) for row, message in self.scalar.items() if message
        }

    def _strings(self) -> dict[str, pa.Array]:
        count, tokens = self.count, self.tokens
        table = self.table[[self.id[column.tag] for column in _STRINGS]]
        taken = table.astype(np.int64) * 2
        present = table >= 0
        taken[~present] = tokens.nothing
        for field, token in self.recoded.items():
            row = self.rows.row[field]
            taken[table[:, row] == field, row] = token
        for number, row, value in self.cells[_STRINGS]:
            present[number, row] = True
            taken[number, row] = tokens.add(value.encode())
        # Columns that no message of the block has need no texts.
        used = np.flatnonzero(present.any(axis=1))
        _, offsets, buffer = tokens.take(taken[used].ravel()).buffers()
        columns = {column.name: pa.nulls(count, pa.string()) for column in _STRINGS}
        for place, number in enumerate(used.tolist()):
            nulls = count - int(np.count_nonzero(present[number]))
            bitmap = pa.py_buffer(np.packbits(present[number], bitorder="little"))
            columns[_STRINGS[number].name] = pa.Array.from_buffers(
                pa.string(),
                count,
                [
                    bitmap if nulls else None,
                    offsets.slice(4 * place * count, 4 * (count + 1)),
                    buffer,
                ],
                nulls,
            )
        return columns

    def _kept(self) -> NDArray[np.bool_]:
        """Tell which fields stand in the JSON."""
        rows = self.rows
        dropped = self.parser.dropped.take(rows.ids, mode="clip")
        dropped[self.repeats] = False
        dropped[self.first.take(self.repeats)] = False
        for fields in self.inexact:
            dropped[fields] = False
        # What the framing fields say is known only where they are right.
        cut_off = np.flatnonzero(~rows.odd & ~self.ended)
        dropped[rows.first[cut_off] + 1] = False
        sums = self.table[self.id[10], cut_off]
        dropped[sums[sums >= 0]] = False
        wrong = np.flatnonzero(self.defects & BODY_LENGTH)
        wrong = wrong[~rows.odd[wrong]]
        dropped[rows.first[wrong] + 1] = False
        wrong = np.flatnonzero(self.defects & (CHECK_SUM | CHECK_SUM_DELIMITER))
        wrong = wrong[~rows.odd[wrong]]
        dropped[rows.last[wrong]] = False
        return self.regular & ~dropped


def _digits(value: bytes) -> str:
    # The scalar parser reads nine digits of a BodyLength, `read_int` more.
    return value.decode("latin-1") if len(value) <= 9 else ""


def _array(kind: pa.DataType, values: Any, present: NDArray[np.bool_]) -> pa.Array:
    nulls = len(present) - int(np.count_nonzero(present))
    if kind == pa.bool_():
        return pa.array(values, mask=~present)
    bitmap = pa.py_buffer(np.packbits(present, bitorder="little")) if nulls else None
    buffer = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(kind, len(present), [bitmap, buffer], nulls)
