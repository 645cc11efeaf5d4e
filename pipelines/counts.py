"""The counts of a sink, which account for everything that came in to it."""

from collections import Counter
from dataclasses import dataclass, field, fields, replace
from typing import Any

__all__ = ["Counts"]


@dataclass
class Counts:
    """The counts of a sink, in the order of the JSON summary.

    `bytes` of sources are done. `read` messages and failures came in: `stored` are new, `repeated`
    were stored already, `filtered` were left out by the rules, and `failed`, by reason, are no
    messages. `skipped` lines hold no FIX. Messages are counted in `defects` by kind, and in
    `joined` by the name of the lookup, repeated ones too.

    `orjson.dumps(counts)` writes them as JSON, and `Counts(**orjson.loads(text))` reads that.

    >>> one = Counts(read=3, stored=2, failed={"truncated": 1})
    >>> one.adds_up, (one + one).failed
    (True, {'truncated': 2})
    """

    bytes: int = 0
    read: int = 0
    stored: int = 0
    repeated: int = 0
    filtered: int = 0
    skipped: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    defects: dict[str, int] = field(default_factory=dict)
    joined: dict[str, int] = field(default_factory=dict)

    @property
    def failures(self) -> int:
        """The number of failures, whatever their reason."""
        return sum(self.failed.values())

    @property
    def adds_up(self) -> bool:
        """Whether all that came in is accounted for."""
        return self.read == self.stored + self.repeated + self.filtered + self.failures

    def without(self, reason: str, failures: int) -> "Counts":
        """Return the counts without this many failures of a reason that were none after all."""
        failed = {**self.failed, reason: self.failed[reason] - failures}
        return replace(self, read=self.read - failures, failed=failed)

    def __add__(self, other: "Counts") -> "Counts":
        """Return the sums, kind by kind."""
        sums: dict[str, Any] = {}
        for one in fields(self):
            mine, theirs = getattr(self, one.name), getattr(other, one.name)
            if isinstance(mine, dict):
                sums[one.name] = dict(_added(mine, theirs))
            else:
                sums[one.name] = mine + theirs
        return Counts(**sums)


def _added(one: dict[str, int], other: dict[str, int]) -> Counter[str]:
    # Not `+`, which drops zeros.
    sums = Counter(one)
    sums.update(other)
    return sums
