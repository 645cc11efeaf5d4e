"""What a log wrote before a message on its line: when it was captured, and in which direction.

A time is `20250102-09:30:00.123456789`, `2025-01-02 09:30:00,123` or
`2025-01-02T09:30:00.123+01:00`, anywhere in the prefix; the first one holds. Without an offset it
is UTC. A direction is a word (`IN`, `outgoing`, `rcvd`) or an arrow that stands alone; in a session
like `FIX.4.4:IN->OUT` it is none.
"""

import calendar
import re

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.fix.schema import TIME
from transforms.fix.words import view

__all__ = ["read_prefix", "read_prefixes"]

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
    micros = np.zeros(count, np.int64)
    timed = np.zeros(count, bool)
    directions: list[str | None] = []
    number = np.full(count, -1, np.int32)
    rest = np.flatnonzero(prefixes.is_valid().to_numpy(zero_copy_only=False))
    sample = prefixes[int(rest[0])].as_py() if len(rest) else ""
    layout = _TIME.search(sample)
    if layout and sample.isascii():
        regular, values, tails = _regular(prefixes, rest, sample, layout)
        micros[regular], timed[regular] = values, True
        coded = tails.dictionary_encode()
        before = sample[: layout.start()]
        directions += [_direction(f"{before} {tail}") for tail in coded.dictionary.to_pylist()]
        number[regular] = coded.indices.to_numpy(zero_copy_only=False)
        rest = np.setdiff1d(rest, regular, assume_unique=True)
    for row in rest.tolist():
        value, direction = read_prefix(prefixes[row].as_py())
        if value is not None:
            micros[row], timed[row] = value, True
        if direction:
            number[row] = len(directions)
            directions.append(direction)
    times = pa.array(micros, mask=~timed).view(TIME)
    indices = pa.array(number, mask=number < 0)
    return times, pa.array(directions, pa.string()).take(indices)


def _regular(
    prefixes: pa.StringArray, rows: NDArray[np.int64], sample: str, layout: re.Match[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64], pa.Array]:
    """Return the rows laid out as `sample` is, their times and what stands behind the times.

    A row is laid out so when it has digits where `sample` has those of its time, and all else up to
    the end of the time is the same.
    """
    end = layout.end()
    buffers = prefixes.buffers()
    offsets = np.frombuffer(buffers[1], np.int32)[
        prefixes.offset : prefixes.offset + len(prefixes) + 1
    ]
    text = (buffers[2].to_pybytes() if buffers[2] else b"") + bytes(8)
    octets = np.frombuffer(text, np.uint8)
    at = offsets[rows].astype(np.int64)
    stop = offsets[rows + 1].astype(np.int64)
    fits = stop - at > end
    rows, at, stop = rows[fits], at[fits], stop[fits]
    digits = {place for group in (1, 3, 4, 5, 6, 7, 8) for place in range(*layout.span(group))}
    good = np.ones(len(rows), bool)
    words = view(text)
    encoded = sample.encode()
    for place in range(0, end, 8):
        width = min(8, end - place)
        literal = [place + k not in digits for k in range(width)]
        mask = sum(0xFF << 8 * k for k in range(width) if literal[k])
        if mask:
            wanted = int.from_bytes(encoded[place : place + width], "little") & mask
            good &= (words[at + place] & np.uint64(mask)) == np.uint64(wanted)
    found = {}
    for place in sorted(digits):
        found[place] = octets[at + place].astype(np.int64) - 48
        good &= (found[place] >= 0) & (found[place] <= 9)
    # What follows must not be one more digit, or a fraction or an offset that `sample` has not.
    follows = octets[at + end]
    good &= (follows - np.uint8(48)) > 9
    if not layout[8] and not layout[9]:
        separator = (follows == ord(".")) | (follows == ord(","))
        good &= ~separator | ((octets[at + end + 1] - np.uint8(48)) > 9)
    if not layout[9]:
        for mark in b"Z+-":
            good &= follows != mark

    def number(group: int) -> NDArray[np.int64]:
        total = np.zeros(len(rows), np.int64)
        for place in range(*layout.span(group))[:6]:
            total = total * 10 + found[place]
        return total

    year, month, day, hour, minute, second = (number(group) for group in (1, 3, 4, 5, 6, 7))
    fraction = number(8) * 10 ** (6 - len((layout[8] or "")[:6])) if layout[8] else 0
    good &= (year > 0) & (month >= 1) & (month <= 12) & (day >= 1)
    good &= (hour < 24) & (minute < 60) & (second < 60)
    months = np.where(good, (year - 1970) * 12 + month - 1, 0)
    first = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    following = (months + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    good &= day <= following - first
    days = first + day - 1
    seconds = ((days * 24 + hour) * 60 + minute) * 60 + second - _offset(layout[9])
    values = seconds * 1_000_000 + fraction
    spans = np.empty(2 * len(rows) + 1, np.int32)
    spans[0:-1:2], spans[1::2] = at + end, stop
    spans[-1] = len(text) - 8
    pieces = pa.Array.from_buffers(
        pa.string(), 2 * len(rows), [None, pa.py_buffer(spans), pa.py_buffer(text)]
    )
    tails = pieces.take(pa.array(np.flatnonzero(good).astype(np.int32) * 2))
    return rows[good], values[good], tails
