"""Reads ranges of files as blocks; ranges next to each other meet at the same borders."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems

from fixio.compression import Damaged, Stream
from fixio.ledger import Stretch, gaps
from transforms.fix.block import Block
from transforms.fix.framing import first_border, last_border

__all__ = ["Range", "open_file", "read_blocks", "reason_of"]

BLOCK = 1 << 20
LOOK_BACK = 256 << 10
"""A border is found by framing from so far before it: exact unless a message is longer."""

LONGEST_RECORD = 16 << 20
"""A record without a border within so many bytes is cut into pieces of this size."""

_STEP = 64 << 10


@dataclass(frozen=True, slots=True)
class Range:
    """A part of a file: what one worker reads.

    `start` and `stop` are borders, or, with `sync_start` and `sync_stop`, positions from which the
    next border is looked for; `stop` None is the end of the file. A message belongs to the range
    that its first byte lies in. `skip` are stretches to pass over (compressed files are one range).
    """

    path: str
    source: str
    compression: str
    delimiter: bytes
    start: int = 0
    stop: int | None = None
    sync_start: bool = False
    sync_stop: bool = False
    skip: tuple[Stretch, ...] = ()


def open_file(path: str) -> BinaryIO:
    """Open a file of any of Beam's file systems, as it is stored."""
    return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)


def reason_of(error: Exception) -> str:
    """Return why a file cannot be read, in a few words."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error)


def read_blocks(part: Range, *, block_size: int = BLOCK) -> Iterator[Block]:
    """Yield the blocks of a range in order; they tile it.

    Bytes at the end of a file that make no message yet, and what is left where a file cannot be
    read on, come as a provisional block. Memory is bounded by `LONGEST_RECORD`.
    """
    try:
        file = open_file(part.path)
    except (BeamIOError, OSError) as error:
        yield _block(
            part, part.start, b"", provisional=True, error=f"{part.path}: {reason_of(error)}"
        )
        return
    with file:
        stream = Stream(file, part.compression)
        try:
            stretches = _stretches(part, stream)
        except Damaged as error:
            yield _damaged(part, part.start, b"", error)
            return
        for start, stop in stretches:
            ended = yield from _read_stretch(part, stream, start, stop, block_size)
            if ended:
                return


def _stretches(part: Range, stream: Stream) -> list[tuple[int, int | None]]:
    if part.compression:
        far = 1 << 62
        open_gaps = gaps(part.skip, 0, far)
        return [(start, None if stop == far else stop) for start, stop in open_gaps]
    start: int | None = part.start
    if part.sync_start:
        start = _border(stream, part.start, part.delimiter)
    stop = part.stop
    if part.sync_stop and stop is not None:
        stop = _border(stream, stop, part.delimiter)
    if start is None or (stop is not None and start >= stop):
        return []
    return [(start, stop)]


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
) -> Generator[Block, None, bool]:
    """Yield the blocks of [start, stop); return whether the file has nothing behind them."""
    data, at = b"", start
    try:
        stream.seek(start)
        if stream.position < start:
            return True
    except Damaged as error:
        yield _damaged(part, start, b"", error)
        return True
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
            return True
        data += more
        if stop is not None and at + len(data) == stop:
            if data:
                yield _block(part, at, data, last=True)
            return False
        if not more:
            end = last_border(data, part.delimiter, final=True)
            if end:
                yield _block(part, at, data[:end], last=True)
            if end < len(data):
                yield _block(part, at + end, data[end:], provisional=True)
            return True
        if len(data) >= block_size:
            end = last_border(data, part.delimiter, final=False)
            if not end and len(data) >= LONGEST_RECORD:
                end = len(data)
            if end:
                yield _block(part, at, data[:end])
                data, at = data[end:], at + end


def _block(part: Range, start: int, data: bytes, **flags) -> Block:
    return Block(part.source, start, data, part.delimiter, **flags)


def _damaged(part: Range, start: int, data: bytes, error: Damaged) -> Block:
    text = f"{part.path}: {error}; it was read up to byte {start + len(data)}"
    return _block(part, start, data, provisional=True, error=text)
