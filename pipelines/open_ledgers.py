"""The ledgers of a run without end: what is found is registered with them, whatever fails."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TypeVar

from fixfeed.io.files.find import File
from fixfeed.io.files.ranges import Range
from fixfeed.io.ledger.ledger import Known, Ledger, SinkFailed, Stretch
from fixfeed.io.ledger.source import Source
from fixfeed.io.stream import Stored
from fixfeed.pipelines.again import TryAgain
from fixfeed.pipelines.job import Job
from fixfeed.pipelines.opening import begun, end, opened
from fixfeed.pipelines.plan import Plan, done_in_all, done_in_each, make_plan
from fixfeed.pipelines.summary import Summary
from fixfeed.transforms.batch import LARGEST_SOURCE

__all__ = ["OpenLedgers"]

T = TypeVar("T")


class OpenLedgers(Stored):
    """The ledgers of a run without end, as its feed asks them (`source.Ledgers`).

    They are opened when they are needed first: a gateway receives before a database is there.
    `plan` has what was registered, `runs` what `begun` has returned. A ledger that has failed is
    opened again.
    """

    def __init__(self, job: Job, stack: ExitStack, again: TryAgain):
        """The ledgers are those of the sinks of the job; `stack` closes them."""
        self._job = job
        self._stack = stack
        self._again = again
        self.runs: dict[str, int] = {}
        self._ledgers: dict[str, Ledger] = {}
        self._failed = False
        self.plan = Plan(sources={sink.name: {} for sink in job.sinks})

    def open(self) -> None:
        """Open them and store that the run has begun, unless that is done; wait while one is away.

        Raises `SinkError` if one cannot be opened, or the run is to stop.
        """
        if not self._ledgers:
            self._ledgers = opened(self._job.sinks, self._stack, self._again)
            for name, ledger in self._ledgers.items():
                self.runs |= self._again.until_it_works(partial(begun, self._job, {name: ledger}))

    def known(self, files: Sequence[File]) -> set[str]:
        """See `Register`."""
        sources = [file.source for file in files]

        def look_up() -> list[Mapping[str, Known]]:
            rules = self._job.rules.digest
            return [one.look_up(sources, rules=rules) for one in self._ledgers.values()]

        stored = self._tried(look_up)
        return {key for found in stored for key, one in found.items() if one.done}

    def lacking(self, files: Sequence[File]) -> Sequence[Range]:
        """See `Register`; the files are added to `plan`."""
        plan = self._tried(
            lambda: make_plan(
                files,
                self._ledgers,
                rules=self._job.rules.digest,
                reprocess=False,
                longest=self._job.settings.max_message,
                size=LARGEST_SOURCE,
            )
        )
        self.plan.files += plan.files
        self.plan.copies += plan.copies
        self.plan.other_rules += plan.other_rules
        for name, sources in plan.sources.items():
            self.plan.sources[name] |= sources
        return plan.ranges

    def done(self, sources: Sequence[Source]) -> Mapping[str, Sequence[Stretch]]:
        """See `Stored`; the sources are added to `plan`."""
        rules = self._job.rules.digest

        def register() -> dict[str, Mapping[str, Known]]:
            return {
                name: ledger.register(sources, rules=rules)
                for name, ledger in self._ledgers.items()
            }

        found = self._tried(register)
        for name, known in found.items():
            self.plan.sources[name] |= {key: one.source_id for key, one in known.items()}
        return done_in_all(sources, self._remembered(found))

    def each(self, sources: Sequence[Source]) -> Sequence[Mapping[str, Sequence[Stretch]]]:
        """See `Stored`."""
        rules = self._job.rules.digest

        def look_up() -> dict[str, Mapping[str, Known]]:
            return {
                name: ledger.look_up(sources, rules=rules) for name, ledger in self._ledgers.items()
            }

        return done_in_each(sources, self._remembered(self._tried(look_up)))

    @property
    def remember(self) -> bool:
        """See `Stored`."""
        return any(sink.remembers for sink in self._job.sinks)

    def _remembered(self, found: Mapping[str, Mapping[str, Known]]) -> list[Mapping[str, Known]]:
        return [found[sink.name] for sink in self._job.sinks if sink.remembers]

    def _tried(self, work: Callable[[], T]) -> T:
        """Return the result of `work`, once the ledgers can be used."""
        self.open()

        def opened_anew() -> T:
            if self._failed:
                self._open_anew()
            try:
                return work()
            except SinkFailed as error:
                self._failed = not (error.locked or error.lost or error.held)
                raise

        return self._again.until_it_works(opened_anew)

    def finish(self, summary: Summary) -> None:
        """End the run in all of them.

        They may not have been used since long before a server was started anew, so they are opened
        anew if that fails.
        """

        def work() -> None:
            for name, ledger in self._ledgers.items():
                ledger.finish(dict.fromkeys(self.plan.sources[name].values(), ""))
            end(self.runs, self._ledgers, summary)

        try:
            work()
        except SinkFailed as error:
            if error.lost:
                raise
            self._failed = self._failed or not (error.locked or error.held)
            self._tried(work)

    def _open_anew(self) -> None:
        """Open all ledgers anew: a connection that has failed works no more."""
        for sink in self._job.sinks:
            self._ledgers[sink.name].close()
            self._ledgers[sink.name] = sink.ledger()
        self._failed = False
