"""The parts of a batch that a sink does not have yet, and their counts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from fixfeed.io.ledger.ledger import Progress, Stretch, gaps
from fixfeed.io.ledger.within import within
from fixfeed.io.ledger.witness import note
from fixfeed.transforms.batch import Batch

__all__ = ["Part", "missing", "new_parts"]


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a batch that is not done yet: its rows, and their progress.

    A sink stores all of them together or none.
    """

    messages: pa.RecordBatch
    failures: pa.RecordBatch
    children: Mapping[str, pa.RecordBatch]
    progress: Progress

    @property
    def tables(self) -> dict[str, pa.RecordBatch]:
        """All rows by the name of their table, children before their messages."""
        return {**self.children, "messages": self.messages, "failures": self.failures}

    @property
    def stretch(self) -> Stretch:
        """The positions that are done once the part is stored."""
        return self.progress[1], self.progress[2]


def new_parts(
    batch: Batch, done: Iterable[Progress], *, rules: str, replace: bool = False
) -> list[Part]:
    """Return the parts of a batch that are in no stretch already done, in order.

    `rules` is the digest of the rules that the batch was read with. With `replace` only stretches
    done under them count as done. The batch must not be provisional.

    >>> rows = pa.RecordBatch.from_pylist([], pa.schema({"position": pa.int64()}))
    >>> lines = pa.array([105, 125, 150, 160])
    >>> batch = Batch("file:day.log", 100, 180, rows, skipped_positions=lines)
    >>> done = [("old", 120, 130, 1, 0, 0, 0, "")]
    >>> [part.progress for part in new_parts(batch, done, rules="new")]
    [('new', 100, 120, 0, 0, 0, 1, ''), ('new', 130, 180, 0, 0, 0, 2, '')]
    >>> [part.progress for part in new_parts(batch, done, rules="new", replace=True)]
    [('new', 100, 180, 0, 0, 0, 4, '')]
    """
    parts = []
    for stretch in missing((batch.start, batch.end), done, rules=rules, replace=replace):
        start, end = stretch
        own = batch if stretch == (batch.start, batch.end) else within(batch, [stretch])
        counts = own.messages.num_rows, own.filtered, own.failures.num_rows, own.skipped
        notes = note(end, batch.witness) if end == batch.end else ""
        progress = (rules, start, end, *counts, notes)
        parts.append(Part(own.messages, own.failures, own.children, progress))
    return parts


def missing(
    stretch: Stretch, done: Iterable[Progress], *, rules: str = "", replace: bool = False
) -> list[Stretch]:
    """Return the parts of a stretch that are not done, in order; arguments as in `new_parts`."""
    covered = [(row[1], row[2]) for row in done if not replace or row[0] == rules]
    return gaps(covered, *stretch)
