"""Counts what sinks have committed, all batches of a commit at once.

A stream commits as many batches as it has peers, ten times a second, and each look-up of a metric
takes some microseconds: batch by batch they took as long as parsing (measured).
"""

import functools
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import orjson
import prometheus_client
import pyarrow as pa

from fixfeed.io.commit import SetAside
from fixfeed.io.ledger.counts import counts_of, seen_in
from fixfeed.io.ledger.ledger import SinkFailed
from fixfeed.pipelines.counters import COUNTS, NEWEST, OTHERS, PROBLEMS, SESSION, SOURCES, made_in
from fixfeed.transforms.batch import Batch
from fixfeed.transforms.protocol import Table

__all__ = ["Attempts", "Committed"]

_SESSIONS = 200  # that a process tells apart: their names are the counterparties' own words
_LONGEST_NAME = 100  # characters
_NEVER = int(np.iinfo(np.int64).min)


class Attempts:
    """Measures how long each commit of a sink takes, and counts those that fail."""

    def __init__(self, sink: str, folder: Path):
        """`sink` is its name, `folder` the run's."""
        self._sink = sink
        self._folder = str(folder)

    @contextmanager
    def __call__(self, _batches: Sequence[Batch]) -> Iterator[None]:
        """Measure what is done inside (`io.commit.Around`)."""
        metrics = made_in(self._folder)
        begin = time.perf_counter()
        try:
            yield
        except SetAside:
            raise  # they are written again at once
        except BaseException:
            metrics["fixfeed_commit_failures_total"].labels(self._sink).inc()
            raise
        seconds = time.perf_counter() - begin
        metrics["fixfeed_commit_duration_seconds"].labels(self._sink).observe(seconds)


class Committed:
    """Counts what a sink has committed; given to the sink as `on_commit`."""

    def __init__(
        self,
        sink: str,
        folder: Path,
        table: Table | None = None,
        *,
        by_source: bool = True,
        delays: bool = False,
    ):
        """`sink` is its name, `folder` the run's, and `table` that of its messages.

        Without a table nothing is known of times and sessions. `by_source` keeps what `read_of`
        returns. With `delays` it measures how long messages took from their own time on, which says
        something where they are stored as they come.
        """
        self._sink = sink
        self._folder = str(folder)
        self._clocks = tuple(table.clock) if table else ()
        self._session = table.ordered_by if table else ""
        self._by_source = by_source
        self._delays = delays

    def __call__(self, committed: Sequence[tuple[Batch, int]]) -> None:
        """Count the batches of a commit, each with how many of its messages were new.

        Raises `SinkFailed` if the folder cannot be written.
        """
        try:
            self._count(committed)
        except OSError as error:
            raise SinkFailed(
                f"cannot write the counters of the run to {self._folder}: {error.strerror}; make "
                "space there, or name another folder for temporary files with TMPDIR, and run it "
                "again: what is committed stays"
            ) from error

    def _count(self, committed: Sequence[tuple[Batch, int]]) -> None:
        metrics, now = made_in(self._folder), time.time()
        batches = [batch for batch, _ in committed]
        sizes = [batch.messages.num_rows for batch in batches]

        counts = counts_of(committed)
        for field, name in COUNTS.items():
            number = getattr(counts, field)
            kinds = number.items() if isinstance(number, dict) else [(None, number)]
            for kind, more in kinds:
                labels = (self._sink,) if kind is None else (self._sink, kind)
                metrics[name].labels(*labels).inc(more)
        _observe(metrics["fixfeed_batch_messages"].labels(self._sink), np.array(sizes, float))
        metrics["fixfeed_last_commit_timestamp_seconds"].labels(self._sink).set(now)
        if self._by_source:
            _append(self._folder, SOURCES, map(self._of_source, batches))
        self._measure([batch.messages for batch in batches if batch.messages.num_rows], now)
        _append(
            self._folder,
            PROBLEMS,
            (
                {"source": batch.source, "position": batch.end, "error": batch.error}
                for batch in batches
                if batch.error
            ),
        )

    def _measure(self, parts: Sequence[pa.RecordBatch], now: float) -> None:
        """Measure the times of messages, all of which are stored since `now`.

        In numpy, as a stream does so for each few messages: pyarrow takes longer for so few.
        """
        if not (parts and self._clocks):
            return
        metrics = made_in(self._folder)
        times = np.full(sum(part.num_rows for part in parts), _NEVER)
        for clock in self._clocks:
            own = _microseconds(_joined([part[clock] for part in parts]))
            known = own[own > _NEVER]
            if len(known):
                labels = self._sink, clock
                _raise(metrics[NEWEST].labels(*labels), float(known.max()) / 1e6)
                if self._delays:
                    delays = metrics["fixfeed_delivery_delay_seconds"].labels(*labels)
                    _observe(delays, now - known / 1e6)
            times = np.where(times > _NEVER, times, own)
        if self._session:
            sessions = _joined([part[self._session] for part in parts]).dictionary_encode()
            names = [*sessions.dictionary.to_pylist(), None]
            newest = np.full(len(names), _NEVER)
            places = sessions.indices.fill_null(len(names) - 1).to_numpy()
            np.maximum.at(newest, places, times)
            for name, latest in zip(names, newest.tolist(), strict=True):
                if name and latest > _NEVER:
                    label = _told_apart(self._folder, name)
                    _raise(metrics[SESSION].labels(label), latest / 1e6)

    def _of_source(self, batch: Batch) -> list[object]:
        """Return what was read of a source, for `read_of`."""
        seen, failures = seen_in(batch)
        counts = [batch.messages.num_rows + batch.filtered, failures, batch.skipped]
        return [self._sink, batch.source, *counts, batch.start, seen]


def _joined(columns: Sequence[pa.Array]) -> pa.Array:
    return columns[0] if len(columns) == 1 else pa.concat_arrays(columns)


def _append(folder: str, name: str, lines: Iterable[object]) -> None:
    """Append objects as lines to a file, which is made only if there are any."""
    text = b"".join(orjson.dumps(line) + b"\n" for line in lines)
    if text:
        with open(Path(folder) / name, "ab") as file:
            file.write(text)


def _microseconds(times: pa.Array) -> np.ndarray:
    """Return times as microseconds since 1970, `_NEVER` where there is none."""
    return times.view(pa.int64()).fill_null(_NEVER).to_numpy()


def _raise(gauge: prometheus_client.Gauge, value: float) -> None:
    """Set a gauge that only ever grows: files are read in any order."""
    gauge.set(max(value, gauge._value.get()))


def _observe(histogram: prometheus_client.Histogram, amounts: np.ndarray) -> None:
    """Observe all of these at once: one by one they would cost as much as parsing them.

    A clock that is ahead of ours makes an amount that is less than 0, and is counted as 0: the sum
    of a histogram must not fall.
    """
    amounts = np.maximum(amounts, 0.0)
    histogram._sum.inc(float(amounts.sum()))
    places = np.searchsorted(histogram._upper_bounds, amounts)
    for place, number in enumerate(np.bincount(places)):
        if number:
            histogram._buckets[place].inc(int(number))


@functools.cache
def _sessions(_folder: str) -> set[str]:
    return set()


def _told_apart(folder: str, session: str) -> str:
    """Return the label of a session; those beyond the first many share one."""
    known = _sessions(folder)
    if session in known:
        return session
    if len(known) >= _SESSIONS or len(session) > _LONGEST_NAME:
        return OTHERS
    known.add(session)
    return session
