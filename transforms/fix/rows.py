"""The messages of a block as rows and their fields as arrays, found without a loop over messages.

Rows are what `transforms.fix.framing.spans` finds, in the same order. Messages whose BodyLength is
right, or that end with the first CheckSum field behind them, are found with numpy; the others one
by one by the functions that define what is right.
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
from transforms.fix.framing import LONGEST_BODY, message_end, start_pattern
from transforms.fix.tags import TagTable
from transforms.fix.words import LOW_BYTES, integers, view, word

__all__ = ["Rows", "find_all", "find_rows"]

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

_EQUALS, _NEWLINE = 61, 10
_BEHIND = b"\n" + bytes(63)


@dataclass(slots=True)
class Rows:
    """The rows and fields of one block.

    A row is a message in `data[start:end]`; `content_end` is `end` without the last delimiter;
    `prefix` is where the text before it on its line begins. Field `f` belongs to row `row[f]` and
    has its tag in `data[tag[f]:equals[f]]` and its value in `data[equals[f] + 1:stop[f]]`; a row's
    fields are `first[row]` to `last[row]` (that one included). `ids` are the tags' ids in the tag
    table. `odd` are the rows that only the scalar parser can read; `delimiters` has theirs, where
    it is not the block's.
    """

    data: bytes
    octets: NDArray[np.uint8]
    words: NDArray[np.uint64]
    start: Ints
    end: Ints
    content_end: Ints
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
    begins, own = _confirm(data, octets, begins, delimiter)
    begins, own = _with_headless(data, words, begins, own, newlines, delimiter)
    if len(begins) == len(own):
        return None
    sums = _with_equals(tag[ids == tags.tags.index(10)], words, b"10=")
    lengths = tag[(ids >= 0) & (ids < length_ids)]
    ends = _ends(data, octets, words, begins, own, delimiter, newlines, stop, sums, lengths)
    keep = _without_overlaps(begins, ends)
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
    low = np.searchsorted(stop, begins)
    count = np.searchsorted(stop, content_end) + 1 - low
    last = np.cumsum(count)
    first = last - count
    last -= 1
    total = int(last[-1]) + 1
    row = np.repeat(np.arange(len(begins)), count)
    if (low[1:] == low[:-1] + count[:-1]).all():
        only = slice(int(low[0]), int(low[0]) + total)
        tag, equals, stop, ids = tag[only], equals[only], stop[only], ids[only]
    else:
        # Where a row ends without a delimiter, its last field and the first one of the next row
        # are one piece of the block, and are cut apart below.
        chosen = np.arange(total) + np.repeat(low - first, count)
        tag, equals, stop, ids = (array.take(chosen) for array in (tag, equals, stop, ids))
    crosses = np.searchsorted(newlines, begins) != np.searchsorted(newlines, content_end)
    tag[first], equals[first], ids[first] = begins, begins + 1, tags.tags.index(8)
    stop[last] = content_end
    no_value = equals >= stop
    if no_value.any():
        ids[no_value] = -1
        equals[no_value] = np.maximum(stop[no_value] - 1, tag[no_value])
        equals = np.minimum(equals, stop - 1)
    odd = np.zeros(len(begins), bool)
    odd |= crosses
    odd[row[ids < 0]] = True
    odd[list(own)] = True
    return Rows(
        data=data,
        octets=octets,
        words=words,
        start=begins,
        end=ends,
        content_end=content_end,
        prefix=prefix,
        row=row,
        tag=tag,
        equals=equals,
        stop=stop,
        ids=ids,
        first=first,
        last=last,
        odd=odd,
        delimiters=own,
        failures=failures,
        skipped=skipped,
    )


def find_all(data: bytes, text: bytes) -> Ints:
    """Return where `text` stands in `data`."""
    found, at = [], data.find(text)
    while at >= 0:
        found.append(at)
        at = data.find(text, at + 1)
    return np.array(found, np.int64)


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
        begins.append(_begins(words, places[again]))
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
    begins.append(_begins(words, equals))
    tag = np.empty_like(stop)
    tag[0] = 0
    tag[1:] = stop[:-1] + 1
    return tag, equals, stop, np.sort(np.concatenate(begins))


def _begins(words: NDArray[np.uint64], equals: Ints) -> Ints:
    before = np.maximum(equals, 1) - 1
    return before[(words[before] & LOW_BYTES[5]) == word(b"8=FIX")]


def _with_equals(tag: Ints, words: NDArray[np.uint64], text: bytes) -> Ints:
    """Keep the fields that begin with all of `text`: an id says nothing of `=` or a NUL."""
    return tag[(words[tag] & LOW_BYTES[len(text)]) == word(text)]


def _confirm(
    data: bytes, octets: NDArray[np.uint8], begins: Ints, delimiter: bytes
) -> tuple[Ints, dict[int, bytes]]:
    """Keep the real beginnings; also return the delimiters of those that have not the block's."""
    at = begins + 5 + (octets.take(begins + 5) == ord("T"))
    at = np.minimum(at, len(octets) - 8)
    plain = octets.take(at) == ord(".")
    plain &= octets.take(at + 2) == ord(".")
    plain &= octets.take(at + 4) == delimiter[0]
    for digit in (1, 3):
        plain &= (octets.take(at + digit) - np.uint8(48)) < 10
    plain &= (octets.take(np.maximum(begins - 1, 0)) - np.uint8(48)) > 9
    if plain.all():
        return begins, {}
    kept, own = plain.copy(), {}
    pattern = start_pattern(delimiter)
    for index in np.flatnonzero(~plain).tolist():
        begin = int(begins[index])
        match = pattern.match(data, begin)
        if not match or not match[1]:
            continue
        if begin and data[begin - 1 : begin].isdigit() and not data.startswith(b"9=", match.end()):
            continue
        kept[index] = True
        if match[1] != delimiter:
            own[index] = match[1]
    new = np.cumsum(kept) - 1
    return begins[kept], {int(new[index]): one for index, one in own.items()}


def _with_headless(
    data: bytes, words, begins: Ints, own: dict[int, bytes], newlines: Ints, delimiter: bytes
) -> tuple[Ints, dict[int, bytes]]:
    """Add the messages without BeginString, which begin where lines do; they count as `own`."""
    lines = np.append(0, newlines[:-1] + 1)
    opening = words[lines]
    suspect = (opening & LOW_BYTES[3]) == word(b"35=")
    suspect |= (opening & LOW_BYTES[5]) == word(b"1128=")
    suspect |= (opening & LOW_BYTES[2]) == word(b"9=")
    pattern = start_pattern(delimiter)
    added = [
        at for at in lines[suspect].tolist() if (match := pattern.match(data, at)) and not match[1]
    ]
    if not added:
        return begins, own
    every = np.concatenate([begins, np.array(added)])
    order = np.argsort(every, kind="stable")
    new = np.argsort(order, kind="stable")
    delimiters = {int(new[index]): one for index, one in own.items()}
    delimiters |= {int(new[len(begins) + n]): delimiter for n in range(len(added))}
    return every[order], delimiters


def _ends(
    data,
    octets,
    words,
    begins: Ints,
    own,
    delimiter: bytes,
    newlines: Ints,
    bounds: Ints,
    sums: Ints,
    lengths: Ints,
) -> Ints:
    """Return the end of each message: by BodyLength, else by CheckSum, else one by one."""
    size, mark = len(data), delimiter[0]
    version = np.searchsorted(bounds, begins)
    behind = np.minimum(version + 1, len(bounds) - 1)
    head = bounds.take(version) + 1
    length_end = bounds.take(behind)
    right = (words[head] & LOW_BYTES[2]) == word(b"9=")
    right &= octets.take(length_end) == mark
    wide = np.where(right, length_end - head - 2, 0)
    right &= wide <= 8
    length, valid = integers(words, head + 2, np.where(wide <= 8, wide, 0), lambda _: "")
    right &= valid & (length <= LONGEST_BODY)
    trailer = np.where(right, length_end + 1 + length, 1)
    right &= trailer + 6 <= size
    trailer = np.where(right, trailer, 1)
    right &= octets.take(trailer - 1) == mark
    found = words[trailer]
    right &= (found & LOW_BYTES[3]) == word(b"10=")
    for digit in (3, 4, 5):
        right &= ((found >> np.uint64(8 * digit)) & np.uint64(0xFF)) - np.uint64(48) < 10
    closing = octets.take(np.minimum(trailer + 6, size))
    delimited = (closing == mark) & (trailer + 6 < size)
    right &= delimited | (closing == 10) | (closing == 13)
    if own:
        right[list(own)] = False
    ends = trailer + 6 + delimited
    # Another beginning inside is a part of a data field, or BodyLength is right by chance.
    doubtful = np.zeros(len(begins), bool)
    doubtful[:-1] = right[:-1] & (begins[1:] < ends[:-1])
    right &= ~doubtful
    wrong = np.flatnonzero(~right)
    if len(wrong):
        for index, end in zip(
            wrong.tolist(),
            _by_check_sum(
                octets, begins, wrong, sums, lengths, newlines, bounds, mark, size
            ).tolist(),
            strict=True,
        ):
            if end < 0 or index in own or wide[index] > 8 or doubtful[index]:
                end = message_end(data, int(begins[index]), own.get(index, delimiter))
            ends[index] = end
    return ends


def _by_check_sum(octets, begins, wrong, sums, lengths, newlines, bounds, mark, size) -> Ints:
    """Return for each of `wrong` the end of the first CheckSum field behind it, -1 where unclear.

    It is unclear where a line ends, a message begins or a data field may stand before it.
    """
    start = begins[wrong]
    limit = len(octets)
    found = np.append(sums, limit).take(np.searchsorted(sums, start))
    follows = np.append(begins, limit).take(wrong + 1)
    line = newlines.take(np.searchsorted(newlines, start))
    end = np.append(bounds, size).take(np.searchsorted(bounds, np.minimum(found, size)))
    clear = (found < limit) & (end < line) & (follows > end)
    clear &= np.searchsorted(lengths, start) == np.searchsorted(lengths, found)
    delimited = (octets.take(end) == mark) & (end < size)
    clear &= delimited
    return np.where(clear, end + 1, -1)


def _without_overlaps(begins: Ints, ends: Ints) -> Ints | None:
    """Return the indices of the messages that do not begin inside another, None if all do not."""
    if (begins[1:] >= ends[:-1]).all():
        return None
    furthest = np.maximum.accumulate(ends)
    inside = np.append(False, begins[1:] < furthest[:-1])
    if (ends[inside] <= furthest[np.flatnonzero(inside) - 1]).all():
        return np.flatnonzero(~inside)
    kept, past = [], 0
    for index, (begin, end) in enumerate(zip(begins.tolist(), ends.tolist(), strict=True)):
        if begin >= past:
            kept.append(index)
            past = end
    return np.array(kept)


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
