"""The ledger of SQLite and PostgreSQL: what a database remembers about its sources."""

from collections.abc import Iterable, Mapping, Sequence

from fixfeed.io.ledger.identity import (
    Match,
    StoredSource,
    digests_of,
    place_of,
)
from fixfeed.io.ledger.keys import now
from fixfeed.io.ledger.ledger import (
    REPLACED,
    Known,
    Stretch,
    merged,
)
from fixfeed.io.ledger.source import Source
from fixfeed.io.sql.database import Database
from fixfeed.io.sql.progress import identified, move_source, progress_of, settle

__all__ = ["SqlLedger"]


class SqlLedger(Database):
    """The ledger of a database (`Ledger`)."""

    def register(
        self, sources: Sequence[Source], *, rules: str, replace: bool = False
    ) -> dict[str, Known]:
        """See `Ledger`. Two processes may register the same source at once."""
        stored = identified(self.query, sources)
        found = stored.found
        news = any(one.key not in found or found[one.key].is_news(one) for one in sources)
        if news or replace:
            with self.transaction():
                self.lock_schema()
                # Another process may have stored some of them meanwhile.
                stored = identified(self.query, sources)
                found = stored.found
                for source in sources:
                    match = found.get(source.key)
                    if match is None:
                        found[source.key] = Match(self._add(source))
                    elif match.is_news(source):
                        move_source(self.query, source, match.stored)
                        self.query(
                            "update source_identities set last_seen = ? where source_id = ?",
                            now(),
                            match.stored.source_id,
                        )
                if replace:
                    self._claim([one.source_id for one, _ in found.values()], rules)
        return stored.known(rules=rules)

    def look_up(self, sources: Sequence[Source], *, rules: str) -> dict[str, Known]:
        """See `Ledger`."""
        return identified(self.query, sources).known(rules=rules)

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

    def restart(self, source_ids: Iterable[int], *, rules: str) -> None:
        """See `Ledger`."""
        again = sorted(set(source_ids))
        with self.transaction():
            self._claim(again, rules)
            progress = progress_of(self.query, again)
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
            # They are in order, so that two jobs wait for each other but do not deadlock.
            progress = progress_of(self.query, ends.keys())
            done = {}
            for source_id, stored_end in sorted(ends.items()):
                rows = settle(self.query, source_id, progress.get(source_id, []))
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
