"""What sinks have of sources, looked up in ledgers that nothing is registered with."""

from collections.abc import Mapping, Sequence

from fixfeed.io.ledger.ledger import Known, Ledger, Stretch
from fixfeed.io.ledger.source import Source
from fixfeed.io.stream import Remembered
from fixfeed.pipelines.plan import done_in_each

__all__ = ["LookedUp"]


class LookedUp(Remembered):
    """What all of some ledgers have (`io.stream.Remembered`); None is a sink that is new."""

    def __init__(self, ledgers: Sequence[Ledger | None], rules: str):
        """`ledgers` are those of sinks that remember what they have."""
        self._ledgers = ledgers
        self._rules = rules

    def each(self, sources: Sequence[Source]) -> Sequence[Mapping[str, Sequence[Stretch]]]:
        """See `Remembered`."""
        known: list[Mapping[str, Known]] = [
            {} if ledger is None else ledger.look_up(sources, rules=self._rules)
            for ledger in self._ledgers
        ]
        return done_in_each(sources, known)

    @property
    def remember(self) -> bool:
        """See `Remembered`."""
        return bool(self._ledgers)
