"""The ledger of a file of JSON lines."""

from collections.abc import Iterable, Mapping, Sequence

from fixfeed.io.jsonl.database import JsonlDatabase
from fixfeed.io.ledger.identity import (
    Match,
    StoredSource,
    digests_of,
    place_of,
)
from fixfeed.io.ledger.ledger import Known, SinkError, Stretch, merged
from fixfeed.io.ledger.source import Source
from fixfeed.io.sql.progress import identified, move_source, progress_of, settle

__all__ = ["JsonlLedger"]


class JsonlLedger(JsonlDatabase):
    """The ledger of a file of JSON lines (`Ledger`)."""

    def __init__(self, place: str):
        """Store the file's name; nothing is opened or made."""
        super().__init__(place)
        self._restarted: set[int] = set()

    def register(
        self, sources: Sequence[Source], *, rules: str, replace: bool = False
    ) -> dict[str, Known]:
        """See `Ledger`. Two processes may register the same source at once."""
        with self.transaction():
            stored = identified(self.query, sources)
            for source in sources:
                match = stored.found.get(source.key)
                if match is None:
                    stored.found[source.key] = Match(self._add(source))
                elif match.is_news(source):
                    move_source(self.query, source, match.stored)
            return stored.known(rules=rules)

    def look_up(self, sources: Sequence[Source], *, rules: str) -> dict[str, Known]:
        """See `Ledger`."""
        return identified(self.query, sources).known(rules=rules)

    def restart(self, source_ids: Iterable[int], *, rules: str) -> None:
        """Raise `SinkError` if one of the sources has lines: lines cannot be replaced.

        A source that had none at the first call may have got some from the same run since.
        """
        with self.transaction():
            again = sorted(set(source_ids) - self._restarted)
            progress = progress_of(self.query, again)
            for source_id in again:
                if progress.get(source_id):
                    raise self.irreplaceable(self.names()[source_id])
                self._restarted.add(source_id)

    def irreplaceable(self, name: str) -> SinkError:
        """Return the error for a source whose lines cannot be replaced."""
        return SinkError(
            f"{self.place} has lines of {name} already, and lines of a file cannot be replaced: "
            "leave out --reprocess to add what is missing, or write to a new file"
        )

    def finish(self, ends: Mapping[int, str]) -> dict[int, tuple[Stretch, ...]]:
        """See `Ledger`."""
        done = {}
        with self.transaction():
            progress = progress_of(self.query, ends.keys())
            for source_id, stored_end in ends.items():
                rows = settle(self.query, source_id, progress.get(source_id, []))
                done[source_id] = merged((row[1], row[2]) for row in rows)
                if stored_end:
                    self.query(
                        "update source_identities set stored_end = ? where source_id = ?",
                        stored_end,
                        source_id,
                    )
        return done

    def names(self) -> dict[int, str]:
        """Return the name that each source had when it was first seen."""
        return dict(self.query("select source_id, name from source_identities"))

    def _add(self, source: Source) -> StoredSource:
        place, file_id, fingerprint = place_of(source)
        digests = digests_of(source)
        added: list[tuple[int]] = self.query(
            "insert into source_identities (kind, name, place, file_id, fingerprint, digests)"
            " values (?, ?, ?, ?, ?, ?) returning source_id",
            *(source.kind, source.name, place, file_id, fingerprint, digests),
        )
        return StoredSource(added[0][0], source.kind, place, file_id, fingerprint, digests)

    def unfinished(self, source_id: int, start: int, end: int) -> bool:
        """Store the unfinished end of a source; return whether it differs from the one before.

        The caller holds the transaction.
        """
        row = (source_id, start, end)
        if self.query("select * from unfinished where source_id = ?", source_id) == [row]:
            return False
        self.query("insert or replace into unfinished values (?, ?, ?)", *row)
        return True
