"""All messages of a block at once, with numpy and pyarrow; equal to `scalar.message`.

The fields of regular messages are read as arrays. Messages out of the ordinary are *odd*: the
scalar parser reads them, and its result is put into the same arrays. Rows become odd in this order,
and each step passes over the rows that were odd before it:

1. `find_rows`: a row has a newline inside, no BeginString, or a delimiter of its own;
2. `join_data_fields`: a data field is not as long as its length field says;
3. `special_fields`: there is a control byte in a tag;
4. a field has no tag, the row does not begin with BeginString, BodyLength and a plain MsgType, or
   a text is longer than its column holds;
5. `SecretRows.find`: a secret is hidden inside a value, or has to be masked by itself;
6. `RowTypes.find`: there is no room for its version or MsgType, or these are longer than a word;
7. `find_slots`: only the scalar parser can place one of its fields;
8. a tag is repeated that opens a group, or that is not a tag;
9. `check_groups`: its groups are not as they count, or cannot be nested; for the JSON of a message
   in parts, a tag is repeated in another part; or there is no room for its pairs.

The defects that a step finds in odd rows do not count: the scalar parser finds them again.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fixfeed.transforms.batch import Failure
from fixfeed.transforms.fix.arrays import Ints, Mask
from fixfeed.transforms.fix.defects import (
    BAD_FIELD,
    BODY_LENGTH,
    CHECK_SUM,
    CHECK_SUM_DELIMITER,
    EMPTY_VALUE,
    REPEATED_TAG,
    UNKNOWN_VERSION,
)
from fixfeed.transforms.fix.dictionary.choose import APPL_VER_ID
from fixfeed.transforms.fix.framing.leftovers import NO_MSG_TYPE, REASONS
from fixfeed.transforms.fix.parsed import Parsed
from fixfeed.transforms.fix.reading import Reading
from fixfeed.transforms.fix.scalar.message import Message, parse_message
from fixfeed.transforms.fix.schema import COLUMNS, LONGEST_TEXT, is_short
from fixfeed.transforms.fix.vector.columns import TypedColumns, read_columns
from fixfeed.transforms.fix.vector.fallback import join_data_fields, special_fields
from fixfeed.transforms.fix.vector.first_fields import FirstFields, Firsts
from fixfeed.transforms.fix.vector.framing_checks import check_framing
from fixfeed.transforms.fix.vector.groups import APPL_VERS, Places, RowTypes, find_slots
from fixfeed.transforms.fix.vector.json_layout import Layout, check_groups, lay_out
from fixfeed.transforms.fix.vector.json_rows import PLAIN, Pieces, Tokens, escape, json_rows
from fixfeed.transforms.fix.vector.masking import SecretRows, Secrets
from fixfeed.transforms.fix.vector.rows import Rows, find_rows
from fixfeed.transforms.fix.vector.slots import COUNT, GARBLED, Slots
from fixfeed.transforms.fix.vector.tag_ids import TagTable
from fixfeed.transforms.fix.vector.validation import FieldChecks

__all__ = ["VectorParser"]

_ENCODING = 347  # MessageEncoding: the texts of such messages are read one by one
_FRAMING = 9, 10
_APPLIED = pa.array([name or None for name in APPL_VERS], pa.string())
_COLUMN_TAGS = tuple(column.tag for column in COLUMNS)


class _Placed(NamedTuple):
    """The fields of a block after the first eight steps.

    `odd` are the rows that are odd so far, `ended` those that end with CheckSum; `special` are the
    fields whose values are neither plain text nor secrets, `at_top` those at the message's level.
    `applied` has the version of each row of FIXT.1.1, by its place in `APPL_VERS`; `empty` are the
    fields without a value.
    """

    rows: Rows
    odd: Mask
    ended: Mask
    special: Ints
    secrets: Secrets
    places: Places
    at_top: Mask
    firsts: Firsts
    applied: NDArray[np.int8]
    empty: Ints


class _Written(NamedTuple):
    """The layouts of the JSON texts, one for each; all odd rows, and all defects."""

    layouts: list[Layout]
    odd: Mask
    defects: Ints


class VectorParser:
    """A parser of blocks that remembers the tags and places of fields that it has seen."""

    def __init__(self, reading: Reading):
        """`reading` is how messages are read."""
        self._reading = reading
        lengths = {
            int(length): int(data) for length, data in reading.dictionaries.data_tags.items()
        }
        data = list(lengths.values())
        secret = sorted(reading.masking.tags)
        self._tags = TagTable(
            dict.fromkeys([*lengths, 8, 9, 35, 10, *_COLUMN_TAGS, *data, _ENCODING, *secret]),
            lambda text: not reading.masking.secrets.damaged(text),
            lengths=len(lengths),
        )
        self._ids = {tag: number for number, tag in enumerate(self._tags.tags)}
        # The ids of data fields, by the ids of their length fields.
        self._data_ids = [self._ids[tag] for tag in data]
        assert [self._ids[tag] for tag in lengths] == list(range(len(data)))
        self._slots = Slots(self._tags)
        self._secrets = SecretRows(reading.masking, self._tags, set(data), also=_ENCODING)
        self._checks = FieldChecks(self._slots)
        self._types = RowTypes(self._slots, reading.dictionaries, self._ids)
        self._pieces = Pieces(self._slots, parts=reading.fix_json)
        self._hashed = lru_cache(1 << 16)(reading.masking.hashed)
        self._short_ids = [self._ids[column.tag] for column in COLUMNS if is_short(column)]
        self._firsts = FirstFields([self._ids[tag] for tag in (10, *_COLUMN_TAGS)])

    def parse(
        self,
        data: bytes,
        delimiter: bytes,
        logged_on: Mapping[str, str],
        *,
        within_line: bool = False,
    ) -> Parsed | None:
        """Return what `data` holds, None if no message begins in it; `delimiter` is one byte.

        `within_line` is that of the block.
        """
        rows = find_rows(data, delimiter, self._tags, within_line=within_line)
        if rows is None:
            return None
        placed = self._place(rows, logged_on)
        columns = read_columns(placed.rows, placed.firsts.table, self._ids, placed.empty)
        written = self._write(placed, columns, self._structure(placed))
        scalar = self._parse_odd(placed.rows, written.odd, logged_on)
        return self._parsed(placed, columns, written, scalar)

    def _place(self, rows: Rows, logged_on: Mapping[str, str]) -> _Placed:
        """Find what the fields are and where they belong: steps 1 to 8."""
        ids = self._ids
        odd = rows.irregular.copy()
        rows, joined, not_as_long = join_data_fields(rows, self._data_ids)
        odd[not_as_long] = True
        special, in_tags = special_fields(rows)
        odd[in_tags] = True
        special = np.union1d(special, joined) if len(joined) else special
        odd[rows.row[rows.ids < 0]] = True
        second = np.minimum(rows.first + 1, len(rows.ids) - 1)
        third = np.minimum(rows.first + 2, len(rows.ids) - 1)
        odd |= (rows.ids[second] != ids[9]) | (rows.ids[third] != ids[35])
        odd |= rows.last - rows.first < 2
        # A NUL at the end of a MsgType cannot be told from the padding of its word.
        odd[rows.row[special[rows.ids.take(special) == ids[35]]]] = True
        long = np.flatnonzero(rows.stop - rows.equals > LONGEST_TEXT + 1)
        odd[rows.row[long[np.isin(rows.ids.take(long), self._short_ids)]]] = True
        secrets = self._secrets.find(rows)
        odd[secrets.rows] = True
        shown = np.ones(len(rows.ids), bool)
        shown[secrets.hidden] = shown[secrets.hashed] = False
        special = special[shown.take(special)]
        types, applied = self._types.find(rows, odd, logged_on)
        odd |= types == 0
        places = find_slots(rows, odd, self._slots, types, special)
        odd[places.odd] = True
        own = self._slots.own_ids.take(places.slot)
        firsts = self._firsts.find(own, rows.row, count=len(odd), tags=len(self._tags.tags))
        # A repeated group goes on with its first array, and text that is not a tag does not repeat.
        unlike = places.flags[firsts.repeats] & (COUNT | GARBLED) > 0
        odd[rows.row[firsts.repeats[unlike]]] = True
        ended = rows.ids[rows.last] == ids[10]
        empty = np.flatnonzero(rows.stop - rows.equals == 1)
        return _Placed(rows, odd, ended, special, secrets, places, own >= 0, firsts, applied, empty)

    def _structure(self, placed: _Placed) -> Ints:
        """Return the defects of each row that can be found without a dictionary or groups."""
        rows, places = placed.rows, placed.places
        defects = check_framing(rows, placed.odd, placed.ended)
        defects[rows.row.take(placed.firsts.repeats)] |= REPEATED_TAG
        defects[places.without_tag] |= BAD_FIELD
        unknown = self._slots.of_unknown_versions
        if unknown:
            defects[np.isin(places.types, unknown)] |= UNKNOWN_VERSION
        empty = placed.empty
        defects[rows.row[empty[places.flags[empty] & GARBLED == 0]]] |= EMPTY_VALUE
        return defects

    def _write(self, placed: _Placed, columns: TypedColumns, defects: Ints) -> _Written:
        """Lay out the JSON texts and check groups and values: step 9."""
        rows, slots, places, firsts = placed.rows, self._slots, placed.places, placed.firsts
        left_out = [(*_FRAMING, *_COLUMN_TAGS) if self._reading.fields == "rest" else ()]
        if self._reading.fix_json:
            left_out.append(_FRAMING)
        layouts = []
        for tags in left_out:
            keep = self._kept(placed, columns.inexact, defects, tags)
            layouts.append(lay_out(rows, placed.odd, slots, places.slot, keep, firsts))
        groups = check_groups(rows, slots, layouts[0])
        bad = groups.odd
        defects = defects | columns.defects | groups.defects
        if self._reading.validate == "dictionary":
            defects |= self._checks.check(
                rows, places, placed.special, firsts.repeats, groups.begins
            )
        if self._reading.fix_json:
            repeats = firsts.repeats
            parts, first_parts = (
                slots.section.take(places.slot.take(fields))
                for fields in (repeats, firsts.of.take(repeats))
            )
            bad = np.union1d(bad, rows.row.take(repeats[parts != first_parts]))
        for layout in layouts:
            without = layout.without_text(rows.row)
            bad = np.union1d(bad, without) if len(without) else bad
        bad = bad[~placed.odd[bad]]
        if not len(bad):
            return _Written(layouts, placed.odd, defects)
        odd = placed.odd.copy()
        odd[bad] = True
        return _Written([layout.with_whole(slots, bad) for layout in layouts], odd, defects)

    def _kept(
        self, placed: _Placed, inexact: Ints, defects: Ints, left_out: tuple[int, ...]
    ) -> Mask:
        """Tell which fields are in the JSON; those with a tag in `left_out` need not be.

        `defects` are those of the framing, `inexact` fields that a column does not hold in full.
        """
        rows, odd, firsts = placed.rows, placed.odd, placed.firsts
        keep = ~rows.fields_of(odd)
        if not left_out:
            return keep
        may_be_left_out = np.zeros(len(self._tags.tags) + 1, bool)
        may_be_left_out[[self._ids[tag] for tag in left_out]] = True
        dropped = may_be_left_out.take(rows.ids, mode="clip")
        dropped &= placed.at_top
        dropped[firsts.repeats] = False
        dropped[firsts.of.take(firsts.repeats)] = False
        dropped[inexact] = False
        # The values of framing fields are known only if they are right.
        cut_off = np.flatnonzero(~odd & ~placed.ended)
        dropped[rows.first[cut_off] + 1] = False
        sums = firsts.table[self._ids[10], cut_off]
        dropped[sums[sums >= 0]] = False
        wrong = np.flatnonzero(~odd & (defects & BODY_LENGTH > 0))
        dropped[rows.first[wrong] + 1] = False
        wrong = np.flatnonzero(~odd & (defects & (CHECK_SUM | CHECK_SUM_DELIMITER) > 0))
        dropped[rows.last[wrong]] = False
        return keep & ~dropped

    def _parse_odd(
        self, rows: Rows, odd: Mask, logged_on: Mapping[str, str]
    ) -> dict[int, Message | None]:
        """Return the scalar parser's messages of the odd rows, None for what is not a message."""
        parsed = {}
        for row in np.flatnonzero(odd).tolist():
            own = rows.own_delimiters.get(row, rows.delimiter)
            message = rows.data[rows.start[row] : rows.end[row]]
            parsed[row] = parse_message(message, own, self._reading, logged_on)
        return parsed

    def _parsed(
        self,
        placed: _Placed,
        columns: TypedColumns,
        written: _Written,
        scalar: dict[int, Message | None],
    ) -> Parsed:
        """Put together what the arrays hold and the scalar parser's messages of odd rows."""
        rows, odd = placed.rows, written.odd
        self._pieces.learn()
        secrets = placed.secrets.but(odd, rows.row)
        shown = secrets.asterisks(rows)
        tokens = Tokens(rows, shown, self._pieces)
        special = placed.special[~odd[rows.row[placed.special]]]
        escaped, recoded = escape(rows, special, tokens)
        hashes, raws = secrets.hashes(rows, shown, self._hashed)
        for field, text in hashes.items():
            escaped[field] = recoded[field] = tokens.add(text)
        masked = secrets.tags(rows, self._tags.tags.__getitem__)
        failed, failures = [], list(rows.failures)
        defects = written.defects & self._reading.wanted
        for row, message in scalar.items():
            if message is None:
                failed.append(row)
                at = int(rows.prefix[row])
                raw = rows.data[at : rows.end[row]]
                failures.append(Failure(at, NO_MSG_TYPE, REASONS[NO_MSG_TYPE], raw))
                continue
            defects[row] = message.defects
            if message.raw is not None:
                raws[row], masked[row] = message.raw, message.masked or ""
        nothing = Message({}, b"{}", 0, b"{}")
        known = {row: message or nothing for row, message in scalar.items()}
        wholes = [
            {row: tokens.add(_text(known.get(row, nothing), form)) for row in layout.whole_rows()}
            for form, layout in enumerate(written.layouts)
        ]
        arrays = columns.arrays(scalar, tokens, recoded)
        if APPL_VER_ID not in self._reading.masking.tags and placed.applied.any():
            applied = _APPLIED.take(pa.array(placed.applied))
            arrays["appl_ver_id"] = pc.coalesce(arrays["appl_ver_id"], applied)
        fields, *fix_json = (
            json_rows(self._slots, layout, tokens, form, escaped, whole)
            for form, (layout, whole) in enumerate(zip(written.layouts, wholes, strict=True))
        )
        return Parsed(
            arrays,
            fields,
            defects,
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


def _text(message: Message, form: int) -> bytes:
    return message.fields if form == PLAIN else message.fix_json
