"""Opens the ledgers of all sinks of a run, and stores that it has begun, and how it ended."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from importlib.metadata import version
from typing import Protocol

from fixfeed.io.ledger.counts import Counts
from fixfeed.io.ledger.ledger import Ledger, SinkError, SinkFailed, is_held
from fixfeed.io.sql.store import Store
from fixfeed.pipelines.again import TryAgain
from fixfeed.pipelines.endings import sentence_of
from fixfeed.pipelines.job import Job
from fixfeed.pipelines.sinks import Sink
from fixfeed.pipelines.summary import Summary

__all__ = ["Counting", "begun", "end", "ended_by_trouble", "opened"]


def opened(
    sinks: Sequence[Sink],
    stack: ExitStack,
    again: TryAgain | None = None,
    *,
    were_open: bool = False,
) -> dict[str, Ledger]:
    """Return the ledgers of the sinks, which `stack` closes, ready to be written to.

    With `again` a sink that is away is waited for. If they `were_open` before, a sink that fails
    now is not one that was asked wrongly.
    """
    held: dict[str, Ledger] = {}

    def open_it(sink: Sink) -> Ledger:
        try:
            ledger = held.pop(sink.name, None) or sink.ledger()
        except SinkFailed as error:
            if were_open or (again and error.away):
                raise
            # It never was open, so the request may be wrong as well.
            raise SinkError(str(error)) from error
        try:
            ledger.prepare()
        except BaseException as error:
            if is_held(error):
                held[sink.name] = ledger
                raise
            ledger.close()
            if isinstance(error, SinkFailed) and not (error.away or were_open):
                raise SinkError(str(error)) from error
            raise
        return ledger

    ledgers: dict[str, Ledger] = {}
    for sink in sinks:
        work = partial(open_it, sink)
        try:
            ledger = again.until_it_works(work, away=True) if again else work()
        finally:
            for one in held.values():
                one.close()
        stack.callback(ledger.close)
        ledgers[sink.name] = ledger
    return ledgers


def begun(
    job: Job, ledgers: Mapping[str, Ledger], cluster: Mapping[str, str] | None = None
) -> dict[str, int]:
    """Store the start of the run in each database; return its number there, by sink.

    `cluster` tells of its job, if it is on one.
    """
    configuration = job.configuration | ({"cluster": dict(cluster)} if cluster else {})
    return {
        name: ledger.begin_run(version("fixfeed"), configuration)
        for name, ledger in ledgers.items()
        if isinstance(ledger, Store)
    }


class Counting(Protocol):
    """What counts what the sinks of a run commit."""

    def counted(self, name: str, store: Store) -> Counts | None:
        """Return what the database of this name has of it; None if more may come."""

    def end(self, ledgers: Mapping[str, Ledger]) -> None:
        """Forget what is counted in the ledgers: it is in `runs` now."""


@contextmanager
def ended_by_trouble(job: Job, runs: Mapping[str, int], counting: Counting) -> Iterator[None]:
    """Store how an error that the body raises has ended the run, and raise it again.

    `runs` are those that `begun` has returned by then. Where a database cannot be reached, or more
    may come, the run stays without an end.
    """
    try:
        yield
    except Exception as error:
        for sink in job.sinks:
            if sink.name in runs:
                with suppress(SinkError), closing(sink.ledger()) as store:
                    assert isinstance(store, Store)
                    with store.impatient():
                        counts = counting.counted(sink.name, store)
                        if counts is not None:
                            how = sentence_of(error)
                            store.end_run(runs[sink.name], dataclasses.asdict(counts), how)
                            counting.end({sink.name: store})
        raise


def end(runs: Mapping[str, int], ledgers: Mapping[str, Ledger], summary: Summary) -> None:
    """Store the end of the run in each database that `begun` has stored its start in."""
    for name, run in runs.items():
        ledger, counts = ledgers[name], summary.sinks.get(name)
        assert isinstance(ledger, Store)
        ledger.end_run(run, dataclasses.asdict(counts) if counts else {}, summary.ended)
        ledger.gather_statistics(counts.stored if counts else 0)
