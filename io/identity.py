"""Which of the sources that a ledger has a file is: by its beginning, whatever it is called."""

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterable

from fixio.ledger import HEAD, Source, Stored

__all__ = ["agree", "fingerprint", "identify"]

_DIGEST = 16  # bytes


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


class _Fingerprints:
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
            longer = self._agreeing(f"{length}:{digest.hexdigest()}", source)
            if longer is not None:
                found = longer
        return found

    def _agreeing(self, name: str, source: Source) -> int | None:
        for source_id, digests in self._sources.get(name, ()):
            if agree(source.digests, digests):
                return source_id
        return None


def identify(
    sources: Iterable[Source],
    stored: Iterable[Stored],
    add: Callable[[Source, str], int] | None = None,
) -> dict[str, int]:
    """Return the source ids of sources, by key.

    `stored` are all sources that a ledger has. One is the stored source of its kind with the
    longest fingerprint that its head has, if `agree` holds for the digests. What is not stored
    goes, with the fingerprint to store it under, to `add`, which returns its id; without `add` it
    is left out.
    """
    kinds: dict[str, _Fingerprints] = {}
    for source_id, kind, name, digests, *_ in stored:
        kinds.setdefault(kind, _Fingerprints()).enter(source_id, name, digests)
    found = {}
    for source in sources:
        alike = kinds.setdefault(source.kind, _Fingerprints())
        one = alike.find(source)
        if one is None and add:
            name = alike.free_name(source.head)
            one = add(source, name)
            alike.enter(one, name, source.digests)
        if one is not None:
            found[source.key] = one
    return found
