"""What a sink remembers of its sources: which stretches of each are done, and by which rules."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

__all__ = [
    "HEAD",
    "MARK",
    "Known",
    "Ledger",
    "Mark",
    "SchemaError",
    "SinkError",
    "Source",
    "Stretch",
    "agree",
    "fingerprint",
    "gaps",
    "merged",
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
        if begin > start and begin < end:
            result.append((start, begin))
        start = max(start, stop)
    if start < end:
        result.append((start, end))
    return result
