"""The ledgers of all sinks, as a worker of a cluster asks them."""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar

from fixfeed.io.ledger.ledger import Known, Ledger, Stretch
from fixfeed.io.ledger.source import Source
from fixfeed.io.stream import Stored
from fixfeed.pipelines.plan import done_in_all, done_in_each
from fixfeed.pipelines.sinks import Sink

__all__ = ["LedgerThere", "LedgersThere"]

T = TypeVar("T")


@dataclass(frozen=True)
class LedgerThere:
    """How a worker opens the ledger of a sink; `keep_open` is as in `Sink`."""

    name: str
    opened: Callable[[], Ledger]
    keep_open: bool = False


@dataclass(frozen=True)
class LedgersThere(Stored):
    """Opens the ledgers for each question, and closes them (`io.stream.Stored`); can be pickled.

    So a worker holds no connection for what is asked every few seconds, unless a ledger is to be
    kept open. `rules` are those of the run.
    """

    ledgers: Sequence[LedgerThere]
    rules: str

    @classmethod
    def of(cls, sinks: Sequence[Sink], rules: str) -> "LedgersThere":
        """Return those of the sinks of a run."""
        return cls([LedgerThere(one.name, one.ledger, one.keep_open) for one in sinks], rules)

    @property
    def remember(self) -> bool:
        """See `Stored`: every sink that a cluster may write to does."""
        return True

    def done(self, sources: Sequence[Source]) -> Mapping[str, Sequence[Stretch]]:
        """See `Stored`; it waits for nothing: the runner tries again."""
        found = self._asked(lambda one: one.register(sources, rules=self.rules))
        return done_in_all(sources, found)

    def each(self, sources: Sequence[Source]) -> Sequence[Mapping[str, Sequence[Stretch]]]:
        """See `Stored`."""
        found = self._asked(lambda one: one.look_up(sources, rules=self.rules))
        return done_in_each(sources, found)

    def _asked(self, ask: Callable[[Ledger], Mapping[str, Known]]) -> list[Mapping[str, Known]]:
        return [_asked(ledger, ask) for ledger in self.ledgers]


def _asked(ledger: LedgerThere, ask: Callable[[Ledger], T]) -> T:
    if not ledger.keep_open:
        with closing(ledger.opened()) as opened:
            return ask(opened)
    # A worker serves one run, so one thread at a time may ask all of them.
    with _asking:
        if ledger.name not in _open:
            _open[ledger.name] = ledger.opened()
        try:
            return ask(_open[ledger.name])
        except BaseException:
            _open.pop(ledger.name).close()
            raise


_open: dict[str, Ledger] = {}
"""The ledgers of this process that are kept open, by the names of their sinks."""
_asking = threading.Lock()
