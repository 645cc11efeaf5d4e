"""The ledgers of all sinks, as a worker of a cluster asks them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from fixfeed.io.ledger.ledger import Known, Ledger, Stretch
from fixfeed.io.ledger.source import Source
from fixfeed.pipelines.plan import done_in_all
from fixfeed.pipelines.settings import Settings
from fixfeed.pipelines.sinks import sink_of
from fixfeed.transforms.protocol import Protocol

__all__ = ["LedgersThere"]


@dataclass(frozen=True)
class LedgersThere:
    """Opens the ledgers for each question, and closes them (`io.stream.Stored`); can be pickled.

    So a worker holds no connection for what is asked every few seconds.
    """

    uris: Sequence[str]
    partition_by: Sequence[str]
    names: bool
    protocol: Protocol
    rules: str

    @classmethod
    def of(cls, settings: Settings, protocol: Protocol, rules: str) -> "LedgersThere":
        """Return those of the outputs of a run, whose rules have this digest."""
        return cls(settings.output, settings.partition_by, settings.names, protocol, rules)

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
            for uri in self.uris:
                sink = sink_of(
                    uri,
                    partition_by=self.partition_by,
                    names=self.names,
                    protocol=self.protocol,
                )
                ledger = sink.ledger()
                stack.callback(ledger.close)
                found.append(ask(ledger))
        return done_in_all(sources, found)
