"""What stands between messages: told apart into text without FIX and bytes that are a failure.

Logs hold more than messages: blank lines, banners, what the engine did. Such lines are text and say
nothing in FIX; they are counted, and kept out. A line with traces of FIX or with bytes that no text
has might be a damaged message, so it is kept whole as a failure.
"""

import re
from typing import NamedTuple

from transforms.fix.traces import has_field, has_trace, separator_seen

__all__ = [
    "NOT_TEXT",
    "NO_BEGIN_STRING",
    "NO_MSG_TYPE",
    "REASONS",
    "TRUNCATED",
    "UNREADABLE",
    "Failure",
    "classify_lines",
    "damaged_prefix",
]

NO_BEGIN_STRING = "no_begin_string"
NO_MSG_TYPE = "no_msg_type"
NOT_TEXT = "not_text"
TRUNCATED = "truncated"
UNREADABLE = "unreadable"

REASONS = {
    NO_BEGIN_STRING: "fields as FIX has them, but no message begins there with 8=FIX and a version",
    NO_MSG_TYPE: "a message without MsgType (35)",
    NOT_TEXT: "bytes that are neither FIX nor text",
    TRUNCATED: "the source ends inside a message; what follows makes it whole in a later run",
    UNREADABLE: "the source cannot be read beyond this position",
}
"""Why bytes are a failure, and what that means."""


class Failure(NamedTuple):
    """Bytes that are no message, where they begin, and why they are none."""

    position: int
    reason: str
    detail: str
    raw: bytes


# What log formats close a line with behind the message.
_CLOSING = re.compile(rb"[\s)\]}>\"',;|]*")
_LINE_END = re.compile(rb"\r?\n|\r")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]")


def damaged_prefix(data: bytes, start: int, end: int, delimiter: bytes) -> Failure | None:
    """Return the text before a message on its line as a failure if it holds fields of FIX.

    Where messages follow each other without ends of lines, a damaged one stands there.
    """
    text = data[start:end]
    if not has_field(text, delimiter):
        return None
    return Failure(start, NO_BEGIN_STRING, _without_begin(text), text)


def _without_begin(text: bytes) -> str:
    """Return what a failure for want of BeginString says: what seems to separate its fields."""
    seen = separator_seen(text)
    if seen is None:
        return REASONS[NO_BEGIN_STRING]
    shown = seen.decode("ascii", "backslashreplace")
    return (
        f"{REASONS[NO_BEGIN_STRING]} that it is told to look for: {shown!r} stands behind the "
        "version; if it separates fields, name it with --delimiter"
    )


def classify_lines(
    data: bytes, start: int, end: int, delimiter: bytes, *, rest: bool
) -> tuple[list[Failure], int]:
    """Return the failures among the lines of `data[start:end]` and how many lines hold no FIX.

    Positions are those in `data`. With `rest` there is first what stands behind a message on its
    line, which is no line of its own. Blank lines, and brackets or quotes that close a line, count
    as neither. Lines next to each other that are no text are one failure.
    """
    failures: list[Failure] = []
    skipped = 0
    at = start
    while at < end:
        found = _LINE_END.search(data, at, end)
        stop = found.end() if found else end
        line = data[at:stop].rstrip(b"\r\n")
        if has_trace(line, delimiter):
            failures.append(Failure(at, NO_BEGIN_STRING, _without_begin(line), line))
        elif _CONTROL.search(line):
            before = failures[-1] if failures else None
            if before and before.reason == NOT_TEXT and before.position + len(before.raw) == at:
                failures[-1] = before._replace(raw=before.raw + data[at:stop])
            else:
                failures.append(Failure(at, NOT_TEXT, REASONS[NOT_TEXT], data[at:stop]))
        elif not (rest and at == start) and not _CLOSING.fullmatch(line):
            skipped += 1
        at = stop
    return failures, skipped
