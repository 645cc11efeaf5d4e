"""What the sinks of a run on a cluster have committed so far, and that one of them is away."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from fixfeed.io.ledger.ledger import Ledger, SinkError, is_held
from fixfeed.pipelines.job import Job
from fixfeed.pipelines.log import say
from fixfeed.pipelines.meanwhile import meanwhile
from fixfeed.pipelines.metrics import Tally
from fixfeed.pipelines.progress import furthest

__all__ = ["SoFar"]

_PAUSE = 3.0  # seconds between two questions to the sinks
_TRIES = 3  # for as many seconds, then a sink that is slow is away


class SoFar:
    """Returns the bytes and messages committed so far, as the sinks said last (`asked`).

    They are asked over connections of its own. One that cannot be asked is told once, and when it
    is back: workers have no way to tell until Flink gives them up.
    """

    def __init__(self, job: Job, tally: Callable[[Mapping[str, Ledger]], Tally]):
        """Nothing is opened yet; `tally` returns what ledgers have counted."""
        self._health = job.health
        self._sinks = job.sinks_to_watch()
        self._tally = tally
        self._ledgers: dict[str, Ledger] = {}
        self._last = (0, 0)
        self._told = False

    def __call__(self) -> tuple[int, int]:
        """Return it at once: whoever shows it must not wait for a sink that is away."""
        return self._last

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Have the sinks asked every few seconds while the body runs."""

        def ask(over: threading.Event) -> None:
            while not over.wait(_PAUSE):
                self.ask()

        with meanwhile(ask):
            yield

    def ask(self) -> None:
        """Ask the sinks now."""
        try:
            self._last = self._look()
            self._back()
        except SinkError as error:
            if not is_held(error):
                self.close()
            self._away(error)

    def _look(self) -> tuple[int, int]:
        """Ask the sinks; one that is slow is asked again, which goes on with the same question."""
        for left in reversed(range(_TRIES)):
            try:
                for sink in self._sinks:
                    if sink.name not in self._ledgers:
                        self._ledgers[sink.name] = sink.ledger()
                counts = self._tally(self._ledgers).sinks.values()
                break
            except SinkError as error:
                if not (left and is_held(error)):
                    raise
        return furthest(counts)

    def _away(self, error: SinkError) -> None:
        self._health.failed(self, error)
        if not self._told:
            self._told = True
            say(
                f"{error}; the workers try again, and nothing is lost",
                event="away",
                level="warning",
            )

    def _back(self) -> None:
        if self._told:
            self._told = False
            self._health.works(self)
            say("it goes on: what had failed has worked", event="back")

    def close(self) -> None:
        """Close the connections."""
        for ledger in self._ledgers.values():
            ledger.close()
        self._ledgers = {}
