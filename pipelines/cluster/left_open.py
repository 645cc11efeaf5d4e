"""Closes, in the databases of a run, runs on the cluster whose own process did not see their end.

When that process is killed, its job goes on. So the first run after the job has ended stores what
the job has committed, and how it ended.
"""

import dataclasses
from collections.abc import Mapping

from fixfeed.io.ledger.counts import Counts
from fixfeed.io.ledger.ledger import Ledger
from fixfeed.io.sql.store import Store
from fixfeed.pipelines.cluster.submission import Cluster

__all__ = ["close_left_open"]


def close_left_open(ledgers: Mapping[str, Ledger], cluster: Cluster) -> None:
    """Close those runs of each database whose job is not running any more."""
    for ledger in ledgers.values():
        if isinstance(ledger, Store):
            for run_id, about in ledger.open_runs():
                if about["run"] == cluster.run or not cluster.is_over(about):
                    continue
                counted = ledger.counted(about["run"]).values()
                counts = sum((one.counts for one in counted), Counts())
                ledger.end_run(
                    run_id,
                    dataclasses.asdict(counts),
                    "its process was killed; this is what the job had committed when it ended",
                )
                ledger.forget_counts(about["run"])
