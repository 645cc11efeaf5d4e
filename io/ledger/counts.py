"""The counts of a sink, which account for everything that came in to it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.io.ledger.ledger import Ledger, Stretch, gaps
from fixfeed.io.ledger.within import within
from fixfeed.transforms.batch import TRUNCATED, UNREADABLE, Batch

__all__ = [
    "Counted",
    "CountingLedger",
    "Counts",
    "Problem",
    "counts_of",
    "newly_counted",
    "seen_in",
    "those_that_hold",
]

Problem = tuple[int, str]
"""A position from which a source could not be read on, and why."""

_UNFINISHED = pa.array([TRUNCATED, UNREADABLE])


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


@dataclass
class Counted:
    """What a run has counted of stretches of a source.

    `seen` is the commonest detail of the failures of the first batch that has any, unfinished ends
    and unreadable places left out; `problems` are where it could not be read on.
    """

    counts: Counts = field(default_factory=Counts)
    seen: str = ""
    problems: list[Problem] = field(default_factory=list)

    @property
    def text(self) -> str:
        """This as JSON, which `read` reads."""
        return orjson.dumps(self).decode()

    @classmethod
    def read(cls, text: str) -> "Counted":
        """Return what `text` has."""
        found = orjson.loads(text)
        problems = [(position, why) for position, why in found["problems"]]
        return cls(Counts(**found["counts"]), found["seen"], problems)

    def __add__(self, other: "Counted") -> "Counted":
        """Return the sums; `other` comes after this."""
        return Counted(
            self.counts + other.counts, self.seen or other.seen, self.problems + other.problems
        )


class CountingLedger(Ledger, Protocol):
    """A ledger that counts, in its commits, what a run on a cluster has committed.

    What comes again is counted once, position by position. `run` names the run.
    """

    def keep_counts(self) -> None:
        """Make ready what counts are kept in."""

    def counted(self, run: str) -> dict[int, Counted]:
        """Return what the run has counted of each source, by its id."""

    def forget_counts(self, run: str) -> None:
        """Forget what the run has counted."""


def counts_of(committed: Sequence[tuple[Batch, int]]) -> Counts:
    """Return the counts of batches, each with how many of its messages are new to the sink."""
    batches = [batch for batch, _ in committed]
    stored = sum(new for _, new in committed)
    kinds: Counter[str] = Counter()
    defects = (batch.messages["defects"] for batch in batches)
    for found, number in _texts([one for one in defects if one.null_count < len(one)]):
        for kind in found.split(","):
            kinds[kind] += number
    joined: Counter[str] = Counter()
    for batch in batches:
        joined.update(batch.joined)
    failures = [batch.failures["reason"] for batch in batches if batch.failures.num_rows]
    return Counts(
        bytes=sum(
            batch.end - batch.start if batch.octets is None else batch.octets for batch in batches
        ),
        read=sum(batch.read for batch in batches),
        stored=stored,
        repeated=sum(batch.messages.num_rows for batch in batches) - stored,
        filtered=sum(batch.filtered for batch in batches),
        skipped=sum(batch.skipped for batch in batches),
        failed=dict(_texts(failures)),
        defects=dict(kinds),
        joined=dict(joined),
    )


def _texts(columns: Sequence[pa.Array]) -> list[tuple[str, int]]:
    """Return each text in the columns and how often it is there."""
    if not columns:
        return []
    found = pc.value_counts(pa.chunked_array(columns)).to_pylist()
    return [(one["values"], one["counts"]) for one in found if one["values"]]


def seen_in(batch: Batch) -> tuple[str, int]:
    """Return the commonest detail of failures that show what a source holds, and their number."""
    ended = pc.invert(pc.is_in(batch.failures["reason"], _UNFINISHED))
    details = Counter(batch.failures["detail"].filter(ended).to_pylist())
    return (details.most_common(1)[0][0] or "" if details else ""), details.total()


def _counts_within(batch: Batch, stored: int, stretches: Iterable[Stretch]) -> Counted:
    """Return what is counted of a batch, of which these stretches were not counted before.

    The messages that are `stored` lie in them. What is known of the batch as a whole alone (the
    bytes of records, what lookups added) counts with the stretch that it begins with.
    """
    left = list(stretches)
    if left != [(batch.start, batch.end)] and not batch.provisional:
        first = any(start == batch.start for start, _ in left)
        if batch.octets is None:
            octets = sum(end - start for start, end in left)
        else:
            octets = batch.octets if first else 0
        joined = batch.joined if first else {}
        batch = replace(within(batch, left), joined=joined, octets=octets)
    problems = [(batch.end, batch.error)] if batch.error else []
    return Counted(counts_of([(batch, stored)]), seen_in(batch)[0], problems)


def newly_counted(
    batch: Batch, stored: int, done: Iterable[Stretch]
) -> list[tuple[int, int, Counted]]:
    """Return what a run counts of a batch, of which `done` are counted: start, end and counts.

    Of several stretches the first has the counts of all. That of an unfinished end is empty.
    """
    if batch.provisional:
        return [(batch.start, batch.start, _counts_within(batch, stored, []))]
    left = gaps(done, batch.start, batch.end)
    if not left:
        return []
    counted = [_counts_within(batch, stored, left), *(Counted() for _ in left[1:])]
    return [(start, end, one) for (start, end), one in zip(left, counted, strict=True)]


def those_that_hold(rows: Mapping[Stretch, str]) -> list[tuple[int, int, str]]:
    """Return the counts of stretches, in order: start, end and counts.

    Those of an unfinished end, whose stretch is empty, hold until a stretch has its position.

    >>> those_that_hold({(5, 5): "cut short", (0, 5): "read", (9, 9): "cut short"})
    [(0, 5, 'read'), (5, 5, 'cut short'), (9, 9, 'cut short')]
    >>> those_that_hold({(5, 5): "cut short", (0, 9): "read"})
    [(0, 9, 'read')]
    """
    return [
        (start, end, text)
        for (start, end), text in sorted(rows.items())
        if start < end or not any(begin <= start < stop for begin, stop in rows)
    ]
