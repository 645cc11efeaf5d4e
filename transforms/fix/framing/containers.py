"""Lines that a container's runtime has cut: the bytes between their parts do not belong to them.

Docker's json-file driver cuts lines at 16 KiB, and so do containerd and CRI-O. In JSON a part has
no `\\n` at its end, in CRI's format it has the tag P. Parts are joined only where a message
begins in one and does not end in it.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from fixfeed.transforms.fix.framing.escape import Escape
from fixfeed.transforms.fix.framing.messages import line_start
from fixfeed.transforms.fix.spelt import BEGIN, is_escaped

__all__ = ["joints", "open_run"]

# Bytes of data within which the log of a container shows that it may be one. Containers' runtimes
# cut lines at 16 KiB, which JSON makes half as long again.
_HEAD = 32 << 10
_MARKS = b" stdout ", b" stderr ", b'"log":'
_CRI = re.compile(rb"[0-9T:.+Z-]{19,40} (stdout|stderr) [PF](?::[^ \n]*)? ")
_CRI_AFTER_CR = re.compile(rb"\r(?=%b)" % _CRI.pattern)
_CRI_PART = re.compile(rb" std(?:out|err) P(?::[^ \n]*)? ")
_CRI_TIME = 40  # bytes at most
_DOCKER = re.compile(rb'\{"log": ?"')
_DOCKER_END = re.compile(rb'", ?"stream": ?"(stdout|stderr)"[^\n]{0,999}\}\r?\n')
_STREAM = b'"stream":'
_DOCKER_WHOLE = rb'\n","stream":', rb'\n", "stream":'
_CHECK_SUM = re.compile(rb"(?<![0-9])10(?:=|\\+u003[dD])[0-9]{3}(?![0-9])[^=]*\Z")
_LAST_BYTES = 24  # of a part, which hold CheckSum if a message ends there


class _Part(NamedTuple):
    """A part of a line, except the last, in `data[begin:end]`.

    Its line begins at `line`, the next one at `past`, and the next part at `follows`; that is None
    if no line follows, or one of another stream. It `is_open` while the next line has no end: it
    may become another one, and its message may go on after one that is on the line already.
    """

    line: int
    begin: int
    end: int
    past: int
    follows: int | None
    is_open: bool


def joints(data: bytes, *, within_line: bool = False) -> list[Escape]:
    """Return, in order, the stretches between the parts of lines; they stand for nothing.

    `within_line` means that no line begins with `data`. A log that is not a container's costs three
    short searches.
    """
    return [
        Escape(part.end, part.follows, b"")
        for _, part in _unfinished(data, within_line)
        if part.follows is not None
    ]


def open_run(data: bytes, *, within_line: bool = False, at_end: bool = False) -> int | None:
    """Return the start of the line that `data` ends with a part of; None if it ends with none.

    What follows `data` decides how such a line is read. `within_line` is that of `joints`. With
    `at_end`, `data` ends where its source does: a last line counts without its end.
    """
    last = data.rfind(b"\n") + 1
    for line, part in _unfinished(data, within_line):
        if part.is_open and ((part.past == last and part.follows is None) or not at_end):
            return line
    return None


def _unfinished(data: bytes, within_line: bool) -> Iterator[tuple[int, _Part]]:
    """Yield the parts of lines in which a message goes on, and where the first part's line is.

    A message may also begin later in the last line, so that is yielded while it has no end.
    """
    line, follows, last = 0, None, b""
    for part in _parts(data, within_line):
        text = data[part.begin : part.end]
        if part.begin != follows:
            line, last = part.line, b""
            goes_on = _ends_inside_message(text)
        else:
            goes_on = not _ends_message(last + text[-_LAST_BYTES:])
        follows, last = None, (last + text)[-_LAST_BYTES:]
        if goes_on or part.end == part.past:
            yield line, part
            follows = part.follows


def _parts(data: bytes, within_line: bool) -> Iterator[_Part]:
    """Yield the parts of lines of both kinds in order: a log may have lines of both.

    Each line shows by itself what it is, so that data is read alike wherever it is cut. Where
    `data` begins within a line, its end may show that it is one of Docker; that of CRI shows
    nothing.
    """
    marks = (*_MARKS, _STREAM) if within_line else _MARKS
    if not any(data.find(mark, 0, _HEAD) >= 0 for mark in marks):
        return
    past = 0
    found = (*_parts_of_cri(data, within_line), *_parts_of_docker(data, within_line))
    for part in sorted(found, key=lambda part: part.line):
        if part.line >= past:
            yield part
            past = part.past


def _parts_of_cri(data: bytes, within_line: bool) -> Iterator[_Part]:
    lines = _CriLines(data)
    for mark in _CRI_PART.finditer(data):
        line = line_start(data, max(0, mark.start() - _CRI_TIME - 1), mark.start())
        head = _CRI.match(data, line)
        if not head or head.end() != mark.end() or (within_line and not line):
            continue
        past = lines.next_after(mark.end())
        if not past:
            yield _Part(line, head.end(), len(data), len(data), None, True)
            continue
        other = _CRI.match(data, past)
        follows = other.end() if other and other[1] == head[1] else None
        end = past - 1 - data.startswith(b"\r\n", past - 2)
        yield _Part(line, head.end(), end, past, follows, not lines.next_after(past))


class _CriLines:
    """Where lines of CRI end. Asked for in order, as a line end may be far and is looked for once.

    CR ends such a line if another one comes after it, as messages may hold it.
    """

    def __init__(self, data: bytes):
        self._data = data
        self._past = -1  # after the next LF; 0 if there is none

    def next_after(self, at: int) -> int:
        """Return where the line that `at` is in ends, its end included; 0 if it goes on."""
        data = self._data
        if self._past and self._past <= at:
            self._past = data.find(b"\n", at) + 1
        stop = self._past or len(data)
        if data.find(b"\r", at, stop - 2) >= 0:
            found = _CRI_AFTER_CR.search(data, at, stop)
            if found:
                return found.end()
        return self._past


def _parts_of_docker(data: bytes, within_line: bool) -> Iterator[_Part]:
    if b"}" not in data or _STREAM not in data:  # a single byte is found far sooner
        return
    for number, end in enumerate(_DOCKER_END.finditer(data)):
        if data.endswith(b"\\n", 0, end.start()):
            if not number and data.count(_STREAM) == sum(map(data.count, _DOCKER_WHOLE)):
                return  # all lines are whole, and to count is four times as fast
            continue
        line = line_start(data, 0, end.start())
        head, other = _DOCKER.match(data, line), _DOCKER.match(data, end.end())
        is_rest = within_line and not line
        if (head is None) != is_rest:
            continue
        past = data.find(b"\n", end.end()) + 1
        stream = _DOCKER_END.search(data, end.end(), past) if other and past else None
        same = other and (not stream or stream[1] == end[1])
        follows = other.end() if other and same else None
        begin = head.end() if head else line
        yield _Part(line, begin, end.start(), end.end(), follows, not past)


def _ends_inside_message(text: bytes) -> bool:
    """Tell whether a message begins in `text` and does not end with it."""
    if b"8=FIX" not in text and not (is_escaped(text) and BEGIN.search(text)):
        return False
    return not _ends_message(text[-_LAST_BYTES:])


def _ends_message(last: bytes) -> bool:
    """Tell whether the last bytes of a part are the end of a message, and not of the next one."""
    return _CHECK_SUM.search(last) is not None and not last.endswith(b"8")
