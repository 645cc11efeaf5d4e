"""Where messages begin and end in a stream of bytes.

A message begins at `8=FIX`, a version and a delimiter, or, in files that leave the standard header
out, at the beginning of a line with `35=` (before it possibly `1128=` and `9=`). It ends where
BodyLength (9) says if a CheckSum (10) field stands there: so data fields may hold anything, whole
FIX messages included. Otherwise it is walked field by field, data fields by their length, up to
CheckSum, the end of the line or the next message.

A record is a message with what stands before it on its line and the end of the line, or a line
without FIX. Borders lie between records.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from transforms.fix.checksum import checksum
from transforms.fix.delimiter import start_pattern
from transforms.fix.dictionary import merged
from transforms.fix.original import as_read

__all__ = [
    "Span",
    "first_border",
    "is_complete",
    "last_border",
    "line_start",
    "message_end",
    "spans",
]

LONGEST_BODY = 1 << 20
"""A BodyLength above this is taken for a wrong one rather than for bytes that are still to come."""

_WINDOW = 64 << 10
_NEWLINE = 10
_BODY_LENGTH = re.compile(rb"9=([0-9]{1,9})")
_LENGTH = re.compile(rb"[0-9]{1,9}")
_CHECK_SUM = re.compile(rb"10=[0-9]{3}(?![0-9A-Za-z])")
_LINE_END = re.compile(rb"\n|\r(?!\n)")


class Span(NamedTuple):
    """A message in `data[start:end]`; `whole` is false if `data` ends inside it."""

    start: int
    end: int
    delimiter: bytes
    whole: bool


def _next_start(data: bytes, at: int, delimiter: bytes) -> re.Match[bytes] | None:
    pattern = start_pattern(delimiter)
    while match := pattern.search(data, at):
        # `58=FIX.4.4` also holds `8=FIX.4.4`: behind a digit only a header makes a beginning.
        start = match.start()
        if (
            start == 0
            or not data[start - 1 : start].isdigit()
            or data.startswith(b"9=", match.end())
        ):
            return match
        at = start + 1
    return None


def spans(data: bytes, delimiter: bytes, *, final: bool = True) -> Iterator[Span]:
    """Yield the messages of `data` in order; they do not overlap.

    With `final`, `data` is all there is. Without it more bytes may follow, so a message that may go
    on behind `data` is the last one yielded, with `whole` false.
    """
    at = 0
    while match := _next_start(data, at, delimiter):
        own = match[1] or delimiter
        start = match.start()
        end = message_end(data, start, own, final=final)
        yield Span(start, len(data) if end is None else end, own, end is not None)
        if end is None:
            return
        at = end


def message_end(data: bytes, start: int, delimiter: bytes, *, final: bool = True) -> int | None:
    """Return where the message that begins at `start` ends, its last delimiter included.

    Without `final`, None stands for a message that may go on behind the end of `data`.
    """
    width = len(delimiter)
    first = data.find(delimiter, start) + width
    length = _BODY_LENGTH.match(data, first)
    if length and width == 1 and data.startswith(delimiter, length.end()):
        body = length.end() + 1
        trailer = body + int(length[1])
        if trailer - body <= LONGEST_BODY:
            end = _trailer_end(data, trailer, delimiter, final)
            if end and not _is_chance(data, start, trailer, delimiter):
                return end
            if not final and trailer + 7 > len(data):
                return None
    return _walk(data, start, delimiter, final)


def _trailer_end(data: bytes, trailer: int, delimiter: bytes, final: bool) -> int:
    """Return the end of the CheckSum field at `trailer`, 0 if none stands there whole."""
    if data[trailer - 1 : trailer] != delimiter or not _CHECK_SUM.match(data, trailer):
        return 0
    end = trailer + 6
    if end == len(data):
        return end if final else 0
    return end + data.startswith(delimiter, end)


def _is_chance(data: bytes, start: int, trailer: int, delimiter: bytes) -> bool:
    """Tell whether BodyLength leads from a message that was cut off to the CheckSum of another.

    So it does where another message begins on a line of its own before it and the CheckSum is not
    that of the bytes between.
    """
    line = data.find(b"\n", start, trailer)
    other = _next_start(data, line, delimiter) if line >= 0 else None
    while other and other.start() < trailer:
        line = data.rfind(b"\n", start, other.start())
        if delimiter not in data[line : other.start()]:
            total = checksum(data[start:trailer].replace(delimiter, b"\x01"))
            return total != int(data[trailer + 3 : trailer + 6])
        other = _next_start(data, other.start() + 1, delimiter)
    return False


def _walk(data: bytes, start: int, delimiter: bytes, final: bool) -> int | None:
    lengths = merged().data_lengths
    width = len(delimiter)
    at = start
    line_end = data.find(b"\n", start)
    limit = line_end if line_end >= 0 else len(data)
    follows = _next_start(data, start + 1, delimiter)
    while True:
        end = data.find(delimiter, at)
        if end < 0:
            end = len(data)
        tag, equals, value = data[at:end].partition(b"=")
        if equals and tag.isdigit() and int(tag) in lengths and _LENGTH.fullmatch(value):
            data_tag = b"%d=" % lengths[int(tag)]
            if data.startswith(data_tag, end + width):
                past = end + width + len(data_tag) + int(value)
                if past > len(data) and int(value) <= LONGEST_BODY and not final:
                    return None
                if _ends_field(data, past, delimiter):
                    at = past + width
                    if past > limit:
                        line_end = data.find(b"\n", past)
                        limit = line_end if line_end >= 0 else len(data)
                    if follows and follows.start() < past:
                        follows = _next_start(data, past, delimiter)
                    if at >= len(data):
                        return len(data) if final else None
                    continue
        if _CHECK_SUM.match(data, at) and at + 6 < min(end, limit):
            # What closes the line follows, as in `10=123)`.
            return at + 6
        if follows and follows.start() < min(end, limit):
            line = data.find(b"\r", at, follows.start())
            return line if line >= 0 else follows.start()
        if end >= limit:
            if limit == len(data) and not final:
                return None
            return _before_line_end(data, at, limit)
        if tag == b"10" and equals:
            return end + width
        at = end + width


def _ends_field(data: bytes, at: int, delimiter: bytes) -> bool:
    # Not the end of `data`: a message never ends with a data field, so it was cut off there.
    return data.startswith(delimiter, at) or data[at : at + 1] in (b"\r", b"\n")


def _before_line_end(data: bytes, at: int, end: int) -> int:
    while end > at and data[end - 1] in b"\r":
        end -= 1
    return end


def is_complete(message: bytes, delimiter: bytes) -> bool:
    """Tell whether `message` ends with a CheckSum (10) field."""
    field = message.removesuffix(delimiter).rpartition(delimiter)[2]
    return field.startswith(b"10=")


def _borders(data: bytes, delimiter: bytes, *, final: bool, synced: bool) -> Iterator[int]:
    """Yield the borders of `data` in order.

    Unless `data` is known to begin at a border (`synced`), what stands before the end of its first
    whole message says nothing: it may be the inside of a data field.
    """
    at = 0
    for start, end, own, whole in spans(data, delimiter, final=final):
        if synced:
            before = at
            for before in _line_ends(data, at, start):
                yield before
            if before == at and at:
                # The text between them is the prefix of this one.
                yield at
        if not whole or (final and end == len(data) and not is_complete(data[start:end], own)):
            return
        at, synced = end, True
    if synced:
        yield from _line_ends(data, at, len(data), final=final)
        if final and at and not _LINE_END.search(data, at):
            yield at


def _line_ends(data: bytes, at: int, end: int, *, final: bool = True) -> Iterator[int]:
    for match in _LINE_END.finditer(data, at, end):
        if final or match.end() < len(data) or data[-1] == _NEWLINE:
            yield match.end()


def line_start(data: bytes, at: int, start: int) -> int:
    """Return where the line of a message that begins at `start` begins, `at` if not behind that.

    Lines end with LF, CRLF, or CR alone.
    """
    line = max(at, data.rfind(b"\n", at, start) + 1)
    return max(line, data.rfind(b"\r", line, start) + 1)


def last_border(data: bytes, delimiter: bytes, *, final: bool) -> int:
    """Return the last border in `data`, which begins at a border; 0 if there is none behind it.

    With `final`, `data` ends where its source ends: the answer is `len(data)` if the last record is
    whole, else where the unfinished one begins. Only the end of `data` is looked at, from as far
    back as a whole message is found in it.
    """
    data, delimiter, original = as_read(data, delimiter)
    window = _WINDOW
    while True:
        begin = max(0, len(data) - window)
        part = data[begin:]
        last = max(_borders(part, delimiter, final=final, synced=begin == 0), default=0)
        if last or begin == 0:
            return original.at(begin + last)
        window *= 4


def first_border(window: bytes, at: int, delimiter: bytes) -> int | None:
    """Return the first border at or behind `at` in `window`; None if `window` shows none.

    `window` may begin anywhere; a border counts only behind the first whole message in it. More
    bytes may follow it, so its end is no border.
    """
    size = len(window)
    window, delimiter, original = as_read(window, delimiter)
    for border in _borders(window, delimiter, final=False, synced=False):
        border = original.at(border)
        if at <= border < size:
            return border
    return None
