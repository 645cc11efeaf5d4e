"""What sinks have of sources, looked up in ledgers that nothing is registered with."""

from collections.abc import Mapping, Sequence

from fixfeed.io.ledger.ledger import Known, Ledger, Stretch
from fixfeed.io.ledger.source import Source
from fixfeed.pipelines.plan import done_in_all, done_in_each

__all__ = ["LookedUp"]


class LookedUp:
    """What all of some ledgers have (`io.stream.Remembered`); None is a sink that is new."""

    def __init__(self, ledgers: Sequence[Ledger | None], rules: str):
        """`ledgers` are those of sinks that remember what they have."""
        self._ledgers = ledgers
        self._rules = rules

    def stored(self, sources: Sequence[Source]) -> Mapping[str, Sequence[Stretch]]:
        """See `Remembered`."""
        return done_in_all(sources, self._known(sources))

    def each(self, sources: Sequence[Source]) -> Sequence[Mapping[str, Sequence[Stretch]]]:
        """See `Remembered`."""
        return done_in_each(sources, self._known(sources))

    @property
    def remember(self) -> bool:
        """See `Remembered`."""
        return bool(self._ledgers)

    def _known(self, sources: Sequence[Source]) -> list[Mapping[str, Known]]:
        return [
            {} if ledger is None else ledger.look_up(sources, rules=self._rules)
            for ledger in self._ledgers
        ]
