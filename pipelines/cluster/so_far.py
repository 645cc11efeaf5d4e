"""What the sinks of a run on a cluster have committed so far, and that one of them is away."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager

from fixfeed.io.ledger.ledger import Ledger, SinkError, is_held
from fixfeed.pipelines.job import Job
from fixfeed.pipelines.log import say
from fixfeed.pipelines.meanwhile import asked_meanwhile
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
        self._asking = False

    def __call__(self) -> tuple[int, int]:
        """Return it at once: whoever shows it must not wait for a sink that is away."""
        return self._last

    def asked(self) -> AbstractContextManager[None]:
        """Have the sinks asked every few seconds while the body runs.

        Its end waits for no answer.
        """
        return asked_meanwhile(self._look, self._take, pause=_PAUSE, late=self._late)

    def _take(self, asked: Future[tuple[int, int]]) -> None:
        try:
            self._last = asked.result()
            self._back()
        except SinkError as error:
            if not is_held(error):
                self.close()
            self._away(error)

    def _late(self) -> None:
        """Tell of sinks that say nothing, as a server that is frozen does."""
        names = " and ".join(sink.name for sink in self._sinks)
        self._away(f"{names}: no answer for ten seconds")

    def _look(self) -> tuple[int, int]:
        """Ask the sinks; one that is slow is asked again, which goes on with the same question."""
        self._asking = True
        try:
            return self._looked()
        finally:
            self._asking = False

    def _looked(self) -> tuple[int, int]:
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

    def _away(self, error: SinkError | str) -> None:
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
        """Close the connections, unless one still waits for an answer: it ends with the process."""
        if self._asking:
            return
        for ledger in self._ledgers.values():
            ledger.close()
        self._ledgers = {}
