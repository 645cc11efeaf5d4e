"""The counters of a run on a cluster, for Prometheus: what its sinks have committed."""

import threading
from collections.abc import Mapping
from pathlib import Path

from fixfeed.io.ledger.counts import Counts
from fixfeed.pipelines.counters import COUNTS, made_in

__all__ = ["ForPrometheus"]


class ForPrometheus:
    """Brings the counters of this process to what the sinks of a run have committed."""

    def __init__(self, folder: Path):
        """`folder` is that of the run's counters (`start_counting`)."""
        self._folder = str(folder)
        self._counted: dict[tuple[str, ...], int] = {}
        self._lock = threading.Lock()

    def __call__(self, committed: Mapping[str, Counts]) -> None:
        """Count up to these totals, by sink; a counter never goes back."""
        metrics = made_in(self._folder)
        with self._lock:
            for sink, counts in committed.items():
                for name, metric in COUNTS.items():
                    total = getattr(counts, name)
                    kinds = total.items() if isinstance(total, dict) else [(None, total)]
                    for kind, count in kinds:
                        labels = (sink,) if kind is None else (sink, kind)
                        more = count - self._counted.get((metric, *labels), 0)
                        if more > 0:
                            metrics[metric].labels(*labels).inc(more)
                            self._counted[metric, *labels] = count
