"""What runs on a cluster have committed, as a ledger's topic says it (`CountingLedger`).

A record has the counts of a stretch, whose start is in its key, and the next commit makes it
longer. What it says is exact, whoever wrote it: the counts of its stretch, each position once. So
of two with the same start the longer one holds, as when a worker that was given up, and has not
heard of it, writes once more.
"""

from collections.abc import Iterable, Mapping, Sequence

from fixfeed.io.ledger.counts import Counted, newly_counted, those_that_hold
from fixfeed.transforms.batch import Batch

__all__ = ["RunCounts"]

_Row = tuple[int, str]
"""The end of a stretch, and its counts as JSON."""


class RunCounts:
    """The counts of runs, by run and source."""

    def __init__(self) -> None:
        """Know nothing."""
        self._rows: dict[tuple[str, int], dict[int, _Row]] = {}

    def know(self, run: str, source_id: int, start: int, row: Sequence | None) -> None:
        """Take what the topic says of a stretch; None if it is forgotten."""
        rows = self._rows.setdefault((run, source_id), {})
        if row is None:
            rows.pop(start, None)
            return
        end, text = row
        if start not in rows or rows[start][0] <= end:
            rows[start] = end, text

    def rows(self, run: str) -> dict[int, Mapping[int, _Row]]:
        """Return what is known of a run, by source id and start."""
        return {source: rows for (one, source), rows in self._rows.items() if one == run and rows}

    def counted(self, run: str) -> dict[int, Counted]:
        """Return the counts of a run, by source id."""
        return {
            source_id: sum(
                (
                    Counted.read(text)
                    for _, _, text in those_that_hold(
                        {(start, end): text for start, (end, text) in rows.items()}
                    )
                ),
                Counted(),
            )
            for source_id, rows in self.rows(run).items()
        }

    def with_more(
        self, run: str, source_id: int, batches: Iterable[tuple[Batch, int]]
    ) -> dict[int, _Row]:
        """Return the rows of a source, by start, that are new once these batches are committed.

        Each comes with how many of its messages are new.
        """
        rows = dict(self._rows.get((run, source_id), {}))
        new: dict[int, _Row] = {}
        for batch, stored in batches:
            done = [(start, end) for start, (end, _) in rows.items() if start < end]
            for start, end, one in newly_counted(batch, stored, done):
                before = [begin for begin, (stop, _) in rows.items() if begin < stop == start < end]
                for begin in before:
                    start, one = begin, Counted.read(rows[begin][1]) + one
                if start not in rows or rows[start][0] <= end:
                    rows[start] = new[start] = end, one.text
        return new
