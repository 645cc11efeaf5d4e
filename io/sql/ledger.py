"""What a database remembers of its sources: the ledger of SQLite and PostgreSQL."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

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
    REPLACED,
    Known,
    Progress,
    Stretch,
    by_source,
    known,
    merged,
    settled,
)
from fixfeed.io.ledger.source import Source
from fixfeed.io.ledger.witness import note
from fixfeed.io.sql.database import Database
from fixfeed.io.sql.tables import PROGRESS, SET_WITNESSES, STORED_SOURCES

__all__ = ["SqlLedger"]


class SqlLedger(Database):
    """The ledger of a database (`Ledger`)."""

    def register(
        self, sources: Sequence[Source], *, rules: str, replace: bool = False
    ) -> dict[str, Known]:
        """See `Ledger`. Two processes may register the same source at once."""
        rows = self.query(STORED_SOURCES)
        found = identify(sources, self._stored(rows))
        news = any(one.key not in found or found[one.key].is_news(one) for one in sources)
        if news or replace:
            with self.transaction():
                self.lock_schema()
                # Another process may have stored some meanwhile.
                rows = self.query(STORED_SOURCES)
                found = identify(sources, self._stored(rows))
                for source in sources:
                    match = found.get(source.key)
                    if match is None:
                        found[source.key] = Match(self._add(source))
                    elif match.is_news(source):
                        self._update(source, match.stored)
                if replace:
                    self._claim([one.source_id for one, _ in found.values()], rules)
        return self._known(found, rows, rules)

    def look_up(self, sources: Sequence[Source], *, rules: str) -> dict[str, Known]:
        """See `Ledger`."""
        rows = self.query(STORED_SOURCES)
        return self._known(identify(sources, self._stored(rows)), rows, rules)

    def _known(
        self, found: Mapping[str, Match], rows: Sequence[Sequence[Any]], rules: str
    ) -> dict[str, Known]:
        ids = {key: one.source_id for key, (one, _) in found.items()}
        return known(
            ids, {row[0]: row[-1] for row in rows}, self._progress(ids.values()), rules=rules
        )

    def _stored(self, rows: Sequence[Sequence[Any]]) -> list[StoredSource]:
        progress = self._progress([row[0] for row in rows])
        return [stored_source(row, progress.get(row[0], ())) for row in rows]

    def _add(self, source: Source) -> StoredSource:
        source_id = int(
            self.query("select coalesce(max(source_id), 0) + 1 from source_identities")[0][0]
        )
        place, file_id, fingerprint = place_of(source)
        digests, moment = digests_of(source), now()
        self.query(
            "insert into source_identities (source_id, kind, name, place, file_id, fingerprint,"
            " digests, first_seen, last_seen) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            source_id,
            source.kind,
            source.name,
            place,
            file_id,
            fingerprint,
            digests,
            moment,
            moment,
        )
        return StoredSource(source_id, source.kind, place, file_id, fingerprint, digests)

    def _update(self, source: Source, stored: StoredSource) -> None:
        """Store where a source is now and what it begins with."""
        self.query(
            "update source_identities set place = ?, file_id = ?, fingerprint = ?, digests = ?,"
            " last_seen = ? where source_id = ?",
            *place_of(source),
            digests_of(source),
            now(),
            stored.source_id,
        )
        if witness := stored.missing_witness(source):
            self.query(
                SET_WITNESSES,
                note(stored.extent, witness),
                stored.source_id,
                stored.extent,
            )

    def _progress(self, ids: Collection[int]) -> dict[int, list[Progress]]:
        """Return the rows of progress of sources, and of those with ids between theirs."""
        return by_source(
            self.query(
                f"select source_id, {PROGRESS} from progress where source_id between ? and ?",
                min(ids, default=0),
                max(ids, default=0),
            )
        )

    def restart(self, source_ids: Iterable[int], *, rules: str) -> None:
        """See `Ledger`."""
        again = sorted(set(source_ids))
        with self.transaction():
            self._claim(again, rules)
            progress = self._progress(again)
            for source_id in again:
                if {row[0] for row in progress.get(source_id, ())} == {rules}:
                    self.query(
                        "update progress set rules = ? where source_id = ?",
                        f"{REPLACED}{rules}",
                        source_id,
                    )

    def _claim(self, source_ids: Iterable[int], rules: str) -> None:
        for source_id in sorted(source_ids):
            self.query(
                "update source_identities set claim = ? where source_id = ?", rules, source_id
            )

    def finish(self, ends: Mapping[int, str]) -> dict[int, tuple[Stretch, ...]]:
        """See `Ledger`."""
        with self.transaction():
            # In order, so that two jobs wait for each other but do not deadlock.
            progress = self._progress(ends.keys())
            done = {}
            for source_id, stored_end in sorted(ends.items()):
                rows = progress.get(source_id, [])
                if len(settled(rows)) < len(rows):
                    # What another job has done meanwhile is among what goes, or stays.
                    rows = self.query(
                        f"delete from progress where source_id = ? returning {PROGRESS}", source_id
                    )
                    for one in settled(rows):
                        self.insert_progress(source_id, *one)
                done[source_id] = merged((row[1], row[2]) for row in rows)
                self.query(
                    "update source_identities set stored_end = case when ? = '' then stored_end"
                    " else ? end, last_seen = ? where source_id = ?",
                    stored_end,
                    stored_end,
                    now(),
                    source_id,
                )
        return done

    def insert_progress(self, source_id: int, *row: Any) -> None:
        """Store a row of progress of a source; the transaction is the caller's."""
        self.query("insert into progress values (?, ?, ?, ?, ?, ?, ?, ?, ?)", source_id, *row)
