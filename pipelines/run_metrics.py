"""The metrics of a run, as its endpoint gives them: what sinks have counted, and how the run is."""

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

import prometheus_client
from prometheus_client.metrics_core import GaugeMetricFamily

from fixfeed.pipelines import metrics
from fixfeed.pipelines.instruments import TOLD
from fixfeed.pipelines.job import Job
from fixfeed.pipelines.session_gaps import SessionGaps
from fixfeed.pipelines.short_names import numbered

__all__ = ["RunMetrics"]


class RunMetrics:
    """Collects the metrics of a run."""

    def __init__(self, job: Job, folder: Path):
        """`folder` is where its counters are, once it has begun."""
        self._job = job
        self._folder = folder
        self._sinks = job.short_names
        lookups = [one.name for one in job.rules.lookups]
        # A lookup is a file and a column; names of files are no labels.
        columns = numbered([one.on for one in job.rules.lookups])
        self._lookups = dict(zip(lookups, columns, strict=True))
        databases = [sink for sink in job.sinks if sink.is_database]
        derived = job.stream and databases and not job.settings.no_derive
        self._gaps = SessionGaps(databases[0]) if derived else None

    def __call__(self) -> Iterator[prometheus_client.Metric]:
        """Yield them as they are now, with short names of sinks and lookups."""
        yield from self._told()
        if self._folder.is_dir():
            for metric in metrics.collected(self._folder):
                metric.samples = [
                    one._replace(labels=self._shortened(one.labels)) for one in metric.samples
                ]
                yield metric

    def _shortened(self, labels: Mapping[str, str]) -> dict[str, str]:
        short = dict(labels)
        for word, names in (("sink", self._sinks), ("lookup", self._lookups)):
            if word in short:
                short[word] = names.get(short[word], short[word])
        return short

    def _told(self) -> Iterator[prometheus_client.Metric]:
        job = self._job
        report = job.health.report()
        yield _gauge("fixfeed_build_info", {(version("fixfeed"),): 1})
        yield _gauge("fixfeed_ready", {(): report["ready"]})
        yield _gauge("fixfeed_troubles", {(): len(report["away"])})
        if job.stream:
            waiting = report["waiting_seconds"].items()
            yield _gauge(
                "fixfeed_oldest_waiting_seconds",
                {(self._sinks[sink],): seconds for sink, seconds in waiting},
            )
        lag = job.health.feed.lag if job.health.feed else None
        if lag is not None:
            yield _gauge(f"fixfeed_source_lag_{lag.unit}", {(): lag.amount})
        if self._gaps is not None:
            now = self._gaps.now.items()
            yield _gauge("fixfeed_sequence_gaps", {(name,): one.gaps for name, one in now})
            yield _gauge(
                "fixfeed_missing_sequence_numbers", {(name,): one.numbers for name, one in now}
            )
        yield _gauge("fixfeed_worker_processes", {(): job.watch.workers.living})


def _gauge(name: str, values: Mapping[tuple[str, ...], float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, TOLD[name].help, labels=TOLD[name].labels)
    for labels, value in values.items():
        family.add_metric(labels, float(value))
    return family
