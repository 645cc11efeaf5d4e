"""The messages of a block as rows and their fields as arrays, found without a loop over messages.

Rows are what `framing.messages.spans` finds, in the same order.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fixfeed.transforms.batch import Failure
from fixfeed.transforms.fix.arrays import Ints, Mask, Words
from fixfeed.transforms.fix.framing.leftovers import (
    NO_MSG_TYPE,
    REASONS,
    classify_lines,
    damaged_prefix,
)
from fixfeed.transforms.fix.swar import LOW_BYTES, view, word
from fixfeed.transforms.fix.vector.framing import (
    Beginnings,
    Text,
    confirm,
    find_ends,
    ranges,
    with_headless,
    without_overlaps,
)
from fixfeed.transforms.fix.vector.scan import delimiters, landmarks
from fixfeed.transforms.fix.vector.tag_ids import TagTable, tag_texts

__all__ = ["Rows", "find_rows"]

_BEFORE = bytes(8)
_BEHIND = b"\n" + bytes(63)
_RETURN = re.compile(rb"\r(?=1128=|9=|35=)")
_MANY = 100
"""From this many rows on, sorting the texts between them costs less than looking at each."""

_FEW = 1000
"""Below this many slices, joining them costs less than one gather of all their elements."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows and fields of one block, whose fields are separated by `delimiter`.

    A row is a message in `data[start:end]`; `prefix` is where the text before it on its line
    begins. Field `f` belongs to row `row[f]` and has its tag in `data[tag[f]:equals[f]]` and its
    value in `data[equals[f] + 1:stop[f]]`; a row's fields are `first[row]` to `last[row]` (that one
    included). `ids` are the tags' ids in the tag table, negative for other texts.

    `irregular` are the rows that only the scalar parser can read because of how they are framed;
    `own_delimiters` has the delimiters of those with another one than the block's. `framed` are the
    rows whose BodyLength leads to their CheckSum. `delimiter_count` is how many delimiters a row
    has before its last field, those in data included; `breaks` counts the newlines and delimiters
    of the block. `failures` and `skipped` lines, by where they begin, are between the rows.

    >>> table = TagTable([8, 9, 35, 10], lambda text: False)
    >>> log = b"in: 8=FIX.4.4|9=11|35=0|112=A|10=227|"
    >>> rows = find_rows(log, b"|", table)
    >>> [log[at:end] for at, end in zip(rows.start, rows.end)]
    [b'8=FIX.4.4|9=11|35=0|112=A|10=227|']
    >>> log[rows.prefix[0] : rows.start[0]]
    b'in: '
    >>> rows.first.tolist(), rows.last.tolist()
    ([0], [4])
    >>> [table.tags[number] for number in rows.ids]
    [8, 9, 35, 112, 10]
    >>> [rows.value(field) for field in range(5)]
    [b'FIX.4.4', b'11', b'0', b'A', b'227']
    >>> rows.framed.tolist(), rows.irregular.tolist()
    ([True], [False])
    """

    data: bytes
    delimiter: bytes
    octets: NDArray[np.uint8]
    words: Words
    start: Ints
    end: Ints
    prefix: Ints
    row: Ints
    tag: Ints
    equals: Ints
    stop: Ints
    ids: Ints
    first: Ints
    last: Ints
    irregular: Mask
    framed: Mask
    delimiter_count: Ints
    breaks: int
    own_delimiters: Mapping[int, bytes]
    failures: list[Failure]
    skipped: list[int]

    def fields_of(self, rows: Mask) -> Mask:
        """Tell which fields are in some of the rows."""
        numbers = np.flatnonzero(rows)
        if len(numbers) > _MANY:
            return rows.take(self.row)
        found = np.zeros(len(self.row), bool)
        for first, last in zip(
            self.first[numbers].tolist(), self.last[numbers].tolist(), strict=True
        ):
            found[first : last + 1] = True
        return found

    def value(self, number: int) -> bytes:
        """Return the value of a field."""
        return self.data[self.equals[number] + 1 : self.stop[number]]


class _Messages(NamedTuple):
    """Where messages begin and end.

    `opens` and `lines` are as in `Beginnings`, `framed` is as in `Rows`.
    """

    begin: Ints
    end: Ints
    opens: Ints
    lines: Ints
    framed: Mask

    def some(self, which: Ints | Mask) -> "_Messages":
        """Return those that a mask or indices pick."""
        begin, end, opens, lines = (column[which] for column in self[:4])
        return _Messages(begin, end, opens, lines, self.framed[which])


def find_rows(
    data: bytes, delimiter: bytes, tags: TagTable, *, within_line: bool = False
) -> Rows | None:
    """Return the rows of `data`, None if no message begins in it; `delimiter` is one byte.

    `within_line` is that of the block.
    """
    # A newline after the data ends its last field as it would end any other.
    padded = b"".join((_BEFORE, data, _BEHIND))
    octets = np.frombuffer(padded, np.uint8, offset=len(_BEFORE))
    words = view(padded, len(_BEFORE))
    size, mark = len(data), delimiter[0]
    begins, newlines = landmarks(octets, words, size)
    if not len(begins):
        return None
    begins, own = confirm(data, octets, words, begins, delimiter)
    lines = _line_starts(data, newlines, within_line=within_line)
    begins, own = with_headless(data, octets, begins, own, lines, delimiter)
    if len(begins) == len(own):
        return None
    stop = delimiters(octets, size, mark)
    text = Text(data, delimiter, padded, octets, words, newlines, stop)
    opens, lines = stop.searchsorted(begins), newlines.searchsorted(begins)
    ends, framed = find_ends(text, Beginnings(begins, opens, lines, own), tags)
    messages = _Messages(begins, ends, opens, lines, framed)
    keep = without_overlaps(begins, ends)
    if keep is not None:
        if own:
            own = {new: own[old] for new, old in enumerate(keep.tolist()) if old in own}
        messages = messages.some(keep)
    prefix, failures, skipped = _between(text, messages)
    content_end = messages.end - (octets.take(messages.end - 1) == mark)
    closes = _closes(stop, messages.opens, content_end)
    typed = _typed(text, messages.opens, closes, content_end)
    typed[list(own)] = True
    if not typed.all():
        for at, end in zip(prefix[~typed].tolist(), messages.end[~typed].tolist(), strict=True):
            failures.append(Failure(at, NO_MSG_TYPE, REASONS[NO_MSG_TYPE], data[at:end]))
        own = {int(np.count_nonzero(typed[:old])): one for old, one in own.items()}
        messages = messages.some(typed)
        prefix, content_end, closes = prefix[typed], content_end[typed], closes[typed]
    if not len(messages.begin):
        return None
    irregular = newlines.take(messages.lines) < content_end
    irregular[list(own)] = True
    return Rows(
        data=data,
        delimiter=delimiter,
        octets=octets,
        words=words,
        start=messages.begin,
        end=messages.end,
        prefix=prefix,
        irregular=irregular,
        framed=messages.framed,
        delimiter_count=closes - messages.opens,
        breaks=len(newlines) + len(stop) - 2,
        own_delimiters=own,
        failures=failures,
        skipped=skipped,
        **_fields(text, messages, content_end, closes, tags),
    )


def _line_starts(data: bytes, newlines: Ints, *, within_line: bool) -> Ints:
    """Return, in order, where lines begin that may begin with a message without BeginString."""
    starts = np.append(0, newlines[:-1] + 1)[within_line:]
    returns = [found.end() for found in _RETURN.finditer(data)]
    return np.union1d(starts, np.array(returns, np.int64)) if returns else starts


def _closes(stop: Ints, opens: Ints, content_end: Ints) -> Ints:
    """Return the piece that the content of each message ends in."""
    # It is mostly the one before the next message's first.
    closes = np.append(opens[1:], len(stop)) - 1
    others = np.flatnonzero(stop.take(closes) != content_end)
    closes[others] = stop.searchsorted(content_end[others])
    return closes


def _typed(text: Text, opens: Ints, closes: Ints, content_end: Ints) -> Mask:
    """Tell which messages have a MsgType (35) field."""
    # It is mostly the third one.
    third = text.stop.take(np.minimum(opens + 1, len(text.stop) - 1)) + 1
    typed = (text.words[third] & LOW_BYTES[3]) == word(b"35=")
    typed &= third < content_end
    others = np.flatnonzero(~typed)
    if len(others):
        piece, message = ranges(opens[others] + 1, closes[others] - opens[others])
        message = others[message]
        tag = text.stop.take(piece - 1) + 1
        found = (text.words[tag] & LOW_BYTES[3]) == word(b"35=")
        typed[message[found & (tag < content_end[message])]] = True
    return typed


def _fields(
    text: Text, messages: _Messages, content_end: Ints, closes: Ints, tags: TagTable
) -> dict[str, Ints]:
    """Return the fields of the rows, each row's own, from the pieces between delimiters."""
    opens = messages.opens
    count = closes + 1 - opens
    last = np.cumsum(count)
    first = last - count
    last -= 1
    # Pieces between messages are left out. Where a message ends without a delimiter, its last field
    # and the first one of the next are one piece, which is taken twice and cut apart below.
    gaps = np.flatnonzero(opens[1:] != closes[:-1] + 1)
    stop = _joined(text.stop, opens[np.append(0, gaps + 1)], closes[np.append(gaps, -1)] + 1)
    stop[last] = content_end
    tag = np.empty_like(stop)
    np.add(stop[:-1], 1, out=tag[1:])
    tag[first] = messages.begin
    texts, length = tag_texts(text.padded, tag)
    texts[first], length[first] = word(b"8"), 1
    equals = tag + length
    longer = np.flatnonzero(length == 7)
    if len(longer):
        _find_longer_tags(text, longer, tag, stop, texts, equals)
    texts[equals >= stop] = 0
    ids = tags.ids(texts)
    without = np.flatnonzero(equals >= stop)
    equals[without] = stop[without] - 1
    return {
        "row": np.repeat(np.arange(len(opens)), count),
        "tag": tag,
        "equals": equals,
        "stop": stop,
        "ids": ids,
        "first": first,
        "last": last,
    }


def _find_longer_tags(
    text: Text, fields: Ints, tag: Ints, stop: Ints, texts: Words, equals: Ints
) -> None:
    """Look for `=` beyond the word of a tag's text; a text that cannot be a tag becomes 0."""
    for number in fields[stop[fields] > equals[fields]].tolist():
        begin, end = int(tag[number]), int(stop[number])
        at = text.data.find(b"=", begin, end)
        equals[number] = end if at < 0 else at
        texts[number] = word(text.data[begin:at]) if begin <= at <= begin + 8 else 0


def _joined(array: Ints, begin: Ints, end: Ints) -> Ints:
    """Return slices of an array, one after the other."""
    if len(begin) == 1:
        return array[begin[0] : end[0]]
    if len(begin) < _FEW:
        slices = zip(begin.tolist(), end.tolist(), strict=True)
        return np.concatenate([array[at:stop] for at, stop in slices])
    return array.take(ranges(begin, end - begin)[0])


def _between(text: Text, messages: _Messages) -> tuple[Ints, list[Failure], list[int]]:
    """Return where each row's prefix begins, and the rest of what is between the rows."""
    data, delimiter = text.data, text.delimiter
    begins, ends, opens, lines, _ = messages
    gap = np.append(0, ends[:-1])
    line = np.where(lines > 0, text.newlines.take(lines - 1) + 1, 0)
    prefix = np.maximum(line, gap)
    if b"\r" in data:
        prefix = _behind_returns(text, begins, prefix)
    failures: list[Failure] = []
    skipped: list[int] = []
    regions = [(int(gap[row]), int(prefix[row])) for row in _apart(text, gap, prefix).tolist()]
    if ends[-1] < len(data):
        regions.append((int(ends[-1]), len(data)))
    for begin, end in regions:
        found, lines_without_fix = classify_lines(data, begin, end, delimiter, rest=begin > 0)
        failures += found
        skipped += lines_without_fix
    # A delimiter in a prefix may be the rest of a damaged message.
    damaged = (prefix < begins) & (opens > 0) & (text.stop.take(opens - 1) >= prefix)
    for row in np.flatnonzero(damaged).tolist():
        failure = damaged_prefix(data, int(prefix[row]), int(begins[row]), delimiter)
        if failure:
            failures.append(failure)
            prefix[row] = begins[row]
    return prefix, failures, skipped


def _behind_returns(text: Text, begins: Ints, prefix: Ints) -> Ints:
    """Return where prefixes begin if lines also end with CR alone."""
    found = np.flatnonzero(text.octets[: len(text.data)] == ord("\r"))
    returns = np.append(-1, found[text.octets.take(found + 1) != ord("\n")])
    last = returns.take(returns.searchsorted(begins) - 1)
    # A CR before the prefix belongs to another message, or to a longer end of line.
    return np.maximum(prefix, last + 1)


def _apart(text: Text, gap: Ints, prefix: Ints) -> Ints:
    """Return the rows before which there is something that may be text or a failure."""
    # Before most there is an end of line, one or two bytes, and nothing else ...
    width = prefix - gap
    is_end = (width == 2) & (text.octets.take(gap) == ord("\r"))
    rows = np.flatnonzero((width > 1) & ~is_end)
    # ... or the same few bytes, with which the log closes its lines: one look at them is enough.
    short = rows[(width[rows] <= 8) & (rows > 0)]
    if len(short) < _MANY:
        return rows
    words = text.words[gap[short]] & LOW_BYTES.take(width[short])
    _, at, kind = np.unique(words, return_index=True, return_inverse=True)
    silent = [
        classify_lines(text.data, int(gap[row]), int(prefix[row]), text.delimiter, rest=True)
        == ([], 0)
        for row in short[at].tolist()
    ]
    return np.setdiff1d(rows, short[np.array(silent).take(kind)], assume_unique=True)
