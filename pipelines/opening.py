"""Opens the ledgers of all sinks of a run, and stores that it has begun, and how it ended."""

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import version

from fixfeed.io.ledger.ledger import Ledger, SinkError, SinkFailed
from fixfeed.io.sql.store import Store
from fixfeed.pipelines.job import Job
from fixfeed.pipelines.sinks import Sink
from fixfeed.pipelines.summary import Summary

__all__ = ["begun", "end", "opened"]


def opened(sinks: Sequence[Sink], stack: ExitStack) -> dict[str, Ledger]:
    """Return the ledgers of the sinks, which `stack` closes, ready to be written to."""
    ledgers: dict[str, Ledger] = {}
    for sink in sinks:
        try:
            ledger = sink.ledger()
        except SinkFailed as error:
            # It never was open, so the request may be wrong as well.
            raise SinkError(str(error)) from error
        stack.callback(ledger.close)
        ledger.prepare()
        ledgers[sink.name] = ledger
    return ledgers


def begun(job: Job, ledgers: Mapping[str, Ledger]) -> dict[str, int]:
    """Store the start of the run in each database; return its number there, by sink."""
    return {
        name: ledger.begin_run(version("fixfeed"), job.configuration)
        for name, ledger in ledgers.items()
        if isinstance(ledger, Store)
    }


def end(runs: Mapping[str, int], ledgers: Mapping[str, Ledger], summary: Summary) -> None:
    """Store the end of the run in each database that `begun` has stored its start in."""
    for name, run in runs.items():
        ledger, counts = ledgers[name], summary.sinks.get(name)
        assert isinstance(ledger, Store)
        ledger.end_run(run, dataclasses.asdict(counts) if counts else {}, summary.ended)
        ledger.gather_statistics(counts.stored if counts else 0)
