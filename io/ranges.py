"""Reads ranges of files as blocks; ranges next to each other meet at the same borders."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from apache_beam.io.filesystem import BeamIOError

from fixio.compression import Damaged, Stream
from fixio.ledger import Source, Stretch, gaps
from fixio.planned import Planned, Replaced
from fixio.redaction import redact_path, without_secrets
from transforms.fix.block import Block
from transforms.fix.framing import first_border, last_border
from transforms.fix.logons import carry

__all__ = ["Range", "blocks_of", "reason_of", "said", "with_logons"]

BLOCK = 5 << 18  # bytes: larger ones cost less a message, until they leave the cache
LOOK_BACK = 256 << 10
"""A border is found by framing from so far before it: exact unless a message is longer."""

LONGEST_RECORD = 16 << 20
"""A record without a border within so many bytes is cut into pieces of this size."""

_STEP = 64 << 10
_PASSED = 4 << 20  # what is looked through for Logons alone is read in blocks of this size


@dataclass(frozen=True, slots=True)
class Range:
    """A part of a file: what one worker reads.

    `origin` is the source that the file is, `planned` the file as it was stored then.
    `start` and `stop` are borders, or, with `sync_start` and `sync_stop`, positions from which the
    next border is looked for; `stop` None is the end of the file. A message belongs to the range
    that its first byte lies in. `skip` are stretches to pass over (compressed files are one range).

    With `fixt`, Logons are looked for, and blocks tell what they say (`Block.logged_on`);
    `logged_on` is what holds at the start.
    """

    origin: Source
    planned: Planned
    compression: str
    delimiter: bytes
    start: int = 0
    stop: int | None = None
    sync_start: bool = False
    sync_stop: bool = False
    skip: tuple[Stretch, ...] = ()
    fixt: bool = False
    logged_on: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Where the file is, as far as is known."""
        return self.planned.path


def reason_of(error: Exception) -> str:
    """Return why a file cannot be read, in a few words."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error)


def blocks_of(part: Range, file: BinaryIO, *, block_size: int = BLOCK) -> Iterator[Block]:
    """Yield the blocks of a range of an open file in order; they tile it.

    Bytes at the end of a file that make no message yet, and what is left where a file cannot be
    read on, come as a provisional block. Memory is bounded by `LONGEST_RECORD`.
    """
    stream = Stream(file, part.compression)
    try:
        stretches = _stretches(part, stream)
    except Damaged as error:
        yield _damaged(part, part.start, b"", error)
        return
    logged_on = part.logged_on
    for start, stop in stretches:
        try:
            if part.fixt and part.compression:
                logged_on = _pass(part, stream, stream.position, start, logged_on)
            stream.seek(start)
        except _Unread as error:
            yield _block(part, start, b"", provisional=True, error=str(error))
            return
        except Damaged as error:
            yield _damaged(part, start, b"", error)
            return
        if stream.position < start:
            return
        for block in _read_stretch(part, stream, start, stop, block_size):
            pieces = carry(block, logged_on) if part.fixt else [block]
            logged_on = pieces[-1].logged_on
            yield from pieces
            if block.error:
                return


def with_logons(
    parts: Sequence[Range], *, stop: Callable[[], bool] | None = None
) -> Sequence[Range]:
    """Return the ranges of one plain file, each with what the Logons before it say.

    The file is read up to the last of them; nothing is, unless one of them begins inside it. Once
    `stop` says so, no range is returned.
    """
    first = parts[0]
    if not first.fixt or first.compression or not any(part.start for part in parts):
        return parts
    known: dict[int, Mapping[str, str]] = {0: {}}
    try:
        with first.planned.opened() as file:
            stream = Stream(file, "")
            starts = [_start(part, stream) or 0 for part in parts]
            at = 0
            for start in sorted({*starts}):
                known[start] = _pass(first, stream, at, start, known[at], stop)
                at = start
    except (BeamIOError, OSError, Damaged, Replaced, _Unread):
        # Whoever reads the ranges finds it, and says so.
        return parts
    if stop and stop():
        return ()
    return [
        dataclasses.replace(part, logged_on=known[start])
        for part, start in zip(parts, starts, strict=True)
    ]


class _Unread(Exception):
    """A file cannot be read on; the text is what the block that ends it says."""


def _pass(
    part: Range,
    stream: Stream,
    start: int,
    end: int,
    logged_on: Mapping[str, str],
    stop: Callable[[], bool] | None = None,
) -> Mapping[str, str]:
    """Return what holds behind [start, end), both borders, where `logged_on` holds before it."""
    stream.seek(start)
    if start < end:
        for block in _read_stretch(part, stream, start, end, _PASSED):
            if block.error:
                raise _Unread(block.error)
            logged_on = carry(block, logged_on)[-1].logged_on
            if stop and stop():
                break
    return logged_on


def _stretches(part: Range, stream: Stream) -> list[tuple[int, int | None]]:
    if part.compression:
        far = 1 << 62
        open_gaps = gaps(part.skip, 0, far)
        return [(start, None if stop == far else stop) for start, stop in open_gaps]
    start = _start(part, stream)
    stop = part.stop
    if part.sync_stop and stop is not None:
        stop = _border(stream, stop, part.delimiter)
    if start is None or (stop is not None and start >= stop):
        return []
    return [(start, stop)]


def _start(part: Range, stream: Stream) -> int | None:
    """Return where the range begins, None if the file has no border behind its start."""
    return _border(stream, part.start, part.delimiter) if part.sync_start else part.start


def _border(stream: Stream, at: int, delimiter: bytes) -> int | None:
    """Return the first border at or behind `at`, None if the file ends before there is one."""
    begin = max(0, at - LOOK_BACK)
    stream.seek(begin)
    window, more = b"", at - begin + _STEP
    while data := stream.read(more):
        window += data
        found = first_border(window, at - begin, delimiter)
        if found is not None:
            return begin + found
        more = len(window)
    return None


def _read_stretch(
    part: Range, stream: Stream, start: int, stop: int | None, block_size: int
) -> Iterator[Block]:
    """Yield the blocks of [start, stop), at whose start the stream is."""
    data, at = b"", start
    while True:
        wanted = max(block_size, len(data)) if len(data) >= block_size else block_size - len(data)
        if stop is not None:
            wanted = min(wanted, stop - at - len(data))
        try:
            more = stream.read(wanted)
        except Damaged as error:
            end = last_border(data, part.delimiter, final=False)
            if end:
                yield _block(part, at, data[:end], last=True)
            yield _damaged(part, at + end, data[end:], error)
            return
        data += more
        if stop is not None and at + len(data) == stop:
            if data:
                yield _block(part, at, data, last=True)
            return
        if not more:
            end = last_border(data, part.delimiter, final=True)
            if end:
                yield _block(part, at, data[:end], last=True)
            if end < len(data):
                yield _block(part, at + end, data[end:], provisional=True)
            return
        if len(data) >= block_size:
            end = last_border(data, part.delimiter, final=False)
            if not end and len(data) >= LONGEST_RECORD:
                end = len(data)
            if end:
                yield _block(part, at, data[:end])
                data, at = data[end:], at + end


def _block(part: Range, start: int, data: bytes, **flags) -> Block:
    return Block(part.origin.key, start, data, part.delimiter, origin=part.origin, **flags)


def said(part: Range, reason: str) -> str:
    """Return why a range cannot be read, with the name of its file."""
    return f"{redact_path(part.path)}: {without_secrets(reason, part.path)}"


def _damaged(part: Range, start: int, data: bytes, error: Damaged) -> Block:
    text = said(part, f"{error}; it was read up to byte {start + len(data)}")
    return _block(part, start, data, provisional=True, error=text)
