"""Reads the counters of a run: what its sinks have stored so far, of all its processes."""

import datetime
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import prometheus_client
from prometheus_client import multiprocess

from fixfeed.io.ledger.counts import Counts
from fixfeed.pipelines.counters import COUNTS, NEWEST, OTHERS, PROBLEMS, SESSION, SOURCES
from fixfeed.transforms.batch import LATEST

__all__ = [
    "Read",
    "Tally",
    "collected",
    "newest",
    "problems",
    "read_of",
    "sessions",
    "tally",
    "totals",
]

_FIELDS = {metric: field for field, metric in COUNTS.items()}


class Read(NamedTuple):
    """The counts of a run for a source: messages, failures, and lines without FIX.

    `seen` is the commonest text of its first failures.
    """

    messages: int = 0
    failures: int = 0
    lines: int = 0
    seen: str = ""


class Tally(NamedTuple):
    """What a run has counted: by sink, the errors of sources not read to their end, by source.

    `sessions` are the names of those that messages were stored of, none if not all are known.
    """

    sinks: Mapping[str, Counts]
    problems: Sequence[Mapping[str, Any]]
    read: Mapping[str, Read]
    sessions: Collection[str] = ()


def tally(folder: Path) -> Tally:
    """Return what the processes of a run on this machine have counted in its folder."""
    return Tally(totals(folder), problems(folder), read_of(folder), sessions(folder))


def problems(folder: Path) -> list[dict[str, Any]]:
    """Return the errors of sources that could not be read to their end, each once."""
    path = Path(folder) / PROBLEMS
    if not path.exists():
        return []
    lines = dict.fromkeys(path.read_bytes().splitlines())
    return [orjson.loads(line) for line in lines]


def read_of(folder: Path) -> dict[str, Read]:
    """Return the counts of each source that was read from, by its key.

    Unfinished ends and unreadable parts are left out; they do not show what the source holds.
    """
    path = Path(folder) / SOURCES
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
        if one.name == NEWEST:
            clock = one.labels["clock"]
            times[clock] = max(one.value, times.get(clock, 0.0))
    # A float so far from 1970 may be the second after the last.
    latest = min(next((times[one] for one in clocks if times.get(one)), 0.0), LATEST // 10**6)
    return datetime.datetime.fromtimestamp(latest, datetime.UTC) if latest else None


def sessions(folder: Path) -> set[str]:
    """Return the names of the sessions that messages were stored of; none if not all are known."""
    found = {one.labels["session"] for one in _samples(folder) if one.name == SESSION}
    return set() if OTHERS in found else found


def collected(folder: Path) -> Iterable[prometheus_client.Metric]:
    """Return the metrics of all processes together, with sinks and lookups under their names."""
    registry = prometheus_client.CollectorRegistry()
    return multiprocess.MultiProcessCollector(registry, path=str(folder)).collect()


def _samples(folder: Path) -> Iterator[Any]:
    for metric in collected(folder):
        yield from metric.samples
