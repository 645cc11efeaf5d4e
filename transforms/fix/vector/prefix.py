"""Reads the prefixes of a block: when each message was captured, and in which direction it went.

Equal to `scalar.prefix`. The same prefix always means the same; what is not understood is None.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.transforms.fix.arrays import Ints, Mask, Words
from fixfeed.transforms.fix.prefix.log_format import USUAL_FORMAT, LogFormat
from fixfeed.transforms.fix.prefix.times import (
    LAST_EPOCH,
    Date,
    Layout,
    Span,
    shape_of,
    zone_of,
)
from fixfeed.transforms.fix.prefix.zones import in_calendar, utc
from fixfeed.transforms.fix.scalar.prefix import look_at, read_prefix
from fixfeed.transforms.fix.schema import TIME
from fixfeed.transforms.fix.swar import (
    LOW_BYTES,
    clock_seconds,
    day_seconds,
    numbers,
    right_aligned,
    view,
    wide,
    word,
)

__all__ = ["read_prefixes", "told_by_parties"]

_U = np.uint64
_LEAP, _BEFORE_LEAP = (word(bytes(6) + text) for text in (b"60", b"59"))
_LONGEST = 500
"""The fast path looks at this many bytes of a prefix; longer ones are rare."""
_TO_ZERO = np.arange(256, dtype=np.uint8)
_TO_ZERO[ord("1") : ord("9") + 1] = ord("0")
_MOST_LAYOUTS = 8
"""The fast path reads up to this many layouts of prefixes; a log mostly has one or two."""


def told_by_parties(
    directions: pa.StringArray, sender: pa.StringArray, target: pa.StringArray, log: LogFormat
) -> pa.StringArray:
    """Return the directions, set by the parties of a message if one of them is in `we_are`.

    If both are, or neither, the direction of the prefix stays.
    """
    ours = pa.array(log.we_are, pa.string())
    sent, received = (pc.is_in(one, value_set=ours) for one in (sender, target))
    for told, text in ((sent, "out"), (received, "in")):
        alone = pc.and_(told, pc.xor(sent, received))
        directions = pc.if_else(alone, pa.scalar(text), directions)
    return directions


def read_prefixes(
    prefixes: pa.StringArray, log: LogFormat = USUAL_FORMAT
) -> tuple[pa.Array, pa.Array]:
    """Return the times (`TIME`) and directions (text) of prefixes, as `read_prefix` has them."""
    count = len(prefixes)
    every = np.frombuffer(prefixes.buffers()[1] or bytes(4), np.int32)
    offsets = every[prefixes.offset : prefixes.offset + count + 1].astype(np.int64)
    # An empty prefix shows as little as none.
    rest = np.flatnonzero(offsets[1:] > offsets[:-1])
    if not len(rest):
        return pa.nulls(count, TIME), pa.nulls(count, pa.string())
    micros = np.zeros(count, np.int64)
    timed = np.zeros(count, np.bool_)
    directions: list[str | None] = []
    number = np.full(count, -1, np.int32)
    for _ in range(_MOST_LAYOUTS):
        sample = prefixes[int(rest[0])].as_py()
        layout = look_at(shape_of(sample), log).layout
        if not (layout and sample.isascii() and layout.end <= _LONGEST and _is_plain(layout)):
            break
        alike = _alike(prefixes, offsets, rest, sample, layout, log)
        micros[alike.rows], timed[alike.rows] = alike.micros, alike.timed
        number[alike.rows] = alike.numbers + len(directions)
        directions += alike.directions
        left = np.ones(count, np.bool_)
        left[alike.rows] = False
        rest = rest[left.take(rest)]
        if not len(rest):
            break
    if len(rest):
        shapes = _shapes(prefixes.take(pa.array(rest))).dictionary_encode()
        found = [look_at(shape, log) for shape in shapes.dictionary.to_pylist()]
        which = shapes.indices.to_numpy()
        number[rest] = which + len(directions)
        directions += [one.direction for one in found]
        has_layout = np.array([one.layout is not None for one in found])
        for row in rest[has_layout[which]].tolist():
            value, _ = read_prefix(prefixes[row].as_py(), log)
            if value is not None:
                micros[row], timed[row] = value, True
    times = pa.array(micros, mask=~timed).view(TIME)
    if not any(directions):
        return times, pa.nulls(count, pa.string())
    indices = pa.array(number, mask=number < 0)
    return times, pa.array(directions, pa.string()).take(indices)


def _is_plain(layout: Layout) -> bool:
    """Tell whether times of this layout are read many at once: those with a full year."""
    return all(year[1] - year[0] == 4 for year, _, _ in layout.dates)


class _Alike(NamedTuple):
    """Rows with a time in the same place: times, which of them exist, directions by number."""

    rows: Ints
    micros: Ints
    timed: Mask
    numbers: Ints
    directions: list[str | None]


def _alike(
    prefixes: pa.StringArray,
    offsets: Ints,
    rows: Ints,
    sample: str,
    layout: Layout,
    log: LogFormat,
) -> _Alike:
    """Read the rows that are laid out as `sample`, at least that one.

    `offsets` are those of `prefixes`.
    """
    regular, values, timed, same = _regular(prefixes, offsets, rows, sample, layout, log)
    numbered = np.zeros(len(regular), np.int64)
    directions = [look_at(shape_of(sample), log).direction]
    others = np.flatnonzero(~same)
    if not len(others):
        return _Alike(regular, values, timed, numbered, directions)
    # What follows a time may change it.
    coded = _tails(prefixes, offsets, regular[others], layout.end).dictionary_encode()
    before = sample[: layout.end]
    found = [look_at(shape_of(before + tail), log) for tail in coded.dictionary.to_pylist()]
    which = coded.indices.to_numpy()
    numbered[others] = which + 1
    directions += [one.direction for one in found]
    kept = np.ones(len(regular), np.bool_)
    kept[others] = np.array([one.layout == layout for one in found])[which]
    return _Alike(regular[kept], values[kept], timed[kept], numbered[kept], directions)


def _shapes(texts: pa.StringArray) -> pa.StringArray:
    """Return the shapes of texts."""
    _, offsets, data = texts.buffers()
    shaped = _TO_ZERO.take(np.frombuffer(data, np.uint8))
    return pa.Array.from_buffers(
        pa.string(), len(texts), [None, offsets, pa.py_buffer(shaped)], 0, texts.offset
    )


def _tails(prefixes: pa.StringArray, offsets: Ints, rows: Ints, end: int) -> pa.Array:
    """Return the text of rows of `prefixes` from `end` on."""
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

    def at(self, place: int) -> Words:
        """Return the words at one place of the texts."""
        number, bits = divmod(8 * place, 64)
        if not bits:
            return self._words[number]
        low = self._words[number] >> _U(bits)
        low |= self._words[number + 1] << _U(64 - bits)
        return low

    def equal(self, text: bytes, begin: int, but: Iterable[int] = ()) -> Mask:
        """Tell which texts hold `text` at `begin`, except at some places."""
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

    def is_digit(self, place: int) -> Mask:
        """Tell which texts have a digit at a place."""
        return (self.at(place) & LOW_BYTES[1]) - _U(ord("0")) < 10

    def two_digits(self, span: Span | int | None, place: int) -> Any:
        """Return one or two digits of the texts, or a number, as two at a place of a word."""
        if span is None or isinstance(span, int):
            return word(b"%02d" % (span or 0)) << _U(8 * place)
        digits = self.at(span[0]) & LOW_BYTES[span[1] - span[0]]
        if span[1] - span[0] == 1:
            digits = digits << _U(8) | _U(ord("0"))
        return digits << _U(8 * place)


def _regular(
    prefixes: pa.StringArray,
    offsets: Ints,
    rows: Ints,
    sample: str,
    layout: Layout,
    log: LogFormat,
) -> tuple[Ints, Ints, Mask, Mask]:
    """Return the rows laid out as `sample`, their times, which exist, and which go on as it does.

    A row is laid out so if it has digits where `sample` has those of its time, and all else up to
    the end of the time is the same.
    """
    end, encoded = layout.end, sample.encode()[:_LONGEST]
    rows = rows[offsets[rows + 1] - offsets[rows] >= end]
    columns = _Columns(prefixes.buffers()[2], offsets[rows], max(end, len(encoded)))
    spans = [*(span for date in layout.dates for span in date), *layout.clock]
    spans += [layout.fraction, layout.epoch]
    digits = [place for span in spans if isinstance(span, tuple) for place in range(*span)]
    # The digits of an offset must be the same; other digits do not matter.
    zone = range(*(layout.zone or (0, 0)))
    numbered = [
        place
        for place in range(end)
        if sample[place].isdigit() and place not in digits and place not in zone
    ]
    laid_out = columns.equal(encoded[:end], 0, [*digits, *numbered])
    for place in numbered:
        laid_out &= columns.is_digit(place)
    read = _epochs if layout.epoch else _moments
    values, good = read(columns, sample, layout, log)
    values *= 1_000_000
    begin, stop = layout.fraction or (0, 0)
    for place, unit in ((begin, 1), (begin + 6, 0)):
        # Digits beyond microseconds do not matter, but must be digits.
        width = min(stop - place, 6)
        if width > 0:
            found, right = numbers(right_aligned(columns.at(place), np.full(1, width)))
            good &= right
            values += found * (unit * 10 ** (6 - width))
    same = columns.equal(encoded[end:], end)
    same &= offsets[rows + 1] - offsets[rows] == len(sample)
    same &= len(sample) <= _LONGEST
    good &= laid_out
    if not good.all():
        # There may be digits all the same, but of a time that does not exist.
        for place in digits:
            laid_out &= columns.is_digit(place)
    return rows[laid_out], values[laid_out], good[laid_out], same[laid_out]


def _epochs(columns: _Columns, sample: str, layout: Layout, _: LogFormat) -> tuple[Ints, Mask]:
    at = layout.epoch[0] if layout.epoch else 0
    high, right = numbers(columns.at(at).copy())
    low, digits = numbers(right_aligned(columns.at(at + 8), np.full(1, 2)))
    values = high * 100 + low
    right &= digits
    right &= (values > 0) & (values < LAST_EPOCH)
    return values, right


def _moments(columns: _Columns, sample: str, layout: Layout, log: LogFormat) -> tuple[Ints, Mask]:
    """Return the seconds since 1970 in UTC of dates and clocks, and which of them exist."""
    values, right = _days(columns, layout.dates[0])
    for date in layout.dates[1:]:
        # A date that may be read in two ways is none, unless both are the same day.
        others, also = _days(columns, date)
        both = right & also & (values != others)
        values = np.where(right, values, others)
        right = (right | also) & ~both
    hour, minute, second = layout.clock
    clock = columns.two_digits(hour, 0) | columns.two_digits(minute, 3)
    clock = clock | word(b"\0\0:\0\0:")
    last = columns.two_digits(second, 6)
    # A leap second is the first one of the next minute.
    leaps = last == _LEAP
    clock = clock | np.where(leaps, _BEFORE_LEAP, last)
    seconds, correct = clock_seconds(clock)
    right &= correct
    if layout.half:
        hours = seconds // 3600
        right &= (hours > 0) if layout.half == "p" else (hours <= 12)
        seconds += 43200 * ((hours < 12) if layout.half == "p" else -(hours == 12).astype(np.int64))
    values += seconds
    values += leaps
    zone = zone_of(sample, layout, log.time_zone)
    if isinstance(zone, int):
        values -= zone
        return values, right & in_calendar(values)
    if zone is None:
        return values, np.zeros(len(values), np.bool_)
    # Offsets change at full minutes, and the minutes of a block are few.
    minutes, which = np.unique(values // 60, return_inverse=True)
    moments = [utc(minute * 60, zone) for minute in minutes.tolist()]
    right &= np.array([one is not None for one in moments], np.bool_)[which]
    values -= np.array(
        [minute * 60 - (one or 0) for one, minute in zip(moments, minutes.tolist(), strict=True)],
        np.int64,
    )[which]
    return values, right


def _days(columns: _Columns, date: Date) -> tuple[Ints, Mask]:
    """Return the seconds from 1970 to dates with a full year, and which of them exist."""
    days = columns.at(date.year[0]) & LOW_BYTES[4]
    return day_seconds(days | columns.two_digits(date.month, 4) | columns.two_digits(date.day, 6))
