"""A database that stores batches and remembers, in the same transactions, what it has stored."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from fixio.database import Database, now
from fixio.identity import identify
from fixio.ledger import (
    COUNTS,
    Known,
    Mark,
    Progress,
    Source,
    Stretch,
    by_source,
    gaps,
    inside,
    known,
    merged,
    settled,
    totals,
)
from fixio.tables import (
    ADD_COUNTS,
    EXTEND_PROGRESS,
    FAILURE_COLUMNS,
    KNOWN_SOURCES,
    MESSAGE_COLUMNS,
    POSITION_BITS,
    table_rows,
)
from transforms.fix.block import Batch

__all__ = ["Store"]

_ROW = f'rules, start, "end", {", ".join(COUNTS)}'


class Store(Database):
    """The ledger of a database (`fixio.ledger.Ledger`), and the batches that it is kept with."""

    # Sources.

    def register(self, sources: Sequence[Source], *, rules: str) -> dict[str, Known]:
        """See `fixio.ledger.Ledger`. Two processes may register the same source at once."""
        stored = self.query(KNOWN_SOURCES)
        ids = identify(sources, stored)
        if any(source.key not in ids for source in sources):
            with self.transaction():
                self.lock_schema()
                # Another process may have stored some meanwhile.
                stored = self.query(KNOWN_SOURCES)
                ids = identify(sources, stored, self._add)
        return known(ids, stored, self._progress(ids.values()), rules=rules)

    def _add(self, source: Source, name: str) -> int:
        source_id = int(self.query("select coalesce(max(source_id), 0) + 1 from sources")[0][0])
        moment = now()
        self.query(
            "insert into sources (source_id, kind, name, fingerprint, mark_digests, first_seen,"
            " last_seen) values (?, ?, ?, ?, ?, ?, ?)",
            source_id,
            source.kind,
            source.name,
            name,
            source.digests,
            moment,
            moment,
        )
        return source_id

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
        again = set(source_ids)
        with self.transaction():
            for source_id, rows in self._progress(again).items():
                if source_id in again and {row[0] for row in rows} == {rules}:
                    self.query(
                        "update progress set rules = ? where source_id = ?",
                        f"replaced:{rules}",
                        source_id,
                    )

    def finish(
        self, marks: Mapping[int, Mark | None], *, rules: str, reprocessed: Iterable[int]
    ) -> None:
        """See `fixio.ledger.Ledger`."""
        again = set(reprocessed)
        with self.transaction():
            # In order, so that two jobs wait for each other but do not deadlock.
            progress = self._progress(marks.keys())
            for source_id, mark in sorted(marks.items()):
                rows = progress.get(source_id, [])
                left = settled(rows, rules, replaced=source_id in again)
                if len(left) < len(rows):
                    # What another job has done meanwhile is among what goes, or stays.
                    rows = self.query(
                        f"delete from progress where source_id = ? returning {_ROW}", source_id
                    )
                    left = settled(rows, rules, replaced=source_id in again)
                    for one in left:
                        self._insert_progress(source_id, *one)
                self.query(
                    "update sources set bytes = ?, stored = ?, filtered = ?, failed = ?,"
                    " skipped = ?, last_seen = ? where source_id = ?",
                    *totals(left),
                    now(),
                    source_id,
                )
                if mark:
                    self.query(
                        "update sources set mark_digests = ?, mark_size = ? where source_id = ?",
                        *mark,
                        source_id,
                    )

    def _insert_progress(self, source_id: int, *row: Any) -> None:
        self.query("insert into progress values (?, ?, ?, ?, ?, ?, ?, ?)", source_id, *row)

    # Batches.

    def write(
        self, batches: Sequence[tuple[int, Batch]], *, rules: str, replace: bool
    ) -> list[int]:
        """Store batches of sources, and their stretches, in one transaction.

        Returns how many messages of each were stored. What lies in a stretch that is done already
        (with `replace`: done under `rules`) is left out, position by position, so a batch may come
        twice or cut differently. With `replace` what the stretch held goes first.
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

    def _enter(
        self, source_id: int, batch: Batch, rules: str, replace: bool
    ) -> tuple[pa.RecordBatch, pa.RecordBatch]:
        """Enter a batch's stretch into the ledger; return what is to be stored of it."""
        messages, failures = batch.messages, batch.failures
        done = self._done(source_id, batch, rules if replace else None)
        open_gaps = gaps(done, batch.start, batch.end)
        if not open_gaps and batch.start < batch.end:
            return messages.slice(0, 0), failures.slice(0, 0)
        if done:
            messages = messages.filter(_inside(messages, open_gaps))
            failures = failures.filter(_inside(failures, open_gaps))
        for start, end in open_gaps:
            self._extend(source_id, rules, (start, end), batch, messages, failures)
        first = source_id << POSITION_BITS
        if replace:
            for start, end in open_gaps:
                for table, key in (("messages", "message_id"), ("failures", "failure_id")):
                    self.query(
                        f"delete from {table} where {key} >= ? and {key} < ?",
                        first + start,
                        first + end,
                    )
        else:
            # The unfinished end of a source that has grown since.
            self.query("delete from failures where failure_id = ?", first + batch.start)
        if batch.last and open_gaps:
            self._merge(source_id, rules, batch.end)
        return messages, failures

    def _write_provisional(self, source_id: int, batch: Batch) -> None:
        first = source_id << POSITION_BITS
        self.query(
            "delete from failures where failure_id >= ? and failure_id < ?",
            first + batch.start,
            first + (1 << POSITION_BITS),
        )
        self._ingest("failures", FAILURE_COLUMNS, [(source_id, batch.failures)])

    def _ingest(
        self, table: str, columns: Sequence[str], parts: Iterable[tuple[int, pa.RecordBatch]]
    ) -> None:
        batches = table_rows(parts, columns)
        if batches:
            self.ingest(table, batches)

    def _done(self, source_id: int, batch: Batch, rules: str | None) -> tuple[Stretch, ...]:
        rows = self.query(
            'select start, "end", rules from progress'
            ' where source_id = ? and "end" > ? and start < ?',
            source_id,
            batch.start,
            batch.end,
        )
        return merged((start, end) for start, end, used in rows if rules in (None, used))

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
        # One statement each, so that what another worker does to a neighbour in between is seen:
        # one that has swallowed our stretch leaves no row to extend, and a new one begins.
        extended = self.query(
            EXTEND_PROGRESS,
            end,
            *counts,
            source_id,
            rules,
            start,
        )
        if not extended:
            self._insert_progress(source_id, rules, start, end, *counts)

    def _merge(self, source_id: int, rules: str, end: int) -> None:
        """Join the stretch that ends at `end` with the one that begins there."""
        found = self.query(
            "delete from progress where source_id = ? and rules = ? and start = ?"
            f' returning "end", {", ".join(COUNTS)}',
            source_id,
            rules,
            end,
        )
        if found:
            follows, *counts = found[0]
            self.query(
                f'update progress set "end" = ?, {ADD_COUNTS}'
                ' where source_id = ? and rules = ? and "end" = ?',
                follows,
                *counts,
                source_id,
                rules,
                end,
            )


def _inside(rows: pa.RecordBatch, stretches: Sequence[Stretch]) -> pa.BooleanArray:
    return pa.array(inside(rows["position"].to_numpy(), stretches))
