"""Which records of a queue are whole messages and nothing else, told of many at once."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["whole"]

_DIGITS = 7  # of BodyLength; the framing trusts numbers of up to a mebibyte
_LONGEST_BODY = 1 << 20
_PAD = 32
_ROUNDS = 4
_FEW = 16  # a round costs as much as looking at so many messages by themselves
_ZERO, _NINE, _DOT, _LINE_FEED, _RETURN = b"09.\n\r"


def whole(
    data: bytes, begins: NDArray[np.int64], ends: NDArray[np.int64], delimiter: bytes
) -> NDArray[np.bool_]:
    """Return which of the records `data[begin:end]` are whole messages, each told by its length.

    Such a record is one or more messages with BeginString and a BodyLength that leads to CheckSum,
    after which come the delimiter, line ends, or both; at the end of the record neither has to. So
    its messages are the same with any other record on the lines before and after it. Of other
    records nothing is known, nor of the few that hold many more messages than the others: all
    records are looked at together, the first message of each, then the second, and so on.

    >>> data = b"8=FIX.4.4|9=5|35=0|10=161|\\n8=FIX.4.4|9=5|35=0|10=1"
    >>> whole(data, np.array([0, 27]), np.array([26, 50]), b"|").tolist()
    [True, False]
    """
    result = np.zeros(len(begins), bool)
    if len(delimiter) != 1:
        return result
    one = delimiter[0]
    octets = np.frombuffer(data + bytes(_PAD), np.uint8)
    rows = np.flatnonzero(ends > begins)
    at, end = begins[rows], ends[rows]
    feeds = np.flatnonzero(octets == _LINE_FEED)
    rounds = 0
    while len(rows) >= (1 if rounds < _ROUNDS else _FEW):
        rounds += 1
        next_at, good = _after_message(octets, at, end, one)
        # A message that holds a line feed: whether its length is right is doubtful.
        good &= feeds.searchsorted(next_at) == feeds.searchsorted(at)
        rows, at, end = rows[good], next_at[good], end[good]
        for _ in range(2):
            at = at + ((at < end) & ((octets[at] == _LINE_FEED) | (octets[at] == _RETURN)))
        finished = at == end
        result[rows[finished]] = True
        rows, at, end = rows[~finished], at[~finished], end[~finished]
    return result


def _after_message(
    octets: NDArray[np.uint8], at: NDArray[np.int64], end: NDArray[np.int64], one: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return where the message that begins at each place ends, and whether there is one."""
    good = _reads(octets, at, b"8=FIX")
    fixt = octets[at + 5] == ord("T")
    version = at + 5 + fixt
    good &= (octets[version] == _DOT) & _is_digit(octets[version + 1])
    good &= (octets[version + 2] == _DOT) & _is_digit(octets[version + 3])
    good &= octets[version + 4] == one
    good &= _reads(octets, version + 5, b"9=")
    place, length = version + 7, np.zeros(len(at), np.int64)
    digits = np.zeros(len(at), np.int64)
    going = good.copy()
    for _ in range(_DIGITS):
        going &= _is_digit(octets[place])
        length = np.where(going, length * 10 + octets[place] - _ZERO, length)
        digits += going
        place = place + going
    good &= (digits > 0) & (length <= _LONGEST_BODY) & (octets[place] == one)
    trailer = place + 1 + length
    good &= trailer + 6 <= end
    trailer = np.where(good, trailer, at + 1)
    good &= (octets[trailer - 1] == one) & _reads(octets, trailer, b"10=")
    for step in (3, 4, 5):
        good &= _is_digit(octets[trailer + step])
    after = octets[trailer + 6]
    closed = (after == one) & (trailer + 6 < end)
    ended = (trailer + 6 == end) | (after == _LINE_FEED) | (after == _RETURN)
    return trailer + 6 + closed, good & (closed | ended)


def _reads(octets: NDArray[np.uint8], at: NDArray[np.int64], text: bytes) -> NDArray[np.bool_]:
    found = octets[at] == text[0]
    for step, octet in enumerate(text[1:], 1):
        found &= octets[at + step] == octet
    return found


def _is_digit(octet: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return (octet >= _ZERO) & (octet <= _NINE)
