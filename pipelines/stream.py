"""A run over input without end: it stores what comes until it is stopped, and is summed up then."""

import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import apache_beam as beam

from fixfeed.io.commit import Run
from fixfeed.io.files.remote import set_options
from fixfeed.io.files.replaying import ReplayedFiles
from fixfeed.io.ledger.counts import Counts
from fixfeed.io.stream import Feed, ReadFromFeed
from fixfeed.pipelines import metrics
from fixfeed.pipelines.again import TryAgain
from fixfeed.pipelines.around_commits import around
from fixfeed.pipelines.commit_lines import CommitLines
from fixfeed.pipelines.committed import Committed
from fixfeed.pipelines.counted_here import CountedHere
from fixfeed.pipelines.deriving import derived_all_along
from fixfeed.pipelines.exit_code import settle
from fixfeed.pipelines.graph import build
from fixfeed.pipelines.health import Stored, Watched
from fixfeed.pipelines.job import Job
from fixfeed.pipelines.kafka_loops import refuse_one_cluster
from fixfeed.pipelines.open_ledgers import OpenLedgers
from fixfeed.pipelines.opening import ended_by_trouble
from fixfeed.pipelines.plan import Plan
from fixfeed.pipelines.progress import shown_without_end
from fixfeed.pipelines.running import runner_of
from fixfeed.pipelines.sinks import Sink
from fixfeed.pipelines.source import Reading
from fixfeed.pipelines.summary import Summary, print_summary, summary_of, summary_of_replay
from fixfeed.pipelines.this_process import Registered

__all__ = ["run"]


def run(job: Job, folder: Path) -> int:
    """Read the stream until the run is stopped, report the result, and return the exit code.

    `folder` is the run's own, for counters.
    """
    set_options(job.settings.beam)
    counting = CountedHere(job, folder)
    counters = counting.counters
    with ExitStack() as opened, ExitStack() as stack:
        again = TryAgain(job.watch.stop, job.health)
        ledgers = OpenLedgers(job, opened, again)
        stack.enter_context(ended_by_trouble(job, ledgers.runs, counting))
        assert job.stream is not None
        feed = job.stream(
            Reading(
                job.rules.protocol,
                ledgers,
                job.watch.stop,
                lambda text: job.say(f"note: {text}"),
                job.health.input_away,
                job.settings.max_message,
                Path(job.settings.spool),
                job.settings.keep_spool,
                job.settings.commit_after,
                job.watch.pause,
                job.watch.stopped_early,
            )
        )
        stack.callback(feed.close)
        with ExitStack() as deriving:
            nothing_came = job.watch.stopped_early or (feed.ended and job.watch.stop())
            if not nothing_came:
                ledgers.open()
                refuse_one_cluster(job.loops, again)
                job.health.feed, job.health.connected = feed, True
                deriving.enter_context(derived_all_along(job))
                _read(job, feed, ledgers.plan, counters, again)
            summary = _summed_up(job, feed, ledgers.plan, counters)
            settle(job, summary)
            ledgers.finish(summary)
    show = partial(print_summary, protocol=job.rules.protocol)
    return job.ending.tell(summary, show, summary.exit_code)


def _read(job: Job, feed: Feed, plan: Plan, counters: Path, again: TryAgain) -> None:
    """Run the graph over a feed, and show what comes."""
    settings = job.settings
    runner, options = runner_of(
        settings.runner, processes=1, beam=settings.beam, workers=job.watch.workers
    )
    with ExitStack() as stack:
        if not settings.quiet:
            stack.enter_context(shown_without_end(_Now(job, feed, counters), job.errors))
        pipeline = beam.Pipeline(runner=runner, options=options)
        build(
            pipeline,
            source=ReadFromFeed(Watched(feed, job.health)),
            parse=job.rules.parse(fix_json=job.fix_json),
            steps=job.rules.steps,
            sinks=[
                (f"Write{number}", sink.write(_run_of(job, sink, feed, plan, counters, again)))
                for number, sink in enumerate(job.sinks, 1)
            ],
        )
        pipeline.run().wait_until_finish()


def _run_of(job: Job, sink: Sink, feed: Feed, plan: Plan, counters: Path, again: TryAgain) -> Run:
    # The messages of a replay are as old as its log.
    delays = not isinstance(feed, ReplayedFiles)
    table = job.rules.protocol.table
    count = Committed(sink.name, counters, table, by_source=False, delays=delays)
    return Run(
        # The feed's files are registered before their blocks come: once is enough.
        Registered(plan.sources[sink.name]),
        rules=job.rules.digest,
        on_commit=Stored(
            sink.name, CommitLines(job.short_names[sink.name], count, table), job.health
        ),
        around=around(job, sink, counters),
        seconds=job.settings.commit_after,
        again=again,
    )


class _Now:
    """Tells what a stream has brought so far."""

    def __init__(self, job: Job, feed: Feed, counters: Path):
        self._clocks = job.rules.protocol.table.clock
        self._feed = feed
        self._counters = counters
        self._before = (time.monotonic(), 0)

    def __call__(self) -> str:
        counts = metrics.totals(self._counters).values()
        read = min((one.read for one in counts), default=0)
        now = time.monotonic()
        since, before = self._before
        self._before = (now, read)
        text = f"{self._feed.state}: {read:,} messages"
        text += f", {(read - before) / max(now - since, 1e-9):,.0f}/s"
        newest = metrics.newest(self._counters, self._clocks)
        if newest is not None:
            text += f", newest {newest:%Y-%m-%d %H:%M:%S}"
        behind = self._feed.behind
        return text + (f", {behind}" if behind else "")


def _summed_up(job: Job, feed: Feed, plan: Plan, counters: Path) -> Summary:
    counted = metrics.totals(counters)
    replay = feed if isinstance(feed, ReplayedFiles) else None
    summary = summary_of(
        plan,
        {sink.name: counted.get(sink.name, Counts()) for sink in job.sinks},
        replay.unreadable if replay else (),
        metrics.problems(counters),
        {},
        lookups=job.rules.lookups,
        we_are=job.settings.we_are,
        sessions=metrics.sessions(counters),
        seconds=time.monotonic() - job.started,
        stopped=replay is not None and not replay.replayed.whole,
    )
    summary.replayed = summary_of_replay(replay.replayed) if replay else None
    return summary
