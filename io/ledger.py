"""What a sink remembers of its sources: which stretches of each are done, and by which rules."""

import hashlib
from collections.abc import Container, Iterable, Mapping, Sequence
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
    "Stretch",
    "agree",
    "fingerprint",
    "free_fingerprint",
    "gaps",
    "inside",
    "known",
    "matching",
    "merged",
    "register_keys",
    "settled",
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

    def find(self, source: Source, *, rules: str) -> Known | None:
        """Return what is known of a source, None if it is new; nothing is changed."""

    def register(self, sources: Sequence[Source], *, rules: str) -> dict[str, Known]:
        """Return what is known of each source by its key; new ones are stored with their digests.

        A source is known by the longest stored fingerprint that its head has, if `agree` holds for
        the digests.
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


def fingerprint(head: bytes) -> str:
    """Return the length of `head` (cut at `HEAD`) and its BLAKE2b digest of 16 bytes, `n:hex`."""
    head = head[:HEAD]
    return f"{len(head)}:{hashlib.blake2b(head, digest_size=16).hexdigest()}"


def agree(some: str, others: str) -> bool:
    """Tell whether two files' digests (see `Mark`) are equal at the last position both have.

    Without such a position they do: a file of less than a head is known by its head alone.
    """
    one = dict(part.split(":") for part in some.split())
    other = dict(part.split(":") for part in others.split())
    common = max(one.keys() & other.keys(), key=int, default=None)
    return common is None or one[common] == other[common]


def matching(source: Source, stored: Iterable[tuple[int, str, str]]) -> int | None:
    """Return which of the stored sources (id, fingerprint, digests) this one is, None if none.

    It is the one with the longest fingerprint that its head has, if the digests agree. Of several
    with one fingerprint the later ones are stored with a number behind it, `n:hex#2`.
    """
    by_fingerprint: dict[str, list[tuple[int, str]]] = {}
    for source_id, text, digests in stored:
        by_fingerprint.setdefault(text.partition("#")[0], []).append((source_id, digests))
    lengths = {int(text.partition(":")[0]) for text in by_fingerprint}
    for length in sorted(lengths, reverse=True):
        if 0 < length <= len(source.head):
            for source_id, digests in by_fingerprint.get(fingerprint(source.head[:length]), ()):
                if agree(source.digests, digests):
                    return source_id
    return None


def free_fingerprint(source: Source, taken: Container[str]) -> str:
    """Return the fingerprint to store a new source under; see `matching` for the number."""
    wanted = name = fingerprint(source.head)
    number = 1
    while name in taken:
        number += 1
        name = f"{wanted}#{number}"
    return name


def known(source_id: int, rows: Iterable[Progress], rules: str, mark: Mark | None) -> Known:
    """Return what rows of progress say of a source."""
    rows = list(rows)
    return Known(
        source_id=source_id,
        done=merged((row[1], row[2]) for row in rows),
        current=merged((row[1], row[2]) for row in rows if row[0] == rules),
        rules=frozenset(row[0] for row in rows),
        mark=mark,
    )


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
