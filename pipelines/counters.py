"""The counters of a run, across its worker processes.

Beam's metrics cannot be read while a local pipeline runs. prometheus-client keeps each process's
counters in files in the run's own folder; any process can sum them up, and what a process that was
killed has counted stays.
"""

import functools
import os
import shutil
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import prometheus_client
from prometheus_client import multiprocess, values

from fixfeed.io.ledger.ledger import SinkFailed
from fixfeed.pipelines.instruments import COUNTED, made
from fixfeed.transforms.protocol import Protocol

__all__ = [
    "COUNTERS",
    "COUNTS",
    "NEWEST",
    "OTHERS",
    "PROBLEMS",
    "SESSION",
    "SOURCES",
    "died",
    "made_in",
    "start_counting",
]

COUNTERS = "metrics"
"""The folder of the counters, in that of the run."""

PROBLEMS = "problems.jsonl"
"""A file in that folder: the errors of sources that could not be read to their end."""

SOURCES = "sources.jsonl"
"""Another one: what was read of each source, commit by commit."""

COUNTS = {
    "bytes": "fixfeed_read_bytes_total",
    "read": "fixfeed_messages_read_total",
    "stored": "fixfeed_messages_stored_total",
    "repeated": "fixfeed_messages_repeated_total",
    "filtered": "fixfeed_messages_filtered_total",
    "skipped": "fixfeed_skipped_lines_total",
    "failed": "fixfeed_failures_total",
    "defects": "fixfeed_defects_total",
    "joined": "fixfeed_joined_messages_total",
}
"""Field of `Counts` -> its metric."""

NEWEST = "fixfeed_newest_message_timestamp_seconds"

SESSION = "fixfeed_session_last_received_timestamp_seconds"
OTHERS = "others"
"""The label of all sessions beyond the first many."""

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_LEAST = 16 << 20  # bytes; one MiB per process, and more if there are many kinds of defects


def start_counting(
    folder: Path, sinks: Sequence[str] = (), protocol: Protocol | None = None
) -> None:
    """Make `folder` the place of this run's counters, for this process and those it starts.

    Those of `sinks` are there from the start, also those of each reason and kind of `protocol`:
    Prometheus sees no increase in a counter that is not 0 when it comes.

    Raises `SinkFailed` if it has no space for them: they are mapped into memory, and a process that
    writes to such a page without disk space is killed (SIGBUS).
    """
    free = shutil.disk_usage(folder).free
    if free < _LEAST:
        raise SinkFailed(
            f"only {free:,} bytes are free where the run has its counters, {folder}; make space "
            "there, or name another folder for temporary files with TMPDIR"
        )
    os.environ[_FOLDER] = str(folder)
    kinds = {"reason": protocol.reasons, "kind": protocol.defects} if protocol else {}
    for name, metric in made_in(str(folder)).items():
        labels = COUNTED[name].labels
        if COUNTED[name].kind == "counter":
            for sink in sinks:
                if labels == ("sink",):
                    metric.labels(sink)
                for one in kinds.get(labels[-1], ()):
                    metric.labels(sink, one)


_making = threading.Lock()


def made_in(folder: str) -> Mapping[str, Any]:
    """Return the metrics of this process, by name, whose counters are in a folder."""
    # Two sinks may commit at once: two sets of counters over one file would lose counts.
    with _making:
        return _made(folder)


@functools.cache
def _made(folder: str) -> Mapping[str, Any]:
    # The client reads its folder from the environment once, at import. A value class for each run
    # lets one process run several jobs.
    os.environ[_FOLDER] = folder
    values.ValueClass = values.MultiProcessValue()
    return made(COUNTED, prometheus_client.CollectorRegistry())


def died(process_id: int) -> None:
    """Forget what only a living process has, as the connections of a gateway, for one that died."""
    if folder := os.environ.get(_FOLDER):
        multiprocess.mark_process_dead(process_id, folder)
