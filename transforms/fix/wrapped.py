"""Messages inside the strings of JSON lines, CSV cells and printed strings: what is escaped there.

A string is taken for one if it begins before a message on its line and ends behind it. What its
escapes stand for is read where the message then has the length that it says, or where the string is
one for certain: the value of a member in JSON, a cell with doubled quotes, bytes as Python prints
them. Otherwise a backslash is a backslash.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from transforms.fix.delimiter import start_pattern

__all__ = ["Escape", "escapes"]


class Escape(NamedTuple):
    """Bytes from `start` to `end` that stand for `text`."""

    start: int
    end: int
    text: bytes


_BEGIN = b"8=FIX"
_CLOSED = {
    quote: re.compile(rb"(?:[^%b\\\n]|\\[^\n])*%b" % (quote, quote)) for quote in (b'"', b"'")
}
_CELL = re.compile(rb'(?:[^"]|"")*"(?=[,;\t\r\n]|\Z)')
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
"""What a string inside a string escapes."""

_BACKSLASH = ord("\\")
_LETTERS = dict(zip(b"bfnrt", b"\b\f\n\r\t", strict=True))
_LINE_ENDS = re.compile(rb"(?:\\[nrt]|\\u000[adAD]|[ \t])*\Z")
_BODY_LENGTH = re.compile(rb"9=([0-9]{1,9})")


def escapes(data: bytes, delimiter: bytes) -> list[Escape]:
    """Return, in order, what is escaped in the messages of `data` that stand in strings.

    `delimiter` is that of the file. Data without quotes, or with few, costs next to nothing.
    """
    found: list[Escape] = []
    if b"\\" not in data and b'""' not in data:
        return found
    for quote in (b'"', b"'"):
        past = 0
        for start, begin in _openings(data, quote):
            if start >= past:
                past, inside = _in_string(data, quote, start, begin, delimiter)
                found += inside
    found.sort()
    # Of strings that cross each other the first one counts.
    past = 0
    return [one for one in found if one.start >= past and (past := one.end)]


def _openings(data: bytes, quote: bytes) -> Iterator[tuple[int, int]]:
    """Yield places behind a quote on whose line a message follows, and where that begins."""
    at = data.find(quote)
    while at >= 0:
        begin = data.find(_BEGIN, at)
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


def _in_string(
    data: bytes, quote: bytes, start: int, begin: int, delimiter: bytes
) -> tuple[int, list[Escape]]:
    """Return where the string from `start` on ends, and what is escaped in it from `begin` on."""
    line = data.find(b"\n", begin)
    line = line if line >= 0 else len(data)
    before = data[max(0, start - 16) : start - 1]
    if quote == b'"' and before[-1:] in _BEFORE_CELLS and data.find(b'""', begin, line) >= 0:
        cell = _CELL.match(data, start, line)
        if cell:
            pairs = re.compile(b'""').finditer(data, begin, cell.end() - 1)
            return cell.end(), [Escape(*pair.span(), b'"') for pair in pairs]
    closed = _CLOSED[quote].match(data, start, line)
    if not closed:
        return start, []
    text = _LINE_ENDS.sub(b"", data[begin : closed.end() - 1])
    end = begin + len(text)
    if b"\\" not in (text.replace(delimiter, b"") if len(delimiter) > 1 else text):
        return closed.end(), []
    for pattern in (_ESCAPE, _TWICE):
        found = [Escape(*one.span(), _meant(one)) for one in pattern.finditer(data, begin, end)]
        if _is_framed(_undone(data, begin, end, found), delimiter):
            return closed.end(), found
    found = [Escape(*one.span(), _meant(one)) for one in _ESCAPE.finditer(data, begin, end)]
    if not _CERTAIN.search(before) or _is_framed(text, delimiter):
        return closed.end(), []
    return closed.end(), [one for one in found if one.text not in (b"\n", b"\r")]


def _meant(escape: re.Match[bytes]) -> bytes:
    """Return the bytes that an escape stands for."""
    found = escape.groupdict()
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


def _undone(data: bytes, at: int, end: int, found: Sequence[Escape]) -> bytes:
    parts = []
    for one in found:
        parts += [data[at : one.start], one.text]
        at = one.end
    return b"".join([*parts, data[at:end]])


def _is_framed(text: bytes, delimiter: bytes) -> bool:
    """Tell whether `text` begins with a message whose BodyLength leads to its CheckSum."""
    begin = start_pattern(delimiter).match(text)
    if not begin or not begin[1]:
        return False
    text = text.replace(begin[1], b"\x01")
    length = _BODY_LENGTH.match(text, text.find(b"\x01") + 1)
    if not length:
        return False
    trailer = length.end() + 1 + int(length[1])
    return text.startswith(b"\x0110=", trailer - 1)
