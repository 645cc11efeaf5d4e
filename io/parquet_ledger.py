"""What a folder of Parquet files remembers of its sources, in `_fixfeed/sources.json`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fixio.database import now
from fixio.identity import identify
from fixio.ledger import (
    COUNTS,
    Known,
    Mark,
    Source,
    by_source,
    known,
    settled,
    totals,
)
from fixio.parquet_folder import ParquetFolder

__all__ = ["ParquetLedger"]

_STORED = ("source_id", "kind", "fingerprint", "mark_digests", "mark_size")


class ParquetLedger(ParquetFolder):
    """The ledger of a local folder (`fixio.ledger.Ledger`)."""

    def register(self, sources: Sequence[Source], *, rules: str) -> dict[str, Known]:
        """See `fixio.ledger.Ledger`. Two processes may register the same source at once."""
        with self.changing() as state:
            stored = [tuple(one[name] for name in _STORED) for one in state["sources"]]
            progress = by_source(state["progress"])
            ids = identify(
                sources, stored, lambda source, name: _add(state["sources"], source, name)
            )
        return known(ids, stored, progress, rules=rules)

    def restart(self, source_ids: Iterable[int], *, rules: str) -> None:
        """See `fixio.ledger.Ledger`."""
        with self.changing() as state:
            progress = by_source(state["progress"])
            again = {
                source_id
                for source_id in source_ids
                if {row[0] for row in progress.get(source_id, ())} == {rules}
            }
            for row in state["progress"]:
                if row[0] in again:
                    row[1] = f"replaced:{rules}"

    def finish(
        self, marks: Mapping[int, Mark | None], *, rules: str, reprocessed: Iterable[int]
    ) -> None:
        """See `fixio.ledger.Ledger`. Commits so far are taken into sources.json."""
        again = set(reprocessed)
        with self.changing() as state:
            progress = by_source(state["progress"])
            for one in state["sources"]:
                source_id = one["source_id"]
                if source_id in marks:
                    rows = progress.get(source_id, [])
                    progress[source_id] = rows = settled(rows, rules, replaced=source_id in again)
                    one |= zip(("bytes", *COUNTS), totals(rows), strict=True)
                    one["last_seen"] = now()
                    if mark := marks[source_id]:
                        one["mark_digests"], one["mark_size"] = mark
            state["progress"] = [(key, *row) for key, rows in progress.items() for row in rows]


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
