"""Where FIX that comes in pieces, cut anywhere, is cut apart: what is read is that of the whole.

A border is settled once nothing that may follow changes how the bytes before it are read. So a
message waits while BodyLength, or the length of a data field, leads beyond what has come, and lines
that are no text wait for what ends their run. Borders far from a quote have to be cut at, always:
what comes after them reads otherwise where no quote is before it.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from fixfeed.transforms.batch import ends_within_line
from fixfeed.transforms.fix.framing.borders import whole_as_read
from fixfeed.transforms.fix.framing.containers import open_run
from fixfeed.transforms.fix.framing.delimiter import start_pattern
from fixfeed.transforms.fix.framing.leftovers import open_noise
from fixfeed.transforms.fix.framing.messages import LINE_END, line_start, next_span, shown_at
from fixfeed.transforms.fix.framing.plain import plain
from fixfeed.transforms.fix.framing.wrapped import framed_end, open_string

__all__ = ["settled_cuts"]

_QUOTED = 4 << 10
"""A quote before a message may open a string, which ends with its line, or after so many bytes."""

_QUOTE = re.compile(rb"[\"']")


class _Border(NamedTuple):
    """A settled border; `always` if data has to be cut there."""

    at: int
    always: bool = False


def settled_cuts(data: bytes, delimiter: bytes, *, within_line: bool = False) -> list[int]:
    """Return where to cut `data`, which begins at a border, in order; the last is the last border.

    Of the same bytes, the borders that have to be cut at are the same however much of them there
    is, and the last border never moves back. The end of `data` is none for sure.

    >>> message = b"8=FIX.4.4|9=5|35=0|10=161|"
    >>> settled_cuts(message + message, b"|"), settled_cuts(message + message[:-1], b"|")
    ([52], [26])
    >>> settled_cuts(message.replace(b"9=5", b"9=50"), b"|")
    []
    """
    cuts: list[int] = []
    at = 0
    while True:
        within = ends_within_line(data[:at], within_line)
        border = _first_or_last(data[at:] if at else data, delimiter, within_line=within)
        if not border.at:
            return cuts
        at += border.at
        cuts.append(at)
        if not border.always:
            return cuts


def _first_or_last(data: bytes, delimiter: bytes, *, within_line: bool) -> _Border:
    """Return the first border that has to be cut at or, if there is none, the last one; 0 if none.

    In a string with escapes, and in a line that a container's runtime has cut, there is no border.
    """
    opened = open_run(data, within_line=within_line)
    if opened is None:
        opened = open_string(data, delimiter)
    text, one, original = whole_as_read(data, delimiter, within_line=within_line)
    line = line_start(text, 0, len(text))
    is_undecided = _undecided(one).match(text, line) is not None and not (within_line and not line)
    last = 0
    for border in _Borders(text, one, is_open=opened is not None, within_line=within_line):
        place = original.at(border.at)
        if (opened is not None and place > opened) or (is_undecided and border.at > line):
            break
        if border.always:
            return _Border(place, True)
        last = place
    return _Border(last)


@cache
def _undecided(delimiter: bytes) -> re.Pattern[bytes]:
    """Return the pattern of a last line that may become a message without BeginString.

    It is one once a delimiter comes after its MsgType; `start_pattern` has the rest.
    """
    own = re.escape(delimiter)
    until = rb"(?:(?!" + own + rb")[^\r\n])*"
    first = rb"(?:1128=" + until + own + rb")?(?:9=[0-9]+" + own + rb")?35="
    return re.compile(rb"(?:" + first + rb"|1128=)" + until + rb"\Z")


class _Borders:
    """The settled borders of `text`, in order; see `_first_or_last`.

    Of plain messages that follow each other the last border alone is yielded, unless a string, or a
    line that was cut, `is_open` at the end of `text`, as borders count only before that.
    """

    def __init__(self, text: bytes, delimiter: bytes, *, is_open: bool, within_line: bool):
        self._text = text
        self._delimiter = delimiter
        self._is_open = is_open
        self._within_line = within_line
        self._quote = -1  # the first one on this line that may open a string
        self._has_quotes = _QUOTE.search(text) is not None

    def __iter__(self) -> Iterator[_Border]:
        text, past, needed = self._text, 0, 0
        begin = start_pattern(self._delimiter)
        while True:
            if self._quote < 0 and past >= needed:
                run = past
                for _, past in plain(text, run, self._delimiter):
                    if self._is_open:
                        yield _Border(past)
                if past > run:
                    yield _Border(past)
            span = next_span(
                text, past, self._delimiter, final=False, within_line=self._within_line
            )
            if span is None:
                break
            start, end, own, whole = span
            if past < start:
                between = self._between(past, start)
                yield from (border for border in between if border.at >= needed)
            if not whole:
                return
            self._look_for_quote(start, end, start)
            past = end
            needed = max(needed, shown_at(text, start, end, own))
            if not begin.match(text, start, end):
                # What comes after it shows that a message begins there, so it belongs to it.
                shown = begin.match(text, start)
                needed = max(needed, shown.end() if shown else end + 1)
            if past < needed:
                continue
            if self._quote < 0:
                yield _Border(past)
            elif past - self._quote > _QUOTED:
                yield _Border(past, True)
        yield from (border for border in self._at_end(past) if border.at >= needed)

    def _between(self, past: int, start: int) -> Iterator[_Border]:
        """Yield the ends of the lines before the one on which a message begins."""
        text = self._text
        last: _Border | None = None
        for line in LINE_END.finditer(text, past, start):
            self._look_for_quote(past, line.start())
            past, last = line.end(), None
            if text.startswith(b"\n", past - 1):
                self._quote = -1
            if self._quote >= 0 and past - self._quote > _QUOTED:
                yield _Border(past, True)
            elif self._quote < 0:
                last = _Border(past)
        if last:  # those before it may be inside a run of lines that are no text
            yield last
        self._look_for_quote(past, start)

    def _at_end(self, past: int) -> Iterator[_Border]:
        """Yield the ends of lines after the last message, as far as no run of bytes goes on."""
        text = self._text
        last = past
        for line in LINE_END.finditer(text, past):
            if line.end() < len(text) or text.endswith(b"\n"):
                last = line.end()
        last = open_noise(text, past, last, self._delimiter)
        yield from self._between(past, last)

    def _look_for_quote(self, begin: int, end: int, message: int = -1) -> None:
        """Note a quote in `text[begin:end]`, unless it is inside a message of the right length."""
        if self._has_quotes and self._quote < 0:
            found = _QUOTE.search(self._text, begin, end)
            if found and not (message >= 0 and framed_end(self._text, message, self._delimiter)):
                self._quote = found.start()
