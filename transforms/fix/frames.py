"""Where the messages of a block begin and end, as arrays.

They are those that `transforms.fix.framing.spans` finds. Messages whose BodyLength is right, or
that end with the first CheckSum field behind them, are found with numpy; the others one by one by
the functions that define what is right.
"""

import numpy as np
from numpy.typing import NDArray

from transforms.fix.framing import LONGEST_BODY, message_end, start_pattern
from transforms.fix.words import LOW_BYTES, integers, word

__all__ = ["confirm", "find_ends", "with_headless", "without_overlaps"]

Ints = NDArray[np.int64]

_NEWLINE = 10


def confirm(
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


def with_headless(
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


def find_ends(
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


def without_overlaps(begins: Ints, ends: Ints) -> Ints | None:
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
