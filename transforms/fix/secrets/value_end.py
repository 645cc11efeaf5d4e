"""Where the value of a secret ends in bytes that are not a message."""

import re

__all__ = ["field_end", "text_span"]

_DELIMITERS = b"\x01|^;,\t~!"
_LINE_END = re.compile(rb"\r?\n")
# What follows a delimiter that ends a value: the next field, or what logs close with, to the end.
_NEXT_FIELD = re.compile(
    rb"[^\w=\n]{0,3}(?:[0-9]{1,9}|[A-Za-z]\w{0,40})[ .)\]>\"']{0,3}=|[\s)\]}>\"',]*\Z"
)
_NEXT_NAME = re.compile(rb"[\s,;&|\x01]+[\"'\\<{]*[\w.-]{1,40}[\"'\\]*\s?[=:]|\s*</?[A-Za-z]|\x01")
_VALUE = re.compile(rb"[ \t]+(?=[\"'\\<{]*[\w.-])")
_OPENING = re.compile(rb"[\s\[{(]*(\\*[\"'])")


def field_end(text: bytes, start: int, before: bytes) -> int:
    """Return where the value of a field with `before` before it ends: at the next field or line."""
    line = _LINE_END.search(text, start)
    end = line.start() if line else len(text)
    if not before or before not in _DELIMITERS:
        return _before_next_name(text, start, end)
    at = text.find(before, start, end)
    while at >= 0:
        if _NEXT_FIELD.match(text, at + 1, end):
            return at
        at = text.find(before, at + 1, end)
    return end


def text_span(text: bytes, start: int) -> tuple[int, int]:
    """Return where a value of JSON, XML or a log's own words is: up to its quote, name or line."""
    line = _LINE_END.search(text, start)
    end = line.start() if line else len(text)
    opening = _OPENING.match(text, start, end)
    if opening:
        mark = opening[1]
        closing = re.compile(
            (rb"(?<!\\)" if len(mark) == 1 else b"") + re.escape(mark) + rb"(?=[\s,}\])>/&;|]|\Z)"
        )
        found = closing.search(text, opening.end(), end)
        return opening.end(), found.start() if found else end
    return start, _before_next_name(text, start, end)


def _before_next_name(text: bytes, start: int, end: int) -> int:
    """Return where a value ends: at the next name with a value. It may itself begin like one."""
    value = _VALUE.match(text, start, end)
    found = _NEXT_NAME.search(text, value.end() if value else start, end)
    return found.start() if found else end
