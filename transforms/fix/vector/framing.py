"""Where the messages of a block begin and end, as arrays.

They are those that `framing.messages.spans` finds. Messages whose BodyLength is right, or
that end on their line with CheckSum or without, are found with numpy; the others one by one by the
functions that define what is right.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fixfeed.transforms.fix.arrays import Ints, Mask, Words
from fixfeed.transforms.fix.framing.delimiter import DELIMITERS, start_pattern
from fixfeed.transforms.fix.framing.messages import message_end
from fixfeed.transforms.fix.framing.plain import LONGEST_BODY
from fixfeed.transforms.fix.swar import LOW_BYTES, ZEROS, all_digits, word
from fixfeed.transforms.fix.vector.tag_ids import TagTable, tag_texts
from fixfeed.transforms.fix.vector.values import short_integers

__all__ = [
    "Beginnings",
    "Text",
    "confirm",
    "find_ends",
    "ranges",
    "with_headless",
    "without_overlaps",
]

_FIVE_ZEROS = ZEROS << np.uint64(24)
_RETURN = 13
_CLOSES = np.array([not chr(octet).isalnum() or octet > 127 for octet in range(256)])
"""What may follow a CheckSum without a delimiter: a letter or digit would be part of its value."""


class Text(NamedTuple):
    """The bytes of a block, and where its lines and the pieces between its delimiters end.

    `padded` holds eight bytes before `data` and 64 after it, the first of them a newline, which
    ends the last line and the last piece; `octets` and `words` are its contents from `data` on.
    Piece `p` ends at `stop[p]`; the next piece begins after the delimiter there.
    """

    data: bytes
    delimiter: bytes
    padded: bytes
    octets: NDArray[np.uint8]
    words: Words
    newlines: Ints
    stop: Ints


class Beginnings(NamedTuple):
    """Where messages begin: their first bytes, and of each its first piece and its line.

    Message `m` begins at `begin[m]`, in the piece `opens[m]` and on the line that ends at newline
    `lines[m]`. `own` has the delimiters of those with another one than the block's.
    """

    begin: Ints
    opens: Ints
    lines: Ints
    own: dict[int, bytes]


def ranges(start: Ints, count: Ints) -> tuple[Ints, Ints]:
    """Return `count` numbers from each `start` on, and for each which `start` it belongs to."""
    owner = np.repeat(np.arange(len(start)), count)
    before = np.cumsum(count) - count
    return np.arange(len(owner)) + (start - before).take(owner), owner


def confirm(
    data: bytes, octets: NDArray[np.uint8], words: Words, begins: Ints, delimiter: bytes
) -> tuple[Ints, dict[int, bytes]]:
    """Return, in order, the places of `8=FIX` at which messages really begin.

    Also return the delimiters of those with another one than the block's.
    """
    # FIXT.1.1 is one byte longer than the others.
    at = begins + (octets.take(begins + 5) == ord("T"))
    plain = (words[at] >> np.uint64(40) | word(b"\0\xff")) == word(b".\xff.")
    for place, first, count in ((6, ord("0"), 10), (8, ord("0"), 10), (9, delimiter[0], 1)):
        plain &= (octets.take(at + place) - np.uint8(first)) < count
    for longer in DELIMITERS:
        if longer.startswith(delimiter) and longer != delimiter:
            plain &= octets.take(at + 10) != longer[1]
    plain &= (octets.take(begins - 1) - np.uint8(48)) > 9
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
    data: bytes,
    octets: NDArray[np.uint8],
    begins: Ints,
    own: dict[int, bytes],
    lines: Ints,
    delimiter: bytes,
) -> tuple[Ints, dict[int, bytes]]:
    """Add the messages without BeginString, which begin where `lines` do; they count as `own`."""
    first = octets.take(lines)
    # They begin with 35=, 1128= or 9=.
    suspect = (first == ord("3")) | (first == ord("1")) | (first == ord("9"))
    pattern = start_pattern(delimiter)
    added = [
        at
        for at in lines[suspect].tolist()
        if data.startswith((b"35=", b"1128=", b"9="), at)
        and (match := pattern.match(data, at))
        and not match[1]
    ]
    if not added:
        return begins, own
    every = np.concatenate([begins, np.array(added)])
    order = np.argsort(every, kind="stable")
    new = np.argsort(order, kind="stable")
    delimiters = {int(new[index]): one for index, one in own.items()}
    delimiters |= {int(new[len(begins) + n]): delimiter for n in range(len(added))}
    return every[order], delimiters


def find_ends(text: Text, messages: Beginnings, tags: TagTable) -> tuple[Ints, Mask]:
    """Return the end of each message, and for which of them BodyLength decides it.

    The others end on their line, or are looked at one by one.
    """
    octets, words, stop = text.octets, text.words, text.stop
    begins, opens, lines, own = messages
    size, mark = len(text.data), text.delimiter[0]
    head = stop.take(opens) + 1
    length_end = stop.take(np.minimum(opens + 1, len(stop) - 1))
    right = (words[head] & LOW_BYTES[2]) == word(b"9=")
    right &= octets.take(length_end) == mark
    wide = np.where(right, length_end - head - 2, 0)
    length, valid = short_integers(words, head + 2, wide)
    right &= valid
    long = right & (length > LONGEST_BODY)
    right &= ~long
    trailer = length_end + 1 + length
    right &= trailer + 6 <= size
    trailer = np.where(right, trailer, 1)
    right &= octets.take(trailer - 1) == mark
    found = words[trailer]
    right &= (found & LOW_BYTES[3]) == word(b"10=")
    right &= all_digits(((found >> np.uint64(24)) & LOW_BYTES[3]) | _FIVE_ZEROS)
    closing = octets.take(trailer + 6)
    delimited = (closing == mark) & (trailer + 6 < size)
    right &= delimited | _CLOSES.take(closing)
    right[list(own)] = False
    ends = trailer + 6 + delimited
    line = text.newlines.take(lines)
    # If another message begins inside, mostly in a data field, BodyLength may be right by chance,
    # but only if a line ends there too.
    doubtful = right[:-1] & (begins[1:] < ends[:-1]) & (line[:-1] < trailer[:-1])
    right[:-1] &= ~doubtful
    wrong = np.flatnonzero(~right)
    if len(wrong):
        follows = np.append(begins, len(octets)).take(wrong + 1)
        by_line = _ends_on_line(text, opens[wrong], line[wrong], follows, tags)
        odd = (wide[wrong] > 8) | long[wrong]
        odd |= np.append(doubtful, False)[wrong]
        by_line[odd] = -1
        for index, end in zip(wrong.tolist(), by_line.tolist(), strict=True):
            if end < 0 or index in own:
                end = message_end(text.data, int(begins[index]), own.get(index, text.delimiter))
            ends[index] = end
    return ends, right


def _ends_on_line(text: Text, opens: Ints, line: Ints, follows: Ints, tags: TagTable) -> Ints:
    """Return the end of the CheckSum field, or else of the line, of messages; -1 where unclear.

    It is unclear if another message begins before it, at `follows`, or if there may be a data
    field.
    """
    stop, octets = text.stop, text.octets
    last = stop.searchsorted(line)
    # After the next beginning there is nothing to find; a line may hold very many messages.
    near = np.minimum(last, stop.searchsorted(follows))
    piece, message = ranges(opens + 1, np.maximum(near - opens - 1, 0))
    tag = stop.take(piece - 1) + 1
    texts, length = tag_texts(text.padded, tag)
    initial = texts & LOW_BYTES[1]
    texts[length == 7] = 0
    ids = tags.ids(texts)
    sums = np.flatnonzero(ids == tags.tags.index(10))
    # A tag with a NUL after it has the same id.
    sums = sums[length[sums] == 2][::-1]
    end = line.copy()
    begin = stop.take(last - 1) + 1
    returned = (octets.take(end - 1) == _RETURN) & (end > begin)
    end -= returned
    unclear = (octets.take(end - 1) == _RETURN) & (end > begin)
    limit = np.full(len(line), len(piece))
    limit[message[sums]] = sums
    closed = _closed_sums(text, begin)
    end = np.where(closed, begin + 6, end)
    unclear &= ~closed
    at = tag[sums]
    closed = _closed_sums(text, at) & (octets.take(at + 6) != text.delimiter[0])
    end[message[sums]] = np.where(closed, at + 6, stop.take(piece[sums]) + 1)
    unclear[message[sums]] = False
    # `0095` is not a tag here, but it still parses as a number.
    strange = np.flatnonzero((ids < tags.lengths) & ((ids >= 0) | (initial == ord("0"))))
    unclear[message[strange[strange < limit.take(message[strange])]]] = True
    unclear |= follows < end
    return np.where(unclear, -1, end)


def _closed_sums(text: Text, at: Ints) -> Mask:
    """Tell where there is a CheckSum of three digits that no further letter or digit follows."""
    found = text.words[at]
    closed = (found & LOW_BYTES[3]) == word(b"10=")
    closed &= all_digits(((found >> np.uint64(24)) & LOW_BYTES[3]) | _FIVE_ZEROS)
    return closed & _CLOSES.take(text.octets.take(at + 6))


def without_overlaps(begins: Ints, ends: Ints) -> Ints | None:
    """Return the indices of the messages that do not begin inside another, None for all."""
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
