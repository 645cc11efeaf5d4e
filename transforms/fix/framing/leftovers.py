"""Sorts what is between messages into text without FIX and bytes that are a failure.

Logs hold more than messages: blank lines, banners, notes of the engine. Such lines are text without
FIX; they are counted, and left out. A line with traces of FIX or with bytes that no text has might
be a damaged message, so it is kept whole as a failure.
"""

import re
from collections.abc import Iterable

import numpy as np

from fixfeed.transforms.batch import READING_REASONS, Failure
from fixfeed.transforms.fix.framing.traces import has_field, has_trace
from fixfeed.transforms.fix.framing.without_begin import NO_BEGIN, seen_without_begin

__all__ = [
    "NOT_TEXT",
    "NO_BEGIN_STRING",
    "NO_MSG_TYPE",
    "REASONS",
    "REPEATED_BYTE",
    "before_not_text",
    "classify_lines",
    "damaged_prefix",
    "open_noise",
    "without_runs",
]

NO_BEGIN_STRING = "no_begin_string"
NO_MSG_TYPE = "no_msg_type"
NOT_TEXT = "not_text"
REPEATED_BYTE = "repeated_byte"

REASONS = {
    NO_BEGIN_STRING: NO_BEGIN,
    NO_MSG_TYPE: "a message without MsgType (35), or with one of more than 250 bytes",
    NOT_TEXT: "bytes that are neither FIX nor text",
    REPEATED_BYTE: "the same byte very many times; the detail says which and how many",
    **READING_REASONS,
}
"""Why bytes are a failure, and what that means."""


RUN = 4 << 10
"""A byte that is repeated this many times or more is kept as a count."""

_RUN_HEAD = 16
_JOINED = 256 << 10  # bytes of lines that are not text, in one failure
_NEAR = 64  # bytes of text between two such lines that go with them


# What log formats close a line with after the message.
_CLOSING = re.compile(rb"[\s)\]}>\"',;|]*")
_LINE_END = re.compile(rb"\r?\n|\r")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]")


def damaged_prefix(data: bytes, start: int, end: int, delimiter: bytes) -> Failure | None:
    """Return the text before a message on its line as a failure if it holds fields of FIX.

    Where messages follow each other without ends of lines, it is a damaged message.
    """
    text = data[start:end]
    if not has_field(text, delimiter):
        return None
    return Failure(start, NO_BEGIN_STRING, seen_without_begin(text, delimiter), text)


def classify_lines(
    data: bytes, start: int, end: int, delimiter: bytes, *, rest: bool
) -> tuple[list[Failure], list[int]]:
    """Return the failures among the lines of `data[start:end]`, and where lines without FIX begin.

    Positions are those in `data`. With `rest` the first piece is the text after a message on its
    line, which is not a line of its own. Blank lines, and brackets or quotes that close a line,
    are neither. Lines that are not text and near each other are one failure, with the few
    bytes of text between them; one failure has little more than 256 KiB of them.
    """
    failures: list[Failure] = []
    skipped: list[int] = []
    # Lines that are not text, and the lines of text that came since.
    noise, noise_end = -1, -1
    passed: list[int] = []
    at = start
    while at < end:
        found = _LINE_END.search(data, at, end)
        stop = found.end() if found else end
        line = data[at:stop].rstrip(b"\r\n")
        traced = has_trace(line, delimiter)
        if traced or _CONTROL.search(line):
            if noise >= 0 and (traced or at - noise_end > _NEAR or noise_end - noise >= _JOINED):
                failures.append(_not_text(data, noise, noise_end))
                skipped += passed
                noise = -1
            if traced:
                seen = seen_without_begin(line, delimiter)
                failures.append(Failure(at, NO_BEGIN_STRING, seen, line))
            else:
                noise, noise_end, passed = (at if noise < 0 else noise), stop, []
        elif not (rest and at == start) and not _CLOSING.fullmatch(line):
            (passed if noise >= 0 else skipped).append(at)
        at = stop
    if noise >= 0:
        failures.append(_not_text(data, noise, noise_end))
        skipped += passed
    return failures, skipped


def _not_text(data: bytes, start: int, end: int) -> Failure:
    return Failure(start, NOT_TEXT, REASONS[NOT_TEXT], data[start:end])


def open_noise(data: bytes, start: int, end: int, delimiter: bytes) -> int:
    """Return where a run of lines without text begins in `data[start:end]` that may go on.

    It is `end` if there is none. `data[start:end]` are whole lines in which no message begins. What
    `classify_lines` makes of those before that place stays the same whatever follows.
    """
    noise, noise_end = -1, -1
    at = start
    while at < end:
        found = _LINE_END.search(data, at, end)
        stop = found.end() if found else end
        line = data[at:stop].rstrip(b"\r\n")
        if has_trace(line, delimiter):
            noise = -1
        elif _CONTROL.search(line):
            if noise < 0 or at - noise_end > _NEAR or noise_end - noise >= _JOINED:
                noise = at
            noise_end = stop
        at = stop
    is_open = noise >= 0 and end - noise_end <= _NEAR and noise_end - noise < _JOINED
    return noise if is_open else end


def before_not_text(data: bytes, end: int, delimiter: bytes) -> int:
    """Return where the run of lines without text that ends `data[:end]` begins; `end` if none.

    When the source grows, more such lines may follow. They belong to the same failure, even with a
    few bytes of text between them.
    """
    begin, at = end, end
    while at > 0 and data[at - 1 : at] == b"\n" and end - at < _JOINED:
        last, at = at, data.rfind(b"\n", 0, at - 1) + 1
        line = data[at:last].rstrip(b"\r\n")
        if has_trace(line, delimiter):
            break
        if _CONTROL.search(line):
            begin = at
        elif begin - at > _NEAR:
            break
    return begin


def without_runs(failures: Iterable[Failure]) -> list[Failure]:
    """Replace long runs of one byte in failures by their count, each as a failure of its own.

    So a file of zeros, which may be a thousandth as long when compressed, stays small.
    """
    result = []
    for failure in failures:
        if len(failure.raw) < RUN:
            result.append(failure)
            continue
        octets = np.frombuffer(failure.raw, np.uint8)
        changes = np.flatnonzero(octets[1:] != octets[:-1]) + 1
        edges = np.concatenate(([0], changes, [len(octets)]))
        long = np.flatnonzero(np.diff(edges) >= RUN)
        past = 0
        for begin, end in zip(edges[long].tolist(), edges[long + 1].tolist(), strict=True):
            if past < begin:
                result.append(_part(failure, past, begin))
            byte, count = failure.raw[begin], end - begin
            detail = f"the byte 0x{byte:02X} {count:,} times; {_RUN_HEAD} of them are kept"
            raw = failure.raw[begin : begin + _RUN_HEAD]
            result.append(Failure(failure.position + begin, REPEATED_BYTE, detail, raw))
            past = end
        if past < len(octets):
            result.append(_part(failure, past, len(octets)))
    return result


def _part(failure: Failure, start: int, end: int) -> Failure:
    return failure._replace(position=failure.position + start, raw=failure.raw[start:end])
