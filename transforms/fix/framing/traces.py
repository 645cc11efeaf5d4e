"""Traces of FIX in a line in which no message begins.

A line counts as without FIX only if nobody would call it FIX. In case of doubt it is a failure,
which keeps its bytes.
"""

import re
from functools import cache

from fixfeed.transforms.fix.spelt import is_spelt, unspelt

__all__ = ["has_field", "has_trace"]

_ENOUGH = 3
"""A line with this many `number=value`, whatever is between them, has a trace of FIX."""

_BEGIN = re.compile(rb"8=FIX|(?<![0-9A-Za-z])8[ \t]*=")

# A tag as people and tools write it: `35=`, `35 =`, `MsgType(35)=`, `35(MsgType)=`. Letters before
# the number are the end of a delimiter (`^A35=`, `\x0135=`) or of a value, or make it a word of
# another kind (`heap1=`).
_NAME = rb"[ \t]?[(\[<][A-Za-z][0-9A-Za-z_ ]{0,60}[)\]>]"
_PAIR = re.compile(
    rb"(?<![0-9A-Za-z_])([0-9A-Za-z_]{0,200}?)[0-9]{1,19}(?:" + _NAME + rb"|[)\]>\"'])?[ \t]*="
)
_BEFORE_GLUED = frozenset(bytes([octet]) for octet in b"\\^%#=~+$@!*")
_ALONE = re.compile(
    rb"[ \t]*(?:[0-9]{1,9}(?:" + _NAME + rb")?|(?:[A-Za-z]\w{0,60}[ \t]?)?[(\[<][0-9]{1,9}[)\]>])"
    rb"[ \t]*="
)
_HEADER = re.compile(
    rb"(?<![0-9A-Za-z_])(?:BeginString|BodyLength|MsgType|SenderCompID|TargetCompID|MsgSeqNum"
    rb"|SendingTime|CheckSum)(?![0-9A-Za-z_])[^=:\n0-9A-Za-z]{0,4}[=:]"
)


@cache
def _field(delimiter: bytes) -> re.Pattern[bytes]:
    own = re.escape(delimiter)
    return re.compile(rb"(?:^|" + own + rb")[0-9]{1,9}=[^\n]*?" + own)


def has_field(text: bytes, delimiter: bytes) -> bool:
    """Tell whether `text` has a field between delimiters; at its start it needs none before it."""
    return bool(_field(delimiter).search(text))


def has_trace(line: bytes, delimiter: bytes) -> bool:
    """Tell whether `line` has a trace of FIX; `delimiter` is that of its file.

    Traces are `8=FIX`, a field between delimiters, three of `number=value` with any delimiter, a
    field alone on the line, and three names of header fields with values; `=` may be spelt
    (`\\u003d`).
    """
    if is_spelt(line):
        line = unspelt(line)
    if b"=" not in line and b":" not in line:
        return False
    return bool(
        _BEGIN.search(line)
        or has_field(line, delimiter)
        or _ALONE.match(line)
        or _pairs(line) >= _ENOUGH
        or len(_HEADER.findall(line)) >= _ENOUGH
    )


def _pairs(line: bytes) -> int:
    """Return how many of `number=value` a line has, at most `_ENOUGH`."""
    count = 0
    if line.count(b"=") < _ENOUGH:
        return count
    for match in _PAIR.finditer(line):
        start = match.start()
        if not match[1] or match[1].isdigit() or line[start - 1 : start] in _BEFORE_GLUED:
            count += 1
            if count == _ENOUGH:
                break
    return count
