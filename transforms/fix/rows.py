"""The messages of a block as rows and their fields as arrays, found without a loop over messages.

Rows are what `transforms.fix.framing.spans` finds, in the same order.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from transforms.fix.between import (
    NO_MSG_TYPE,
    REASONS,
    Failure,
    classify_lines,
    damaged_prefix,
)
from transforms.fix.frames import (
    Text,
    confirm,
    find_ends,
    ranges,
    with_headless,
    without_overlaps,
)
from transforms.fix.tags import TagTable, tag_texts
from transforms.fix.words import LOW_BYTES, view, word

__all__ = ["Rows", "find_rows"]

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

_NEWLINE = 10
_BEFORE = bytes(8)
_BEHIND = b"\n" + bytes(63)
# Multiplying 1 << 8k by this leaves k in the two highest bits of 32.
_BYTE_OF_FOUR = np.uint32(sum((k << 30) >> 8 * k for k in range(4)))
_FEW = 1000
"""As many slices are joined one by one before one gather of all elements costs less."""


@dataclass(slots=True)
class Rows:
    """The rows and fields of one block.

    A row is a message in `data[start:end]`; `prefix` is where the text before it on its line
    begins. Field `f` belongs to row `row[f]` and has its tag in `data[tag[f]:equals[f]]` and its
    value in `data[equals[f] + 1:stop[f]]`; a row's fields are `first[row]` to `last[row]` (that one
    included). `ids` are the tags' ids in the tag table, negative for what is no tag. `odd` are the
    rows that only the scalar parser can read; `delimiters` has theirs, where it is not the block's.
    """

    data: bytes
    octets: NDArray[np.uint8]
    words: NDArray[np.uint64]
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
    odd: Mask
    delimiters: dict[int, bytes] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    skipped: int = 0

    def value(self, number: int) -> bytes:
        """Return the value of a field."""
        return self.data[self.equals[number] + 1 : self.stop[number]]


def find_rows(data: bytes, delimiter: bytes, tags: TagTable, length_ids: int) -> Rows | None:
    """Return the rows of `data`, None if no message begins in it.

    `delimiter` is one byte. The first `length_ids` ids of `tags` are those of length fields.
    """
    # A newline behind the data ends its last field as it would end any other.
    padded = b"".join((_BEFORE, data, _BEHIND))
    octets = np.frombuffer(padded, np.uint8, offset=len(_BEFORE))
    words = view(padded, len(_BEFORE))
    size, mark = len(data), delimiter[0]
    begins, newlines = _landmarks(octets, words, size)
    if not len(begins):
        return None
    begins, own = confirm(data, octets, words, begins, delimiter)
    begins, own = with_headless(data, octets, begins, own, newlines, delimiter)
    if len(begins) == len(own):
        return None
    stop = _delimiters(octets, size, mark)
    text = Text(data, delimiter, padded, octets, words, newlines, stop)
    opens, lines = stop.searchsorted(begins), newlines.searchsorted(begins)
    ends = find_ends(text, begins, opens, lines, own, tags, length_ids)
    keep = without_overlaps(begins, ends)
    if keep is not None:
        if own:
            own = {new: own[old] for new, old in enumerate(keep.tolist()) if old in own}
        begins, ends, opens, lines = (array.take(keep) for array in (begins, ends, opens, lines))
    prefix, failures, skipped = _between(text, begins, ends, opens, lines)
    content_end = ends - (octets.take(ends - 1) == mark)
    closes = _closes(stop, opens, content_end)
    typed = _typed(text, opens, closes, content_end)
    typed[list(own)] = True
    if not typed.all():
        for at, end in zip(prefix[~typed].tolist(), ends[~typed].tolist(), strict=True):
            failures.append(Failure(at, NO_MSG_TYPE, REASONS[NO_MSG_TYPE], data[at:end]))
        own = {int(np.count_nonzero(typed[:old])): one for old, one in own.items()}
        begins, ends, prefix, content_end, opens, closes, lines = (
            array[typed] for array in (begins, ends, prefix, content_end, opens, closes, lines)
        )
    if not len(begins):
        return None
    odd = newlines.take(lines) < content_end
    odd[list(own)] = True
    return Rows(
        data=data,
        octets=octets,
        words=words,
        start=begins,
        end=ends,
        prefix=prefix,
        odd=odd,
        delimiters=own,
        failures=failures,
        skipped=skipped,
        **_fields(text, begins, content_end, opens, closes, tags),
    )


def _landmarks(
    octets: NDArray[np.uint8], words: NDArray[np.uint64], size: int
) -> tuple[Ints, Ints]:
    """Return the places of `8=FIX` and of newlines, the one behind the data included."""
    length = -(-(size + 1) // 8) * 8
    wanted = octets[:length] == ord("8")
    wanted &= octets[1 : length + 1] == ord("=")
    wanted &= octets[2 : length + 2] == ord("F")
    wanted |= octets[:length] == _NEWLINE
    # Most eights of bytes hold none, so they are sieved first: half the time of `flatnonzero`.
    eights = wanted.view(np.uint64)
    some = np.flatnonzero(eights != 0)
    inside = np.flatnonzero(eights.take(some).view(np.bool_))
    places = (some << 3).take(inside >> 3) + (inside & 7)
    is_newline = octets.take(places) == _NEWLINE
    begins = places[~is_newline]
    return begins[(words[begins] & LOW_BYTES[5]) == word(b"8=FIX")], places[is_newline]


def _delimiters(octets: NDArray[np.uint8], size: int, mark: int) -> Ints:
    """Return the places of delimiters, the end of the data included."""
    length = -(-(size + 1) // 4) * 4
    wanted = octets[:length] == mark
    wanted[size:] = False
    wanted[size] = True
    # A field has four bytes at least, `1=A` and a delimiter, so four bytes together hold one or
    # none: `flatnonzero` of them takes a quarter of the time, all that follows another quarter.
    fours = wanted.view(np.uint32)
    some = np.flatnonzero(fours != 0)
    found = fours.take(some)
    rest = found - np.uint32(1)
    rest &= found
    found ^= rest
    found *= _BYTE_OF_FOUR
    found >>= np.uint32(30)
    places = some << 2
    places += found
    more = np.flatnonzero(rest != 0)
    if len(more):
        # Text and broken fields may hold more than one.
        inside = np.flatnonzero(rest[more].view(np.bool_))
        others = (some[more] << 2).take(inside >> 2) + (inside & 3)
        places = np.concatenate((places, others))
        places.sort(kind="stable")
    return places


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
    text: Text, begins: Ints, content_end: Ints, opens: Ints, closes: Ints, tags: TagTable
) -> dict[str, Ints]:
    """Return the fields of the rows, each row's own, from the pieces between delimiters."""
    count = closes + 1 - opens
    last = np.cumsum(count)
    first = last - count
    last -= 1
    # Pieces between messages are left out. Where a message ends without a delimiter, its last field
    # and the first one of the next are one piece, which stands twice and is cut apart below.
    gaps = np.flatnonzero(opens[1:] != closes[:-1] + 1)
    stop = _joined(text.stop, opens[np.append(0, gaps + 1)], closes[np.append(gaps, -1)] + 1)
    stop[last] = content_end
    tag = np.empty_like(stop)
    np.add(stop[:-1], 1, out=tag[1:])
    tag[first] = begins
    texts, length = tag_texts(text.padded, tag)
    texts[first], length[first] = word(b"8"), 1
    equals = tag + length
    for index in np.flatnonzero(length == 7).tolist():
        begin, end = int(tag[index]), int(stop[index])
        at = text.data.find(b"=", begin, end)
        equals[index] = end if at < 0 else at
        texts[index] = word(text.data[begin:at]) if begin <= at <= begin + 8 else 0
    without = np.flatnonzero(equals >= stop)
    texts[without] = 0
    equals[without] = stop[without] - 1
    return {
        "row": np.repeat(np.arange(len(begins)), count),
        "tag": tag,
        "equals": equals,
        "stop": stop,
        "ids": tags.ids(texts),
        "first": first,
        "last": last,
    }


def _joined(array: Ints, begin: Ints, end: Ints) -> Ints:
    """Return slices of an array one behind the other."""
    if len(begin) == 1:
        return array[begin[0] : end[0]]
    if len(begin) < _FEW:
        slices = zip(begin.tolist(), end.tolist(), strict=True)
        return np.concatenate([array[at:stop] for at, stop in slices])
    return array.take(ranges(begin, end - begin)[0])


def _between(
    text: Text, begins: Ints, ends: Ints, opens: Ints, lines: Ints
) -> tuple[Ints, list[Failure], int]:
    """Return where each row's prefix begins, and what stands between the rows otherwise."""
    data, delimiter = text.data, text.delimiter
    gap = np.append(0, ends[:-1])
    line = np.where(lines > 0, text.newlines.take(lines - 1) + 1, 0)
    prefix = np.maximum(line, gap)
    failures: list[Failure] = []
    skipped = 0
    # Between most rows there is an end of line, one or two bytes, and nothing else.
    regions = [(int(gap[i]), int(prefix[i])) for i in np.flatnonzero(prefix - gap > 1).tolist()]
    if ends[-1] < len(data):
        regions.append((int(ends[-1]), len(data)))
    for begin, end in regions:
        found, blank = classify_lines(data, begin, end, delimiter)
        failures += found
        skipped += blank
    # A delimiter in a prefix may be the rest of a damaged message.
    damaged = (prefix < begins) & (opens > 0) & (text.stop.take(opens - 1) >= prefix)
    for row in np.flatnonzero(damaged).tolist():
        failure = damaged_prefix(data, int(prefix[row]), int(begins[row]), delimiter)
        if failure:
            failures.append(failure)
            prefix[row] = begins[row]
    return prefix, failures, skipped
