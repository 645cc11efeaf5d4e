"""Where messages begin and end in a stream of bytes.

A message begins at `8=FIX`, a version and a delimiter, or, in files that leave the standard header
out, at the beginning of a line with `35=` (possibly after `1128=` and `9=`). Data that begins
`within_line` begins on the line of a message before it, so no line begins there. It ends where
BodyLength (9) says if a CheckSum (10) field is there; so data fields may hold anything, whole FIX
messages included. Otherwise it is walked field by field, data fields by their length, up to
CheckSum, the end of the line or the next message.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from fixfeed.transforms.fix.dictionary.union import merged
from fixfeed.transforms.fix.framing.checksum import checksum
from fixfeed.transforms.fix.framing.delimiter import start_pattern
from fixfeed.transforms.fix.framing.plain import LONGEST_BODY, plain

__all__ = [
    "CHECK_SUM",
    "LINE_END",
    "Span",
    "claimed_trailer",
    "is_complete",
    "line_start",
    "message_end",
    "next_span",
    "next_start",
    "shown_at",
    "spans",
    "walk",
]

_BODY_LENGTH = re.compile(rb"9=([0-9]{1,9})")
_LENGTH = re.compile(rb"[0-9]{1,9}")
CHECK_SUM = re.compile(rb"10=[0-9]{3}(?![0-9A-Za-z])")
LINE_END = re.compile(rb"\n|\r(?!\n)")
_ENDS = (b"\r", b"\n")


class Span(NamedTuple):
    """A message in `data[start:end]`; `whole` is false if `data` ends inside it."""

    start: int
    end: int
    delimiter: bytes
    whole: bool


def next_start(
    data: bytes, at: int, delimiter: bytes, *, within_line: bool = False
) -> re.Match[bytes] | None:
    """Return the match of `start_pattern` where the first message at or after `at` begins."""
    pattern = start_pattern(delimiter)
    while match := pattern.search(data, at):
        # `58=FIX.4.4` also holds `8=FIX.4.4`: after a digit only a header makes a beginning.
        start = match.start()
        if start == 0 and within_line and not match[1]:
            pass
        elif (
            start == 0
            or not data[start - 1 : start].isdigit()
            or data.startswith(b"9=", match.end())
        ):
            return match
        at = start + 1
    return None


def spans(
    data: bytes, delimiter: bytes, *, final: bool = True, within_line: bool = False
) -> Iterator[Span]:
    """Yield the messages of `data` in order; they do not overlap.

    With `final`, `data` is all there is. Without it more bytes may follow, so a message that may go
    on after `data` is the last one yielded, with `whole` false.
    """
    at = 0
    while True:
        for start, ended in plain(data, at, delimiter):
            yield Span(start, ended, delimiter, True)
            at = ended
        span = next_span(data, at, delimiter, final=final, within_line=within_line)
        if span is None:
            return
        yield span
        if not span.whole:
            return
        at = span.end


def next_span(
    data: bytes, at: int, delimiter: bytes, *, final: bool, within_line: bool = False
) -> Span | None:
    """Return the first message of `data` that begins at or after `at`, None if none does.

    `final` is that of `spans`.
    """
    match = next_start(data, at, delimiter, within_line=within_line)
    if match is None:
        return None
    start, own = match.start(), match[1] or delimiter
    end = message_end(data, start, own, final=final)
    return Span(start, len(data) if end is None else end, own, end is not None)


def message_end(data: bytes, start: int, delimiter: bytes, *, final: bool = True) -> int | None:
    """Return where the message that begins at `start` ends, its last delimiter included.

    Without `final`, None means that the message may go on after the end of `data`.
    """
    trailer, length = claimed_trailer(data, start, delimiter)
    if length > LONGEST_BODY:
        return _long_end(data, start, trailer, delimiter, final)
    if trailer:
        end = _trailer_end(data, trailer, delimiter, final)
        if end and not _is_chance(data, start, trailer, delimiter):
            return end
        if not final and trailer + 7 > len(data):
            return None
    return walk(data, start, delimiter, final)


def claimed_trailer(data: bytes, start: int, delimiter: bytes) -> tuple[int, int]:
    """Return where BodyLength says that CheckSum begins, and BodyLength; zeros if there is none."""
    width = len(delimiter)
    first = data.find(delimiter, start) + width
    length = _BODY_LENGTH.match(data, first)
    if length and width == 1 and data.startswith(delimiter, length.end()):
        return length.end() + 1 + int(length[1]), int(length[1])
    return 0, 0


def _long_end(data: bytes, start: int, trailer: int, delimiter: bytes, final: bool) -> int | None:
    """Return the end of a message whose BodyLength is above `LONGEST_BODY`; see `message_end`.

    Most such numbers are wrong, so the fields come first. BodyLength decides only if they lead to
    an end of line without CheckSum.
    """
    end = walk(data, start, delimiter, final)
    if end is None or is_complete(data[start:end], delimiter) or data[end : end + 1] not in _ENDS:
        return end
    other = next_start(data, end, delimiter)
    if other and other.start() < trailer:
        return end
    if not final and trailer + 7 > len(data):
        return None
    return _trailer_end(data, trailer, delimiter, final) or end


def _trailer_end(data: bytes, trailer: int, delimiter: bytes, final: bool) -> int:
    """Return the end of the CheckSum field at `trailer`, 0 if there is no whole one."""
    if data[trailer - 1 : trailer] != delimiter or not CHECK_SUM.match(data, trailer):
        return 0
    end = trailer + 6
    if end == len(data):
        return end if final else 0
    return end + data.startswith(delimiter, end)


def _is_chance(data: bytes, start: int, trailer: int, delimiter: bytes) -> bool:
    """Tell whether BodyLength leads from a message that was cut off to the CheckSum of another.

    It does if another message begins on a line of its own before that CheckSum, which is not the
    sum of the bytes up to it.
    """
    line = data.find(b"\n", start, trailer)
    other = next_start(data, line, delimiter) if line >= 0 else None
    while other and other.start() < trailer:
        line = data.rfind(b"\n", start, other.start())
        if delimiter not in data[line : other.start()]:
            total = checksum(data[start:trailer].replace(delimiter, b"\x01"))
            return total != int(data[trailer + 3 : trailer + 6])
        other = next_start(data, other.start() + 1, delimiter)
    return False


def walk(data: bytes, start: int, delimiter: bytes, final: bool) -> int | None:
    """Return where the message ends according to its fields; see `message_end`."""
    lengths = merged().data_lengths
    width = len(delimiter)
    at = start
    line_end = data.find(b"\n", start)
    limit = line_end if line_end >= 0 else len(data)
    follows = next_start(data, start + 1, delimiter)
    while True:
        end = data.find(delimiter, at)
        if end < 0:
            end = len(data)
        tag, equals, value = data[at:end].partition(b"=")
        if equals and tag.isdigit() and int(tag) in lengths and _LENGTH.fullmatch(value):
            data_tag = b"%d=" % lengths[int(tag)]
            if data.startswith(data_tag, end + width):
                past = end + width + len(data_tag) + int(value)
                if past >= len(data) and not final:
                    trailer, _ = claimed_trailer(data, start, delimiter)
                    if int(value) <= LONGEST_BODY or past + width <= trailer:
                        return None
                if _ends_field(data, past, delimiter):
                    at = past + width
                    if past > limit:
                        line_end = data.find(b"\n", past)
                        limit = line_end if line_end >= 0 else len(data)
                    if follows and follows.start() < past:
                        follows = next_start(data, past, delimiter)
                    if at >= len(data):
                        return len(data) if final else None
                    continue
        if CHECK_SUM.match(data, at) and at + 6 < min(end, limit):
            if not final and delimiter.startswith(data[at + 6 : at + 6 + width]):
                return None  # the delimiter is cut in half
            # The log closes its line after it, as in `10=123)`.
            return at + 6
        if follows and follows.start() < min(end, limit):
            line = data.find(b"\r", at, follows.start())
            return line if line >= 0 else follows.start()
        if end >= limit:
            if limit == len(data) and not final:
                return None
            return _before_line_end(data, at, limit)
        if tag == b"10" and equals:
            if not final and end + width + 2 > len(data) and b"8=FIX" in value:
                return None  # `10=1238=FIX.4.4|`: with `9=` after it, another message begins there
            return end + width
        at = end + width


def shown_at(data: bytes, start: int, end: int, delimiter: bytes) -> int:
    """Return up to where `data` has to go so that the message `data[start:end]` ends there.

    Mostly that is `end`. CR alone ends a message without CheckSum only if another one comes later.
    """
    if not data.startswith(b"\r", end) or data.startswith(b"\n", end + 1):
        return end
    message = data[start:end]
    if is_complete(message, delimiter) and (
        message.endswith(delimiter) or CHECK_SUM.match(message, len(message) - 6)
    ):
        return end
    follows = next_start(data, end, delimiter)
    return follows.end() if follows else end


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


def line_start(data: bytes, at: int, start: int) -> int:
    """Return where the line of a message that begins at `start` begins, but not before `at`.

    Lines end with LF, CRLF, or CR alone.
    """
    line = max(at, data.rfind(b"\n", at, start) + 1)
    return max(line, data.rfind(b"\r", line, start) + 1)
