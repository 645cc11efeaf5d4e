"""What a folder of Parquet files remembers of its sources, in `_fixfeed/sources.json`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fixio.database import now
from fixio.ledger import (
    COUNTS,
    Known,
    Mark,
    Progress,
    Source,
    identify,
    known,
    merged,
    settled,
)
from fixio.parquet_folder import ParquetFolder

__all__ = ["ParquetLedger"]


class ParquetLedger(ParquetFolder):
    """The ledger of a local folder (`fixio.ledger.Ledger`)."""

    def register(self, sources: Sequence[Source], *, rules: str) -> dict[str, Known]:
        """See `fixio.ledger.Ledger`. Two processes may register the same source at once."""
        with self.changing() as state:
            stored = {one["source_id"]: one for one in state["sources"]}
            marks = {
                source_id: Mark(one["mark_digests"], one["mark_size"])
                for source_id, one in stored.items()
            }
            rows = _by_source(state["progress"])
            ids = identify(
                sources,
                [
                    (source_id, one["kind"], one["fingerprint"], one["mark_digests"])
                    for source_id, one in stored.items()
                ],
                lambda source, name: _add(state["sources"], source, name),
            )
        return {
            key: known(source_id, rows.get(source_id, ()), rules, marks.get(source_id))
            for key, source_id in ids.items()
        }

    def restart(self, source_ids: Iterable[int], *, rules: str) -> None:
        """See `fixio.ledger.Ledger`."""
        with self.changing() as state:
            again = set(source_ids)
            rows = _by_source(state["progress"])
            for row in state["progress"]:
                if row[0] in again and {used for used, *_ in rows[row[0]]} == {rules}:
                    row[1] = f"replaced:{rules}"

    def finish(
        self, marks: Mapping[int, Mark | None], *, rules: str, reprocessed: Iterable[int]
    ) -> None:
        """See `fixio.ledger.Ledger`. Commits so far are taken into sources.json."""
        again = set(reprocessed)
        with self.changing() as state:
            by_source = _by_source(state["progress"])
            for one in state["sources"]:
                source_id = one["source_id"]
                if source_id in marks:
                    rows = by_source.get(source_id, [])
                    by_source[source_id] = rows = settled(rows, rules, replaced=source_id in again)
                    for index, name in enumerate(COUNTS, 3):
                        one[name] = sum(row[index] for row in rows)
                    stretches = merged((row[1], row[2]) for row in rows)
                    one["bytes"] = sum(end - start for start, end in stretches)
                    one["last_seen"] = now()
                    if mark := marks[source_id]:
                        one["mark_digests"], one["mark_size"] = mark
            state["progress"] = [(key, *row) for key, rows in by_source.items() for row in rows]


def _by_source(progress: Iterable[Sequence[Any]]) -> dict[int, list[Progress]]:
    found: dict[int, list[Progress]] = {}
    for source_id, *row in progress:
        found.setdefault(source_id, []).append(tuple(row))
    return found


def _add(stored: list[dict[str, Any]], source: Source, name: str) -> int:
    source_id = stored[-1]["source_id"] + 1 if stored else 1
    moment = now()
    stored.append(
        {
            "source_id": source_id,
            "kind": source.kind,
            "name": source.name,
            "fingerprint": name,
            "bytes": 0,
            **dict.fromkeys(COUNTS, 0),
            "first_seen": moment,
            "last_seen": moment,
            "mark_digests": source.digests,
            "mark_size": 0,
        }
    )
    return source_id
