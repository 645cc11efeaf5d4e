"""Lines that a container's runtime has cut: the bytes between their parts do not belong to them.

Docker's json-file driver cuts lines at 16 KiB, and so do containerd and CRI-O. In JSON a part has
no `\\n` at its end, in CRI's format it has the tag P. Parts are joined only where a message
begins in one and does not end in it.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from fixfeed.transforms.fix.framing.escape import Escape
from fixfeed.transforms.fix.spelt import BEGIN, is_escaped

__all__ = ["joints", "open_run"]

# Bytes of data within which the log of a container shows that it is one. Containers' runtimes cut
# lines at 16 KiB, which JSON makes half as long again.
_HEAD = 32 << 10
_CRI_MARKS = b" stdout ", b" stderr "
_CRI_PARTS = b" stdout P", b" stderr P"
_CRI = re.compile(rb"(?m:^)[0-9T:.+Z-]{19,40} (stdout|stderr) ([PF])(?::[^ \n]*)? ")
_DOCKER_MARK = b'"log":'
_DOCKER = re.compile(rb'\{"log": ?"')
_DOCKER_END = re.compile(rb'", ?"stream": ?"(stdout|stderr)"[^\n]{0,999}\}\r?\n')
_CHECK_SUM = re.compile(rb"(?<![0-9])10(?:=|\\+u003[dD])[0-9]{3}(?![0-9])[^=]*\Z")
_LAST_BYTES = 24  # of a part, which hold CheckSum if a message ends there


class _Part(NamedTuple):
    """A part of a line, except the last, in `data[begin:end]`.

    Its line begins at `line`, the next one at `past`, and the next part at `follows`; that is None
    if no line follows, or one of another stream.
    """

    line: int
    begin: int
    end: int
    past: int
    follows: int | None


def joints(data: bytes) -> list[Escape]:
    """Return, in order, the stretches between the parts of lines; they stand for nothing.

    A log that is not a container's costs three short searches.
    """
    return [
        Escape(part.end, part.follows, b"")
        for _, part in _unfinished(data)
        if part.follows is not None
    ]


def open_run(data: bytes) -> int | None:
    """Return the start of the line that `data` ends with a part of; None if it ends with none.

    What follows `data` decides how such a line is read.
    """
    last = data.rfind(b"\n") + 1
    for line, part in _unfinished(data):
        if part.past == last and part.follows is None:
            return line
    return None


def _unfinished(data: bytes) -> Iterator[tuple[int, _Part]]:
    """Yield the parts of lines in which a message goes on, and where the first part's line is."""
    line, follows = 0, None
    for part in _parts(data):
        if part.begin != follows:
            if not _ends_inside_message(data[part.begin : part.end]):
                continue
            line = part.line
        yield line, part
        follows = part.follows


def _parts(data: bytes) -> Iterator[_Part]:
    if any(data.find(mark, 0, _HEAD) >= 0 for mark in _CRI_MARKS):
        if any(mark in data for mark in _CRI_PARTS):
            yield from _parts_of_cri(data)
    elif data.find(_DOCKER_MARK, 0, _HEAD) >= 0:
        yield from _parts_of_docker(data)


def _parts_of_cri(data: bytes) -> Iterator[_Part]:
    for head in _CRI.finditer(data):
        end = data.find(b"\n", head.end())
        if head[2] == b"P" and end >= 0:
            other = _CRI.match(data, end + 1)
            follows = other.end() if other and other[1] == head[1] else None
            closed = end - data.startswith(b"\r", end - 1)
            yield _Part(head.start(), head.end(), closed, end + 1, follows)


def _parts_of_docker(data: bytes) -> Iterator[_Part]:
    for end in _DOCKER_END.finditer(data):
        if data.endswith(b"\\n", 0, end.start()):
            continue
        line = data.rfind(b"\n", 0, end.start()) + 1
        head, other = _DOCKER.match(data, line), _DOCKER.match(data, end.end())
        if head:
            stream = _DOCKER_END.search(data, end.end()) if other else None
            same = other and (not stream or stream[1] == end[1])
            follows = other.end() if other and same else None
            yield _Part(line, head.end(), end.start(), end.end(), follows)


def _ends_inside_message(text: bytes) -> bool:
    """Tell whether a message begins in `text` and does not end with it."""
    if b"8=FIX" not in text and not (is_escaped(text) and BEGIN.search(text)):
        return False
    return not _CHECK_SUM.search(text, max(0, len(text) - _LAST_BYTES))
