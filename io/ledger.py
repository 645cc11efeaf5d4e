"""What a sink remembers of its sources: which stretches of each are done, and by which rules."""

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    "gaps",
    "identify",
    "inside",
    "known",
    "merged",
    "register_keys",
    "settled",
]

HEAD = 4096
"""How many bytes of a file's beginning make its fingerprint."""

_DIGEST = 16  # bytes

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

    def register(self, sources: Sequence[Source], *, rules: str) -> dict[str, Known]:
        """Return what is known of each source by its key; new ones are stored with their digests.

        `identify` says by what a source is known.
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
    return f"{len(head)}:{hashlib.blake2b(head, digest_size=_DIGEST).hexdigest()}"


def agree(some: str, others: str) -> bool:
    """Tell whether two files' digests (see `Mark`) are equal at the last position both have.

    Without such a position they do: a file of less than a head is known by its head alone.
    """
    one = dict(part.split(":") for part in some.split())
    other = dict(part.split(":") for part in others.split())
    common = max(one.keys() & other.keys(), key=int, default=None)
    return common is None or one[common] == other[common]


class _Stored:
    """The stored sources of one kind, by fingerprint."""

    def __init__(self) -> None:
        # Of several with one fingerprint the later ones are stored as `n:hex#2` and so on.
        self._sources: dict[str, list[tuple[int, str]]] = {}
        self._lengths: list[int] = []

    def enter(self, source_id: int, name: str, digests: str) -> None:
        """Take in a source that is stored under a fingerprint."""
        name = name.partition("#")[0]
        length = int(name.partition(":")[0])
        at = bisect_left(self._lengths, length)
        if self._lengths[at : at + 1] != [length]:
            self._lengths.insert(at, length)
        self._sources.setdefault(name, []).append((source_id, digests))

    def free_name(self, head: bytes) -> str:
        """Return the fingerprint to store a new source under."""
        name = fingerprint(head)
        others = len(self._sources.get(name, ()))
        return f"{name}#{others + 1}" if others else name

    def find(self, source: Source) -> int | None:
        """Return the source with the longest fingerprint of this one's head, if digests agree."""
        head = source.head[:HEAD]
        found = self._agreeing(fingerprint(head), source)
        if found is not None:
            return found
        # All beginnings of the head that there are fingerprints of, in one pass over it.
        digest, at = hashlib.blake2b(digest_size=_DIGEST), 0
        for length in self._lengths[: bisect_left(self._lengths, len(head))]:
            digest.update(head[at:length])
            at = length
            one = self._agreeing(f"{length}:{digest.hexdigest()}", source)
            found = found if one is None else one
        return found

    def _agreeing(self, name: str, source: Source) -> int | None:
        for source_id, digests in self._sources.get(name, ()):
            if agree(source.digests, digests):
                return source_id
        return None


def identify(
    sources: Iterable[Source],
    stored: Iterable[tuple[int, str, str, str]],
    add: Callable[[Source, str], int] | None = None,
) -> dict[str, int]:
    """Return the source ids of sources, by key.

    `stored` are the id, kind, fingerprint and digests of all sources that a ledger has. One is the
    stored source of its kind with the longest fingerprint that its head has, if `agree` holds for
    the digests. What is not stored goes, with the fingerprint to store it under, to `add`, which
    returns its id; without `add` it is left out.
    """
    kinds: dict[str, _Stored] = {}
    for source_id, kind, name, digests in stored:
        kinds.setdefault(kind, _Stored()).enter(source_id, name, digests)
    found = {}
    for source in sources:
        alike = kinds.setdefault(source.kind, _Stored())
        one = alike.find(source)
        if one is None and add:
            name = alike.free_name(source.head)
            one = add(source, name)
            alike.enter(one, name, source.digests)
        if one is not None:
            found[source.key] = one
    return found


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
