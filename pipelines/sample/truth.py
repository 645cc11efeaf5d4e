"""The truth about a sample: what a reader must find in it."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from fixfeed.pipelines.sample.executions import Filled

__all__ = ["Truth"]


@dataclass(slots=True)
class Truth:
    """What a reader must find in a file, known from how it was made.

    `messages` are also counted by MsgType and, if they have defects, by kind of defect; `failures`
    are counted by reason; `skipped` are lines without FIX. `fills` are those that stand after busts
    and corrections, by symbol.
    """

    messages: int = 0
    by_msg_type: Counter[str] = field(default_factory=Counter)
    defects: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    skipped: int = 0
    fills: dict[str, Filled] = field(default_factory=dict)

    def add(self, other: "Truth") -> None:
        """Add the counts of another file."""
        self.messages += other.messages
        self.by_msg_type.update(other.by_msg_type)
        self.defects.update(other.defects)
        self.failures.update(other.failures)
        self.skipped += other.skipped

    def add_fills(self, other: "Truth") -> None:
        """Add the fills of another file that are not a copy of some that are there."""
        for symbol, filled in other.fills.items():
            self.fills[symbol] = self.fills.get(symbol, Filled()).plus(filled)

    def counts(self) -> dict[str, Any]:
        """Return the counts as in the manifest, with those by name sorted by name."""
        return {
            "messages": self.messages,
            "by_msg_type": dict(sorted(self.by_msg_type.items())),
            "defects": dict(sorted(self.defects.items())),
            "failures": dict(sorted(self.failures.items())),
            "skipped": self.skipped,
            "fills": {
                symbol: {"fills": fills, "quantity": quantity, "notional": hundredths / 100}
                for symbol, (fills, quantity, hundredths) in sorted(self.fills.items())
            },
        }
