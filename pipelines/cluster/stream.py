"""A run over a stream on a cluster: it stores what comes until it is stopped, then is summed up."""

import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

from fixfeed.io.ledger.counts import Counts
from fixfeed.io.ledger.ledger import Ledger
from fixfeed.pipelines.again import TryAgain
from fixfeed.pipelines.cluster.on_cluster import OnCluster
from fixfeed.pipelines.deriving import derived_all_along
from fixfeed.pipelines.exit_code import settle
from fixfeed.pipelines.job import Job
from fixfeed.pipelines.kafka_loops import refuse_one_cluster
from fixfeed.pipelines.opening import begun, end, ended_by_trouble, opened
from fixfeed.pipelines.plan import Plan
from fixfeed.pipelines.summary import Summary, print_summary, summary_of
from fixfeed.pipelines.waiting import waiting_told

__all__ = ["run"]


def run(job: Job, folder: Path) -> int:
    """Read the stream until the run is stopped, report the result, and return the exit code.

    `folder` is the run's own, for the job server. The job is cancelled in the cluster then: where
    the next one goes on is in the ledgers.
    """
    again = TryAgain(job.watch.stop, job.health)
    plan = Plan(sources={sink.name: {} for sink in job.sinks})
    runs: dict[str, int] = {}
    quiet = job.settings.quiet
    with closing(OnCluster(job, folder)) as reading, ended_by_trouble(job, runs, reading):
        opening = waiting_told(lambda: "waiting until outputs can be opened", quiet=quiet)
        with opening, ExitStack() as stack:
            ledgers = opened(job.sinks, stack, again)
            refuse_one_cluster(job.loops, again)
            reading.begin(ledgers)
            runs |= begun(job, ledgers, reading.about)
            job.health.connected = True
        with derived_all_along(job):
            reading.follow(plan)
        # Opened anew: days may have passed.
        counting = waiting_told(lambda: "counting what outputs have committed", quiet=quiet)
        with counting, ExitStack() as stack:
            ledgers = opened(job.sinks, stack, again)
            summary = _summed_up(job, reading, ledgers, plan)
            settle(job, summary)
            end(runs, ledgers, summary)
            reading.end(ledgers)
    show = partial(print_summary, protocol=job.rules.protocol)
    return job.ending.tell(summary, show, summary.exit_code)


def _summed_up(job: Job, reading: OnCluster, ledgers: Mapping[str, Ledger], plan: Plan) -> Summary:
    tally = reading.tally(ledgers, plan)
    return summary_of(
        plan,
        {sink.name: tally.sinks.get(sink.name, Counts()) for sink in job.sinks},
        (),
        tally.problems,
        {},
        lookups=job.rules.lookups,
        seconds=time.monotonic() - job.started,
        stopped=False,
    )
