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
from transforms.fix.frames import confirm, find_ends, with_headless, without_overlaps
from transforms.fix.tags import TagTable
from transforms.fix.words import LOW_BYTES, view, word

__all__ = ["Rows", "find_rows"]

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

_EQUALS, _NEWLINE = 61, 10
_BEHIND = b"\n" + bytes(63)


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
    size = len(data)
    # A newline behind the data ends its last field as it would end any other.
    padded = data + _BEHIND
    octets = np.frombuffer(padded, np.uint8)
    words = view(padded)
    mark = delimiter[0]
    text = octets[: size + 1]
    tag, equals, stop, begins = _fields(text, words, mark)
    if not len(begins):
        return None
    texts = words[tag] & LOW_BYTES.take(np.minimum(equals - tag, 9))
    # What stands before a message on its line is not part of its first tag.
    opens = np.searchsorted(stop, begins)
    alone = (octets.take(np.maximum(begins - 1, 0)) - np.uint8(48)) > 9
    texts[opens[alone & (equals.take(opens) == begins + 1)]] = word(b"8")
    ids = tags.ids(texts)
    newlines = np.flatnonzero(text == _NEWLINE)
    begins, own = confirm(data, octets, begins, delimiter)
    begins, own = with_headless(data, words, begins, own, newlines, delimiter)
    if len(begins) == len(own):
        return None
    sums = _with_equals(tag[ids == tags.tags.index(10)], words, b"10=")
    lengths = tag[(ids >= 0) & (ids < length_ids)]
    ends = find_ends(data, octets, words, begins, own, delimiter, newlines, stop, sums, lengths)
    keep = without_overlaps(begins, ends)
    if keep is not None:
        if own:
            own = {new: own[old] for new, old in enumerate(keep.tolist()) if old in own}
        begins, ends = begins[keep], ends[keep]

    prefix, failures, skipped = _between(data, begins, ends, newlines, stop, delimiter)

    content_end = ends - (octets.take(ends - 1) == mark)
    types = _with_equals(tag[ids == tags.tags.index(35)], words, b"35=")
    typed = np.searchsorted(types, begins) != np.searchsorted(types, content_end)
    typed[list(own)] = True
    if not typed.all():
        for at, end in zip(prefix[~typed].tolist(), ends[~typed].tolist(), strict=True):
            failures.append(Failure(at, NO_MSG_TYPE, REASONS[NO_MSG_TYPE], data[at:end]))
        own = {int(np.count_nonzero(typed[:old])): one for old, one in own.items()}
        begins, ends, prefix, content_end = (
            array[typed] for array in (begins, ends, prefix, content_end)
        )
    if not len(begins):
        return None
    fields = _expand((tag, equals, stop, ids), begins, content_end, tags.tags.index(8))
    odd = np.searchsorted(newlines, begins) != np.searchsorted(newlines, content_end)
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
        **fields,
    )


def _expand(
    pieces: tuple[Ints, Ints, Ints, Ints], begins: Ints, content_end: Ints, opening: int
) -> dict[str, Ints]:
    """Return the fields of the rows, each row's own, from the pieces between delimiters.

    `pieces` are where they begin, have their first `=` and end, and the ids of their tags;
    `opening` is the id of BeginString, which every row begins with.
    """
    tag, equals, stop, ids = pieces
    low = np.searchsorted(stop, begins)
    count = np.searchsorted(stop, content_end) + 1 - low
    last = np.cumsum(count)
    first = last - count
    last -= 1
    total = int(last[-1]) + 1
    if (low[1:] == low[:-1] + count[:-1]).all():
        only = slice(int(low[0]), int(low[0]) + total)
        tag, equals, stop, ids = tag[only], equals[only], stop[only], ids[only]
    else:
        # Where a row ends without a delimiter, its last field and the first one of the next row
        # are one piece of the block, and are cut apart below.
        chosen = np.arange(total) + np.repeat(low - first, count)
        tag, equals, stop, ids = (array.take(chosen) for array in (tag, equals, stop, ids))
    tag[first], equals[first], ids[first] = begins, begins + 1, opening
    stop[last] = content_end
    no_value = equals >= stop
    if no_value.any():
        ids[no_value] = -1
        equals[no_value] = np.maximum(stop[no_value] - 1, tag[no_value])
        equals = np.minimum(equals, stop - 1)
    row = np.repeat(np.arange(len(begins)), count)
    return {
        "row": row,
        "tag": tag,
        "equals": equals,
        "stop": stop,
        "ids": ids,
        "first": first,
        "last": last,
    }


def _fields(
    text: NDArray[np.uint8], words: NDArray[np.uint64], mark: int
) -> tuple[Ints, Ints, Ints, Ints]:
    """Return where the fields between delimiters begin, have their first `=`, and end.

    A field without `=` has it where it ends. Last come the places of `8=FIX`.
    """
    structure = text == mark
    structure[-1] = True
    structure |= text == _EQUALS
    places = np.flatnonzero(structure)
    is_equals = text.take(places) == _EQUALS
    again = is_equals[1:] & is_equals[:-1]
    begins = []
    if again.any():
        again = np.append(False, again)
        begins.append(_begins(text, words, places[again]))
        places, is_equals = places[~again], is_equals[~again]
    if len(places) % 2 == 0 and is_equals[0::2].all() and not is_equals[1::2].any():
        equals, stop = places[0::2].copy(), places[1::2].copy()
    else:
        ends = np.flatnonzero(~is_equals)
        stop = places.take(ends)
        before = np.empty_like(ends)
        before[0] = 0
        before[1:] = ends[:-1] + 1
        equals = places.take(before)
    begins.append(_begins(text, words, equals))
    tag = np.empty_like(stop)
    tag[0] = 0
    tag[1:] = stop[:-1] + 1
    return tag, equals, stop, np.sort(np.concatenate(begins))


def _begins(octets: NDArray[np.uint8], words: NDArray[np.uint64], equals: Ints) -> Ints:
    before = np.maximum(equals, 1) - 1
    before = before[octets.take(before) == ord("8")]
    return before[(words[before] & LOW_BYTES[5]) == word(b"8=FIX")]


def _with_equals(tag: Ints, words: NDArray[np.uint64], text: bytes) -> Ints:
    """Keep the fields that begin with all of `text`: an id says nothing of `=` or a NUL."""
    return tag[(words[tag] & LOW_BYTES[len(text)]) == word(text)]


def _between(
    data: bytes, begins: Ints, ends: Ints, newlines: Ints, bounds: Ints, delimiter: bytes
) -> tuple[Ints, list[Failure], int]:
    """Return where each row's prefix begins, and what stands between the rows otherwise."""
    gap = np.empty_like(begins)
    gap[0] = 0
    gap[1:] = ends[:-1]
    line = np.append(newlines, -1).take(np.searchsorted(newlines, begins) - 1) + 1
    prefix = np.maximum(line, gap)
    failures: list[Failure] = []
    skipped = 0
    # Between most rows there is an end of line, one or two bytes, and nothing else.
    regions = [(int(gap[i]), int(prefix[i])) for i in np.flatnonzero(prefix - gap > 1).tolist()]
    if ends[-1] < len(data):
        regions.append((int(ends[-1]), len(data)))
    for begin, end in regions:
        found, lines = classify_lines(data, begin, end, delimiter)
        failures += found
        skipped += lines
    present = np.flatnonzero(prefix < begins)
    if len(present):
        parts = np.searchsorted(bounds, begins[present]) - np.searchsorted(bounds, prefix[present])
        for row in present[parts > 0].tolist():
            damaged = damaged_prefix(data, int(prefix[row]), int(begins[row]), delimiter)
            if damaged:
                failures.append(damaged)
                prefix[row] = begins[row]
    return prefix, failures, skipped
