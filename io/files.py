"""FIX logs in files: found, known again by their content, cut into ranges, read as blocks.

    blocks = pipeline | ReadFromFiles.matching(["logs/**/*.log.gz"])

Whatever Beam's FileSystems open is read: local paths, and gs://, s3:// and hdfs:// where the extras
are installed.
"""

import dataclasses
import difflib
import glob
import hashlib
import itertools
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import apache_beam as beam
from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from fixio.compression import Damaged, Stream, compression_of
from fixio.ledger import HEAD, MARK, Mark, Source, Stretch, agree, fingerprint, gaps
from transforms.fix.block import Block
from transforms.fix.framing import first_border, last_border, sniff_delimiter

__all__ = [
    "File",
    "Range",
    "ReadFromFiles",
    "Unreadable",
    "cut_ranges",
    "find_files",
    "read_blocks",
    "set_options",
]

BLOCK = 1 << 20
LOOK_BACK = 256 << 10
"""A border is found by framing from so far before it: exact unless a message is longer."""

LONGEST_RECORD = 16 << 20
"""A record without a border within so many bytes is cut into pieces of this size."""

_SNIFF = 64 << 10


@dataclass(frozen=True, slots=True)
class File:
    """A file that can be read.

    `size` is that on storage, `length` that of its uncompressed bytes (an estimate, where it is
    compressed), `head` its first uncompressed bytes, `digests` as in `Mark`; `name` is what people
    call it; `twin` tells files apart that have one head in one run.
    """

    path: str
    size: int
    compression: str
    head: bytes
    delimiter: bytes
    digests: str
    length: int
    name: str
    twin: str = ""

    @property
    def key(self) -> str:
        """The key of the source: what the file begins with, so that its name does not matter."""
        return f"file:{fingerprint(self.head)}{self.twin}"

    @property
    def source(self) -> Source:
        """The file as a ledger registers it."""
        return Source(self.key, "file", self.name, self.head[:HEAD], self.digests)

    def mark(self, *, whole: bool) -> Mark:
        """What a ledger keeps of the file; `whole` says that it was read to its end."""
        return Mark(self.digests, self.size if whole else 0)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file or pattern that gives nothing to read, and why."""

    path: str
    reason: str


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


def _open(path: str) -> BinaryIO:
    return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)


def set_options(options: Sequence[str]) -> None:
    """Give Beam's file systems their options, in this process."""
    FileSystems.set_options(PipelineOptions(list(options)))


def find_files(
    patterns: Sequence[str], *, delimiter: bytes | None = None
) -> tuple[list[File], list[Unreadable]]:
    """Return the files that the patterns match, each once and in order, and what is unreadable.

    `**` matches folders to any depth. `delimiter` overrides what is found in each file.
    """
    files: dict[str, File] = {}
    unreadable: list[Unreadable] = []
    for pattern in patterns:
        try:
            paths = _match(pattern)
        except (BeamIOError, OSError, ValueError) as error:
            unreadable.append(Unreadable(pattern, f"cannot be looked up: {error}"))
            continue
        if not paths:
            unreadable.append(Unreadable(pattern, _nothing_matches(pattern)))
        for path, size in paths:
            if path not in files:
                try:
                    files[path] = _look(path, size, delimiter)
                except (Damaged, BeamIOError, OSError) as error:
                    unreadable.append(Unreadable(path, _reason(error)))
    return _told_apart(sorted(files.values(), key=lambda file: file.path)), unreadable


def _told_apart(files: list[File]) -> list[File]:
    """Give files a key of their own that begin as another one does but go on differently."""
    seen: dict[str, list[File]] = {}
    result = []
    for file in files:
        alike = seen.setdefault(file.key, [])
        twin = next((n for n, one in enumerate(alike) if agree(one.digests, file.digests)), None)
        if twin is None:
            twin = len(alike)
            alike.append(file)
        result.append(dataclasses.replace(file, twin=f"#{twin + 1}") if twin else file)
    return result


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error)


def _match(pattern: str) -> list[tuple[str, int]]:
    if "://" in pattern:
        result = FileSystems.match([pattern])[0]
        return [(found.path, found.size_in_bytes) for found in result.metadata_list]
    paths = [pattern] if os.path.exists(pattern) else sorted(glob.glob(pattern, recursive=True))
    if len(paths) > 1:
        paths = [path for path in paths if not os.path.isdir(path)]
    return [(path, os.path.getsize(path)) for path in paths]


def _nothing_matches(pattern: str) -> str:
    if "://" in pattern:
        return "matches no file"
    if not glob.has_magic(pattern):
        folder, name = os.path.split(pattern)
        there = os.listdir(folder or ".") if os.path.isdir(folder or ".") else []
        near = difflib.get_close_matches(name, there, 1)
        hint = f"; there is {os.path.join(folder, near[0])!r}" if near else ""
        return f"does not exist{hint}"
    return "matches no file"


def _look(path: str, size: int, delimiter: bytes | None) -> File:
    if "://" not in path and os.path.isdir(path):
        raise Damaged(f"is a folder; name its files, as in {os.path.join(path, '*')!r}")
    with _open(path) as file:
        compression = compression_of(file.read(8))
        file.seek(0)
        stream = Stream(file, compression)
        head = stream.read(_SNIFF)
        digests = _digests(head, stream)
    length = stream.position * size // stream.consumed if stream.consumed else size
    delimiter = delimiter or sniff_delimiter(head)
    return File(path, size, compression, head, delimiter, digests, length, path)


def _digests(head: bytes, stream: Stream) -> str:
    """Return the digests of all bytes before each power of two up to `MARK`, and before the end."""
    digest = hashlib.blake2b(digest_size=16)
    found = []
    data, at = head, 0
    for position in [1 << bit for bit in range(9, MARK.bit_length())]:
        try:
            while len(data) < position and (more := stream.read(position - len(data))):
                data += more
        except Damaged:
            pass
        digest.update(data[at:position])
        at = min(position, len(data))
        if at:
            found.append(f"{at}:{digest.hexdigest()}")
        if at < position:
            break
    return " ".join(found)


def cut_ranges(
    file: File, done: Sequence[Stretch], mark: Mark | None = None, *, size: int = 16 << 20
) -> list[Range]:
    """Return what of a file is not done, plain files cut at multiples of about `size` bytes.

    A compressed file that is as long as when it was read to its end gives nothing, unread.
    """
    common = (file.path, file.key, file.compression, file.delimiter)
    if file.compression:
        if mark and mark.size == file.size:
            return []
        return [Range(*common, skip=tuple(done))]
    ranges = []
    for start, stop in gaps(done, 0, file.size):
        cuts = [start, *range((start // size + 1) * size, stop - size // 4, size), stop]
        for begin, end in itertools.pairwise(cuts):
            ranges.append(
                Range(
                    *common,
                    start=begin,
                    stop=None if end == file.size else end,
                    sync_start=begin != start,
                    sync_stop=end != stop,
                )
            )
    return ranges


def read_blocks(part: Range, *, block_size: int = BLOCK) -> Iterator[Block]:
    """Yield the blocks of a range in order; they tile it.

    Bytes at the end of a file that make no message yet, and what is left where a file cannot be
    read on, come as a provisional block. Memory is bounded by `LONGEST_RECORD`.
    """
    try:
        file = _open(part.path)
    except (BeamIOError, OSError) as error:
        yield _block(
            part, part.start, b"", provisional=True, error=f"{part.path}: {_reason(error)}"
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
    window, more = b"", at - begin + _SNIFF
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


class ReadFromFiles(beam.PTransform):
    """Read ranges of files: `PBegin` to `PCollection[Block]`. Bounded.

    The ranges are spread over the workers; each is read in order. A range gives the same blocks
    every time, so a bundle may run twice. A file that cannot be read on gives a block that says so.
    """

    def __init__(
        self,
        ranges: Sequence[Range],
        *,
        stop: Callable[[], bool] | None = None,
        options: Sequence[str] = (),
    ):
        """`ranges` come from `cut_ranges`; once `stop` says so, no further block is read.

        `options` are Beam's, for its file systems: worker processes of the local runner are not
        given them otherwise.
        """
        super().__init__()
        self._ranges = list(ranges)
        self._stop = stop
        self._options = tuple(options)

    @classmethod
    def matching(cls, patterns: Sequence[str]) -> "ReadFromFiles":
        """Return the transform that reads the whole of the files that match now.

        Raises `FileNotFoundError` if one of the patterns gives nothing to read.
        """
        files, unreadable = find_files(patterns)
        if unreadable:
            raise FileNotFoundError(f"{unreadable[0].path}: {unreadable[0].reason}")
        return cls([part for file in files for part in cut_ranges(file, ())])

    def expand(self, begin: beam.pvalue.PBegin):
        """Create the ranges, spread them, read them."""
        return (
            begin
            | "Ranges" >> beam.Create(self._ranges)
            | "Spread" >> beam.Reshuffle()
            | "Read" >> beam.FlatMap(self._read).with_output_types(Block)
        )

    def _read(self, part: Range) -> Iterator[Block]:
        if self._options:
            set_options(self._options)
        for block in read_blocks(part):
            if self._stop and self._stop():
                return
            yield block
