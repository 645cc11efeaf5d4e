"""The ledger of a folder of Parquet files, in `_fixfeed/sources.json`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fixfeed.io.ledger.counts import Counted, those_that_hold
from fixfeed.io.ledger.identity import (
    Match,
    StoredSource,
    digests_of,
    identify,
    place_of,
    stored_source,
)
from fixfeed.io.ledger.keys import now
from fixfeed.io.ledger.ledger import (
    COUNTS,
    REPLACED,
    Known,
    Progress,
    Stretch,
    by_source,
    known,
    merged,
    reprocessed_elsewhere,
    settled,
    totals,
)
from fixfeed.io.ledger.source import Source
from fixfeed.io.ledger.witness import note
from fixfeed.io.parquet.commits import CountedRow
from fixfeed.io.parquet.folder import ParquetFolder

__all__ = ["ParquetLedger", "counted_by"]

_STORED = ("source_id", "kind", "place", "file_id", "fingerprint", "digests")


class ParquetLedger(ParquetFolder):
    """The ledger of a lake (`Ledger`)."""

    def register(
        self, sources: Sequence[Source], *, rules: str, replace: bool = False
    ) -> dict[str, Known]:
        """See `Ledger`. Two processes may register the same source at once."""
        with self.changing() as state:
            rows = state["sources"]
            by_id = {one["source_id"]: one for one in rows}
            progress = by_source(state["progress"])
            found = _identified(sources, rows, progress)
            for source in sources:
                match = found.get(source.key)
                if match is None:
                    found[source.key] = Match(_add(rows, source))
                elif match.is_news(source):
                    one = match.stored
                    _update(
                        by_id[one.source_id], source, one, progress.setdefault(one.source_id, [])
                    )
            state["progress"] = [[key, *row] for key, some in progress.items() for row in some]
            ids = {key: match.stored.source_id for key, match in found.items()}
            if replace:
                _claim(rows, ids.values(), rules)
            ends = {one["source_id"]: one["stored_end"] for one in rows}
        return known(ids, ends, progress, rules=rules)

    def look_up(self, sources: Sequence[Source], *, rules: str) -> dict[str, Known]:
        """See `Ledger`."""
        state = self.load()
        rows, progress = state["sources"], by_source(self.progress(state))
        found = _identified(sources, rows, progress)
        ids = {key: match.stored.source_id for key, match in found.items()}
        ends = {one["source_id"]: one["stored_end"] for one in rows}
        return known(ids, ends, progress, rules=rules)

    def restart(self, source_ids: Iterable[int], *, rules: str) -> None:
        """See `Ledger`."""
        again = set(source_ids)
        with self.changing() as state:
            _claim(state["sources"], again, rules)
            progress = by_source(state["progress"])
            whole = {
                source_id
                for source_id in again
                if {row[0] for row in progress.get(source_id, ())} == {rules}
            }
            for row in state["progress"]:
                if row[0] in whole:
                    row[1] = f"{REPLACED}{rules}"

    def check_claims(self, source_ids: Iterable[int], *, rules: str) -> None:
        """Raise `SinkError` if another job has begun to reprocess one of these sources."""
        for one in self.load()["sources"]:
            if one["source_id"] in source_ids and one["claim"] != rules:
                raise reprocessed_elsewhere(self.place, one["name"])

    def finish(self, ends: Mapping[int, str]) -> dict[int, tuple[Stretch, ...]]:
        """See `Ledger`. Commits so far are merged into sources.json."""
        with self.changing() as state:
            progress = by_source(state["progress"])
            for one in state["sources"]:
                source_id = one["source_id"]
                if source_id in ends:
                    rows = progress.get(source_id, [])
                    progress[source_id] = rows = settled(rows)
                    one |= zip(("bytes", *COUNTS), totals(rows), strict=True)
                    one["last_seen"] = now()
                    one["stored_end"] = ends[source_id] or one["stored_end"]
            state["progress"] = [[key, *row] for key, rows in progress.items() for row in rows]
        return {key: merged((row[1], row[2]) for row in progress.get(key, ())) for key in ends}

    def keep_counts(self) -> None:
        """See `CountingLedger`; a lake needs nothing for it."""

    def counted(self, run: str) -> dict[int, Counted]:
        """See `CountingLedger`."""
        state = self.load()
        self.progress(state)
        return {
            source_id: sum((Counted.read(text) for _, _, text in rows), Counted())
            for source_id, rows in counted_by(self.counted_rows(state), run).items()
        }

    def forget_counts(self, run: str) -> None:
        """See `CountingLedger`."""
        with self.changing() as state:
            state["counted"] = [row for row in state["counted"] if row[0] != run]


def counted_by(rows: Iterable[CountedRow], run: str) -> dict[int, list[tuple[int, int, str]]]:
    """Return the start, end and counts of each stretch that a run has counted, by source id.

    They are in order. An unfinished end counts as it came last, and not once a stretch has it.
    """
    found: dict[int, dict[tuple[int, int], str]] = {}
    for one, source_id, start, end, text in rows:
        if one == run:
            found.setdefault(source_id, {})[start, end] = text
    return {source_id: those_that_hold(stretches) for source_id, stretches in found.items()}


def _identified(
    sources: Sequence[Source],
    rows: Sequence[Mapping[str, Any]],
    progress: Mapping[int, Sequence[Progress]],
) -> dict[str, Match]:
    stored = [
        stored_source([one[name] for name in _STORED], progress.get(one["source_id"], ()))
        for one in rows
    ]
    return identify(sources, stored)


def _claim(stored: list[dict[str, Any]], source_ids: Iterable[int], rules: str) -> None:
    again = set(source_ids)
    for one in stored:
        if one["source_id"] in again:
            one["claim"] = rules


def _add(stored: list[dict[str, Any]], source: Source) -> StoredSource:
    source_id = stored[-1]["source_id"] + 1 if stored else 1
    place, file_id, fingerprint = place_of(source)
    digests, moment = digests_of(source), now()
    stored.append(
        {
            "source_id": source_id,
            "kind": source.kind,
            "name": source.name,
            "place": place,
            "file_id": file_id,
            "fingerprint": fingerprint,
            "digests": digests,
            "stored_end": "",
            "claim": "",
            "bytes": 0,
            **dict.fromkeys(COUNTS, 0),
            "first_seen": moment,
            "last_seen": moment,
        }
    )
    return StoredSource(source_id, source.kind, place, file_id, fingerprint, digests)


def _update(
    row: dict[str, Any], source: Source, stored: StoredSource, progress: list[Progress]
) -> None:
    """Store a source's current place and beginning, and the witness of its end if it is missing."""
    row["place"], row["file_id"], row["fingerprint"] = place_of(source)
    row["digests"], row["last_seen"] = digests_of(source), now()
    witness = stored.missing_witness(source)
    progress[:] = [
        (*one[:-1], note(stored.extent, witness)) if witness and one[2] == stored.extent else one
        for one in progress
    ]
