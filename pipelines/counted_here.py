"""What the sinks of a run on this machine have committed, counted in files of the run's folder."""

from collections.abc import Mapping
from pathlib import Path

from fixfeed.io.ledger.counts import Counts
from fixfeed.io.ledger.ledger import Ledger
from fixfeed.io.sql.store import Store
from fixfeed.pipelines import metrics
from fixfeed.pipelines.counters import COUNTERS, start_counting
from fixfeed.pipelines.job import Job

__all__ = ["CountedHere"]


class CountedHere:
    """The counters of a run, `counters` in its folder (`opening.Counting`)."""

    def __init__(self, job: Job, folder: Path):
        """Make them ready."""
        self.counters = folder / COUNTERS
        self.counters.mkdir()
        start_counting(self.counters, [sink.name for sink in job.sinks], job.rules.protocol)

    def counted(self, name: str, _store: Store) -> Counts:
        """See `Counting`."""
        return metrics.totals(self.counters).get(name, Counts())

    def end(self, _ledgers: Mapping[str, Ledger]) -> None:
        """Nothing: the folder goes with the run."""
