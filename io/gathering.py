"""Batches gathered into commits of a sensible size."""

from collections.abc import Callable, Sequence

import apache_beam as beam

from transforms.fix.block import Batch

__all__ = ["GatherBatchesFn", "OnCommit"]

OnCommit = Callable[[Batch, int], None]
"""Called after a commit, for each of its batches, with the number of messages stored."""


class GatherBatchesFn(beam.DoFn):
    """Gathers batches up to so many bytes or rows, or to the end of the bundle, for `commit`.

    What a failed bundle has gathered is forgotten: it comes again.
    """

    def __init__(self, on_commit: OnCommit | None, *, most_bytes: int, most_rows: int):
        """Store the parameters."""
        self._on_commit = on_commit
        self._most_bytes, self._most_rows = most_bytes, most_rows

    def commit(self, batches: list[Batch]) -> None:
        """Store what was gathered, at least one batch, or begin to."""
        raise NotImplementedError

    def start_bundle(self):
        """Begin with nothing."""
        self._batches: list[Batch] = []
        self._bytes = self._rows = 0

    def process(self, batch: Batch):
        """Gather a batch, and commit if these are enough."""
        self._batches.append(batch)
        self._bytes += batch.messages.nbytes + batch.failures.nbytes
        self._rows += batch.messages.num_rows
        if self._bytes >= self._most_bytes or self._rows >= self._most_rows:
            self._flush()
        return ()

    def finish_bundle(self):
        """Commit what is left."""
        self._flush()

    def _flush(self) -> None:
        if self._batches:
            batches, self._batches = self._batches, []
            self._bytes = self._rows = 0
            self.commit(batches)

    def _tell(self, batches: Sequence[Batch], stored: Sequence[int]) -> None:
        """Tell whoever wants to know how many messages of each batch were stored."""
        if self._on_commit:
            for batch, count in zip(batches, stored, strict=True):
                self._on_commit(batch, count)
