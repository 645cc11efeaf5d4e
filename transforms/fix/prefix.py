"""What a log wrote before a message on its line: when it was captured, and in which direction.

A time is `20250102-09:30:00.123456789`, `2025-01-02 09:30:00,123` or
`2025-01-02T09:30:00.123+01:00`, anywhere in the prefix; the first one holds. Without an offset it
is UTC. A direction is a word (`IN`, `outgoing`, `rcvd`) or an arrow that stands alone; in a session
like `FIX.4.4:IN->OUT` it is none.
"""

import calendar
import re
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.fix.digits import clock_seconds, day_seconds, numbers, right_aligned
from transforms.fix.schema import TIME
from transforms.fix.words import LOW_BYTES, view, wide, word

__all__ = ["read_prefix", "read_prefixes"]

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

_IN = (
    "in",
    "incoming",
    "inbound",
    "recv",
    "rcvd",
    "received",
    "receiving",
    "rx",
    "<-",
    "<--",
    "<<",
)
_OUT = ("out", "outgoing", "outbound", "send", "sent", "sending", "tx", "->", "-->", ">>")
_TIME = re.compile(
    r"(?<![0-9])([0-9]{4})(-?)([0-9]{2})\2([0-9]{2})[-T ]([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:[.,]([0-9]{1,9}))?(?![0-9])(Z|[+-][0-9]{2}:?[0-9]{2}(?![0-9]))?"
)
_DIRECTION = re.compile(
    r"(?<![\w.:/>-])(?:"
    + "|".join(sorted((w for w in _IN + _OUT if w.isalpha()), key=len, reverse=True))
    + r")(?![\w./-]|:\S)|(?<!\S)(?:<--|-->|<-|->|<<|>>)(?!\S)",
    re.IGNORECASE | re.ASCII,
)
_SESSION = re.compile(r"\S+->\S+")
_LONGEST = 500
"""As many bytes of all prefixes of a block are looked at together; longer ones are rare."""


def read_prefix(text: str) -> tuple[int | None, str | None]:
    """Return the time in a prefix, as microseconds since 1970, and the direction, `in` or `out`.

    Each is None where the text has none. Digits beyond microseconds are cut.
    """
    match = _TIME.search(text)
    if not match:
        return None, _direction(text)
    return _micros(match), _direction(f"{text[: match.start()]} {text[match.end() :]}")


def _direction(text: str) -> str | None:
    match = _DIRECTION.search(_SESSION.sub(" ", text))
    if not match:
        return None
    return "in" if match[0].lower() in _IN else "out"


def _micros(match: re.Match[str]) -> int | None:
    year, month, day, hour, minute, second = (int(match[n]) for n in (1, 3, 4, 5, 6, 7))
    if not (year and 1 <= month <= 12 and hour < 24 and minute < 60 and second < 60):
        return None
    if not 1 <= day <= calendar.monthrange(year, month)[1]:
        return None
    seconds = calendar.timegm((year, month, day, hour, minute, second)) - _offset(match[9])
    return seconds * 1_000_000 + int((match[8] or "")[:6].ljust(6, "0"))


def _offset(zone: str | None) -> int:
    if not zone or zone == "Z":
        return 0
    seconds = int(zone[1:3]) * 3600 + int(zone[-2:]) * 60
    return -seconds if zone[0] == "-" else seconds


def read_prefixes(prefixes: pa.StringArray) -> tuple[pa.Array, pa.Array]:
    """Return the times (`TIME`) and directions (text) of prefixes, as `read_prefix` has them."""
    count = len(prefixes)
    every = np.frombuffer(prefixes.buffers()[1] or bytes(4), np.int32)
    offsets = every[prefixes.offset : prefixes.offset + count + 1].astype(np.int64)
    # An empty prefix says as little as none.
    rest = np.flatnonzero(offsets[1:] > offsets[:-1])
    if not len(rest):
        return pa.nulls(count, TIME), pa.nulls(count, pa.string())
    micros = np.zeros(count, np.int64)
    timed = np.zeros(count, np.bool_)
    directions: list[str | None] = []
    number = np.full(count, -1, np.int32)
    sample = prefixes[int(rest[0])].as_py()
    layout = _TIME.search(sample)
    if layout and sample.isascii() and layout.end() <= _LONGEST:
        regular, values, same = _regular(prefixes, offsets, rest, sample, layout)
        micros[regular], timed[regular] = values, True
        rest = rest[~timed.take(rest)]
        before, tails = sample[: layout.start()], [sample[layout.end() :]]
        number[regular] = 0
        others = regular[~same]
        if len(others):
            coded = _tails(prefixes, offsets, others, layout.end()).dictionary_encode()
            number[others] = coded.indices.to_numpy() + 1
            tails += coded.dictionary.to_pylist()
        directions += [_direction(f"{before} {tail}") for tail in tails]
    for row in rest.tolist():
        value, direction = read_prefix(prefixes[row].as_py())
        if value is not None:
            micros[row], timed[row] = value, True
        if direction:
            number[row] = len(directions)
            directions.append(direction)
    times = pa.array(micros, mask=~timed).view(TIME)
    if not any(directions):
        return times, pa.nulls(count, pa.string())
    indices = pa.array(number, mask=number < 0)
    return times, pa.array(directions, pa.string()).take(indices)


def _tails(prefixes: pa.StringArray, offsets: Ints, rows: Ints, end: int) -> pa.Array:
    """Return what stands in rows of `prefixes` from `end` on."""
    spans = np.empty(2 * len(rows) + 1, np.int32)
    spans[0:-1:2], spans[1::2] = offsets[rows] + end, offsets[rows + 1]
    spans[-1] = offsets[-1]
    pieces = pa.Array.from_buffers(
        pa.string(), 2 * len(rows), [None, pa.py_buffer(spans), prefixes.buffers()[2]]
    )
    return pieces.take(pa.array(np.arange(len(rows), dtype=np.int32) * 2))


class _Columns:
    """The bytes of texts, by their place in the text: eight of each text at once."""

    def __init__(self, data: pa.Buffer, at: Ints, width: int):
        """Each text begins at `at`; `width` bytes of it are looked at."""
        count = width // 8 + 2
        words = view(b"".join((data, bytes(8 * count))))
        self._words = np.ascontiguousarray(wide(words, at, count).T)

    def at(self, place: int) -> NDArray[np.uint64]:
        """Return the words at one place of the texts."""
        number, bits = divmod(8 * place, 64)
        if not bits:
            return self._words[number]
        low = self._words[number] >> np.uint64(bits)
        low |= self._words[number + 1] << np.uint64(64 - bits)
        return low

    def octets(self, place: int) -> NDArray[np.uint8]:
        """Return the bytes at one place of the texts."""
        number, inside = divmod(place, 8)
        return self._words[number].view(np.uint8)[inside::8]

    def equal(self, text: bytes, begin: int, but: Iterable[int] = ()) -> Mask:
        """Tell which texts hold `text` at `begin`, but for some places of theirs."""
        kept = bytearray(b"\xff" * len(text))
        for place in but:
            kept[place - begin] = 0
        equal = np.ones(self._words.shape[1], np.bool_)
        for place in range(0, len(text), 8):
            mask = word(bytes(kept[place : place + 8]))
            if mask:
                different = self.at(begin + place) ^ word(text[place : place + 8])
                equal &= (different & mask) == 0
        return equal


def _regular(
    prefixes: pa.StringArray, offsets: Ints, rows: Ints, sample: str, layout: re.Match[str]
) -> tuple[Ints, Ints, Mask]:
    """Return the rows laid out as `sample` is, their times and which of them go on as it does.

    A row is laid out so when it has digits where `sample` has those of its time, and all else up to
    the end of the time is the same. `offsets` are those of `prefixes`.
    """
    end, encoded = layout.end(), sample.encode()[:_LONGEST]
    rows = rows[offsets[rows + 1] - offsets[rows] > end]
    columns = _Columns(prefixes.buffers()[2], offsets[rows], max(end, len(encoded)))
    digits = [place for group in (1, 3, 4, 5, 6, 7, 8) for place in range(*layout.span(group))]
    good = columns.equal(encoded[:end], 0, digits)
    # What follows must not be one more digit, or a fraction or an offset that `sample` has not.
    follows = columns.octets(end)
    good &= (follows - np.uint8(48)) > 9
    if not layout[8] and not layout[9]:
        separator = (follows == ord(".")) | (follows == ord(","))
        good &= ~separator | ((columns.octets(end + 1) - np.uint8(48)) > 9)
    if not layout[9]:
        for mark in b"Z+-":
            good &= follows != mark
    day = columns.at(layout.start(1))
    if layout[2]:
        # `YYYY-MM-DD` becomes `YYYYMMDD`.
        month = (day >> np.uint64(8)) & (LOW_BYTES[2] << np.uint64(32))
        day = (day & LOW_BYTES[4]) | month | (columns.at(layout.start(4)) << np.uint64(48))
    values, right = day_seconds(day)
    good &= right
    seconds, right = clock_seconds(columns.at(layout.start(5)))
    good &= right
    values += seconds
    values -= _offset(layout[9])
    values *= 1_000_000
    begin, stop = layout.span(8)
    for place, unit in ((begin, 1), (begin + 6, 0)):
        # Digits beyond microseconds say nothing, but must be digits.
        width = min(stop - place, 6)
        if width > 0:
            found, right = numbers(right_aligned(columns.at(place), np.full(1, width)))
            good &= right
            values += found * (unit * 10 ** (6 - width))
    same = columns.equal(encoded[end:], end)
    same &= offsets[rows + 1] - offsets[rows] == len(sample)
    same &= len(sample) <= _LONGEST
    return rows[good], values[good], same[good]
