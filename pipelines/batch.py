"""A run over the input there is now: found, planned, read to its end, and summed up."""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

import apache_beam as beam

from fixfeed.io.commit import Run
from fixfeed.io.files.find import Unreadable
from fixfeed.io.files.remote import set_options
from fixfeed.io.files.source import ReadFromFiles
from fixfeed.io.ledger.counts import Counts
from fixfeed.io.ledger.ledger import Ledger, gaps
from fixfeed.io.tracing import here
from fixfeed.pipelines import metrics
from fixfeed.pipelines.around_commits import around
from fixfeed.pipelines.cluster.on_cluster import OnCluster
from fixfeed.pipelines.commit_lines import CommitLines
from fixfeed.pipelines.committed import Committed
from fixfeed.pipelines.counted_here import CountedHere
from fixfeed.pipelines.deriving import derive_all
from fixfeed.pipelines.exit_code import settle
from fixfeed.pipelines.graph import build
from fixfeed.pipelines.job import Job
from fixfeed.pipelines.opening import begun, end, ended_by_trouble, opened
from fixfeed.pipelines.partitioning import MANY, expected_files, warning_of
from fixfeed.pipelines.plan import Plan, make_plan
from fixfeed.pipelines.progress import furthest, shown
from fixfeed.pipelines.running import LOCAL, runner_of
from fixfeed.pipelines.sinks import Sink
from fixfeed.pipelines.source import Found
from fixfeed.pipelines.summary import Summary, print_summary, summary_of
from fixfeed.transforms.batch import UNREADABLE

__all__ = ["run"]

_SMALL = 8 << 20  # bytes below which starting worker processes takes longer than reading


def run(job: Job, folder: Path) -> int:
    """Read the input, report the result, and return the exit code.

    `folder` is the run's own, for counters and standard input.
    """
    local = job.settings.runner in LOCAL
    runs: dict[str, int] = {}
    with ExitStack() as stack:
        if local:
            reading: _Here | OnCluster = _Here(job, folder)
        else:
            reading = stack.enter_context(closing(OnCluster(job, folder)))
        files, unreadable = _found(job, folder)
        stack.enter_context(ended_by_trouble(job, runs, reading))
        before = stack.enter_context(ExitStack())
        ledgers = opened(job.sinks, before)
        reading.begin(ledgers)
        runs |= begun(job, ledgers, reading.about)
        job.health.connected = True
        plan = Plan(sources={sink.name: {} for sink in job.sinks})
        warnings: list[str] = []
        if not job.watch.stop():
            plan = make_plan(
                files,
                ledgers,
                rules=job.rules.digest,
                reprocess=job.settings.reprocess,
                longest=job.settings.max_message,
                # On a cluster that would be a job of a minute, which finds nothing new.
                unfinished_again=local,
            )
            warnings = _many_files(job, plan)
            if plan.ranges:
                reading.read(plan)
                if not local:
                    # A cluster outlives that a server was away; a connection of before does not.
                    before.close()
                    ledgers = opened(job.sinks, stack, were_open=True)
        summary = _summed_up(job, plan, ledgers, unreadable, reading.tally(ledgers, plan))
        summary.warnings += warnings
        settle(job, summary)
        end(runs, ledgers, summary)
        reading.end(ledgers)
        runs.clear()  # trouble with what is derived does not change how reading ended
        derive_all(job, ledgers)
        summary.seconds = time.monotonic() - job.started
    show = partial(print_summary, protocol=job.rules.protocol)
    return job.ending.tell(summary, show, summary.exit_code)


def _found(job: Job, folder: Path) -> Found:
    set_options(job.settings.beam)
    files, unreadable = [], []
    for source in job.sources:
        there, not_there = source.find(job.rules.protocol, folder, job.watch.stop)
        files += there
        unreadable += not_there
    return files, unreadable


def _many_files(job: Job, plan: Plan) -> list[str]:
    """Return the warnings for sinks that will get very many files, and print them at once."""
    found = []
    for sink in job.sinks:
        if sink.partition_by:
            rules = job.rules
            files = expected_files(plan, sink.partition_by, rules.read, rules.protocol.table)
            if files > MANY:
                found.append(warning_of(sink.name, sink.partition_by, files))
    for text in found:
        job.say(f"note: {text}")
    return found


class _Here(CountedHere):
    """Reads a plan on this machine."""

    about: Mapping[str, str] = {}

    def __init__(self, job: Job, folder: Path):
        """Make ready the counters, in `folder`."""
        super().__init__(job, folder)
        self._job = job

    def begin(self, _ledgers: Mapping[str, Ledger]) -> None:
        """Nothing: the sinks keep no counts."""

    def tally(self, _ledgers: Mapping[str, Ledger], _plan: Plan) -> metrics.Tally:
        """Return what was counted."""
        return metrics.tally(self.counters)

    def read(self, plan: Plan) -> None:
        """Run the graph over a plan, and show its progress."""
        job = self._job
        settings = job.settings
        runner, options = runner_of(
            settings.runner,
            processes=_processes(job, plan),
            beam=settings.beam,
            workers=job.watch.workers,
        )
        with ExitStack() as stack:
            if not settings.quiet:
                stack.enter_context(shown(plan.expected, self._so_far, job.errors))
            pipeline = beam.Pipeline(runner=runner, options=options)
            build(
                pipeline,
                source=ReadFromFiles(plan.ranges, stop=job.watch.stop, options=settings.beam),
                parse=job.rules.parse(fix_json=job.fix_json),
                steps=job.rules.steps,
                sinks=[
                    (f"Write{number}", self._write(sink, plan))
                    for number, sink in enumerate(job.sinks, 1)
                ],
            )
            pipeline.run().wait_until_finish()

    def _write(self, sink: Sink, plan: Plan) -> beam.PTransform:
        job, counters = self._job, self.counters
        table = job.rules.protocol.table
        return sink.write(
            Run(
                plan.sources[sink.name],
                job.rules.digest,
                job.settings.reprocess,
                CommitLines(
                    job.short_names[sink.name], Committed(sink.name, counters, table), table
                ),
                around=around(job, sink, counters, parent=here()),
            )
        )

    def _so_far(self) -> tuple[int, int]:
        return furthest(metrics.totals(self.counters).values())


def _processes(job: Job, plan: Plan) -> int:
    workers = job.settings.workers
    if job.beside or (workers is None and plan.expected < _SMALL):
        return 1
    return min(workers or job.processes, len(plan.ranges))


def _summed_up(
    job: Job,
    plan: Plan,
    ledgers: Mapping[str, Ledger],
    unreadable: Sequence[Unreadable],
    tally: metrics.Tally,
) -> Summary:
    """End the run in the ledgers, and return its summary."""
    counted = dict(tally.sinks)
    for name, places in _finish(job, plan, ledgers, tally.problems).items():
        if places:
            counted[name] = counted[name].without(UNREADABLE, places)
    return summary_of(
        plan,
        {sink.name: counted.get(sink.name, Counts()) for sink in job.sinks},
        unreadable,
        tally.problems,
        tally.read,
        lookups=job.rules.lookups,
        we_are=job.settings.we_are,
        sessions=tally.sessions,
        seconds=time.monotonic() - job.started,
        stopped=job.watch.stop(),
    )


def _finish(
    job: Job,
    plan: Plan,
    ledgers: Mapping[str, Ledger],
    problems: Sequence[Mapping[str, Any]],
) -> dict[str, int]:
    """End the run in the ledgers; return how many of the unread places are done after all in each.

    A range that cannot be opened does not know where the range before it ends, and that one may
    have been read.
    """
    damaged = {problem["source"] for problem in problems}
    result = {}
    for name, ledger in ledgers.items():
        ids = plan.sources.get(name, {})
        ends = {
            ids[file.key]: "" if job.watch.stop() or file.key in damaged else file.stored_end
            for file in plan.files
        }
        done = ledger.finish(ends)
        result[name] = sum(
            not gaps(done[ids[one["source"]]], one["position"], one["position"] + 1)
            for one in problems
        )
    return result
