"""The parts of a batch that a sink does not have yet, and their counts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from fixfeed.io.ledger.ledger import Progress, Stretch, gaps, inside
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
    >>> batch = Batch("file:day.log", 100, 180, rows, skipped=2)
    >>> done = [("old", 120, 130, 1, 0, 0, 0, "")]
    >>> [part.progress for part in new_parts(batch, done, rules="new")]
    [('new', 100, 120, 0, 0, 0, 2, ''), ('new', 130, 180, 0, 0, 0, 0, '')]
    >>> [part.progress for part in new_parts(batch, done, rules="new", replace=True)]
    [('new', 100, 180, 0, 0, 0, 2, '')]
    """
    parts = []
    for stretch in missing((batch.start, batch.end), done, rules=rules, replace=replace):
        start, end = stretch
        messages, failures, children = batch.messages, batch.failures, batch.children
        if stretch != (batch.start, batch.end):
            messages, failures = _within(messages, stretch), _within(failures, stretch)
            children = {name: _within(rows, stretch) for name, rows in children.items()}
        # It is not known which part the filtered messages and skipped lines were in. The first part
        # counts them if it begins where the batch does.
        first = start == batch.start
        counts = (
            messages.num_rows,
            batch.filtered if first else 0,
            failures.num_rows,
            batch.skipped if first else 0,
        )
        notes = note(end, batch.witness) if end == batch.end else ""
        parts.append(Part(messages, failures, children, (rules, start, end, *counts, notes)))
    return parts


def missing(
    stretch: Stretch, done: Iterable[Progress], *, rules: str = "", replace: bool = False
) -> list[Stretch]:
    """Return the parts of a stretch that are not done, in order; arguments as in `new_parts`."""
    covered = [(row[1], row[2]) for row in done if not replace or row[0] == rules]
    return gaps(covered, *stretch)


def _within(rows: pa.RecordBatch, stretch: Stretch) -> pa.RecordBatch:
    return rows.filter(pa.array(inside(rows["position"].to_numpy(), [stretch])))
