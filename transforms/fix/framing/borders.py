"""Where a stream of FIX may be cut so that each side reads as it does in the whole.

A record is a message with the text before it on its line and the end of the line, or a line without
FIX. Borders lie between records.

A source may end inside a message and grow later, so at its end a message counts as ended only if
what follows cannot change it: CheckSum is there, with its delimiter, or with three digits and an
end of line. Otherwise it waits, except for CheckSum with three digits in a log whose messages end
like that (`Endings.bare`). Where BodyLength leads beyond the end of the source, a message without
CheckSum waits too, unless another message begins after it or the log's messages end like that
(`Endings.unsealed`).
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

from fixfeed.transforms.fix.framing.checksum import checksum
from fixfeed.transforms.fix.framing.containers import open_run
from fixfeed.transforms.fix.framing.delimiter import start_pattern
from fixfeed.transforms.fix.framing.escape import Original
from fixfeed.transforms.fix.framing.messages import (
    CHECK_SUM,
    LINE_END,
    claimed_trailer,
    is_complete,
    message_end,
    next_start,
    shown_at,
    spans,
    walk,
)
from fixfeed.transforms.fix.framing.original import as_read
from fixfeed.transforms.fix.framing.plain import plain
from fixfeed.transforms.fix.framing.wrapped import open_string

__all__ = [
    "Endings",
    "claimed_end",
    "endings",
    "first_border",
    "last_border",
    "next_record",
    "whole_as_read",
]

_WINDOW = 64 << 10
_SHOWN = 16  # messages at the head of a log, which show how all of them end


class Endings(NamedTuple):
    """How the messages of a log end, where not all of them end as FIX says.

    `bare`: with CheckSum, but none with a delimiter after it; `unsealed`: some at the end of their
    line without CheckSum.
    """

    bare: bool = False
    unsealed: bool = False


def endings(head: bytes, delimiter: bytes) -> Endings:
    """Return how messages end, judging by the whole ones in `head`, the beginning of a log."""
    data, one, _ = whole_as_read(head, delimiter)
    bare = closed = unsealed = False
    at = shown = 0
    for _, end in itertools.islice(plain(data, 0, one), _SHOWN):
        at, shown, closed = end, shown + 1, True
    data = data[max(0, at - 1) :]  # not from `at` on, which is no beginning of a line
    for span in itertools.islice(spans(data, one, final=False), _SHOWN - shown):
        if span.whole:
            message = data[span.start : span.end]
            sealed = is_complete(message, span.delimiter)
            unsealed |= not sealed
            closed |= sealed and message.endswith(span.delimiter)
            bare |= bool(CHECK_SUM.fullmatch(message.rpartition(span.delimiter)[2]))
    return Endings(bare and not closed, unsealed)


def last_border(
    data: bytes, delimiter: bytes, *, at_end: Endings | None = None, within_line: bool = False
) -> int:
    """Return the last border in `data`, which begins at a border; 0 if there is none after it.

    With `at_end`, `data` ends where its source does, and `at_end` is how messages end there. The
    answer is then `len(data)` if the last record is whole, else where the unfinished one begins.
    Messages in a string with escapes wait for the end of the string, which decides how they are
    read, and so do the parts of a line that a container's runtime has cut. Only the end of `data`
    is looked at, far enough back to find a whole message.
    """
    opened = open_run(data, within_line=within_line, at_end=at_end is not None)
    if opened is None and at_end is not None:
        opened = open_string(data, delimiter)
    data, delimiter, original = whole_as_read(data, delimiter, within_line=within_line)
    window = _WINDOW
    while True:
        begin = max(0, len(data) - window)
        part = data[begin:]
        within = within_line if begin == 0 else True  # a line may begin elsewhere
        borders = _borders(part, delimiter, synced=begin == 0, at_end=at_end, within_line=within)
        if opened is not None:
            borders = (one for one in borders if original.at(begin + one) <= opened)
        last = max(borders, default=0)
        if last or begin == 0:
            return original.at(begin + last)
        window *= 4


def first_border(
    window: bytes, at: int, delimiter: bytes, *, synced: bool = False, within_line: bool = False
) -> int | None:
    """Return the first border at or after `at` in `window`; None if `window` shows none.

    `window` may begin anywhere; unless it is known to begin at a border (`synced`), one counts only
    after the first whole message in it. More bytes may follow it, so its end is not a border.
    """
    size = len(window)
    opened = open_run(window, within_line=within_line)
    size = size if opened is None else opened + 1
    window, delimiter, original = whole_as_read(window, delimiter, within_line=within_line)
    for border in _borders(window, delimiter, synced=synced, within_line=within_line):
        border = original.at(border)
        if at <= border < size:
            return border
    return None


def next_record(data: bytes, delimiter: bytes, *, lines: bool) -> int | None:
    """Return where a record may begin in `data`, which begins inside one.

    It is where the first message begins, or, with `lines`, the first line if that comes first; None
    if neither does.
    """
    line = (data.find(b"\n") + 1 if lines else 0) or len(data) + 1
    start = start_pattern(delimiter).search(data, 1, min(line, len(data)))
    found = start.start() if start else line
    return found if found <= len(data) else None


def claimed_end(data: bytes, delimiter: bytes) -> int:
    """Return where CheckSum of the first message of `data` is by its BodyLength; 0 if unknown."""
    first = next_start(data, 0, delimiter)
    return claimed_trailer(data, first.start(), first[1] or delimiter)[0] if first else 0


def whole_as_read(
    data: bytes, delimiter: bytes, *, within_line: bool = False
) -> tuple[bytes, bytes, Original]:
    """Return `as_read` of `data`, without a delimiter that its end cuts in half."""
    for width in range(len(delimiter) - 1, 0, -1):
        if data.endswith(delimiter[:width]):
            data = data[:-width]
            break
    return as_read(data, delimiter, within_line=within_line)


def _borders(
    data: bytes,
    delimiter: bytes,
    *,
    synced: bool,
    at_end: Endings | None = None,
    within_line: bool = False,
) -> Iterator[int]:
    """Yield the borders of `data` in order; with `at_end`, the source ends where `data` does.

    Unless `data` is known to begin at a border (`synced`), what is before the end of its first
    whole message does not count: it may be inside a data field.
    """
    at = needed = 0
    final = at_end is not None
    while True:
        if synced:
            for start, end in plain(data, at, delimiter):
                at = end
                if start:
                    yield start
        match = next_start(data, at, delimiter, within_line=within_line)
        if match is None:
            break
        start, own = match.start(), match[1] or delimiter
        if synced:
            before = at
            for before in _line_ends(data, at, start):
                if before >= needed:
                    yield before
            if before == at >= needed and at:
                # The text between them is the prefix of this message.
                yield at
        ended = message_end(data, start, own, final=False)
        if ended is None and at_end is not None:
            ended = _end_of_last(data, start, own, at_end)
        if ended is None:
            return
        at, synced = ended, True
        needed = max(needed, shown_at(data, start, ended, own))
    if synced:
        ends = _line_ends(data, at, len(data), final=final)
        yield from (end for end in ends if end >= needed)
        if final and at and not LINE_END.search(data, at):
            yield at


def _line_ends(data: bytes, at: int, end: int, *, final: bool = True) -> Iterator[int]:
    for match in LINE_END.finditer(data, at, end):
        if final or match.end() < len(data) or data.endswith(b"\n"):
            yield match.end()


def _end_of_last(data: bytes, start: int, delimiter: bytes, known: Endings) -> int | None:
    """Return the end of a message that may go on after `data`, where its source ends.

    None means that the message waits for the source to grow.
    """
    trailer, _ = claimed_trailer(data, start, delimiter)
    end = walk(data, start, delimiter, False)
    if end is not None:
        # BodyLength leads beyond the end of the source.
        if trailer <= end or known.unsealed or is_complete(data[start:end], delimiter):
            return end
        return end if next_start(data, end, delimiter) else None
    end = walk(data, start, delimiter, True)
    if end is None:
        return None
    rest = data[end:]
    if not rest.strip(b"\r"):
        sealed = CHECK_SUM.fullmatch(data[start:end].rpartition(delimiter)[2])
        return end if sealed and (rest or known.bare) else None
    # A data field leads beyond the end of the source. If BodyLength does not, one of them is wrong.
    inside = trailer and trailer <= len(data)
    message = data[start:end].removesuffix(delimiter)
    body, _, sum_field = message.rpartition(delimiter)
    if CHECK_SUM.fullmatch(sum_field):
        total = checksum((body + delimiter).replace(delimiter, b"\x01"))
        if total == int(sum_field[3:]):
            return end
    if inside or not trailer:
        return end if next_start(data, end, delimiter) else None
    return None
