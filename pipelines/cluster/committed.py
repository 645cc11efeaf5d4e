"""What the sinks of a run on a cluster have committed, as they count it in their own commits."""

from collections.abc import Mapping
from typing import Any

from fixfeed.io.ledger.counts import Counted, CountingLedger, Counts
from fixfeed.pipelines.metrics import Read, Tally
from fixfeed.transforms.batch import TRUNCATED, UNREADABLE

__all__ = ["committed"]


def committed(
    run: str, ledgers: Mapping[str, CountingLedger], sources: Mapping[str, Mapping[str, int]]
) -> Tally:
    """Return the counts of a run; `sources` are, by sink, the source ids by key."""
    totals: dict[str, Counts] = {}
    problems: dict[tuple[str, int, str], dict[str, Any]] = {}
    read: dict[str, Read] = {}
    for name, ledger in ledgers.items():
        keys = {source_id: key for key, source_id in sources[name].items()}
        found = ledger.counted(run)
        totals[name] = sum((one.counts for one in found.values()), Counts())
        for source_id, one in found.items():
            key = keys.get(source_id, f"source {source_id}")  # a stream finds its own
            # One sink may already have had more of it than another.
            read[key] = max(read.get(key, Read()), _read(one), key=lambda read: sum(read[:3]))
            for position, error in one.problems:
                problem = {"source": key, "position": position, "error": error}
                problems[key, position, error] = problem
    return Tally(totals, list(problems.values()), read)


def _read(one: Counted) -> Read:
    counts = one.counts
    unfinished = counts.failed.get(TRUNCATED, 0) + counts.failed.get(UNREADABLE, 0)
    return Read(
        counts.read - counts.failures, counts.failures - unfinished, counts.skipped, one.seen
    )
