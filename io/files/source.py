"""Reads files as blocks, in a pipeline.

    blocks = pipeline | ReadFromFiles.matching(["logs/**/*.log.gz"])

It reads whatever Beam's FileSystems open: local paths, and gs://, s3:// and hdfs:// if the extras
are installed.
"""

from collections.abc import Callable, Iterator, Sequence

import apache_beam as beam

from fixfeed.io.files import remote
from fixfeed.io.files.find import cut_ranges, find_files, without_copies
from fixfeed.io.files.ranges import Range, with_context
from fixfeed.io.files.reading import read_blocks
from fixfeed.transforms.batch import Block
from fixfeed.transforms.protocol import Protocol

__all__ = ["ReadFromFiles"]


class ReadFromFiles(beam.PTransform):
    """Read ranges of files: `PBegin` to `PCollection[Block]`. Bounded.

    The ranges are spread over the workers; each is read in order. A range gives the same blocks
    every time, so a bundle may run twice. A file that cannot be read any further gives a block with
    the error. If messages affect those after them (in FIX the Logons of FIXT.1.1), a file is first
    read for that up to its last range, before the ranges themselves.
    """

    def __init__(
        self,
        ranges: Sequence[Range],
        *,
        stop: Callable[[], bool] | None = None,
        options: Sequence[str] = (),
    ):
        """`ranges` come from `cut_ranges`; no further block is read once `stop` returns true.

        `options` are Beam's, for its file systems; worker processes of the local runner do not get
        them otherwise.
        """
        super().__init__()
        self._ranges = list(ranges)
        self._stop = stop
        self._options = tuple(options)

    @classmethod
    def matching(
        cls,
        patterns: Sequence[str],
        protocol: Protocol | None = None,
        *,
        options: Sequence[str] = (),
    ) -> "ReadFromFiles":
        """Return the transform that reads all of the files that match now.

        `protocol` is that of the files, FIX if none is named; `options` are Beam's, for its file
        systems, here and in the workers. Raises `FileNotFoundError` if a pattern or file gives
        nothing to read.
        """
        if options:
            remote.set_options(options)
        files, unreadable = find_files(patterns, protocol)
        if unreadable:
            raise FileNotFoundError(f"{unreadable[0].path}: {unreadable[0].reason}")
        files, _ = without_copies(files)
        return cls([part for file in files for part in cut_ranges(file, ())], options=options)

    def expand(self, begin: beam.pvalue.PBegin):
        """Create the ranges, spread them, read them."""
        if any(part.framing.has_context and part.start for part in self._ranges):
            files: dict[str, list[Range]] = {}
            for part in self._ranges:
                files.setdefault(part.path, []).append(part)
            ranges = (
                begin
                | "Files" >> beam.Create(list(files.values()))
                | "SpreadFiles" >> beam.Reshuffle()
                | "Context" >> beam.FlatMap(self._with_context).with_output_types(Range)
            )
        else:
            ranges = begin | "Ranges" >> beam.Create(self._ranges)
        return (
            ranges
            | "Spread" >> beam.Reshuffle()
            | "Read" >> beam.FlatMap(self._read).with_output_types(Block)
        )

    def _with_context(self, parts: Sequence[Range]) -> Sequence[Range]:
        if self._options:
            remote.set_options(self._options)
        return with_context(parts, stop=self._stop)

    def _read(self, part: Range) -> Iterator[Block]:
        if self._options:
            remote.set_options(self._options)
        for block in read_blocks(part):
            if self._stop and self._stop():
                return
            yield block
