"""The messages of a block as rows and their fields as arrays, found without a loop over messages.

Rows are what `transforms.fix.framing.spans` finds, in the same order. Messages whose BodyLength is
right, or that end with the first CheckSum field behind them, are found with numpy; the others one by
one by the functions that define what is right.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from transforms.fix.between import Failure, classify_lines
from transforms.fix.framing import LONGEST_BODY, message_end, start_pattern
from transforms.fix.tags import TagTable
from transforms.fix.words import LOW_BYTES, integers, load, word

__all__ = ["Rows", "find_rows"]

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

_EQUALS, _NEWLINE = 61, 10
_START = word(b"8=FIX")
_PADDING = bytes(64)


@dataclass(slots=True)
class Rows:
    """The rows and fields of one block.

    A row is a message in `data[start:end]`; `content_end` is `end` without the last delimiter;
    `prefix` is where the text before it on its line begins. Field `f` belongs to row `row[f]` and has its tag in
    `data[tag[f]:equals[f]]` and its value in `data[equals[f] + 1:stop[f]]`; a row's fields are
    `first[row]` to `last[row]` (that one included). `ids` are the tags' ids in the tag table. `odd`
    are the rows that only the scalar parser can read; `delimiters` has theirs, where it is not the
    block's.
    """

    data: bytes
    bytes: NDArray[np.uint8]
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
    padded = data + b"\n" + _PADDING[: 63 - size % 8]
    octets = np.frombuffer(padded, np.uint8)
    words = np.frombuffer(padded, "<u8")
    text = octets[: size + 1]
    mark = delimiter[0]
    newline = text == _NEWLINE
    structure = text == mark
    structure |= newline
    structure |= text == _EQUALS
    places = np.flatnonzero(structure)
    kinds = text.take(places)
    bound_index = np.flatnonzero(kinds != _EQUALS)
    bounds = places.take(bound_index)

    equals_at = places[kinds == _EQUALS]
    equals_at = equals_at[equals_at > 0]
    begins = equals_at[(load(words, equals_at - 1) & LOW_BYTES[5]) == _START] - 1
    if not len(begins):
        return None

    # Every field of the block, rows or not: from behind one bound to the next.
    stop = bounds
    tag = np.empty_like(bounds)
    tag[0] = 0
    tag[1:] = bounds[:-1] + 1
    after = np.empty_like(bound_index)
    after[0] = 0
    after[1:] = bound_index[:-1] + 1
    equals = places.take(after)
    ids = tags.ids(load(words, tag) & LOW_BYTES.take(np.minimum(equals - tag, 9)))

    newlines = np.flatnonzero(newline)
    begins, own = _confirm(data, octets, begins, delimiter)
    begins, own = _with_headless(data, words, begins, own, newlines, delimiter)
    if len(begins) == len(own):
        return None
    ends = _ends(data, octets, words, begins, own, delimiter, bounds, tag, ids, length_ids)
    keep = _without_overlaps(begins, ends)
    if keep is not None:
        if own:
            own = {new: own[old] for new, old in enumerate(keep.tolist()) if old in own}
        begins, ends = begins[keep], ends[keep]

    prefix, failures, skipped = _between(data, begins, ends, newlines, delimiter)

    content_end = ends - (octets.take(ends - 1) == mark)
    low = np.searchsorted(bounds, begins)
    count = np.searchsorted(bounds, content_end) + 1 - low
    last = np.cumsum(count)
    first = last - count
    last -= 1
    total = int(last[-1]) + 1
    chosen = np.arange(total) + np.repeat(low - first, count)
    row = np.repeat(np.arange(len(begins)), count)
    crosses = octets.take(stop.take(chosen)) == _NEWLINE
    crosses[last] = False
    tag, equals, stop, ids = (array.take(chosen) for array in (tag, equals, stop, ids))
    tag[first], equals[first], ids[first] = begins, begins + 1, tags.tags.index(8)
    stop[last] = content_end
    no_value = equals >= stop
    if no_value.any():
        ids[no_value] = -1
        equals[no_value] = np.maximum(stop[no_value] - 1, tag[no_value])
        equals = np.minimum(equals, stop - 1)
    odd = np.zeros(len(begins), bool)
    odd[row[crosses]] = True
    odd[row[ids < 0]] = True
    odd[list(own)] = True
    return Rows(
        data=data,
        bytes=octets,
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
    opening = load(words, lines)
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
    data, octets, words, begins: Ints, own, delimiter: bytes, bounds, tag, ids, length_ids: int
) -> Ints:
    """Return the end of each message: by BodyLength, else by the first CheckSum, else one by one."""
    size, mark = len(data), delimiter[0]
    version = np.searchsorted(bounds, begins)
    behind = np.minimum(version + 1, len(bounds) - 1)
    head = bounds.take(version) + 1
    length_end = bounds.take(behind)
    right = (load(words, head) & LOW_BYTES[2]) == word(b"9=")
    right &= octets.take(length_end) == mark
    wide = np.where(right, length_end - head - 2, 0)
    right &= wide <= 8
    length, valid = integers(words, head + 2, np.where(wide <= 8, wide, 0), lambda _: "")
    right &= valid & (length <= LONGEST_BODY)
    trailer = np.where(right, length_end + 1 + length, 1)
    right &= trailer + 6 <= size
    trailer = np.where(right, trailer, 1)
    right &= octets.take(trailer - 1) == mark
    found = load(words, trailer)
    right &= (found & LOW_BYTES[3]) == word(b"10=")
    for digit in (3, 4, 5):
        right &= ((found >> np.uint64(8 * digit)) & np.uint64(0xFF)) - np.uint64(48) < 10
    closing = octets.take(np.minimum(trailer + 6, size))
    delimited = (closing == mark) & (trailer + 6 < size)
    right &= delimited | (closing == 10) | (closing == 13)
    if own:
        right[list(own)] = False
    ends = trailer + 6 + delimited
    wrong = np.flatnonzero(~right)
    if len(wrong):
        sums = tag[(load(words, tag) & LOW_BYTES[3]) == word(b"10=")]
        lengths = tag[(ids >= 0) & (ids < length_ids)]
        newlines = np.flatnonzero(octets[: size + 1] == _NEWLINE)
        for index, end in zip(
            wrong.tolist(),
            _by_check_sum(octets, begins, wrong, sums, lengths, newlines, bounds, mark, size).tolist(),
            strict=True,
        ):
            if end < 0 or index in own or wide[index] > 8:
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
    clear = (found < line) & (follows > end)
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
    data: bytes, begins: Ints, ends: Ints, newlines: Ints, delimiter: bytes
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
    return prefix, failures, skipped

