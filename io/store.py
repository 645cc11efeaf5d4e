"""A database that stores batches and remembers, in the same transactions, what it has stored."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from fixio.database import Database, now
from fixio.identity import Match, StoredSource, digests_of, identify, place_of, stored_source
from fixio.ledger import (
    COUNTS,
    REPLACED,
    Known,
    Progress,
    Source,
    Stretch,
    by_source,
    carved,
    check_witness,
    gaps,
    inside,
    known,
    reprocessed_elsewhere,
    settled,
)
from fixio.tables import (
    EXTEND_PROGRESS,
    FAILURE_COLUMNS,
    MESSAGE_COLUMNS,
    STORED_SOURCES,
    first_key,
    table_rows,
)
from transforms.fix.block import Batch

__all__ = ["Store"]

_ROW = f'rules, start, "end", {", ".join(COUNTS)}, witness'
_KEYS = {"messages": "message_id", "failures": "failure_id"}


class Store(Database):
    """The ledger of a database (`fixio.ledger.Ledger`), and the batches that it is kept with."""

    # Sources.

    def register(
        self, sources: Sequence[Source], *, rules: str, replace: bool = False
    ) -> dict[str, Known]:
        """See `fixio.ledger.Ledger`. Two processes may register the same source at once."""
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
        """See `fixio.ledger.Ledger`."""
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
                'update progress set witness = ? where source_id = ? and "end" = ?',
                witness,
                stored.source_id,
                stored.extent,
            )

    def _progress(self, ids: Collection[int]) -> dict[int, list[Progress]]:
        """Return the rows of progress of sources, and of those with ids between theirs."""
        return by_source(
            self.query(
                f"select source_id, {_ROW} from progress where source_id between ? and ?",
                min(ids, default=0),
                max(ids, default=0),
            )
        )

    def restart(self, source_ids: Iterable[int], *, rules: str) -> None:
        """See `fixio.ledger.Ledger`."""
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

    def finish(self, ends: Mapping[int, str]) -> None:
        """See `fixio.ledger.Ledger`."""
        with self.transaction():
            # In order, so that two jobs wait for each other but do not deadlock.
            progress = self._progress(ends.keys())
            for source_id, stored_end in sorted(ends.items()):
                rows = progress.get(source_id, [])
                if len(settled(rows)) < len(rows):
                    # What another job has done meanwhile is among what goes, or stays.
                    rows = self.query(
                        f"delete from progress where source_id = ? returning {_ROW}", source_id
                    )
                    for one in settled(rows):
                        self._insert_progress(source_id, *one)
                self.query(
                    "update source_identities set stored_end = case when ? = '' then stored_end"
                    " else ? end, last_seen = ? where source_id = ?",
                    stored_end,
                    stored_end,
                    now(),
                    source_id,
                )

    def _insert_progress(self, source_id: int, *row: Any) -> None:
        self.query("insert into progress values (?, ?, ?, ?, ?, ?, ?, ?, ?)", source_id, *row)

    # Batches.

    def write(
        self, batches: Sequence[tuple[int, Batch]], *, rules: str, replace: bool
    ) -> list[int]:
        """Store batches of sources, and their stretches, in one transaction.

        Returns how many messages of each were stored. What lies in a stretch that is done already
        (with `replace`: done under `rules`) is left out, position by position, so a batch may come
        twice or cut differently. With `replace` what the stretch held goes first, and the stretch
        leaves the progress of the rules that it was done under. Raises `SinkError` if another job
        has begun to reprocess a source under other rules, or if a batch ends where a stretch does
        that had other bytes.
        """
        try:
            return self._write(batches, rules, replace)
        except Exception as error:
            if not self.is_key_violation(error):
                raise
        # Another job stored a part of a stretch between our look and our commit.
        if len(batches) == 1:
            return self._write(batches, rules, replace)
        return [self.write([one], rules=rules, replace=replace)[0] for one in batches]

    def _write(self, batches: Sequence[tuple[int, Batch]], rules: str, replace: bool) -> list[int]:
        stored = [0] * len(batches)
        messages, failures = [], []
        # In the order of their keys, so that two jobs wait for each other but do not deadlock.
        ordered = sorted(enumerate(batches), key=lambda one: (one[1][0], one[1][1].start))
        with self.transaction():
            self._lock_sources(sorted({source_id for source_id, _ in batches}), rules, replace)
            for place, (source_id, batch) in ordered:
                if batch.provisional:
                    self._write_provisional(source_id, batch)
                    continue
                new, failed = self._enter(source_id, batch, rules, replace)
                messages.append((source_id, new))
                failures.append((source_id, failed))
                stored[place] = new.num_rows
            self._ingest("messages", MESSAGE_COLUMNS, messages)
            self._ingest("failures", FAILURE_COLUMNS, failures)
        return stored

    def _lock_sources(self, source_ids: Sequence[int], rules: str, replace: bool) -> None:
        """Keep those who replace rows of a source away from all others who write to it."""
        marks = ", ".join("?" * len(source_ids))
        rows = self.query(
            f"select claim, name from source_identities where source_id in ({marks})"
            f" order by source_id{self.row_lock(exclusive=replace)}",
            *source_ids,
        )
        for claim, name in rows:
            if replace and claim != rules:
                raise reprocessed_elsewhere(self.place, name)

    def _enter(
        self, source_id: int, batch: Batch, rules: str, replace: bool
    ) -> tuple[pa.RecordBatch, pa.RecordBatch]:
        """Enter a batch's stretch into the ledger; return what is to be stored of it."""
        messages, failures = batch.messages, batch.failures
        overlapping = self._overlapping(source_id, batch.start, batch.end)
        check_witness(self.place, batch, overlapping)
        done = [(row[1], row[2]) for row in overlapping if not replace or row[0] == rules]
        open_gaps = gaps(done, batch.start, batch.end)
        if not open_gaps and batch.start < batch.end:
            return messages.slice(0, 0), failures.slice(0, 0)
        if done:
            messages = messages.filter(_inside(messages, open_gaps))
            failures = failures.filter(_inside(failures, open_gaps))
        for start, end in open_gaps:
            # Without `replace` they are those of an unfinished end, which has come again.
            failed = self._delete("failures", source_id, start, end)
            if replace:
                gone = self._delete("messages", source_id, start, end), failed
                self._take(source_id, (start, end), batch, gone)
            self._extend(source_id, rules, (start, end), batch, messages, failures)
        if batch.last and open_gaps:
            self._merge(source_id, rules, batch.end)
        return messages, failures

    def _delete(self, table: str, source_id: int, start: int, end: int) -> int:
        """Delete rows of a stretch; return how many there were."""
        return self.changed(
            f"delete from {table} where {_KEYS[table]} >= ? and {_KEYS[table]} < ?",
            first_key(source_id) + start,
            first_key(source_id) + end,
        )

    def _take(self, source_id: int, stretch: Stretch, batch: Batch, gone: tuple[int, int]) -> None:
        """Take a stretch, whose rows are gone, from the progress of the rules that had made them.

        `gone` counts its messages and failures.
        """
        messages, failures = gone
        # What the rules of before left out: they had as many messages before them as ours do.
        filtered = max(0, batch.read - batch.failures.num_rows - messages)
        for row in self._overlapping(source_id, *stretch):
            self.query('delete from progress where source_id = ? and "end" = ?', source_id, row[2])
            for left in carved(
                row,
                stretch,
                (messages, filtered, failures, batch.skipped),
                lambda part: self._counted(source_id, part),
            ):
                self._insert_progress(source_id, *left)

    def _counted(self, source_id: int, stretch: Stretch) -> tuple[int, int, int, int]:
        """Return the counts of a stretch; of what was filtered and skipped no rows tell."""
        stored, failed = (
            int(
                self.query(
                    f"select count(*) from {table} where {key} >= ? and {key} < ?",
                    *(first_key(source_id) + at for at in stretch),
                )[0][0]
            )
            for table, key in _KEYS.items()
        )
        return stored, 0, failed, 0

    def _write_provisional(self, source_id: int, batch: Batch) -> None:
        """Store the end of a source that makes no message yet in place of what it was before."""
        stretch = batch.start, max(batch.end, batch.start + 1)
        done = [(row[1], row[2]) for row in self._overlapping(source_id, *stretch)]
        for start, end in gaps(done, *stretch):
            self._delete("failures", source_id, start, end)
            failures = batch.failures.filter(_inside(batch.failures, [(start, end)]))
            self._ingest("failures", FAILURE_COLUMNS, [(source_id, failures)])

    def _ingest(
        self, table: str, columns: Sequence[str], parts: Iterable[tuple[int, pa.RecordBatch]]
    ) -> None:
        batches = table_rows(parts, columns)
        if batches:
            self.ingest(table, batches)

    def _overlapping(self, source_id: int, start: int, end: int) -> list[Progress]:
        """Return the rows of progress that have a part in [start, end)."""
        return self.query(
            f'select {_ROW} from progress where source_id = ? and "end" > ? and start < ?',
            source_id,
            start,
            end,
        )

    def _extend(
        self,
        source_id: int,
        rules: str,
        stretch: Stretch,
        batch: Batch,
        messages: pa.RecordBatch,
        failures: pa.RecordBatch,
    ) -> None:
        start, end = stretch
        whole = stretch == (batch.start, batch.end)
        counts = (
            messages.num_rows if whole else int(_inside(messages, [stretch]).true_count),
            # Which of the filtered messages a part of the stretch held is not known.
            batch.filtered if whole or start == batch.start else 0,
            failures.num_rows if whole else int(_inside(failures, [stretch]).true_count),
            batch.skipped if whole or start == batch.start else 0,
        )
        witness = batch.witness if end == batch.end else ""
        # One statement each, so that what another worker does to a neighbour in between is seen:
        # one that has swallowed our stretch leaves no row to extend, and a new one begins.
        extended = self.query(
            EXTEND_PROGRESS,
            end,
            *counts,
            witness,
            source_id,
            rules,
            start,
        )
        if not extended:
            self._insert_progress(source_id, rules, start, end, *counts, witness)

    def _merge(self, source_id: int, rules: str, end: int) -> None:
        """Join the stretch that ends at `end` with the one that begins there."""
        found = self.query(
            "delete from progress where source_id = ? and rules = ? and start = ?"
            f' returning "end", {", ".join(COUNTS)}, witness',
            source_id,
            rules,
            end,
        )
        if found:
            follows, *counts, witness = found[0]
            self.query(EXTEND_PROGRESS, follows, *counts, witness, source_id, rules, end)


def _inside(rows: pa.RecordBatch, stretches: Sequence[Stretch]) -> pa.BooleanArray:
    return pa.array(inside(rows["position"].to_numpy(), stretches))
