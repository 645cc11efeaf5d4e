"""The counters of a run, across its worker processes.

Beam's metrics cannot be read while a local pipeline runs. prometheus-client keeps each process's
counters in files in the run's own folder; any process can sum them up.
"""

import datetime
import functools
import os
import shutil
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.io.ledger.ledger import SinkFailed
from fixfeed.pipelines.counts import Counts
from fixfeed.transforms.batch import LATEST, TIME, TRUNCATED, UNREADABLE, Batch

__all__ = ["Committed", "Read", "newest", "problems", "read_of", "start", "totals"]

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_PROBLEMS = "problems.jsonl"
_LEAST = 16 << 20  # bytes; one MiB per process, and more if there are many kinds of defects
_SOURCES = "sources.jsonl"
_METRICS = {
    "bytes": ("Bytes of sources that are stored", ""),
    "read": ("Messages and failures that came in", ""),
    "stored": ("Messages stored", ""),
    "repeated": ("Messages that were stored already", ""),
    "filtered": ("Messages that the rules left out", ""),
    "skipped": ("Lines that hold no FIX", ""),
    "failed": ("Bytes that are no message", "reason"),
    "defects": ("Defects of stored messages", "kind"),
    "joined": ("Messages that a lookup knows", "lookup"),
}
"""Field of `Counts` -> meaning, and the label that separates its kinds."""


class Read(NamedTuple):
    """The counts of a run for a source: messages, failures, and lines without FIX.

    `seen` is the commonest text of its first failures.
    """

    messages: int = 0
    failures: int = 0
    lines: int = 0
    seen: str = ""


def start(folder: Path) -> None:
    """Make `folder` the place of this run's counters, for this process and those it starts.

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


_making = threading.Lock()


def _counters(folder: str) -> Mapping[str, Any]:
    # Two sinks may commit at once: two sets of counters over one file would lose counts.
    with _making:
        return _made(folder)


@functools.cache
def _made(folder: str) -> Mapping[str, Any]:
    # The client reads its folder from the environment once, at import. A value class for each run
    # lets one process run several jobs.
    os.environ[_FOLDER] = folder
    import prometheus_client
    from prometheus_client import values

    values.ValueClass = values.MultiProcessValue()
    registry = prometheus_client.CollectorRegistry()

    counters: dict[str, Any] = {
        name: prometheus_client.Counter(
            f"fixfeed_{name}", text, ("sink", label) if label else ("sink",), registry=registry
        )
        for name, (text, label) in _METRICS.items()
    }
    counters[_NEWEST] = prometheus_client.Gauge(
        f"fixfeed_{_NEWEST}",
        "Time of the newest message stored",
        ("sink",),
        registry=registry,
        multiprocess_mode="max",
    )
    return counters


_NEWEST = "newest_message_seconds"
_UNFINISHED = pa.array([TRUNCATED, UNREADABLE])


class Committed:
    """Counts what a sink has committed; given to the sink as `on_commit`."""

    def __init__(
        self, sink: str, folder: Path, *, by_source: bool = True, times: Sequence[str] = ()
    ):
        """`sink` is its name, `folder` the run's; `by_source` keeps what `read_of` returns.

        `times` are the columns with the time of a message, for `newest`.
        """
        self._times = tuple(times)
        self._sink = sink
        self._folder = str(folder)
        self._by_source = by_source

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
        counters = _counters(self._folder)
        octets = batch.end - batch.start if batch.octets is None else batch.octets
        counters["bytes"].labels(self._sink).inc(octets)
        counters["read"].labels(self._sink).inc(batch.read)
        counters["stored"].labels(self._sink).inc(stored)
        counters["repeated"].labels(self._sink).inc(batch.messages.num_rows - stored)
        counters["filtered"].labels(self._sink).inc(batch.filtered)
        counters["skipped"].labels(self._sink).inc(batch.skipped)
        for pair in pc.value_counts(batch.failures["reason"]).to_pylist():
            counters["failed"].labels(self._sink, pair["values"]).inc(pair["counts"])
        kinds: Counter[str] = Counter()
        for pair in pc.value_counts(batch.messages["defects"]).to_pylist():
            for kind in (pair["values"] or "").split(","):
                kinds[kind] += pair["counts"]
        for kind, count in kinds.items():
            if kind:
                counters["defects"].labels(self._sink, kind).inc(count)
        for lookup, count in batch.joined.items():
            counters["joined"].labels(self._sink, lookup).inc(count)
        if self._by_source:
            self._count_source(batch)
        newest = [
            one.cast(TIME).value / 1e6
            for one in (pc.max(batch.messages[name]) for name in self._times)
            if one.is_valid
        ]
        if newest:
            gauge = counters[_NEWEST].labels(self._sink)
            # It only ever grows: files are read in any order.
            gauge.set(max(newest[0], gauge._value.get()))
        if batch.error:
            problem = {"source": batch.source, "position": batch.end, "error": batch.error}
            with open(Path(self._folder) / _PROBLEMS, "ab") as file:
                file.write(orjson.dumps(problem) + b"\n")

    def _count_source(self, batch: Batch) -> None:
        ended = pc.invert(pc.is_in(batch.failures["reason"], _UNFINISHED))
        details = Counter(batch.failures["detail"].filter(ended).to_pylist())
        seen = details.most_common(1)[0][0] if details else ""
        messages = batch.messages.num_rows + batch.filtered
        counts = [messages, details.total(), batch.skipped]
        with open(Path(self._folder) / _SOURCES, "ab") as file:
            line = [self._sink, batch.source, *counts, batch.start, seen]
            file.write(orjson.dumps(line) + b"\n")


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
        name = sample.name.removeprefix("fixfeed_").removesuffix("_total")
        if name not in _METRICS:
            continue
        counts = result.setdefault(sample.labels["sink"], Counts())
        label = _METRICS[name][1]
        if label:
            getattr(counts, name)[sample.labels[label]] = int(sample.value)
        else:
            setattr(counts, name, int(sample.value))
    return result


def newest(folder: Path) -> datetime.datetime | None:
    """Return the time of the newest message that a sink has stored, None if there is none."""
    times = [one.value for one in _samples(folder) if one.name == f"fixfeed_{_NEWEST}"]
    # A float so far from 1970 may be the second after the last.
    latest = min(max(times, default=0.0), LATEST // 10**6)
    return datetime.datetime.fromtimestamp(latest, datetime.UTC) if any(times) else None


def _samples(folder: Path) -> Iterator[Any]:
    import prometheus_client
    from prometheus_client import multiprocess

    registry = prometheus_client.CollectorRegistry()
    multiprocess.MultiProcessCollector(registry, path=str(folder))
    for metric in registry.collect():
        yield from metric.samples
