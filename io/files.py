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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from fixio.compression import Damaged, Stream, compression_of
from fixio.identity import agree, fingerprint
from fixio.ledger import HEAD, MARK, Mark, Source, Stretch, gaps
from fixio.ranges import Range, open_file, read_blocks, reason_of, with_logons
from transforms.fix.block import Block
from transforms.fix.framing import sniff_delimiter

__all__ = [
    "File",
    "ReadFromFiles",
    "Unreadable",
    "cut_ranges",
    "find_files",
    "set_options",
]

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

    @property
    def fixt(self) -> bool:
        """Whether messages of FIXT.1.1 stand near its beginning."""
        return b"8=FIXT.1.1" in self.head

    def mark(self, *, whole: bool) -> Mark:
        """What a ledger keeps of the file; `whole` says that it was read to its end."""
        return Mark(self.digests, self.size if whole else 0)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file or pattern that gives nothing to read, and why."""

    path: str
    reason: str


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
                    unreadable.append(Unreadable(path, reason_of(error)))
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
    with open_file(path) as file:
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
    common = Range(file.path, file.key, file.compression, file.delimiter, fixt=file.fixt)
    if file.compression:
        if mark and mark.size == file.size:
            return []
        return [dataclasses.replace(common, skip=tuple(done))]
    ranges = []
    for start, stop in gaps(done, 0, file.size):
        cuts = [start, *range((start // size + 1) * size, stop - size // 4, size), stop]
        for begin, end in itertools.pairwise(cuts):
            ranges.append(
                dataclasses.replace(
                    common,
                    start=begin,
                    stop=None if end == file.size else end,
                    sync_start=begin != start,
                    sync_stop=end != stop,
                )
            )
    return ranges


class ReadFromFiles(beam.PTransform):
    """Read ranges of files: `PBegin` to `PCollection[Block]`. Bounded.

    The ranges are spread over the workers; each is read in order. A range gives the same blocks
    every time, so a bundle may run twice. A file that cannot be read on gives a block that says so.
    A file of FIXT.1.1 is read for what its Logons say up to the last range, before its ranges are.
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
        if any(part.fixt and part.start for part in self._ranges):
            files: dict[str, list[Range]] = {}
            for part in self._ranges:
                files.setdefault(part.path, []).append(part)
            ranges = (
                begin
                | "Files" >> beam.Create(list(files.values()))
                | "SpreadFiles" >> beam.Reshuffle()
                | "Logons" >> beam.FlatMap(self._with_logons).with_output_types(Range)
            )
        else:
            ranges = begin | "Ranges" >> beam.Create(self._ranges)
        return (
            ranges
            | "Spread" >> beam.Reshuffle()
            | "Read" >> beam.FlatMap(self._read).with_output_types(Block)
        )

    def _with_logons(self, parts: Sequence[Range]) -> Sequence[Range]:
        if self._options:
            set_options(self._options)
        return with_logons(parts, stop=self._stop)

    def _read(self, part: Range) -> Iterator[Block]:
        if self._options:
            set_options(self._options)
        for block in read_blocks(part):
            if self._stop and self._stop():
                return
            yield block
