"""The counters of a run, across its worker processes.

Beam's metrics cannot be read while a local pipeline runs. prometheus-client keeps each process's
counters in files in the run's own folder; any process can sum them up, and what a process that was
killed has counted stays.
"""

import datetime
import functools
import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
import prometheus_client
import pyarrow as pa
import pyarrow.compute as pc
from prometheus_client import multiprocess, values

from fixfeed.io.commit import SetAside
from fixfeed.io.ledger.ledger import SinkFailed
from fixfeed.pipelines.counts import Counts
from fixfeed.pipelines.instruments import COUNTED, made
from fixfeed.transforms.batch import LATEST, TRUNCATED, UNREADABLE, Batch
from fixfeed.transforms.protocol import Protocol, Table

__all__ = [
    "COUNTERS",
    "Attempts",
    "Committed",
    "Read",
    "collected",
    "died",
    "newest",
    "problems",
    "read_of",
    "start",
    "totals",
]

COUNTERS = "metrics"
"""The folder of the counters, in that of the run."""

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_PROBLEMS = "problems.jsonl"
_LEAST = 16 << 20  # bytes; one MiB per process, and more if there are many kinds of defects
_SOURCES = "sources.jsonl"
_COUNTS = {
    "bytes": "fixfeed_read_bytes_total",
    "read": "fixfeed_messages_read_total",
    "stored": "fixfeed_messages_stored_total",
    "repeated": "fixfeed_messages_repeated_total",
    "filtered": "fixfeed_messages_filtered_total",
    "skipped": "fixfeed_skipped_lines_total",
    "failed": "fixfeed_failures_total",
    "defects": "fixfeed_defects_total",
    "joined": "fixfeed_joined_messages_total",
}
"""Field of `Counts` -> its metric."""
_FIELDS = {metric: field for field, metric in _COUNTS.items()}
_NEWEST = "fixfeed_newest_message_timestamp_seconds"
_SESSION = "fixfeed_session_last_received_timestamp_seconds"
_SESSIONS = 200  # that a process tells apart: their names are the counterparties' own words
_LONGEST_NAME = 100  # characters
_OTHERS = "others"
_NEVER = int(np.iinfo(np.int64).min)


class Read(NamedTuple):
    """The counts of a run for a source: messages, failures, and lines without FIX.

    `seen` is the commonest text of its first failures.
    """

    messages: int = 0
    failures: int = 0
    lines: int = 0
    seen: str = ""


def start(folder: Path, sinks: Sequence[str] = (), protocol: Protocol | None = None) -> None:
    """Make `folder` the place of this run's counters, for this process and those it starts.

    Those of `sinks` are there from the start, also those of each reason and kind of `protocol`:
    Prometheus sees no increase in a counter that is not 0 when it comes.

    Raises `SinkFailed` if it has no space for them: they are mapped into memory, and a process that
    writes to such a page without disk space is killed (SIGBUS).
    """
    free = shutil.disk_usage(folder).free
    if free < _LEAST:
        raise SinkFailed(
            f"only {free:,} bytes are free where the run has its counters, {folder}; make space "
            "there, or name another folder for temporary files with TMPDIR"
        )
    os.environ[_FOLDER] = str(folder)
    kinds = {"reason": protocol.reasons, "kind": protocol.defects} if protocol else {}
    for name, metric in _metrics(str(folder)).items():
        labels = COUNTED[name].labels
        if COUNTED[name].kind == "counter":
            for sink in sinks:
                if labels == ("sink",):
                    metric.labels(sink)
                for one in kinds.get(labels[-1], ()):
                    metric.labels(sink, one)


_making = threading.Lock()


def _metrics(folder: str) -> Mapping[str, Any]:
    # Two sinks may commit at once: two sets of counters over one file would lose counts.
    with _making:
        return _made(folder)


@functools.cache
def _made(folder: str) -> Mapping[str, Any]:
    # The client reads its folder from the environment once, at import. A value class for each run
    # lets one process run several jobs.
    os.environ[_FOLDER] = folder
    values.ValueClass = values.MultiProcessValue()
    return made(COUNTED, prometheus_client.CollectorRegistry())


def died(process_id: int) -> None:
    """Forget what only a living process has, as the connections of a gateway, for one that died."""
    if folder := os.environ.get(_FOLDER):
        multiprocess.mark_process_dead(process_id, folder)


_UNFINISHED = pa.array([TRUNCATED, UNREADABLE])


class Attempts:
    """Measures how long each commit of a sink takes, and counts those that fail."""

    def __init__(self, sink: str, folder: Path):
        """`sink` is its name, `folder` the run's."""
        self._sink = sink
        self._folder = str(folder)

    @contextmanager
    def __call__(self, _batches: Sequence[Batch]) -> Iterator[None]:
        """Measure what is done inside (`io.commit.Around`)."""
        metrics = _metrics(self._folder)
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

    def __call__(self, batch: Batch, stored: int) -> None:
        """Count one batch, of which `stored` messages were new.

        Raises `SinkFailed` if the folder cannot be written.
        """
        try:
            self._count(batch, stored)
        except OSError as error:
            raise SinkFailed(
                f"cannot write the counters of the run to {self._folder}: {error.strerror}; make "
                "space there, or name another folder for temporary files with TMPDIR, and run it "
                "again: what is committed stays"
            ) from error

    def _count(self, batch: Batch, stored: int) -> None:
        metrics, now = _metrics(self._folder), time.time()

        def count(field: str, number: int, *labels: str) -> None:
            metrics[_COUNTS[field]].labels(self._sink, *labels).inc(number)

        count("bytes", batch.end - batch.start if batch.octets is None else batch.octets)
        count("read", batch.read)
        count("stored", stored)
        count("repeated", batch.messages.num_rows - stored)
        count("filtered", batch.filtered)
        count("skipped", batch.skipped)
        for pair in pc.value_counts(batch.failures["reason"]).to_pylist():
            count("failed", pair["counts"], pair["values"])
        kinds: Counter[str] = Counter()
        for pair in pc.value_counts(batch.messages["defects"]).to_pylist():
            for kind in (pair["values"] or "").split(","):
                kinds[kind] += pair["counts"]
        for kind, number in kinds.items():
            if kind:
                count("defects", number, kind)
        for lookup, number in batch.joined.items():
            count("joined", number, lookup)
        metrics["fixfeed_batch_messages"].labels(self._sink).observe(batch.messages.num_rows)
        metrics["fixfeed_last_commit_timestamp_seconds"].labels(self._sink).set(now)
        if self._by_source:
            self._count_source(batch)
        if batch.messages.num_rows:
            self._measure(batch.messages, now)
        if batch.error:
            problem = {"source": batch.source, "position": batch.end, "error": batch.error}
            with open(Path(self._folder) / _PROBLEMS, "ab") as file:
                file.write(orjson.dumps(problem) + b"\n")

    def _measure(self, messages: pa.RecordBatch, now: float) -> None:
        """Measure the times of messages, all of which are stored since `now`.

        In numpy, as a stream does so for each few messages: pyarrow takes longer for so few.
        """
        metrics = _metrics(self._folder)
        times = np.full(messages.num_rows, _NEVER)
        for clock in self._clocks:
            own = _microseconds(messages[clock])
            known = own[own > _NEVER]
            if len(known):
                labels = self._sink, clock
                _raise(metrics[_NEWEST].labels(*labels), float(known.max()) / 1e6)
                if self._delays:
                    delays = metrics["fixfeed_delivery_delay_seconds"].labels(*labels)
                    _observe(delays, now - known / 1e6)
            times = np.where(times > _NEVER, times, own)
        if self._session and self._clocks:
            sessions = messages[self._session].dictionary_encode()
            names = [*sessions.dictionary.to_pylist(), None]
            newest = np.full(len(names), _NEVER)
            places = sessions.indices.fill_null(len(names) - 1).to_numpy()
            np.maximum.at(newest, places, times)
            for name, latest in zip(names, newest.tolist(), strict=True):
                if name and latest > _NEVER:
                    label = _told_apart(self._folder, name)
                    _raise(metrics[_SESSION].labels(label), latest / 1e6)

    def _count_source(self, batch: Batch) -> None:
        ended = pc.invert(pc.is_in(batch.failures["reason"], _UNFINISHED))
        details = Counter(batch.failures["detail"].filter(ended).to_pylist())
        seen = details.most_common(1)[0][0] if details else ""
        messages = batch.messages.num_rows + batch.filtered
        counts = [messages, details.total(), batch.skipped]
        with open(Path(self._folder) / _SOURCES, "ab") as file:
            line = [self._sink, batch.source, *counts, batch.start, seen]
            file.write(orjson.dumps(line) + b"\n")


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
        return _OTHERS
    known.add(session)
    return session


def problems(folder: Path) -> list[dict[str, Any]]:
    """Return the errors of sources that could not be read to their end, each once."""
    path = Path(folder) / _PROBLEMS
    if not path.exists():
        return []
    lines = dict.fromkeys(path.read_bytes().splitlines())
    return [orjson.loads(line) for line in lines]


def read_of(folder: Path) -> dict[str, Read]:
    """Return the counts of each source that was read from, by its key.

    Unfinished ends and unreadable parts are left out; they do not show what the source holds.
    """
    path = Path(folder) / _SOURCES
    if not path.exists():
        return {}
    by_sink: dict[tuple[str, str], tuple[int, ...]] = {}
    first: dict[str, tuple[int, str]] = {}
    for line in path.read_bytes().splitlines():
        sink, source, *counts, start, seen = orjson.loads(line)
        before = by_sink.get((sink, source), (0, 0, 0))
        by_sink[sink, source] = tuple(map(sum, zip(before, counts, strict=True)))
        if seen:
            first[source] = min(first.get(source, (start, seen)), (start, seen))
    result: dict[str, Read] = {}
    for (_, source), counts in by_sink.items():
        # One sink may already have had more of it than another.
        messages, failures, lines = max(result.get(source, Read())[:3], counts, key=sum)
        _, seen = first.get(source, (0, ""))
        result[source] = Read(messages, failures, lines, seen)
    return result


def totals(folder: Path) -> dict[str, Counts]:
    """Return, by sink, the sums over all processes."""
    result: dict[str, Counts] = {}
    for sample in _samples(folder):
        if sample.name not in _FIELDS:
            continue
        field, labels = _FIELDS[sample.name], dict(sample.labels)
        counts = result.setdefault(labels.pop("sink"), Counts())
        if not labels:
            setattr(counts, field, int(sample.value))
        elif sample.value:
            (kind,) = labels.values()
            getattr(counts, field)[kind] = int(sample.value)
    return result


def newest(folder: Path, clocks: Sequence[str]) -> datetime.datetime | None:
    """Return the time of the newest message that a sink has stored, None if there is none.

    It is that of the first of `clocks` by which there is one.
    """
    times: dict[str, float] = {}
    for one in _samples(folder):
        if one.name == _NEWEST:
            clock = one.labels["clock"]
            times[clock] = max(one.value, times.get(clock, 0.0))
    # A float so far from 1970 may be the second after the last.
    latest = min(next((times[one] for one in clocks if times.get(one)), 0.0), LATEST // 10**6)
    return datetime.datetime.fromtimestamp(latest, datetime.UTC) if latest else None


def collected(folder: Path) -> Iterable[prometheus_client.Metric]:
    """Return the metrics of all processes together, with sinks and lookups under their names."""
    registry = prometheus_client.CollectorRegistry()
    return multiprocess.MultiProcessCollector(registry, path=str(folder)).collect()


def _samples(folder: Path) -> Iterator[Any]:
    for metric in collected(folder):
        yield from metric.samples
