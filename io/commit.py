"""The commit step of all sinks: it gathers batches and stores them together.

A new sink is a `Writer` and a line:

    batches | beam.ParDo(CommitFn(lambda: WriterOfMine(place), Run(), Limits(1 << 20, 10_000)))

`ledger.new_parts` gives the writer the parts of a batch that it does not have yet.
"""

import hashlib
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import apache_beam as beam
from apache_beam.metrics import Metrics

from fixfeed.io.ledger.ledger import Known, SinkError, SinkFailed, is_held, sources_of
from fixfeed.io.ledger.source import Source
from fixfeed.transforms.batch import Batch

__all__ = ["Again", "Around", "CommitFn", "Limits", "OnCommit", "Run", "SetAside", "Writer"]

T = TypeVar("T")

_COMPARED = 1 << 16
"""So many batches without a witness are compared with those that come after them."""

OnCommit = Callable[[Sequence[tuple[Batch, int]]], None]
"""Called after a commit with its batches, each with the number of its messages that were new."""

Around = Callable[[Sequence[Batch]], AbstractContextManager[None]]
"""Called for each attempt to store batches, which is made inside of what it returns."""


class Again(Protocol):
    """Goes on with a sink that has failed. Can be pickled."""

    def until_it_works(self, work: Callable[[], T]) -> T:
        """Return the result of `work`. If it raises `SinkFailed`, call it again later, or raise."""


@dataclass(frozen=True, slots=True)
class Run:
    """The run whose batches a sink stores.

    `sources` are the source ids, by key, of sources that planning has registered; a run without end
    may add to them. Others are registered when they are first seen. `rules` is the digest of the
    rules that the messages were read with, which is stored with the progress. With `replace`, rows
    stored under other rules are stored anew. `on_commit` is called after each commit, and `around`
    for each attempt. `counted_for` names a run on a cluster, whose counts the sink keeps in the
    same commits (`CountingLedger`), as its workers may be anywhere and may do their work again.

    For a run without end: no batch waits for more than `seconds`, if that is less than the limit of
    the sink, except in a sink of files that are made once (Parquet). `again` tries again what a
    sink has failed to write.
    """

    sources: Mapping[str, int] = field(default_factory=dict)
    rules: str = ""
    replace: bool = False
    on_commit: OnCommit | None = None
    seconds: float = math.inf
    again: "Again | None" = None
    around: Around | None = None
    counted_for: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """When batches are committed: at this many bytes or rows, or when one has waited this long.

    The wait is checked when a batch or a tick comes, but not when a batch comes while a commit is
    being written, which the next one would wait for: it is committed with those after it. All are
    committed when a flush comes, or a bundle ends, and at the end of a round if the run sets a
    shorter wait.
    """

    bytes: int
    rows: int
    seconds: float = 5.0


class SetAside(Exception):
    """A sink never takes some messages of `batches`, in which these are among the failures now.

    Nothing was stored. The batches are written again as they are here.
    """

    def __init__(self, batches: Sequence[Batch]):
        """`batches` are all that were to be written, in their order."""
        super().__init__("a sink does not take some of the messages")
        self.batches = batches


class Writer(Protocol):
    """A sink that is being written to. Each worker has one, used by one thread."""

    def prepare(self) -> None:
        """Make the sink ready, or raise `SinkError`. Called once, before all others.

        A run without end calls it before there is anything to store. Like `register` and `write`,
        it may raise a `SinkFailed` that is `held`: the same call then comes again.
        """

    def register(
        self, sources: Sequence[Source], *, rules: str, replace: bool = False
    ) -> dict[str, Known]:
        """Return what is known about each source, by key; new ones are stored (see `Ledger`)."""

    def write(
        self, batches: Sequence[tuple[int, Batch]], *, rules: str, replace: bool
    ) -> list[int]:
        """Store the new parts of (source id, batch) pairs with their stretches, all or nothing.

        Returns how many messages of each were stored. A batch may come again, or cut differently,
        and several workers may write to one sink at once. Raises `SetAside` if there are messages
        that the sink never takes.
        """

    def close(self) -> None:
        """Close all resources; `prepare` may have failed."""


class CommitFn(beam.DoFn):
    """Gathers batches (`Batch`) up to `limits`, or to the end of the bundle, and commits them.

    A bundle that succeeds has stored all its batches. The batches of a failed bundle are dropped,
    since they come again. With `while_parsing` a commit is written while the next batches are being
    parsed, so an error surfaces when the next commit or the bundle ends; the bundle then fails.
    `make` makes the writer in the worker, where only one thread uses it.

    Beam's metrics count what was committed, in this namespace: `stored`, `repeated` (messages that
    were stored already), `filtered` and `failures`.

    A batch whose block had no witness is compared with an earlier one of the same source and start,
    if that is among the last ones; `SinkError` if they differ.
    """

    def __init__(
        self,
        make: Callable[[], Writer],
        run: Run,
        limits: Limits,
        *,
        while_parsing: bool = False,
    ):
        """Store the parameters; nothing is opened."""
        self._make = make
        self._run = run
        self._limits = limits
        self._while_parsing = while_parsing

    def setup(self):
        """Start the thread."""
        self._thread = ThreadPoolExecutor(1)
        self._writer: Writer | None = None
        self._is_prepared = False
        self._writing: Future[Counter[str]] | None = None
        self._is_ready = False
        self._registered: dict[str, int] = {}
        self._seen: dict[tuple[str, int], str] = {}

    def start_bundle(self):
        """Begin with no batches."""
        self._forget()
        if self._writing is not None:
            # This commit is of a bundle that failed and comes again.
            writing, self._writing = self._writing, None
            if writing.exception() is None:
                self._count(writing.result())

    def process(self, batch: Batch):
        """Gather a batch, and commit if a limit is reached."""
        if not batch.is_tick:
            self._gather(batch)
        elif batch.last:
            self.finish_bundle()
        if not self._is_ready and batch.is_tick and self._writing is None:
            # In a run without end, so that what is left when it stops is stored at once.
            self._is_ready = True
            self._writing = self._thread.submit(self._write, [])
        limits = self._limits
        if self._batches and (
            self._bytes >= limits.bytes
            or self._rows >= limits.rows
            or (self._is_old() and (batch.is_tick or not self._is_busy()))
            or (batch.ends_round and self._run.seconds < limits.seconds)
        ):
            self._commit()
        elif self._writing is not None and self._writing.done():
            self._wait()
        return ()

    def _is_old(self) -> bool:
        """Return whether the first batch has waited for as long as it may."""
        return time.monotonic() - self._since >= min(self._limits.seconds, self._run.seconds)

    def _is_busy(self) -> bool:
        """Return whether a commit is being written.

        The next one would have to wait for it; meanwhile more is read, and committed with it.
        """
        return self._writing is not None and not self._writing.done()

    def _gather(self, batch: Batch) -> None:
        if not (batch.witness or batch.provisional):
            self._check(batch)
        if not self._batches:
            self._since = time.monotonic()
        self._batches.append(batch)
        self._bytes += batch.nbytes
        self._rows += batch.messages.num_rows

    def finish_bundle(self):
        """Commit what is left, and wait until all is stored."""
        self._commit()
        self._wait()

    def teardown(self):
        """Close the writer, and end the thread."""
        self._thread.submit(self._close).result()
        self._thread.shutdown()

    def _forget(self) -> None:
        self._batches: list[Batch] = []
        self._bytes = self._rows = 0
        self._since = 0.0

    def _commit(self) -> None:
        if self._batches:
            batches = self._batches
            self._forget()
            self._wait()
            self._is_ready = True
            self._writing = self._thread.submit(self._write, batches)
            if not self._while_parsing:
                self._wait()

    def _wait(self) -> None:
        if self._writing is not None:
            writing, self._writing = self._writing, None
            self._count(writing.result())

    @staticmethod
    def _count(committed: Counter[str]) -> None:
        # Here, as the metrics of a bundle are those of its own thread.
        for name, count in committed.items():
            Metrics.counter(CommitFn, name).inc(count)

    def _check(self, batch: Batch) -> None:
        digest = hashlib.blake2b(b"%d" % batch.end, digest_size=16)
        for rows in (batch.messages, batch.failures):
            for raw in rows["raw"].to_pylist():
                digest.update(raw)
        found = digest.hexdigest()
        if len(self._seen) >= _COMPARED:
            del self._seen[next(iter(self._seen))]
        if self._seen.setdefault((batch.source, batch.start), found) != found:
            raise SinkError(
                f"two different blocks came as source {batch.source!r} at position {batch.start}; "
                "give each input a source of its own, and each of its blocks the position where it "
                "begins"
            )

    # These run in the thread.

    def _write(self, batches: list[Batch]) -> Counter[str]:
        """Commit batches; return what was committed, by the names of the metrics.

        Without any, only the writer is made ready.
        """
        counts: Counter[str] = Counter()
        committed = self._written(batches)
        for batch, count in committed:
            counts["stored"] += count
            counts["repeated"] += batch.messages.num_rows - count
            counts["filtered"] += batch.filtered
            counts["failures"] += batch.failures.num_rows
        if committed and self._run.on_commit:
            self._run.on_commit(committed)
        return counts

    def _written(self, batches: Sequence[Batch]) -> list[tuple[Batch, int]]:
        """Store batches; return each as it is stored, and how many of its messages are new."""

        def stored() -> list[tuple[Batch, int]]:
            nonlocal batches
            while True:
                try:
                    return self._stored(batches)
                except SetAside as some:
                    batches = some.batches
                except SinkFailed as error:
                    if not error.held:
                        self._close()  # a connection that has failed works no more
                    raise

        again = self._run.again
        return again.until_it_works(stored) if again else stored()

    def _stored(self, batches: Sequence[Batch]) -> list[tuple[Batch, int]]:
        run = self._run
        writer = self._prepared()
        if not batches:
            return []
        ids = (run.sources, self._registered)
        new = sources_of(one for one in batches if not any(one.source in known for known in ids))
        if new:
            found = writer.register(new, rules=run.rules, replace=run.replace)
            self._registered |= {key: one.source_id for key, one in found.items()}
        numbered = [
            (next(known[batch.source] for known in ids if batch.source in known), batch)
            for batch in batches
        ]
        with run.around(batches) if run.around else nullcontext():
            counts = writer.write(numbered, rules=run.rules, replace=run.replace)
        return list(zip(batches, counts, strict=True))

    def _prepared(self) -> Writer:
        if self._writer is None:
            self._writer = self._make()
        if not self._is_prepared:
            try:
                self._writer.prepare()
            except BaseException as error:
                if not is_held(error):
                    self._close()
                raise
            self._is_prepared = True
        return self._writer

    def _close(self) -> None:
        writer, self._writer, self._is_prepared = self._writer, None, False
        if writer is not None:
            writer.close()
