"""Decides which stored source a content is: by what was read of it, wherever it is now.

A content (for files: that of a file) continues a source if it still holds all that is known to have
been read of the source: it is long enough and has every witness (`ledger.witness`). That alone is
not enough, since different contents may begin alike:

* If less than 4096 bytes were read, that is too short to decide: place (a path) or id (an inode)
  must be the same too. If nothing was read yet because it could not be, the beginning that was seen
  counts as read.
* At another place a content continues a source only if that at the source's own place no longer
  does: a file was renamed, rotated or compressed. If it still does, the content counts as the
  source only if it is a copy: all its bytes begin the other one.
* Only one content continues a source, copies aside.

Of several sources, the one read furthest is continued, then the one with the same place, then the
one with the same id. Without proof it is a new source: reading again is safe, losing data is not.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fixfeed.io.ledger import version_1
from fixfeed.io.ledger.ledger import Progress
from fixfeed.io.ledger.source import Content, Source
from fixfeed.io.ledger.witness import TELLING, noted
from fixfeed.io.redaction import redact_path

__all__ = [
    "Match",
    "StoredSource",
    "digests_of",
    "identify",
    "place_of",
    "storable",
    "stored_source",
]

_MOST_INSIDE = 32  # places checked in a stretch, besides its end


@dataclass(frozen=True, slots=True)
class StoredSource:
    """A source as a ledger stores it.

    `place` and `file_id` are those of its content when it was last seen, `fingerprint` is the
    witness of its first 4096 bytes, and `digests` are those of its beginning as `digests_of` writes
    them. `extent` is how far it was read. `witnesses` are those of positions that were read up to,
    and, if nothing was read, those of its beginning as it was seen.
    """

    source_id: int
    kind: str
    place: str
    file_id: str
    fingerprint: str
    digests: str
    extent: int = 0
    witnesses: Mapping[int, str] = field(default_factory=dict)

    @property
    def telling(self) -> bool:
        """Whether enough of it is known to recognise it by its content."""
        return (self.extent or max(self.witnesses, default=0)) >= TELLING

    def missing_witness(self, source: Source) -> str:
        """Return the witness of the end of what was read, `` if it is stored already.

        Ledgers of older versions lack it; it is taken from the content identified as the source.
        """
        if source.content is None or not self.extent or self.extent in self.witnesses:
            return ""
        return source.content.witnesses([self.extent]).get(self.extent, "")


def stored_source(row: Sequence[Any], progress: Iterable[Progress]) -> StoredSource:
    """Return a source from its row (the columns of `StoredSource` up to digests) and progress."""
    source_id, kind, place, file_id, fingerprint, digests = row[:6]
    rows = list(progress)
    extent = max((row[2] for row in rows), default=0)
    beginning = dict(part.split(":") for part in digests.split())
    witnesses = {
        int(at): digest for at, digest in beginning.items() if int(at) <= extent or not extent
    }
    for row in rows:
        inner = noted(row[-1])
        end = inner.pop(row[2], "")
        witnesses |= dict(list(inner.items())[:: 1 + len(inner) // _MOST_INSIDE])
        witnesses |= {row[2]: end} if end else {}
    place = version_1.absolute(place)
    return StoredSource(source_id, kind, place, file_id, fingerprint, digests, extent, witnesses)


def digests_of(source: Source) -> str:
    """Return the witnesses of a source's beginning, `position:digest` separated by spaces."""
    known = source.content.known if source.content else {}
    return " ".join(f"{at}:{digest}" for at, digest in sorted(known.items()))


class Match(NamedTuple):
    """The stored source that matches a source; with `copy`, that one has a content of its own."""

    stored: StoredSource
    copy: bool = False

    def is_news(self, source: Source) -> bool:
        """Return whether the source's place or content differs from the ledger's entry."""
        one = self.stored
        if source.content is None or self.copy:
            return False
        return (
            (one.place, one.file_id, one.fingerprint) != place_of(source)
            or one.digests != digests_of(source)
            or (one.extent > 0 and one.extent not in one.witnesses)
        )


def place_of(source: Source) -> tuple[str, str, str]:
    """Return place, inode and fingerprint of a source as a ledger stores them."""
    content = source.content
    if content is None:
        return "", "", fingerprint_of(source.key)
    return storable(content.place), content.file_id, content.fingerprint


def storable(place: str) -> str:
    """Return a path as text that any database takes: redacted, with non-UTF-8 bytes escaped."""
    return redact_path(place).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def fingerprint_of(key: str) -> str:
    """Return the fingerprint of a source known only by its key."""
    return "key:" + hashlib.blake2b(key.encode(), digest_size=16).hexdigest()


def identify(sources: Sequence[Source], stored: Iterable[StoredSource]) -> dict[str, Match]:
    """Return the stored source of each source, by key; new ones are left out.

    A source without content is known by its key.
    """
    found: dict[str, Match] = {}
    index = _Index(stored)
    for source in sources:
        if source.content is None:
            one = index.by_key.get((source.kind, fingerprint_of(source.key)))
            if one:
                found[source.key] = Match(one)
    contents = {one.key: one.content for one in sources if one.content is not None}
    places = {storable(content.place): content for content in contents.values()}
    pairs = [
        (_rank(content, one), key, one)
        for key, content in contents.items()
        for one in index.candidates(content)
        if _holds(content, one)
    ]
    taken: set[int] = set()
    for _, key, one in sorted(pairs, key=lambda pair: pair[0]):
        content = contents[key]
        if key in found:
            continue
        if storable(content.place) != one.place:
            own = places.get(one.place) or content.look_at(one.place)
            if own and own.holds(one.witnesses):
                if one.extent >= TELLING and content.begins(own):
                    found[key] = Match(one, copy=True)
                continue
        if one.source_id not in taken:
            taken.add(one.source_id)
            found[key] = Match(one)
    return found


def _holds(content: Content, one: StoredSource) -> bool:
    if content.holds(one.witnesses):
        return True
    if not content.file_id or content.file_id != one.file_id:
        return False
    # Another job may have read on since it was looked at here.
    now = content.now()
    return now is not None and now.holds(one.witnesses) and now.holds(content.known)


def _rank(content: Content, one: StoredSource) -> tuple[int, bool, bool]:
    return (
        -one.extent,
        storable(content.place) != one.place,
        not content.file_id or content.file_id != one.file_id,
    )


class _Index:
    """Stored sources, indexed by what a content may share with them."""

    def __init__(self, stored: Iterable[StoredSource]):
        self.by_key: dict[tuple[str, str], StoredSource] = {}
        self._by_place: dict[str, list[StoredSource]] = {}
        self._by_file_id: dict[str, list[StoredSource]] = {}
        self._by_fingerprint: dict[str, list[StoredSource]] = {}
        for one in stored:
            if one.fingerprint.startswith("key:"):
                self.by_key[one.kind, one.fingerprint] = one
                continue
            for key, where in (
                (one.place, self._by_place),
                (one.file_id, self._by_file_id),
                # `` if it was shorter when it was last looked at.
                (one.fingerprint, self._by_fingerprint),
            ):
                where.setdefault(key, []).append(one)

    def candidates(self, content: Content) -> Collection[StoredSource]:
        """Return the sources that a content may continue, each once."""
        told_by_name = self._by_place.get(storable(content.place), [])
        if content.file_id:
            told_by_name = told_by_name + self._by_file_id.get(content.file_id, [])
        alike = self._by_fingerprint.get(content.fingerprint, []) if content.fingerprint else []
        alike = alike + self._by_fingerprint.get("", [])
        told_by_content = [one for one in alike if one.telling]
        return {one.source_id: one for one in [*told_by_name, *told_by_content]}.values()
