"""All messages of a block at once, with numpy and pyarrow; equal to `scalar.message`.

The fields of regular messages are read as arrays. What is out of the ordinary (no `=` in a field, a
header out of order, delimiters inside data, a truncated message) goes to the scalar parser, and its
result is put into the same arrays.
"""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fixfeed.transforms.batch import Failure
from fixfeed.transforms.fix.defects import (
    BODY_LENGTH,
    CHECK_SUM,
    CHECK_SUM_DELIMITER,
    EMPTY_VALUE,
    REPEATED_TAG,
    UNKNOWN_VERSION,
)
from fixfeed.transforms.fix.framing.leftovers import NO_MSG_TYPE, REASONS
from fixfeed.transforms.fix.parsed import Parsed
from fixfeed.transforms.fix.reading import Reading
from fixfeed.transforms.fix.scalar.message import Message, parse_message
from fixfeed.transforms.fix.schema import COLUMNS
from fixfeed.transforms.fix.vector.columns import TypedColumns
from fixfeed.transforms.fix.vector.fallback import mark_odd
from fixfeed.transforms.fix.vector.first_fields import FirstFields
from fixfeed.transforms.fix.vector.framing_checks import check_framing
from fixfeed.transforms.fix.vector.groups import RowTypes, find_slots
from fixfeed.transforms.fix.vector.json_layout import Layout, check_groups, lay_out
from fixfeed.transforms.fix.vector.json_rows import PLAIN, Pieces, Tokens, escape, json_rows
from fixfeed.transforms.fix.vector.masking import SecretRows
from fixfeed.transforms.fix.vector.rows import Rows, find_rows
from fixfeed.transforms.fix.vector.slots import COUNT, GARBLED, Slots
from fixfeed.transforms.fix.vector.tag_ids import TagTable
from fixfeed.transforms.fix.vector.validation import FieldChecks

__all__ = ["VectorParser"]

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


class VectorParser:
    """A parser of blocks that remembers the tags and places of fields that it has seen."""

    def __init__(self, reading: Reading):
        """`reading` says how."""
        self.reading = reading
        self._lengths = {
            int(length): int(data) for length, data in reading.dictionaries.data_tags.items()
        }
        own = [column.tag for column in COLUMNS]
        data = self._lengths.values()
        secret = sorted(reading.masking.tags)
        self._tags = TagTable(
            dict.fromkeys([*self._lengths, 8, 9, 35, 10, 1128, *own, *data, _ENCODING, *secret]),
            lambda text: not reading.masking.secrets.damaged(text),
        )
        self.ids = {tag: number for number, tag in enumerate(self._tags.tags)}
        # The ids of data fields, by the ids of their length fields, which are the first ones.
        self.data_ids = [self.ids[tag] for tag in data]
        self.slots = Slots(self._tags)
        self.secrets = SecretRows(reading.masking, self._tags, set(data), also=_ENCODING)
        self.checks = FieldChecks(self.slots)
        self.types = RowTypes(self.slots, reading.dictionaries, self.ids)
        self.pieces = Pieces(self.slots, parts=reading.fix_json)
        self.hashed = lru_cache(1 << 16)(reading.masking.hashed)
        self.firsts = FirstFields([self.ids[tag] for tag in (10, *own)])

    def parse(self, data: bytes, delimiter: bytes, logged_on: Mapping[str, str]) -> Parsed | None:
        """Return what `data` holds, None if no message begins in it; `delimiter` is one byte."""
        rows = find_rows(data, delimiter, self._tags, len(self._lengths))
        return None if rows is None else _Block(self, rows, delimiter, logged_on).parsed()

    @property
    def tag_count(self) -> int:
        """How many tags have ids."""
        return len(self._tags.tags)

    def tag(self, number: int) -> int:
        """Return the tag that has an id."""
        return self._tags.tags[number]

    def dropped(self, tags: tuple[int, ...]) -> Mask:
        """Return a mask of ids with those of `tags` set."""
        mask = np.zeros(len(self._tags.tags) + 1, bool)
        mask[[self.ids[tag] for tag in tags]] = True
        return mask


_ENCODING = 347  # MessageEncoding: the texts of such messages are read one by one
_FRAMING = 9, 10
_LEFT_OUT = (*_FRAMING, *(column.tag for column in COLUMNS))


class _Block:
    """The reading of one block."""

    def __init__(
        self, parser: VectorParser, rows: Rows, delimiter: bytes, logged_on: Mapping[str, str]
    ):
        self.parser, self.rows, self.delimiter, self.logged_on = parser, rows, delimiter, logged_on
        self.slots, self.id = parser.slots, parser.ids
        self.count = len(rows.start)
        self.defects = np.zeros(self.count, np.int64)
        self.delimiters = rows.last - rows.first
        self.special = mark_odd(rows, delimiter, parser.data_ids)
        at = np.minimum(rows.first + 1, len(rows.ids) - 1)
        then = np.minimum(rows.first + 2, len(rows.ids) - 1)
        rows.odd |= (rows.ids[at] != self.id[9]) | (rows.ids[then] != self.id[35])
        rows.odd |= rows.last - rows.first < 2
        self.ended = rows.ids[rows.last] == self.id[10]
        secrets = parser.secrets.find(rows)
        rows.odd[secrets.rows] = True
        shown = np.ones(len(rows.ids), bool)
        shown[secrets.hidden] = shown[secrets.hashed] = False
        self.special = self.special[shown.take(self.special)]
        self.types = parser.types.find(rows, logged_on)
        self.slot, self.flags = find_slots(
            rows, self.slots, self.types, self.special, self.id[35], self.defects
        )
        own = self.slots.own_ids.take(self.slot)
        self.level = own >= 0
        self.table, self.first, self.repeats = parser.firsts.find(
            own, rows.row, count=self.count, tags=parser.tag_count
        )
        self.defects[rows.row.take(self.repeats)] |= REPEATED_TAG
        # A group that is repeated goes on with its first array; what is no tag is not repeated.
        unlike = self.flags[self.repeats] & (COUNT | GARBLED) > 0
        rows.odd[rows.row[self.repeats[unlike]]] = True
        unknown = self.slots.of_unknown_versions
        if unknown:
            self.defects[np.isin(self.types, unknown)] |= UNKNOWN_VERSION
        check_framing(rows, delimiter, self.ended, self.delimiters, self.defects)
        empty = np.flatnonzero(rows.stop - rows.equals == 1)
        self.defects[rows.row[empty[self.flags[empty] & GARBLED == 0]]] |= EMPTY_VALUE
        self.columns = TypedColumns(rows, self.table, self.id, self.defects)
        self.layouts = self._lay_out()
        self.scalar = self._parse_odd()
        self.secrets = secrets.but(rows.odd, rows.row)

    def _lay_out(self) -> list[Layout]:
        """Lay out the JSON texts, and find the rows that cannot be."""
        reading = self.parser.reading
        tags = _LEFT_OUT if reading.fields == "rest" else ()
        layouts = [self._layout(tags)]
        bad, begins = check_groups(self.rows, self.slots, layouts[0], self.defects)
        if reading.validate == "dictionary":
            self.parser.checks.check(
                self.rows,
                self.types,
                self.slot,
                self.special,
                self.repeats,
                layouts[0].source[begins],
                self.defects,
            )
        if reading.fix_json:
            layouts.append(self._layout(_FRAMING))
            section = self.slots.section
            repeats, first = self.repeats, self.first.take(self.repeats)
            moved = section.take(self.slot.take(repeats)) != section.take(self.slot.take(first))
            bad = np.union1d(bad, self.rows.row.take(repeats[moved]))
        for layout in layouts:
            without = layout.without_text(self.rows.row)
            bad = np.union1d(bad, without) if len(without) else bad
        bad = bad[~self.rows.odd[bad]]
        if len(bad):
            self.rows.odd[bad] = True
            for layout in layouts:
                layout.replace(self.slots, bad)
        return layouts

    def _layout(self, left_out: tuple[int, ...]) -> Layout:
        keep = self._kept(left_out)
        return lay_out(self.rows, self.slots, self.slot, keep, self.first, self.repeats)

    def _parse_odd(self) -> dict[int, Message | None]:
        rows = self.rows
        parsed = {}
        for row in np.flatnonzero(rows.odd).tolist():
            own = rows.delimiters.get(row, self.delimiter)
            message = rows.data[rows.start[row] : rows.end[row]]
            parsed[row] = parse_message(message, own, self.parser.reading, self.logged_on)
        return parsed

    def parsed(self) -> Parsed:
        """Return the result."""
        rows, reading = self.rows, self.parser.reading
        self.parser.pieces.learn()
        shown = self.secrets.asterisks(rows)
        tokens = Tokens(rows, shown, self.parser.pieces)
        special = self.special[~rows.odd[rows.row[self.special]]]
        escaped, recoded = escape(rows, special, tokens)
        hashes, raws = self.secrets.hashes(rows, shown, self.parser.hashed)
        for field, text in hashes.items():
            escaped[field] = recoded[field] = tokens.add(text)
        masked = self.secrets.tags(rows, self.parser.tag)
        failed, failures = [], list(rows.failures)
        self.defects &= reading.wanted
        for row, message in self.scalar.items():
            if message is None:
                failed.append(row)
                at = int(rows.prefix[row])
                raw = rows.data[at : rows.end[row]]
                failures.append(Failure(at, NO_MSG_TYPE, REASONS[NO_MSG_TYPE], raw))
                continue
            self.defects[row] = message.defects
            if message.raw is not None:
                raws[row], masked[row] = message.raw, message.masked or ""
        nothing = Message({}, b"{}", 0, b"{}")
        known = {row: message or nothing for row, message in self.scalar.items()}
        wholes = [
            {row: tokens.add(_text(known.get(row, nothing), form)) for row in layout.whole_rows()}
            for form, layout in enumerate(self.layouts)
        ]
        columns = self.columns.arrays(self.scalar, tokens, recoded)
        fields, *fix_json = (
            json_rows(self.slots, layout, tokens, form, escaped, whole)
            for form, (layout, whole) in enumerate(zip(self.layouts, wholes, strict=True))
        )
        return Parsed(
            columns,
            fields,
            self.defects,
            rows.start,
            rows.end,
            rows.prefix,
            failed,
            sorted(failures),
            rows.skipped,
            fix_json[0] if fix_json else None,
            masked,
            raws,
            shown,
        )

    def _kept(self, left_out: tuple[int, ...]) -> Mask:
        """Tell which fields stand in the JSON, where those of some tags have no need to."""
        rows = self.rows
        keep = ~rows.fields_of(rows.odd)
        if not left_out:
            return keep
        dropped = self.parser.dropped(left_out).take(rows.ids, mode="clip")
        dropped &= self.level
        dropped[self.repeats] = False
        dropped[self.first.take(self.repeats)] = False
        if left_out is not _FRAMING:
            dropped[self.columns.inexact] = False
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
        return keep & ~dropped


def _text(message: Message, form: int) -> bytes:
    return message.fields if form == PLAIN else message.fix_json
