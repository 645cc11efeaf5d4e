"""The ledgers of all sinks, as a worker of a cluster asks them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from fixfeed.io.ledger.ledger import Known, Ledger, Stretch
from fixfeed.io.ledger.source import Source
from fixfeed.pipelines.plan import done_in_all

__all__ = ["LedgersThere"]


@dataclass(frozen=True)
class LedgersThere:
    """Opens the ledgers for each question, and closes them (`io.stream.Stored`); can be pickled.

    So a worker holds no connection for what is asked every few seconds. `ledgers` open them, and
    `rules` are those of the run.
    """

    ledgers: Sequence[Callable[[], Ledger]]
    rules: str

    @property
    def remember(self) -> bool:
        """See `Stored`: every sink that a cluster may write to does."""
        return True

    def done(self, sources: Sequence[Source]) -> Mapping[str, Sequence[Stretch]]:
        """See `Stored`; it waits for nothing: the runner tries again."""
        return self._asked(sources, lambda one: one.register(sources, rules=self.rules))

    def stored(self, sources: Sequence[Source]) -> Mapping[str, Sequence[Stretch]]:
        """See `Stored`."""
        return self._asked(sources, lambda one: one.look_up(sources, rules=self.rules))

    def _asked(
        self, sources: Sequence[Source], ask: Callable[[Ledger], Mapping[str, Known]]
    ) -> Mapping[str, Sequence[Stretch]]:
        found = []
        with ExitStack() as stack:
            for opened in self.ledgers:
                ledger = opened()
                stack.callback(ledger.close)
                found.append(ask(ledger))
        return done_in_all(sources, found)
