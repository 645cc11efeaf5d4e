"""Reads what arrives through a pipe, block by block, as soon as it is whole messages."""

import os
import shutil
import tempfile
from collections.abc import Generator, Iterator, Mapping

from fixfeed.io.files.compression import compression_of
from fixfeed.io.files.content import STANDARD_INPUT
from fixfeed.io.files.find import cut_ranges, file_at
from fixfeed.io.files.ranges import LONGEST
from fixfeed.io.files.reading import read_blocks
from fixfeed.transforms.batch import Block, ends_within_line
from fixfeed.transforms.protocol import Framing, Protocol

__all__ = ["blocks_of_pipe"]

_HEAD = 64 << 10
_CHUNK = 1 << 20
_WHOLE = 1 << 60
_OVERLAP = 64  # the end of what came so far may cut the beginning of a message


def blocks_of_pipe(
    descriptor: int, protocol: Protocol, *, longest: int = LONGEST
) -> Iterator[Block]:
    """Yield what comes through an open pipe as blocks that tile it.

    A message comes once it is known to be whole. What is compressed, or in UTF-16, is copied to a
    temporary file first, to its end. A record of more than `longest` bytes comes in blocks that are
    `too_long`, and what makes no message at the end in one that is provisional. Raises `OSError`.
    """
    head = os.read(descriptor, _CHUNK)
    if head and compression_of(head, protocol.begin):
        with (
            tempfile.NamedTemporaryFile() as copy,
            os.fdopen(descriptor, "rb", closefd=False) as pipe,
        ):
            copy.write(head)
            shutil.copyfileobj(pipe, copy)
            copy.flush()
            yield from _blocks_of_copy(copy.name, protocol)
    else:
        yield from _Pipe(descriptor, protocol, longest).blocks(head)


def _blocks_of_copy(path: str, protocol: Protocol) -> Iterator[Block]:
    for part in cut_ranges(file_at(path, STANDARD_INPUT, protocol), (), size=_WHOLE):
        yield from read_blocks(part)


class _Pipe:
    """What has come and was not given yet, and where it begins."""

    def __init__(self, descriptor: int, protocol: Protocol, longest: int):
        self._descriptor, self._protocol, self._longest = descriptor, protocol, longest
        self._framing = protocol.sniff(b"")
        self._data, self._at = b"", 0
        self._context: Mapping[str, str] = {}
        self._within_line = False

    def blocks(self, head: bytes) -> Iterator[Block]:
        more, looked_at = head, 0
        is_torn = False
        while more:
            self._data += more
            if not self._at:
                self._framing = self._protocol.sniff(self._data[:_HEAD])
            # A long record is not looked at again with every piece of it that comes.
            if len(self._data) < _CHUNK or len(self._data) >= 2 * looked_at:
                if is_torn:
                    is_torn = yield from self._torn()
                end = 0 if is_torn else self._resumed.last_border(self._data)
                yield from self._given(end)
                looked_at = len(self._data)
                if looked_at >= self._longest:
                    is_torn, looked_at = True, 0
            more = os.read(self._descriptor, _CHUNK)
        if is_torn:
            yield from self._given(len(self._data), too_long=True)
        yield from self._given(self._resumed.end_of_source(self._data))
        yield from self._given(len(self._data), provisional=True)

    @property
    def _resumed(self) -> Framing:
        return self._framing.resumed(within_line=self._within_line)

    def _torn(self) -> Generator[Block, None, bool]:
        """Yield what has come of a too long record; return whether it goes on."""
        end = self._framing.next_record(self._data, start=self._at, claimed=0, lines=True)
        whole = max(0, len(self._data) - _OVERLAP) if end is None else end
        yield from self._given(whole, too_long=True)
        return end is None

    def _given(
        self, end: int, *, too_long: bool = False, provisional: bool = False
    ) -> Iterator[Block]:
        """Yield what came, up to `end`, as blocks."""
        if not end:
            return
        data, self._data = self._data[:end], self._data[end:]
        block = Block(
            STANDARD_INPUT,
            self._at,
            data,
            self._framing.layout,
            within_line=self._within_line,
            too_long=too_long,
            provisional=provisional,
        )
        self._at = block.end
        self._within_line = ends_within_line(data, self._within_line)
        pieces = [block]
        if self._framing.has_context and not (too_long or provisional):
            pieces = self._framing.carry(block, self._context)
            self._context = pieces[-1].context
        yield from pieces
