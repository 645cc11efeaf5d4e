"""Reads a plan, or a stream, on a cluster; the sinks count what is done in their own commits."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import cast

import apache_beam as beam

from fixfeed.io.commit import Around, Run
from fixfeed.io.files.source import ReadFromFiles
from fixfeed.io.ledger.counts import CountingLedger, Counts
from fixfeed.io.ledger.ledger import Ledger, SinkError, SinkFailed
from fixfeed.io.sql.store import Store
from fixfeed.io.stream import FeedState
from fixfeed.io.tracing import here
from fixfeed.pipelines import metrics
from fixfeed.pipelines.around_commits import Spans, nothing_around
from fixfeed.pipelines.cluster.committed import committed
from fixfeed.pipelines.cluster.for_prometheus import ForPrometheus
from fixfeed.pipelines.cluster.ledgers_there import LedgersThere
from fixfeed.pipelines.cluster.left_open import close_left_open
from fixfeed.pipelines.cluster.refusals import NameRefusals
from fixfeed.pipelines.cluster.so_far import SoFar
from fixfeed.pipelines.cluster.submission import Cluster
from fixfeed.pipelines.cluster.trouble import ClusterFailed
from fixfeed.pipelines.commit_lines import CommitLines, TroubleLines, nothing_counted
from fixfeed.pipelines.counters import COUNTERS, start_counting
from fixfeed.pipelines.graph import build
from fixfeed.pipelines.job import Job
from fixfeed.pipelines.log import of_run, say
from fixfeed.pipelines.plan import Plan
from fixfeed.pipelines.progress import shown, shown_without_end
from fixfeed.pipelines.sinks import Sink
from fixfeed.pipelines.waiting import waiting_told

__all__ = ["OnCluster"]

_LINE = 10.0  # seconds between two lines about a stream
_SHARDS = 4  # for a slot, at the most
_PATIENCE = 20.0  # seconds to cancel a job and to count what it has committed


class OnCluster:
    """Reads a plan on the cluster that the settings of a job name."""

    def __init__(self, job: Job, folder: Path):
        """Check that outputs and the cluster are there, before anything is started for them.

        Raises `SinkError`, `ClusterFailed`, and `UsageError` if the job does not fit. `folder` is
        the run's, for what this machine needs alone.
        """
        counters = folder / COUNTERS
        counters.mkdir()
        start_counting(counters, [sink.name for sink in job.sinks], job.rules.protocol)
        self._job = job
        self._count = ForPrometheus(counters)
        self._cluster = Cluster(job.settings, folder, is_stream=job.stream is not None)
        of_run(self._cluster.run)
        with waiting_told(lambda: "looking at the outputs", quiet=job.settings.quiet):
            for sink in job.sinks:
                _look_at(sink, waits=job.stream is not None)
        try:
            self._cluster.check(job.watch.stop)
        except BaseException:
            self._cluster.close()
            raise
        job.watch.abandon = self._cluster.abandon
        job.watch.patience = _PATIENCE
        self.about = self._cluster.about

    def close(self) -> None:
        """End what this machine runs for the job."""
        self._cluster.close()

    def begin(self, ledgers: Mapping[str, Ledger]) -> None:
        """Have the sinks keep counts, and close what runs that were killed have left open.

        Raises `ClusterFailed` if jobs that these have left there hold slots that are lacking.
        """
        for ledger in _counting(ledgers).values():
            ledger.keep_counts()
        running = close_left_open(ledgers, self._cluster)
        self._cluster.check_slots(running, partial(say, level="warning"))

    def end(self, ledgers: Mapping[str, Ledger]) -> None:
        """Have the sinks forget the counts, which are in the summary now."""
        for ledger in _counting(ledgers).values():
            ledger.forget_counts(self._cluster.run)

    def counted(self, _name: str, store: Store) -> Counts | None:
        """See `Counting`; the first run after the end of a job adds what came since."""
        try:
            if not self._cluster.is_over(self.about):
                return None
        except ClusterFailed:
            return None
        found = store.counted(self._cluster.run).values()
        return sum((one.counts for one in found), Counts())

    def tally(self, ledgers: Mapping[str, Ledger], plan: Plan) -> metrics.Tally:
        """Return what the sinks have counted, and show it to Prometheus."""
        found = committed(self._cluster.run, _counting(ledgers), plan.sources)
        self._count(found.sinks)
        return found

    def read(self, plan: Plan) -> None:
        """Run the graph over a plan, and show its progress."""
        job, cluster = self._job, self._cluster
        with ExitStack() as stack:
            so_far = stack.enter_context(closing(SoFar(job, partial(self.tally, plan=plan))))
            stack.enter_context(so_far.asked())
            if not job.settings.quiet:
                stack.enter_context(shown(plan.expected, so_far, job.errors, lambda: cluster.state))
            self._execute(ReadFromFiles(plan.ranges, options=job.settings.beam), plan)

    def follow(self, plan: Plan) -> None:
        """Run the graph over a stream until the run is to stop, and show what comes."""
        job, settings = self._job, self._job.settings
        assert job.elsewhere is not None
        protocol = job.rules.protocol
        stored = LedgersThere.of(job.sinks, job.rules.digest)
        topics = job.elsewhere(protocol, stored, settings.max_message)
        from fixfeed.io.kafka.sharded import ReadFromTopics
        from fixfeed.pipelines.cluster.stream_lag import StreamLag
        from fixfeed.pipelines.cluster.stream_start import topics_at_start

        with waiting_told(lambda: "waiting for brokers", quiet=settings.quiet):
            begun = topics_at_start(topics, job.watch.stop, job.health)
        if begun is None:
            return
        topics, partitions = begun

        with ExitStack() as stack:
            so_far = stack.enter_context(closing(SoFar(job, partial(self.tally, plan=plan))))
            stack.enter_context(so_far.asked())
            lag = StreamLag(topics, job.health, lambda: self._cluster.state)
            job.health.feed = lag
            stack.enter_context(lag.asked())
            if not settings.quiet:
                now = _Now(lag, so_far)
                stack.enter_context(shown_without_end(now, job.errors, seconds=_LINE))
            # Flink puts each where a hash says, so that one a slot would leave slots without any.
            shards = max(1, min(partitions, _SHARDS * self._cluster.slots))
            source = ReadFromTopics(topics, shards=shards, seconds=settings.commit_after)
            self._execute(source, plan)

    def _execute(self, source: beam.PTransform, plan: Plan) -> None:
        job = self._job

        def draw(pipeline: beam.Pipeline) -> None:
            build(
                pipeline,
                source=source,
                parse=job.rules.parse(fix_json=job.fix_json),
                steps=job.rules.steps,
                sinks=[
                    (f"Write{number}", self._write(sink, plan))
                    for number, sink in enumerate(job.sinks, 1)
                ],
            )

        self._cluster.execute(draw, job.watch.stop)
        if not job.settings.quiet:
            say("the job has ended; counting what its outputs have committed", event="progress")

    def _write(self, sink: Sink, plan: Plan) -> beam.PTransform:
        job, table = self._job, self._job.rules.protocol.table
        name = job.short_names[sink.name]
        around: Around = TroubleLines(name, nothing_around, table)
        if job.settings.trace is not None:
            around = Spans(name, around, job.settings.trace, here())
        return sink.write(
            Run(
                plan.sources[sink.name],
                job.rules.digest,
                job.settings.reprocess,
                CommitLines(name, nothing_counted, table),
                again=NameRefusals(),
                around=around,
                counted_for=self._cluster.run,
            )
        )


def _look_at(sink: Sink, *, waits: bool) -> None:
    """Raise `SinkError` if an output cannot be opened; one that is away is none if a run `waits`.

    One whose ledger is read from its beginning is opened once alone, later.
    """
    if sink.keep_open:
        return
    try:
        ledger = sink.look()
    except SinkFailed as error:
        if waits and error.away:
            return
        raise SinkError(str(error)) from error
    if ledger is not None:
        ledger.close()


def _counting(ledgers: Mapping[str, Ledger]) -> dict[str, CountingLedger]:
    # The sinks that a cluster may write to all keep counts (`cluster.fits`).
    return {name: cast(CountingLedger, ledger) for name, ledger in ledgers.items()}


class _Now:
    """Tells what a stream has brought so far, and how its job is."""

    def __init__(self, feed: FeedState, so_far: Callable[[], tuple[int, int]]):
        self._feed, self._so_far = feed, so_far
        self._before = (time.monotonic(), 0)

    def __call__(self) -> str:
        read, now = self._so_far()[1], time.monotonic()
        since, before = self._before
        self._before = (now, read)
        rate = (read - before) / max(now - since, 1e-9)
        behind = self._feed.behind
        text = f"{self._feed.state}: {read:,} messages, {rate:,.0f}/s"
        return text + (f", {behind}" if behind else "")
