"""What a sink remembers of its sources: which stretches of each are done, and by which rules."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "COUNTS",
    "HEAD",
    "MARK",
    "Known",
    "Ledger",
    "Mark",
    "Progress",
    "SchemaError",
    "SinkError",
    "Source",
    "Stored",
    "Stretch",
    "by_source",
    "gaps",
    "inside",
    "known",
    "merged",
    "register_keys",
    "settled",
    "totals",
]

HEAD = 4096
"""How many bytes of a file's beginning make its fingerprint."""

MARK = 1 << 20
"""A mark looks at so many bytes at the most: enough to tell files with one head apart."""

Stretch = tuple[int, int]
"""A half-open range of positions, [start, end)."""


class SinkError(Exception):
    """A sink cannot be opened or written; the text says which, why, and what to check."""


class SchemaError(SinkError):
    """A sink holds what this version cannot write to; the text names the command that mends it."""


Progress = tuple[Any, ...]
"""A stretch that is done: rules, start, end; how many were stored, filtered, failed, skipped."""

Stored = tuple[Any, ...]
"""A source as a ledger has it: id, kind, fingerprint, and digests and size of its `Mark`."""

COUNTS = ("stored", "filtered", "failed", "skipped")
"""The names of what is counted of a stretch, in the order of `Progress`."""


@dataclass(frozen=True, slots=True)
class Source:
    """A source as a reader found it.

    `key` names it in the flow; `kind` is `file`; `name` is the path as it was given; `head` its
    first bytes, at most `HEAD`; `digests` as in `Mark`.
    """

    key: str
    kind: str
    name: str
    head: bytes
    digests: str = ""


class Mark(NamedTuple):
    """A second witness, beside the fingerprint, that a file is the one it was.

    `digests` are those of all bytes before some positions, `position:hex` separated by spaces;
    `size` is how long the file was, as stored, when it was last read to its end, 0 if it never was.
    """

    digests: str
    size: int


@dataclass(frozen=True, slots=True)
class Known:
    """What a sink knows of a source.

    `done` are the stretches stored under any rules, `current` those under the rules asked for;
    `rules` the digests of all.
    """

    source_id: int
    done: tuple[Stretch, ...] = ()
    current: tuple[Stretch, ...] = ()
    rules: frozenset[str] = frozenset()
    mark: Mark | None = None


class Ledger(Protocol):
    """The part of a sink that planning needs."""

    def prepare(self) -> None:
        """Make the sink ready, or raise `SchemaError` if it holds what this version cannot use."""

    def register(self, sources: Sequence[Source], *, rules: str) -> dict[str, Known]:
        """Return what is known of each source by its key; new ones are stored with their digests.

        `fixio.identity` says by what a source is known.
        """

    def restart(self, source_ids: Iterable[int], *, rules: str) -> None:
        """Begin to reprocess: nothing of these sources counts as done under `rules`.

        Where a reprocessing under `rules` was interrupted, what it did keeps counting.
        """

    def finish(
        self, marks: Mapping[int, Mark | None], *, rules: str, reprocessed: Iterable[int]
    ) -> None:
        """End a run over these sources: merge stretches, sum up counts, store marks."""

    def close(self) -> None:
        """Close what is open."""


def register_keys(ledger: Ledger, keys: Iterable[str], *, rules: str) -> dict[str, int]:
    """Return the source ids of sources of which only the key is known; new ones are registered."""
    # The key stands for the head: the same key is the same source, and only that.
    sources = [Source(key, key.partition(":")[0], key, key.encode()) for key in sorted(keys)]
    found = ledger.register(sources, rules=rules) if sources else {}
    return {key: one.source_id for key, one in found.items()}


def known(
    ids: Mapping[str, int],
    stored: Iterable[Stored],
    progress: Mapping[int, Sequence[Progress]],
    *,
    rules: str,
) -> dict[str, Known]:
    """Return what is known of sources, by key.

    `ids` are their ids by key, `progress` their rows by id; who is not `stored` has no mark.
    """
    marks = {source_id: Mark(*mark) for source_id, _, _, *mark in stored}
    found = {}
    for key, source_id in ids.items():
        rows = progress.get(source_id, ())
        found[key] = Known(
            source_id=source_id,
            done=merged((row[1], row[2]) for row in rows),
            current=merged((row[1], row[2]) for row in rows if row[0] == rules),
            rules=frozenset(row[0] for row in rows),
            mark=marks.get(source_id),
        )
    return found


def by_source(rows: Iterable[Sequence[Any]]) -> dict[int, list[Progress]]:
    """Return rows of progress, each behind its source id, by that."""
    found: dict[int, list[Progress]] = {}
    for source_id, *row in rows:
        found.setdefault(source_id, []).append(tuple(row))
    return found


def totals(rows: Sequence[Progress]) -> list[int]:
    """Return how many bytes the stretches of a source cover, and the sums of its counts."""
    covered = sum(end - start for start, end in merged((row[1], row[2]) for row in rows))
    return [covered, *(sum(row[place] for row in rows) for place in range(3, 3 + len(COUNTS)))]


def settled(rows: Iterable[Progress], rules: str, *, replaced: bool) -> list[Progress]:
    """Return the progress of a source at the end of a run, with neighbours joined.

    With `replaced`, stretches of other rules go where those of `rules` cover them.
    """
    rows = sorted(rows)
    current = merged((row[1], row[2]) for row in rows if row[0] == rules)
    left: list[Progress] = []
    for row in rows:
        if replaced and row[0] != rules and not gaps(current, row[1], row[2]):
            continue
        if left and left[-1][0] == row[0] and left[-1][2] == row[1]:
            counts = [a + b for a, b in zip(left[-1][3:], row[3:], strict=True)]
            left[-1] = (row[0], left[-1][1], row[2], *counts)
        else:
            left.append(tuple(row))
    return left


def merged(stretches: Iterable[Stretch]) -> tuple[Stretch, ...]:
    """Return the union of stretches, in order, neighbours joined."""
    result: list[Stretch] = []
    for start, end in sorted(stretches):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((start, end))
    return tuple(result)


def gaps(stretches: Iterable[Stretch], start: int, end: int) -> list[Stretch]:
    """Return what of [start, end) is in none of the stretches."""
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


def inside(positions: NDArray[np.int64], stretches: Iterable[Stretch]) -> NDArray[np.bool_]:
    """Tell which positions lie in one of the stretches."""
    result = np.zeros(len(positions), bool)
    for start, end in stretches:
        result |= (positions >= start) & (positions < end)
    return result
