"""Escapes in messages inside the strings of JSON lines, CSV cells and printed strings.

Text is taken for a string if it begins before a message on its line. Its escapes are undone if the
message then has the length that it claims, or if it is certainly a string and ends after the
message: the value of a member in JSON, a cell with doubled quotes, bytes as Python prints them.
Otherwise a backslash is a backslash.

Data may be cut after a message, before the quote that ends its string. So a string without that
quote ends where its line or the data does.
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from fixfeed.transforms.fix.framing.containers import joints
from fixfeed.transforms.fix.framing.delimiter import start_pattern
from fixfeed.transforms.fix.framing.escape import Escape, composed, undone
from fixfeed.transforms.fix.spelt import BEGIN, is_escaped

__all__ = ["escapes", "framed_end", "open_string"]


class _String(NamedTuple):
    """The escapes in a string from its first message, at `begin`, to the string's `end`.

    `is_open` means that the data ends before the quote that ends the string.
    """

    begin: int
    end: int
    found: list[Escape]
    is_open: bool = False


_BEGIN = b"8=FIX"
_FURTHEST = 1 << 20
_LOOKED_AT = 3
"""How many beginnings of messages before a string are tried as those of a message around it."""
_Search = Callable[[int], int]
"""Returns where the first message at or after a place begins, -1 if none does."""
_CLOSED = {
    quote: re.compile(rb"(?:[^%b\\\n]|\\[^\n])*%b" % (quote, quote)) for quote in (b'"', b"'")
}
_CELL = re.compile(rb'(?:[^"]|"")*"(?=[,;\t\r\n]|\Z)')
_OPEN_CELL = re.compile(rb'(?:[^"]|"")*\Z')
_BEFORE_CELLS = (b"", b",", b";", b"\t", b"\n")
_CERTAIN = re.compile(rb'(?:"[ \t]*[:=][ \t]*|(?<![0-9A-Za-z_])b)\Z')


def _escapes(slash: bytes, other: bytes) -> re.Pattern[bytes]:
    """Return the pattern of escapes that begin with `slash`; `other` is that of quote and slash."""
    return re.compile(
        rb"%b|%b(?:u(?P<high>[dD][89abAB][0-9a-fA-F]{2})%bu(?P<low>[dD][c-fC-F][0-9a-fA-F]{2})"
        rb"|u(?P<unit>[0-9a-fA-F]{4})|x(?P<octet>[0-9a-fA-F]{2})|(?P<octal>[0-7]{3})"
        rb"|(?P<letter>['/bfnrt]))" % (other, slash, slash)
    )


_ESCAPE = _escapes(rb"\\", rb"\\(?P<itself>[\"\\])")
_TWICE = _escapes(rb"\\\\", rb"\\\\\\(?P<itself>\")|\\{3}(?P<slash>\\)")
"""The escapes of a string inside a string."""

_PAIR = re.compile(b'""')
_NESTED = (
    *((_PAIR, _ESCAPE), (_ESCAPE, _PAIR), (_ESCAPE, _ESCAPE)),
    *((_PAIR, _ESCAPE, _ESCAPE), (_ESCAPE, _PAIR, _ESCAPE), (_ESCAPE, _ESCAPE, _PAIR)),
    *((_ESCAPE,) * depth for depth in (3, 4)),
)
"""The escapes of strings inside strings, the outermost first: those of JSON, Python and CSV."""
_LONGEST_NESTED = 256 << 10
_BACKSLASH = ord("\\")
_LETTERS = dict(zip(b"bfnrt", b"\b\f\n\r\t", strict=True))
_LINE_ENDS = re.compile(rb"(?:\\[nrt]|\\u000[adAD]|[ \t])*\Z")
_BODY_LENGTH = re.compile(rb"9=([0-9]{1,9})")


def escapes(data: bytes, delimiter: bytes, *, within_line: bool = False) -> list[Escape]:
    """Return, in order, the escapes in those messages of `data` that are in strings.

    Lines that a container's runtime has cut are put together first. `delimiter` is that of the
    file. `within_line` means that no line begins with `data`. Data without quotes, or with few,
    costs next to nothing.
    """
    between = joints(data, within_line=within_line)
    if not between:
        return _escapes_of(data, delimiter)
    return composed(between, _escapes_of(undone(data, 0, len(data), between), delimiter), 0)


def _escapes_of(data: bytes, delimiter: bytes) -> list[Escape]:
    if b"\\" not in data and b'""' not in data:
        return []
    found = sorted(one for string in _strings(data, delimiter) for one in string.found)
    # If strings overlap, the first one counts.
    past = 0
    return [one for one in found if one.start >= past and (past := one.end)]


def open_string(data: bytes, delimiter: bytes) -> int | None:
    """Return the start of the first message in a string that `data` ends inside; None if in none.

    Only a string with escapes counts: what follows `data` decides how they are read. An apostrophe
    or quote before a message in a string of the other kind opens none.
    """
    line = data.rfind(b"\n") + 1
    if data.find(b"\\", line) < 0 and data.find(b'""', line) < 0:
        return None
    strings = [one for one in _strings(data[line:], delimiter) if one.found]
    closed = [one for one in strings if not one.is_open]
    opened = [
        one.begin
        for one in strings
        if one.is_open and not any(other.begin <= one.begin < other.end for other in closed)
    ]
    return line + min(opened) if opened else None


def _strings(data: bytes, delimiter: bytes) -> Iterator[_String]:
    """Yield the strings of `data` that hold messages, one kind of quote after the other.

    A string inside a message that has the length it claims is part of a value of that message.
    """
    search = _search(data)
    for quote in (b'"', b"'"):
        past = 0
        for start, begin in _openings(data, quote, search):
            if start < past:
                continue
            around = _end_around(data, start, past, delimiter)
            if around:
                past = around
                continue
            string = _in_string(data, quote, start, begin, delimiter)
            past = string.end
            yield string


def _end_around(data: bytes, place: int, past: int, delimiter: bytes) -> int:
    """Return the end of the message that `place` is inside, 0 if it is in none.

    No message begins before `past`.
    """
    at, first = place, max(past, place - _FURTHEST)
    for _ in range(_LOOKED_AT):
        at = data.rfind(_BEGIN, first, at)
        if at < 0:
            break
        end = framed_end(data, at, delimiter)
        if end > place:
            return end
    return 0


def _search(data: bytes) -> _Search:
    """Return a function that finds messages in `data`, whose characters may be escaped as well."""

    def spelt(at: int) -> int:
        found = BEGIN.search(data, at)
        return found.start() if found else -1

    return spelt if is_escaped(data) else lambda at: data.find(_BEGIN, at)


def _openings(data: bytes, quote: bytes, search: _Search) -> Iterator[tuple[int, int]]:
    """Yield the starts of what may be a string and of the message after it on its line."""
    at = data.find(quote)
    while at >= 0:
        begin = search(at)
        if begin < 0:
            return
        line = data.rfind(b"\n", 0, begin) + 1
        # The last quote before the message that is not escaped itself.
        at = data.rfind(quote, line, begin)
        while at > line and data[at - 1] == _BACKSLASH:
            at = data.rfind(quote, line, at - 1)
        if at >= 0:
            yield at + 1, begin
        at = data.find(quote, begin)


def _in_string(data: bytes, quote: bytes, start: int, begin: int, delimiter: bytes) -> _String:
    """Return the string that begins at `start`, with what is escaped in it from `begin` on."""
    line = data.find(b"\n", begin)
    cut = line < 0
    line = len(data) if cut else line
    before = data[max(0, start - 16) : start - 1]
    if quote == b'"' and before[-1:] in _BEFORE_CELLS and data.find(b'""', begin, line) >= 0:
        cell = _cell(data, start, begin, line, delimiter)
        if cell:
            return cell
    closed = _CLOSED[quote].match(data, start, line)
    if not closed and data.find(b"\\", begin, line) < 0:
        return _String(begin, start, [])
    past, is_open = (closed.end(), False) if closed else (line, cut)
    text = _LINE_ENDS.sub(b"", data[begin : past - 1] if closed else data[begin:past])
    end = begin + len(text)
    if b"\\" not in (text.replace(delimiter, b"") if len(delimiter) > 1 else text):
        return _String(begin, past, [])
    certain = (closed or is_open) and (_CERTAIN.search(before) or data[begin : begin + 5] != _BEGIN)
    if not closed and not certain and framed_end(text, 0, delimiter):
        return _String(begin, start, [])
    for pattern in (_ESCAPE, _TWICE):
        found = [Escape(*one.span(), _meant(one)) for one in pattern.finditer(data, begin, end)]
        if framed_end(undone(data, begin, end, found), 0, delimiter):
            return _String(begin, past, found, is_open)
    nested = _nested(data, begin, line, delimiter)
    if nested:
        return nested
    if not certain or framed_end(text, 0, delimiter):
        return _String(begin, past if closed else start, [])
    found = [Escape(*one.span(), _meant(one)) for one in _ESCAPE.finditer(data, begin, end)]
    found = [one for one in found if one.text not in (b"\n", b"\r")]
    return _String(begin, past, found, is_open)


def _cell(data: bytes, start: int, begin: int, line: int, delimiter: bytes) -> _String | None:
    """Return the cell with doubled quotes that begins at `start`, None if none does."""
    cell = _CELL.match(data, start, line)
    is_open = not cell and line == len(data) and not framed_end(data, begin, delimiter)
    if is_open:
        cell = _OPEN_CELL.match(data, start)
    if not cell:
        return None
    pairs = re.compile(b'""').finditer(data, begin, cell.end() - (not is_open))
    return _String(begin, cell.end(), [Escape(*one.span(), b'"') for one in pairs], is_open)


def _nested(data: bytes, begin: int, line: int, delimiter: bytes) -> _String | None:
    """Return the string of the message at `begin` inside other strings, None if there is none.

    There is one if the message, with the escapes of each of them undone, has the length it claims.
    """
    end = min(line, begin + _LONGEST_NESTED)
    for layers in _NESTED:
        found: list[Escape] = []
        text = data[begin:end]
        for layer in layers:
            inner = [Escape(*one.span(), _meant(one)) for one in layer.finditer(text)]
            found = composed(found, inner, begin)
            text = undone(data, begin, end, found)
        past = framed_end(text, 0, delimiter)
        if past:
            # Escapes after the message are left as they are.
            while found and begin + past < found[-1].end - _longer(found):
                found.pop()
            return _String(begin, begin + past + _longer(found), found)
    return None


def _longer(found: list[Escape]) -> int:
    """Return how many bytes longer data is than after its escapes are undone."""
    return sum(one.wider for one in found)


def _meant(escape: re.Match[bytes]) -> bytes:
    """Return the bytes that an escape stands for."""
    found = escape.groupdict()
    if not found:
        return b'"'
    if found["letter"]:
        letter = found["letter"][0]
        return bytes([_LETTERS.get(letter, letter)])
    if found["octet"] or found["octal"]:
        octet = int(found["octet"], 16) if found["octet"] else int(found["octal"], 8)
        return bytes([octet & 255])
    if found["unit"]:
        return chr(int(found["unit"], 16)).encode("utf-8", "surrogatepass")
    if found["high"]:
        high, low = int(found["high"], 16) & 0x3FF, int(found["low"], 16) & 0x3FF
        return chr(0x10000 + (high << 10 | low)).encode()
    return found["itself"] or b"\\"


def framed_end(data: bytes, at: int, delimiter: bytes) -> int:
    """Return the end of the message at `at` if its BodyLength leads to its CheckSum, else 0."""
    begin = start_pattern(delimiter).match(data, at)
    length = _BODY_LENGTH.match(data, begin.end()) if begin and begin[1] else None
    if not begin or not length or not data.startswith(begin[1], length.end()):
        return 0
    own, size = begin[1], int(length[1])
    body = length.end() + len(own)
    trailer = body + size
    if len(own) > 1:
        # Lengths count a delimiter as one byte, whatever the log wrote for it.
        text = data[body : body + size * len(own)].replace(own, b"\x01")[:size]
        trailer += text.count(b"\x01") * (len(own) - 1)
    if not data.startswith(own + b"10=", trailer - len(own)):
        return 0
    end = trailer + 6
    return end + len(own) if data.startswith(own, end) else end
