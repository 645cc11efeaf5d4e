"""Closes, in the databases of a run, runs on the cluster whose own process did not see their end.

When that process is killed, its job goes on; and when a JobManager is, workers go on for a minute
or so. So the first run after the job has ended stores what it has committed, and how it ended.
"""

import dataclasses
from collections.abc import Mapping

from fixfeed.io.ledger.counts import Counts
from fixfeed.io.ledger.ledger import Ledger
from fixfeed.io.sql.store import Store
from fixfeed.pipelines.cluster.flink import FlinkJob
from fixfeed.pipelines.cluster.submission import Cluster

__all__ = ["close_left_open"]

_KILLED = "its process was killed or lost the job; this is what the job had committed when it ended"


def close_left_open(ledgers: Mapping[str, Ledger], cluster: Cluster) -> list[FlinkJob]:
    """Close those runs of each database whose job is not running any more; return the other jobs.

    These are of commands that were killed, or that run beside this one.
    """
    running: dict[str, FlinkJob] = {}
    for ledger in ledgers.values():
        if isinstance(ledger, Store):
            for one in ledger.left_open():
                run = one.about["run"]
                if run == cluster.run:
                    continue
                if not cluster.is_over(one.about):
                    running |= {there.id: there for there in cluster.running(one.about)}
                    continue
                counted = (found.counts for found in ledger.counted(run).values())
                counts = sum(counted, Counts(**one.counts))
                ledger.end_run(one.run_id, dataclasses.asdict(counts), one.ended or _KILLED)
                ledger.forget_counts(run)
    return list(running.values())
