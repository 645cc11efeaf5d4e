"""A run over input without end: it stores what comes until it is stopped, and is summed up then."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TypeVar

import apache_beam as beam

from fixfeed.io.commit import Run
from fixfeed.io.files.find import File
from fixfeed.io.files.following import FollowedFiles
from fixfeed.io.files.ranges import Range
from fixfeed.io.ledger.ledger import Known, Ledger, SinkFailed
from fixfeed.io.stream import ReadFromFeed
from fixfeed.pipelines import metrics
from fixfeed.pipelines.again import TryAgain
from fixfeed.pipelines.counts import Counts
from fixfeed.pipelines.endings import DONE, OWN_ERROR, TOO_MANY_FAILURES, UNREAD
from fixfeed.pipelines.graph import build
from fixfeed.pipelines.job import Job
from fixfeed.pipelines.opening import begun, end, opened
from fixfeed.pipelines.plan import Plan, make_plan
from fixfeed.pipelines.progress import shown_without_end
from fixfeed.pipelines.running import runner_of
from fixfeed.pipelines.sinks import Sink
from fixfeed.pipelines.sources import Reading
from fixfeed.pipelines.summary import Summary, print_summary, summary_of
from fixfeed.transforms.batch import LARGEST_SOURCE

__all__ = ["run"]

T = TypeVar("T")


def run(job: Job, folder: Path) -> int:
    """Read the stream until the run is stopped, report the result, and return the exit code.

    `folder` is the run's own, for counters.
    """
    counters = folder / "metrics"
    counters.mkdir()
    metrics.start(counters)
    with ExitStack() as stack:
        ledgers = opened(job.sinks, stack)
        runs = begun(job, ledgers)
        again = TryAgain(job.watch.stop)
        register = _Ledgers(job, ledgers, again)
        assert job.stream is not None
        feed = job.stream(
            Reading(
                job.rules.protocol,
                register,
                job.watch.stop,
                lambda text: job.say(f"note: {text}"),
                job.settings.max_message,
            )
        )
        stack.callback(feed.close)
        _read(job, feed, counters, again)
        for name, ledger in ledgers.items():
            ledger.finish(dict.fromkeys(register.plan.sources[name].values(), ""))
        summary = _summed_up(job, register.plan, counters)
        summary.exit_code = _exit_code(job, summary)
        end(runs, ledgers, summary)
    show = partial(print_summary, protocol=job.rules.protocol)
    return job.ending.tell(summary, show, summary.exit_code)


class _Ledgers:
    """The ledgers of a run, as what is followed is registered with them (`Register`)."""

    def __init__(self, job: Job, ledgers: dict[str, Ledger], again: TryAgain):
        self._job = job
        self._ledgers = ledgers
        self._again = again
        self.plan = Plan(sources={name: {} for name in ledgers})

    def known(self, files: Sequence[File]) -> set[str]:
        """See `Register`."""
        sources = [file.source for file in files]

        def look_up() -> list[Mapping[str, Known]]:
            rules = self._job.rules.digest
            return [one.look_up(sources, rules=rules) for one in self._ledgers.values()]

        stored = self._tried(look_up)
        return {key for found in stored for key, one in found.items() if one.done}

    def lacking(self, files: Sequence[File]) -> Sequence[Range]:
        """See `Register`; the files are added to `plan`."""
        plan = self._tried(
            lambda: make_plan(
                files,
                self._ledgers,
                rules=self._job.rules.digest,
                reprocess=False,
                longest=self._job.settings.max_message,
                size=LARGEST_SOURCE,
            )
        )
        self.plan.files += plan.files
        self.plan.copies += plan.copies
        self.plan.other_rules += plan.other_rules
        for name, sources in plan.sources.items():
            self.plan.sources[name] |= sources
        return plan.ranges

    def _tried(self, work: Callable[[], T]) -> T:
        """Return the result of `work`, once the ledgers can be used."""

        def opened_anew() -> T:
            try:
                return work()
            except SinkFailed:
                # A connection that has failed works no more.
                for sink in self._job.sinks:
                    self._ledgers[sink.name].close()
                    self._ledgers[sink.name] = sink.ledger()
                raise

        return self._again.until_it_works(opened_anew)


def _read(job: Job, feed: FollowedFiles, counters: Path, again: TryAgain) -> None:
    """Run the graph over a feed, and show what comes."""
    settings = job.settings
    runner, options = runner_of(
        settings.runner, processes=1, beam=settings.beam, workers=job.watch.workers
    )
    with ExitStack() as stack:
        if not settings.quiet:
            stack.enter_context(shown_without_end(_Now(feed, counters), job.errors))
        pipeline = beam.Pipeline(runner=runner, options=options)
        build(
            pipeline,
            source=ReadFromFeed(feed),
            parse=job.rules.parse(fix_json=job.fix_json),
            steps=job.rules.steps,
            sinks=[
                (f"Write{number}", sink.write(_run_of(job, sink, counters, again)))
                for number, sink in enumerate(job.sinks, 1)
            ],
        )
        pipeline.run().wait_until_finish()


def _run_of(job: Job, sink: Sink, counters: Path, again: TryAgain) -> Run:
    return Run(
        rules=job.rules.digest,
        on_commit=metrics.Committed(
            sink.name, counters, by_source=False, times=job.rules.protocol.table.times
        ),
        seconds=job.settings.commit_after,
        again=again,
    )


class _Now:
    """Tells what a stream has brought so far."""

    def __init__(self, feed: FollowedFiles, counters: Path):
        self._feed = feed
        self._counters = counters
        self._before = (time.monotonic(), 0)

    def __call__(self) -> str:
        counts = metrics.totals(self._counters).values()
        read = min((one.read for one in counts), default=0)
        now = time.monotonic()
        since, before = self._before
        self._before = (now, read)
        files, behind = self._feed.files, self._feed.behind
        text = f"following {files:,} file{'' if files == 1 else 's'}: {read:,} messages"
        text += f", {(read - before) / max(now - since, 1e-9):,.0f}/s"
        newest = metrics.newest(self._counters)
        if newest is not None:
            text += f", newest {newest:%Y-%m-%d %H:%M:%S}"
        return text + (f", {behind:,} bytes behind" if behind else "")


def _summed_up(job: Job, plan: Plan, counters: Path) -> Summary:
    counted = metrics.totals(counters)
    return summary_of(
        plan,
        {sink.name: counted.get(sink.name, Counts()) for sink in job.sinks},
        (),
        metrics.problems(counters),
        {},
        lookups=job.rules.lookups,
        seconds=time.monotonic() - job.started,
        stopped=False,
    )


def _exit_code(job: Job, summary: Summary) -> int:
    if not summary.adds_up:
        job.say("the counts do not add up; this is an error of fixfeed's own")
        return OWN_ERROR
    if summary.unreadable:
        return UNREAD
    most = job.settings.max_failures
    return TOO_MANY_FAILURES if most is not None and summary.failures > most else DONE
