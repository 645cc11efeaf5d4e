"""Reads ranges of files as blocks; adjacent ranges meet at the same border."""

import dataclasses
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from fixfeed.io.files.compression import Damaged, Stream
from fixfeed.io.files.globs import visible
from fixfeed.io.files.planned import Planned, Replaced
from fixfeed.io.ledger.ledger import Stretch, gaps
from fixfeed.io.ledger.source import Source
from fixfeed.io.redaction import redact_path, without_secrets
from fixfeed.transforms.batch import LARGEST_SOURCE, Block, ends_within_line
from fixfeed.transforms.protocol import Framing

__all__ = ["LONGEST", "Range", "blocks_of", "reason_of", "said", "too_large", "with_context"]

BLOCK = 5 << 18  # bytes; larger blocks cost less a message, until they outgrow the cache
LOOK_BACK = 256 << 10
"""A border is found by framing from this far before it; exact unless a message is longer."""

LONGEST = 64 << 20
"""A record longer than this many bytes is no message, unless a range sets another limit."""

_STEP = 64 << 10
_MANY = 4  # from this many blocks on, data is cut apart and not given as one block
_OVERLAP = 64  # the end of the data read so far may cut the beginning of a message
_HOLE = 1 << 20  # this many equal bytes hold no border
_PASSED = 4 << 20  # the block size for data that is read for context alone


@dataclass(frozen=True, slots=True)
class Range:
    """A part of a file: what one worker reads.

    `origin` is the file's source, `planned` the file as it was stored when it was planned. `start`
    and `stop` are borders, or, with `sync_start` and `sync_stop`, positions from which the next
    border is searched; `stop` is None for the end of the file. A message belongs to the range that
    holds its first byte. `skip` are stretches to pass over (a compressed file is one range).

    `framing` describes the layout of the file. A record longer than `longest` comes in blocks that
    are `too_long`. `context` is the context at the start (`Block.context`), if the framing has one.
    If `unread` is set, the range is not read, for that reason. `begin` is that of its protocol.
    With `settled` the file is being written: of what it ends with, that is provisional which may
    be read otherwise when more comes; with `waited` only what is incomplete
    (`Framing.end_of_source`).
    """

    origin: Source
    planned: Planned
    compression: str
    framing: Framing
    start: int = 0
    stop: int | None = None
    sync_start: bool = False
    sync_stop: bool = False
    skip: tuple[Stretch, ...] = ()
    context: Mapping[str, str] = field(default_factory=dict)
    unread: str = ""
    longest: int = LONGEST
    begin: bytes = b""
    settled: bool = False
    waited: bool = False

    @property
    def path(self) -> str:
        """The last known path of the file."""
        return self.planned.path


def reason_of(error: Exception) -> str:
    """Return why a file cannot be read, in a few words."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return visible(str(error))


def too_large() -> str:
    """Return why a source is not read beyond `LARGEST_SOURCE`, and what to do."""
    return (
        f"holds {LARGEST_SOURCE / (1 << 40):g} TiB or more, and positions in a source end there; "
        "split it into several files"
    )


def blocks_of(part: Range, file: BinaryIO, *, block_size: int = BLOCK) -> Iterator[Block]:
    """Yield the blocks of a range of an open file in order; they tile it.

    Bytes at the end of a file that make no message yet come as a provisional block, and so does the
    last data before damage. Memory is bounded by `Range.longest`.
    """
    stream = Stream(file, part.compression, part.begin)
    try:
        stretches = _stretches(part, stream)
    except Damaged as error:
        yield _damaged(part, part.start, b"", error)
        return
    context = part.context
    for begin, stop in stretches:
        start = begin.at
        try:
            if part.framing.has_context and part.compression:
                context = _pass(part, stream, stream.position, start, context)
            stream.seek(start)
        except _Unread as error:
            yield _block(part, start, b"", provisional=True, error=str(error))
            return
        except Damaged as error:
            yield _damaged(part, start, b"", error)
            return
        if stream.position < start:
            return
        within = ends_within_line(stream.before, False)
        for block in _read_stretch(part, stream, begin, stop, block_size):
            block = dataclasses.replace(block, within_line=within)
            within = ends_within_line(block.data, within)
            pieces = part.framing.carry(block, context) if part.framing.has_context else [block]
            context = pieces[-1].context
            yield from pieces
            if block.error:
                return


def with_context(
    parts: Sequence[Range], *, stop: Callable[[], bool] | None = None
) -> Sequence[Range]:
    """Return the ranges of one plain file, each with the context of the messages before it.

    The file is read up to the start of the last range, and not at all unless a range begins inside
    it. No range is returned once `stop` returns true.
    """
    first = parts[0]
    if not first.framing.has_context or first.compression or not any(p.start for p in parts):
        return parts
    try:
        told = first.planned.read_with(lambda file: _contexts(parts, Stream(file, "", b""), stop))
    except (OSError, Damaged, Replaced, _Unread) as error:
        unread = (
            "what comes before this place, and tells how to read it, could not be read: "
            f"{reason_of(error)}. Give the file that has it now as --input"
        )
        return [dataclasses.replace(part, unread=unread) if part.start else part for part in parts]
    if stop and stop():
        return ()
    return [dataclasses.replace(part, context=one) for part, one in zip(parts, told, strict=True)]


def _contexts(
    parts: Sequence[Range], stream: Stream, stop: Callable[[], bool] | None
) -> list[Mapping[str, str]]:
    """Return, for each range, the context of the messages before its start."""
    starts = [(_start(part, stream) or _Border(0)).at for part in parts]
    known: dict[int, Mapping[str, str]] = {0: {}}
    at = 0
    for start in sorted({*starts}):
        known[start] = _pass(parts[0], stream, at, start, known[at], stop)
        at = start
    return [known[start] for start in starts]


class _Unread(Exception):
    """A file cannot be read any further; the text is the error of its last block."""


def _pass(
    part: Range,
    stream: Stream,
    start: int,
    end: int,
    context: Mapping[str, str],
    stop: Callable[[], bool] | None = None,
) -> Mapping[str, str]:
    """Return the context after [start, end), both borders, given the context before it."""
    stream.seek(start)
    if start < end:
        for block in _read_stretch(part, stream, _Border(start), _Border(end), _PASSED):
            if block.error:
                raise _Unread(block.error)
            context = part.framing.carry(block, context)[-1].context
            if stop and stop():
                break
    return context


class _Border(NamedTuple):
    """A position where blocks may begin; `torn` if it is inside a too long record."""

    at: int
    torn: bool = False


def _stretches(part: Range, stream: Stream) -> list[tuple[_Border, _Border | None]]:
    if part.compression:
        far = 1 << 62
        open_gaps = gaps(part.skip, 0, far)
        return [
            (_Border(start), None if stop == far else _Border(stop)) for start, stop in open_gaps
        ]
    start = _start(part, stream)
    stop = None if part.stop is None else _Border(part.stop)
    if part.sync_stop and stop:
        stop = _border(part, stream, stop.at)
    if start is None or (stop and start.at >= stop.at):
        return []
    return [(start, stop)]


def _start(part: Range, stream: Stream) -> _Border | None:
    """Return where the range begins, None if the file has no border after its start."""
    return _border(part, stream, part.start) if part.sync_start else _Border(part.start)


def _border(part: Range, stream: Stream, at: int) -> _Border | None:
    """Return the first border at or after `at`, None if the file ends before there is one."""
    begin = max(0, at - LOOK_BACK)
    stream.seek(begin)
    window, more = b"", at - begin + _STEP
    while data := stream.read(more):
        window += data
        found = part.framing.first_border(window, at - begin, start=begin)
        if found is not None:
            return _Border(begin + found)
        hole = len(window) >= _HOLE and window.count(window[:1]) == len(window)
        if hole or len(window) > LOOK_BACK + part.longest + _STEP:
            return _Border(at, torn=True)
        more = len(window)
    return None


def _read_stretch(
    part: Range, stream: Stream, start: _Border, stop: _Border | None, block_size: int
) -> Iterator[Block]:
    """Yield the blocks from `start`, where the stream is, to `stop`, or to the end of the file."""
    data, at, within = b"", start.at, ends_within_line(stream.before, False)
    end_at = stop.at if stop else None
    if start.torn:
        data, at, within = yield from _read_torn(part, stream, b"", at, end_at)
    block_size = min(block_size, part.longest)
    limit = part.longest + _OVERLAP
    while True:
        framing = part.framing.resumed(within_line=within)
        # For a record longer than a block, the amount read doubles at each step.
        wanted = max(block_size, 2 * len(data)) if len(data) >= block_size else block_size
        wanted = min(wanted, limit) - len(data)
        if end_at is not None:
            wanted = min(wanted, end_at - at - len(data))
        try:
            more = _more(stream, wanted) if wanted > 0 else b""
        except Damaged as error:
            end = framing.last_border(data)
            yield from _cut(part, framing, at, data[:end], block_size, last=True)
            yield _damaged(part, at + end, data[end:], error)
            return
        data += more
        if stop and at + len(data) == stop.at:
            end = framing.last_border(data) if stop.torn else len(data)
            yield from _cut(part, framing, at, data[:end], block_size, last=True)
            yield from _torn_pieces(part, at + end, data[end:])
            return
        if not more and wanted > 0:
            *cuts, end = _last_cuts(part, framing, data)
            begin = 0
            for cut in cuts:
                yield _block(part, at + begin, data[begin:cut])
                begin = cut
            within = ends_within_line(data[:begin], within)
            framing = framing.resumed(within_line=within)
            yield from _cut(part, framing, at + begin, data[begin:end], block_size, last=True)
            if end < len(data):
                yield _block(part, at + end, data[end:], provisional=True)
            return
        if len(data) >= block_size:
            end = framing.last_border(data)
            if end:
                yield from _cut(part, framing, at, data[:end], block_size)
                within = ends_within_line(data[end - 1 : end], within)
                data, at = data[end:], at + end
            elif len(data) >= limit:
                end, claimed = framing.torn(data)
                yield from _cut(part, framing, at, data[:end], block_size)
                data, at = data[end:], at + end
                until = at + claimed if claimed > len(data) else 0
                data, at, within = yield from _read_torn(part, stream, data, at, end_at, until)


def _last_cuts(part: Range, framing: Framing, data: bytes) -> Sequence[int]:
    """Return where to cut the last bytes of a file; those after the last one are provisional."""
    if part.settled:
        return framing.settled_cuts(data) or [0]
    return [framing.end_of_source(data, waited=part.waited)]


def _read_torn(
    part: Range, stream: Stream, data: bytes, at: int, stop: int | None, until: int | None = None
) -> Generator[Block, None, tuple[bytes, int, bool]]:
    """Yield the rest of a too long record; return the data read after it, and where that starts.

    Also return whether that is within a line.

    `data` is the part read so far, all inside the record. `until` is the end that the record
    declares, 0 if it declares none. It is None if the record's beginning is not known, so that
    lines may be parts of it.
    """
    lines, until = until is not None, until or 0
    fresh = bool(data)
    while True:
        end = None
        if not fresh:
            end = part.framing.next_record(data, start=at, claimed=until - at, lines=lines)
        if end is not None:
            yield from _torn_pieces(part, at, data[:end])
            return data[end:], at + end, ends_within_line(data[:end], True)
        fresh = False
        if until and until + _OVERLAP <= at + len(data):
            until = 0  # it does not end there
            continue
        # The end of the data read so far may cut the beginning of a record, or its end.
        whole = max(0, min(len(data) - _OVERLAP, until - at if until else len(data)))
        yield from _torn_pieces(part, at, data[:whole])
        data, at = data[whole:], at + whole
        try:
            more = _more(stream, BLOCK if stop is None else min(BLOCK, stop - at - len(data)))
        except Damaged as error:
            yield _damaged(part, at, data, error)
            return b"", at + len(data), True
        if not more:
            yield from _torn_pieces(part, at, data)
            return b"", at + len(data), True
        data += more


def _torn_pieces(part: Range, at: int, data: bytes) -> Iterator[Block]:
    begin = 0
    while begin < len(data):
        end = begin + BLOCK
        if end < len(data):
            end = part.framing.piece_end(data, begin, end)
        yield _block(part, at + begin, data[begin:end], too_long=True)
        begin = end


def _more(stream: Stream, size: int) -> bytes:
    data = stream.read(size)
    if stream.position >= LARGEST_SOURCE:
        raise Damaged(too_large())
    return data


def _cut(
    part: Range, framing: Framing, at: int, data: bytes, block_size: int, *, last: bool = False
) -> Iterator[Block]:
    """Yield whole records as one block, or as several if there are many."""
    while len(data) >= _MANY * block_size:
        end = framing.first_border(data, block_size, start=at, synced=True)
        if end is None:
            break
        yield _block(part, at, data[:end])
        framing = framing.resumed(within_line=ends_within_line(data[end - 1 : end], False))
        data, at = data[end:], at + end
    if data:
        yield _block(part, at, data, last=last)


def _block(part: Range, start: int, data: bytes, **flags) -> Block:
    return Block(part.origin.key, start, data, part.framing.layout, origin=part.origin, **flags)


def said(part: Range, reason: str) -> str:
    """Return why a range cannot be read, with the name of its file."""
    return f"{visible(redact_path(part.path))}: {without_secrets(reason, part.path)}"


def _damaged(part: Range, start: int, data: bytes, error: Damaged) -> Block:
    text = said(part, f"{error}; it was read up to byte {start + len(data)}")
    return _block(part, start, data, provisional=True, error=text)
