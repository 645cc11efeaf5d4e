"""What a folder of Parquet files remembers of its sources, in `_fixfeed/sources.json`."""

import fcntl
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fixio.database import now
from fixio.ledger import (
    COUNTS,
    Known,
    Mark,
    Progress,
    Source,
    free_fingerprint,
    known,
    matching,
    merged,
    settled,
)
from fixio.parquet_folder import ParquetFolder

__all__ = ["ParquetLedger"]


class ParquetLedger(ParquetFolder):
    """The ledger of a local folder (`fixio.ledger.Ledger`)."""

    def find(self, source: Source, *, rules: str) -> Known | None:
        """See `fixio.ledger.Ledger`."""
        if not self.state_file.exists():
            return None
        with self.locked(fcntl.LOCK_SH):
            return self._find(self.load(), source, rules)

    def register(self, sources: Sequence[Source], *, rules: str) -> dict[str, Known]:
        """See `fixio.ledger.Ledger`. Two processes may register the same source at once."""
        result = {}
        with self.changing() as state:
            for source in sources:
                found = self._find(state, source, rules) or self._add(state, source)
                result[source.key] = found
        return result

    def restart(self, source_ids: Iterable[int], *, rules: str) -> None:
        """See `fixio.ledger.Ledger`."""
        with self.changing() as state:
            for source_id in source_ids:
                rows = [row for row in state["progress"] if row[0] == source_id]
                if {row[1] for row in rows} == {rules}:
                    for row in rows:
                        row[1] = f"replaced:{rules}"

    def finish(
        self, marks: Mapping[int, Mark | None], *, rules: str, reprocessed: Iterable[int]
    ) -> None:
        """See `fixio.ledger.Ledger`. Commits so far are taken into sources.json."""
        again = set(reprocessed)
        with self.changing() as state:
            by_source: dict[int, list[Progress]] = {}
            for source_id, *row in state["progress"]:
                by_source.setdefault(source_id, []).append(tuple(row))
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

    def _find(self, state: Mapping[str, Any], source: Source, rules: str) -> Known | None:
        stored = {one["source_id"]: one for one in state["sources"] if one["kind"] == source.kind}
        source_id = matching(
            source,
            [(number, one["fingerprint"], one["mark_digests"]) for number, one in stored.items()],
        )
        if source_id is None:
            return None
        rows = [tuple(row[1:]) for row in self.progress(state) if row[0] == source_id]
        digests, size = stored[source_id]["mark_digests"], stored[source_id]["mark_size"]
        return known(source_id, rows, rules, Mark(digests, size) if digests else None)

    def _add(self, state: dict[str, Any], source: Source) -> Known:
        taken = {one["fingerprint"] for one in state["sources"] if one["kind"] == source.kind}
        source_id = max((one["source_id"] for one in state["sources"]), default=0) + 1
        moment = now()
        state["sources"].append(
            {
                "source_id": source_id,
                "kind": source.kind,
                "name": source.name,
                "fingerprint": free_fingerprint(source, taken),
                "bytes": 0,
                **dict.fromkeys(COUNTS, 0),
                "first_seen": moment,
                "last_seen": moment,
                "mark_digests": source.digests,
                "mark_size": 0,
            }
        )
        return Known(source_id)
