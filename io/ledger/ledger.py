"""A sink's memory of its sources: which stretches of each are done, and under which rules."""

import errno
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fixfeed.io.ledger.source import Source
from fixfeed.io.ledger.witness import note, noted, notes_joined
from fixfeed.transforms.batch import Batch
from fixfeed.transforms.protocol import Table

__all__ = [
    "COUNTS",
    "REPLACED",
    "RUN_AGAIN",
    "Known",
    "Ledger",
    "Progress",
    "SchemaError",
    "SinkError",
    "SinkFailed",
    "SinkRefused",
    "Stretch",
    "by_source",
    "carved",
    "check_protocol",
    "check_witness",
    "everywhere",
    "gaps",
    "inside",
    "known",
    "losses",
    "merged",
    "reprocessed_elsewhere",
    "settled",
    "sources_of",
    "totals",
]

_END = 1 << 60  # after all positions

RUN_AGAIN = "run it again: what is committed stays"
"""What the text of a `SinkFailed` ends with where another run goes on."""

Stretch = tuple[int, int]
"""A half-open range of positions, [start, end)."""


class SinkError(Exception):
    """A sink cannot be opened or written; the text names the sink, the reason and what to check.

    It is one line, so that it can be found in a traceback that another process sends as text.
    """

    def __init__(self, text: str):
        """Store the text, with its line ends turned into blanks."""
        super().__init__(" ".join(filter(None, map(str.strip, text.splitlines()))))


class SinkFailed(SinkError):
    """An open sink cannot be written: the disk is full, the server is gone, a right was lost.

    It is `away` if that may pass without anybody changing what was asked for: the server is gone or
    begins to run, the disk is full. It is `locked` if another process has it, and was waited for,
    and `lost` if what was stored is there no more: then no later attempt can go on. It is `held` if
    a server was waited for, and what was begun is under way still: nothing is to be closed then,
    and the same call again goes on with it.
    """

    def __init__(
        self,
        text: str,
        *,
        away: bool = False,
        locked: bool = False,
        lost: bool = False,
        held: bool = False,
    ):
        """Store the text, with its line ends turned into blanks."""
        super().__init__(text)
        self.away = away or locked or held
        self.locked = locked
        self.lost = lost
        self.held = held

    @property
    def meanwhile(self) -> str:
        """The text for who tries again by himself: without that somebody is to run it again."""
        return re.sub(f"(, and|;) {RUN_AGAIN}$", "", str(self))

    @classmethod
    def replaced(cls, place: str) -> "SinkFailed":
        """Return the error for a `place` that somebody has removed, emptied or replaced."""
        return cls(
            f"{place} was removed or replaced while it was written to; put back what was there, or "
            "run it again: a new one is made, and what is still there of the input is stored anew",
            lost=True,
        )

    @classmethod
    def at(cls, place: str, why: object, *, away: bool = False) -> "SinkFailed":
        """Return the error for a `place` that cannot be written."""
        return cls(
            f"cannot write to {place}: {why}; check that there is space left and that you may "
            f"write there, and {RUN_AGAIN}",
            away=away or getattr(why, "errno", None) in (errno.ENOSPC, errno.EDQUOT),
        )


class SinkRefused(SinkFailed):
    """A `SinkFailed` that is not away, from a worker elsewhere: of it only name and text arrive."""


def is_held(error: BaseException) -> bool:
    """Return whether an error is a `SinkFailed` after which the same call goes on."""
    return isinstance(error, SinkFailed) and error.held


class SchemaError(SinkError):
    """This version cannot use what a sink holds; the text says why."""


Progress = tuple[Any, ...]
"""A stretch that is done: its rules, start and end; the numbers stored, filtered, failed and
skipped; and notes of the known witnesses (`ledger.witness`) of its end and of positions inside it.

The stretches of a source do not overlap, whatever their rules: the rows in each were made with its
rules."""

COUNTS = ("stored", "filtered", "failed", "skipped")
"""The names of the counts of a stretch, in the order of `Progress`."""


REPLACED = "replaced:"
"""Prefix of a rules digest: rows made under these rules, which reprocessing under them replaces."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a sink knows about a source.

    `done` are the stretches stored under any rules, `current` those under the rules asked for, and
    `rules` the digests of all rules. `stored_end` is the mark that the reader gave to `finish` when
    the source was last read whole, `` if it never was. A source with the same mark has nothing new.
    """

    source_id: int
    done: tuple[Stretch, ...] = ()
    current: tuple[Stretch, ...] = ()
    rules: frozenset[str] = frozenset()
    stored_end: str = ""


class Ledger(Protocol):
    """The part of a sink that planning needs."""

    def prepare(self) -> None:
        """Make the sink ready; raises `SchemaError` if this version cannot use its contents."""

    def register(
        self, sources: Sequence[Source], *, rules: str, replace: bool = False
    ) -> dict[str, Known]:
        """Return what is known about each source, by key; new ones are stored.

        `ledger.identity` decides which source is which. `replace` claims the sources for a
        reprocessing under `rules`, as `restart` does.
        """

    def look_up(self, sources: Sequence[Source], *, rules: str) -> dict[str, Known]:
        """Return what is known about the sources that are stored, by key; change nothing."""

    def restart(self, source_ids: Iterable[int], *, rules: str) -> None:
        """Begin to reprocess: no part of these sources counts as done under `rules`.

        If reprocessing under `rules` was interrupted, the work it did still counts. The sources are
        claimed: a job that reprocesses them under other rules fails at its next commit.
        """

    def finish(self, ends: Mapping[int, str]) -> dict[int, tuple[Stretch, ...]]:
        """End a run over these sources: merge stretches, sum up counts; return the stretches done.

        `ends` maps a source id to the mark (`Known.stored_end`) of a source that was read whole, ``
        for others.
        """

    def close(self) -> None:
        """Close all resources."""


def sources_of(batches: Iterable[Batch]) -> list[Source]:
    """Return the sources of batches, each once, as a ledger registers them.

    A batch's source is its `Batch.origin`; without one it is known by its key.
    """
    origins = {batch.source: batch.origin for batch in batches}
    return [
        origin if isinstance(origin, Source) else Source(key, key.partition(":")[0], key)
        for key, origin in sorted(origins.items(), key=lambda one: one[0])
    ]


def known(
    ids: Mapping[str, int],
    ends: Mapping[int, str],
    progress: Mapping[int, Sequence[Progress]],
    *,
    rules: str,
) -> dict[str, Known]:
    """Return what is known about sources, by key.

    `ids` are their ids by key; `ends` is their `stored_end`, and `progress` their rows, by id.
    """
    found = {}
    for key, source_id in ids.items():
        rows = progress.get(source_id, ())
        found[key] = Known(
            source_id=source_id,
            done=merged((row[1], row[2]) for row in rows),
            current=merged((row[1], row[2]) for row in rows if row[0] == rules),
            rules=frozenset(row[0] for row in rows),
            stored_end=ends.get(source_id, ""),
        )
    return found


def by_source(rows: Iterable[Sequence[Any]]) -> dict[int, list[Progress]]:
    """Group rows of progress by the source id that each begins with."""
    found: dict[int, list[Progress]] = {}
    for source_id, *row in rows:
        found.setdefault(source_id, []).append(tuple(row))
    return found


def check_protocol(place: str, messages: pa.Schema, table: Table) -> None:
    """Raise `SinkError` if messages of this schema are of another protocol than the sink's."""
    missing = table.missing(messages)
    if missing:
        raise SinkError(
            f"{place} was opened for other messages than came, which have no column {missing}; "
            "name their protocol, as in WriteToSql(uri, protocol=...)"
        )


def check_witness(place: str, batch: Batch, done: Iterable[Progress]) -> None:
    """Raise `SinkError` if a stretch that ends where the batch does had different bytes."""
    for row in done:
        there = noted(row[-1]).get(batch.end, batch.witness)
        if batch.witness and there != batch.witness:
            raise SinkError(
                f"{place} has other bytes of {batch.source} up to position {batch.end} than those "
                "that came now: two different inputs are given under one source; give each a "
                "source of its own"
            )


def reprocessed_elsewhere(place: str, name: str) -> SinkError:
    """Return the error for a source that another job has begun to reprocess under other rules."""
    return SinkError(
        f"{place}: another job has begun to reprocess {name} under other rules (filter, lookups, "
        "dictionaries, checks, masking, version), so this one stops; what is stored is whole, each "
        "stretch under the rules of one of them. Let one job end, and then run the other"
    )


def totals(rows: Sequence[Progress]) -> list[int]:
    """Return how many bytes the stretches of a source cover, and the sums of its counts."""
    covered = sum(end - start for start, end in merged((row[1], row[2]) for row in rows))
    return [covered, *(sum(row[place] for row in rows) for place in range(3, 3 + len(COUNTS)))]


def settled(rows: Iterable[Progress]) -> list[Progress]:
    """Return the progress of a source with neighbours of the same rules joined."""
    left: list[Progress] = []
    for row in sorted(rows, key=lambda row: row[1]):
        if left and left[-1][0] == row[0] and left[-1][2] == row[1]:
            counts = [a + b for a, b in zip(left[-1][3:-1], row[3:-1], strict=True)]
            notes = notes_joined(left[-1][-1], row[-1])
            left[-1] = (row[0], left[-1][1], row[2], *counts, notes)
        else:
            left.append(tuple(row))
    return left


def carved(
    row: Progress,
    stretch: Stretch,
    gone: Sequence[int],
    before: Callable[[Stretch], Sequence[int]],
) -> list[Progress]:
    """Return the rest of a row of progress after another job has replaced a stretch of it.

    `gone` are the counts of the replaced stretch. `before` gives those of the left part, if a part
    is left on both sides.

    >>> row = ("old", 0, 100, 10, 0, 1, 0, "")
    >>> carved(row, (40, 60), (2, 0, 1, 0), lambda stretch: (4, 0, 0, 0))
    [('old', 0, 40, 4, 0, 0, 0, ''), ('old', 60, 100, 4, 0, 0, 0, '')]
    """
    rules, start, end, *counts, notes = row
    rest = [max(0, count - less) for count, less in zip(counts, gone, strict=True)]
    left, right = (start, max(start, stretch[0])), (min(end, stretch[1]), end)
    if left[0] == left[1]:
        return [(rules, *right, *rest, _inside(notes, right))] if right[0] < right[1] else []
    if right[0] == right[1]:
        return [(rules, *left, *rest, _inside(notes, left))]
    ours = [min(count, most) for count, most in zip(before(left), rest, strict=True)]
    others = [count - less for count, less in zip(rest, ours, strict=True)]
    return [
        (rules, *left, *ours, _inside(notes, left)),
        (rules, *right, *others, _inside(notes, right)),
    ]


def losses(
    rows: Sequence[Progress],
    stretch: Stretch,
    counted: Callable[[Stretch], tuple[int, int]],
    *,
    filtered: int,
    skipped: int,
) -> Iterator[tuple[Progress, tuple[int, int, int, int]]]:
    """Yield the rows of progress that a replaced stretch overlaps, with the counts they lose there.

    `counted` gives the messages and failures that are gone in a part of the stretch. `filtered` and
    `skipped` are known of the whole alone: rows inside it lose all of theirs, the others the rest.

    >>> rows = [("old", 0, 60, 5, 1, 0, 0, ""), ("old", 60, 80, 2, 1, 0, 0, "")]
    >>> counts = {(40, 60): (1, 0), (60, 80): (2, 0)}
    >>> [gone for _, gone in losses(rows, (40, 80), counts.get, filtered=1, skipped=0)]
    [(1, 0, 0, 0), (2, 1, 0, 0)]
    """
    start, end = stretch
    whole = [row for row in rows if start <= row[1] and row[2] <= end]
    filtered -= sum(row[4] for row in whole)
    skipped -= sum(row[6] for row in whole)
    for row in rows:
        messages, failures = counted((max(row[1], start), min(row[2], end)))
        if row in whole:
            yield row, (messages, row[4], failures, row[6])
            continue
        ours = max(0, min(filtered, row[4])), max(0, min(skipped, row[6]))
        filtered, skipped = filtered - ours[0], skipped - ours[1]
        yield row, (messages, ours[0], failures, ours[1])


def _inside(notes: str, stretch: Stretch) -> str:
    start, end = stretch
    return "".join(note(at, one) for at, one in noted(notes).items() if start < at <= end)


def merged(stretches: Iterable[Stretch]) -> tuple[Stretch, ...]:
    """Return the union of stretches, in order, with neighbours joined."""
    result: list[Stretch] = []
    for start, end in sorted(stretches):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((start, end))
    return tuple(result)


def gaps(stretches: Iterable[Stretch], start: int, end: int) -> list[Stretch]:
    """Return the parts of [start, end) that are in none of the stretches."""
    result = []
    for begin, stop in merged(stretches):
        if begin >= end:
            break
        if begin > start:
            result.append((start, begin))
        start = max(start, stop)
    if start < end:
        result.append((start, end))
    return result


def everywhere(done: Sequence[Sequence[Stretch]]) -> tuple[Stretch, ...]:
    """Return the intersection of unions of stretches."""
    missing = merged(gap for stretches in done for gap in gaps(stretches, 0, _END))
    return tuple(gaps(missing, 0, _END))


def inside(positions: NDArray[np.int64], stretches: Iterable[Stretch]) -> NDArray[np.bool_]:
    """Return which positions lie in one of the stretches."""
    result = np.zeros(len(positions), bool)
    for start, end in stretches:
        result |= (positions >= start) & (positions < end)
    return result
