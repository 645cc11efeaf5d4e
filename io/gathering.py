"""Batches gathered into commits of a sensible size."""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import apache_beam as beam

from fixfeed.io.ledger.ledger import SinkError
from fixfeed.transforms.batch import Batch

__all__ = ["GatherBatchesFn", "OnCommit", "WriteBehindFn"]

OnCommit = Callable[[Batch, int], None]
"""Called after a commit, for each of its batches, with the number of messages stored."""


class GatherBatchesFn(beam.DoFn):
    """Gathers batches up to so many bytes or rows, or to the end of the bundle, for `commit`.

    What a failed bundle has gathered is forgotten: it comes again. A batch whose block had no
    witness is held against what came before under the same source and start: `SinkError`, if that
    was something else.
    """

    def __init__(self, on_commit: OnCommit | None, *, most_bytes: int, most_rows: int):
        """Store the parameters."""
        self._on_commit = on_commit
        self._most_bytes, self._most_rows = most_bytes, most_rows

    def commit(self, batches: list[Batch]) -> None:
        """Store what was gathered, at least one batch, or begin to."""
        raise NotImplementedError

    def setup(self):
        """Begin without sources."""
        self._seen: dict[tuple[str, int], str] = {}

    def start_bundle(self):
        """Begin with nothing."""
        self._batches: list[Batch] = []
        self._bytes = self._rows = 0

    def process(self, batch: Batch):
        """Gather a batch, and commit if these are enough."""
        if not (batch.witness or batch.provisional):
            self._check(batch)
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

    def _check(self, batch: Batch) -> None:
        digest = hashlib.blake2b(b"%d" % batch.end, digest_size=16)
        for rows in (batch.messages, batch.failures):
            for raw in rows["raw"].to_pylist():
                digest.update(raw)
        found = digest.hexdigest()
        if self._seen.setdefault((batch.source, batch.start), found) != found:
            raise SinkError(
                f"two different blocks came as source {batch.source!r} at position {batch.start}; "
                "give each input a source of its own, and each of its blocks the position where it "
                "begins"
            )

    def _tell(self, batches: Sequence[Batch], stored: Sequence[int]) -> None:
        """Tell whoever wants to know how many messages of each batch were stored."""
        if self._on_commit:
            for batch, count in zip(batches, stored, strict=True):
                self._on_commit(batch, count)


class WriteBehindFn(GatherBatchesFn):
    """Writes what was gathered in a thread of its own while the next batches are being parsed.

    An error surfaces when the next commit or the bundle ends; the bundle then fails. All that
    `write` and `close` use is used by that thread alone.
    """

    def write(self, batches: list[Batch]) -> None:
        """Store what was gathered, at least one batch."""
        raise NotImplementedError

    def close(self) -> None:
        """Close what `write` has opened, if anything."""
        raise NotImplementedError

    def setup(self):
        """Start the thread."""
        super().setup()
        self._thread = ThreadPoolExecutor(1)
        self._writing: Future[None] | None = None

    def start_bundle(self):
        """Begin with nothing."""
        super().start_bundle()
        if self._writing is not None:
            # Of a bundle that failed, and comes again.
            writing, self._writing = self._writing, None
            writing.exception()

    def finish_bundle(self):
        """Commit what is left, and wait until it is stored."""
        super().finish_bundle()
        self._wait()

    def teardown(self):
        """End the thread."""
        self._thread.submit(self.close).result()
        self._thread.shutdown()

    def commit(self, batches: list[Batch]) -> None:
        """Begin to store what was gathered."""
        self._wait()
        self._writing = self._thread.submit(self.write, batches)

    def _wait(self) -> None:
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.result()
