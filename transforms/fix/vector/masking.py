"""Which rows of a block hold secrets; the scalar parser masks them."""

from collections.abc import Callable, Collection
from typing import NamedTuple

import numpy as np

from fixfeed.transforms.fix.arrays import Ints, Mask
from fixfeed.transforms.fix.scalar.fields import facts_of
from fixfeed.transforms.fix.secrets.masking import RAW_DATA, Masking
from fixfeed.transforms.fix.swar import LOW_BYTES, word
from fixfeed.transforms.fix.vector.framing import ranges
from fixfeed.transforms.fix.vector.rows import Rows
from fixfeed.transforms.fix.vector.tag_ids import TagTable

__all__ = ["SecretRows", "Secrets"]

_ASTERISKS, _HASH, _ONE_BY_ONE = 1, 2, 3
_FAST = {"mask": _ASTERISKS, "hash": _HASH}


class Secrets(NamedTuple):
    """Secrets of a block: fields that become asterisks or hashes, rows for the scalar parser."""

    hidden: Ints
    hashed: Ints
    rows: Ints

    def but(self, odd: Mask, row: Ints) -> "Secrets":
        """Return those in rows that are not odd; `row` are the rows of all fields."""
        hidden, hashed = (one[~odd.take(row.take(one))] for one in (self.hidden, self.hashed))
        return Secrets(hidden, hashed, self.rows)

    def asterisks(self, rows: Rows) -> bytes | bytearray:
        """Return the bytes of the block with asterisks in place of hidden values."""
        if not len(self.hidden):
            return rows.data
        shown = bytearray(rows.data)
        starts, ends = rows.equals.take(self.hidden) + 1, rows.stop.take(self.hidden)
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            shown[start:end] = b"*" * (end - start)
        return shown

    def hashes(
        self, rows: Rows, shown: bytes | bytearray, hashed: Callable[[bytes], bytes]
    ) -> tuple[dict[int, bytes], dict[int, bytes]]:
        """Return the hashes by field, and the bytes of the rows that have some.

        `shown` are the bytes of the block as `asterisks` gives them.
        """
        texts: dict[int, bytes] = {}
        raws: dict[int, bytes] = {}
        if not len(self.hashed):
            return texts, raws
        # From the last to the first, so that the places before stay where they are.
        fields = self.hashed[::-1]
        row = rows.row.take(fields)
        columns = (
            fields,
            row,
            rows.start.take(row),
            rows.end.take(row),
            rows.equals.take(fields) + 1,
            rows.stop.take(fields),
        )
        lists = (column.tolist() for column in columns)
        for field, number, first, last, begin, stop in zip(*lists, strict=True):
            texts[field] = text = hashed(rows.data[begin:stop])
            raw = raws.get(number) or bytes(shown[first:last])
            raws[number] = raw[: begin - first] + text + raw[stop - first :]
        return texts, raws

    def tags(self, rows: Rows, tag_of: Callable[[int], int]) -> dict[int, str]:
        """Return the tags of hidden and hashed fields, joined by commas, by row."""
        tags: dict[int, set[int]] = {}
        fields = np.concatenate([self.hidden, self.hashed])
        found = zip(rows.row.take(fields).tolist(), rows.ids.take(fields).tolist(), strict=True)
        for row, number in found:
            tags.setdefault(row, set()).add(tag_of(number))
        return {row: ",".join(map(str, sorted(found))) for row, found in tags.items()}


class SecretRows:
    """Finds the fields of masked tags, and text that looks like one inside a value."""

    def __init__(self, masking: Masking, table: TagTable, data_tags: Collection[int], *, also: int):
        """`table` has all masked tags already.

        `data_tags` are those of data fields. Rows with the tag `also` are for the scalar parser
        too.
        """
        self._masking, self._table = masking, table
        ids = {tag: number for number, tag in enumerate(table.tags)}
        # Id -1, which is not a tag, has the last place; the table grows with that of the tags.
        self._how = np.zeros(max(ids.values()) + 2, np.uint8)
        for tag in masking.tags:
            how = _FAST.get(masking.how[tag], _ONE_BY_ONE)
            # A masked number is a text, and hashed data needs another length before it.
            if facts_of(b"%d" % tag).reader or (how == _HASH and tag in data_tags):
                how = _ONE_BY_ONE
            self._how[ids[tag]] = how
        self._how[ids[also]] = _ONE_BY_ONE
        self._msg_type = ids[35]
        only_logon = RAW_DATA in masking.tags and not masking.raw_data_everywhere
        self._only_logon = ids[RAW_DATA] if only_logon else -1
        # The last digits of masked tags, eight at most, by how many there are.
        texts: dict[int, list[np.uint64]] = {}
        for tag in masking.tags:
            text = b"%d" % tag
            texts.setdefault(min(len(text), 8), []).append(word(text[-8:]))
        self._signs = {width: np.array(some) for width, some in texts.items()}

    def find(self, rows: Rows) -> Secrets:
        """Return the secrets; those of rows without a MsgType in its place may be missing."""
        tags = len(self._table.tags)
        if tags >= len(self._how):
            self._how = np.append(self._how, np.zeros(tags, np.uint8))
        how = self._how.take(rows.ids)
        found = np.flatnonzero(how != 0)
        odd = [self._inside(rows)]
        if self._only_logon >= 0 and len(found):
            elsewhere = rows.ids.take(found) == self._only_logon
            elsewhere &= ~self._is_logon(rows, rows.row.take(found))
            odd.append(self._with_types(rows, rows.row.take(found[elsewhere])))
            found = found[~elsewhere]
        how = how.take(found)
        odd.append(rows.row.take(found[how == _ONE_BY_ONE]))
        if self._table.garbled and len(found):
            # A field without a tag may be the rest of the secret before it.
            after = np.minimum(found + 1, len(rows.ids) - 1)
            garbled = np.array(self._table.tags).take(rows.ids.take(after), mode="clip") < 0
            odd.append(rows.row.take(after[garbled]))
        return Secrets(found[how == _ASTERISKS], found[how == _HASH], np.concatenate(odd))

    def _is_logon(self, rows: Rows, row: Ints) -> Mask:
        field = np.minimum(rows.first.take(row) + 2, len(rows.ids) - 1)
        text = rows.words[rows.equals.take(field) + 1] & LOW_BYTES[1]
        return (text == word(b"A")) & (rows.stop.take(field) - rows.equals.take(field) == 2)

    def _with_types(self, rows: Rows, row: Ints) -> Ints:
        """Return those of some rows that have more than one MsgType."""
        if not len(row):
            return row
        field, number = ranges(rows.first[row], rows.last[row] + 1 - rows.first[row])
        types = np.bincount(number[rows.ids.take(field) == self._msg_type], minlength=len(row))
        return row[types > 1]

    def _inside(self, rows: Rows) -> Ints:
        """Return the rows in which a value holds what looks like a secret field."""
        if not self._masking.tags:
            return np.empty(0, np.int64)
        ends = np.empty(2 * len(rows.start), np.int64)
        ends[0::2], ends[1::2] = rows.start, rows.end
        # Sums of bytes wrap at 256; a wider sum would take six times as long.
        equals = np.add.reduceat((rows.octets == ord("=")).view(np.uint8), ends, dtype=np.uint8)
        more = np.flatnonzero(equals[0::2] != (rows.last - rows.first + 1).astype(np.uint8))
        suspects = self._with_signs(rows, more).tolist()
        return np.array([row for row in suspects if self._holds_inside(rows, row)], np.int64)

    def _with_signs(self, rows: Rows, row: Ints) -> Ints:
        """Return those of some rows in which a masked tag and `=` are inside a value."""
        place, number = ranges(rows.start[row], rows.end[row] - rows.start[row])
        here = np.flatnonzero(rows.octets.take(place) == ord("="))
        place, number = place[here], number[here]
        found = np.zeros(len(place), bool)
        for width, texts in self._signs.items():
            before = rows.words[place - width] & LOW_BYTES[width]
            found |= (before[:, np.newaxis] == texts).any(axis=1)
        place, number = place[found], number[found]
        field = np.minimum(np.searchsorted(rows.equals, place), len(rows.equals) - 1)
        inside = rows.equals.take(field) != place
        return row[np.unique(number[inside])]

    def _holds_inside(self, rows: Rows, row: int) -> bool:
        """Tell whether a value of a row changes when what looks like a secret in it is masked."""
        masking = self._masking
        values = map(rows.value, range(rows.first[row], rows.last[row] + 1))
        return any(masking.text(value) != value for value in values if b"=" in value)
