"""A database that stores batches and, in the same transactions, which of them are stored."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence

import pyarrow as pa

from fixfeed.io.codes import new_sessions
from fixfeed.io.ledger.counts import Counted
from fixfeed.io.ledger.keys import first_key
from fixfeed.io.ledger.ledger import (
    Progress,
    SinkFailed,
    Stretch,
    carved,
    check_protocol,
    check_witness,
    inside,
    losses,
    reprocessed_elsewhere,
    settled,
)
from fixfeed.io.ledger.new_parts import Part, missing, new_parts
from fixfeed.io.sql.ledger import SqlLedger
from fixfeed.io.sql.listed import listed
from fixfeed.io.sql.minute_counts import counts_of, take_away
from fixfeed.io.sql.progress import extend, insert, join, overlapping, overlapping_any
from fixfeed.io.sql.run_counts import LeftOpen, count, counted, forget, left_open, make
from fixfeed.io.sql.tables import (
    FAILURE_COLUMNS,
    table_rows,
)
from fixfeed.io.sql.to_derive import keep_removed, mark
from fixfeed.transforms.batch import Batch

__all__ = ["Store"]

_KEYS = {"messages": "message_id", "failures": "failure_id"}


class Store(SqlLedger):
    """The batches of a database, and their stretches."""

    _named_sessions: frozenset[str] = frozenset()
    """Those whose codes are stored already."""

    counted_for: str = ""
    """The run on a cluster whose commits are counted here (`sql.run_counts`), `` for others."""

    def write(
        self, batches: Sequence[tuple[int, Batch]], *, rules: str, replace: bool
    ) -> list[int]:
        """Store batches of sources, and their stretches, in one transaction.

        Returns how many messages of each were stored. Positions in a stretch that is done already
        (with `replace`: done under `rules`) are left out, so a batch may come twice or cut
        differently. With `replace` the old rows of the stretch are deleted first, and the stretch
        is taken from the progress of its old rules. Raises `SinkError` if another job has begun to
        reprocess a source under other rules, if a stretch with the same end as a batch had
        different bytes, or if the messages are of another protocol.
        """
        schema = None
        for _, batch in batches:
            if schema is None or not schema.equals(batch.messages.schema):
                schema = batch.messages.schema
                check_protocol(self.place, schema, self.table)
        # Before their messages, so that no message is ever without its names.
        sessions = new_sessions((batch for _, batch in batches), self._named_sessions, self.table)
        self.keep_codes_of(sessions)
        self._named_sessions |= sessions
        try:
            return self._write(batches, rules, replace)
        except Exception as error:
            if not self.is_key_violation(error):
                raise
        # Another job stored part of a stretch between our check and our commit.
        if len(batches) == 1:
            return self._write(batches, rules, replace)
        return [self.write([one], rules=rules, replace=replace)[0] for one in batches]

    def _write(self, batches: Sequence[tuple[int, Batch]], rules: str, replace: bool) -> list[int]:
        stored = [0] * len(batches)
        rows: dict[str, list[tuple[int, pa.RecordBatch]]] = {}
        marks: list[tuple[int, int, int]] = []
        # Ordered by key, so that two jobs wait for each other but do not deadlock.
        ordered = sorted(enumerate(batches), key=lambda one: (one[1][0], one[1][1].start))
        whole = [one for one in ordered if not one[1][1].provisional]
        with self.transaction():
            self._lock_sources(batches, rules, replace)
            parts = self._enter([one for _, one in whole], rules, replace)
            for (place, (source_id, batch)), found_in_one in zip(whole, parts, strict=True):
                for part in found_in_one:
                    for table, found in part.tables.items():
                        rows.setdefault(table, []).append((source_id, found))
                    new = part.messages.num_rows
                    stored[place] += new
                    if new:
                        first = first_key(source_id)
                        start, end = part.stretch
                        marks.append((first + start, first + end - 1, new))
                self._count(source_id, batch, stored[place])
            for _, (source_id, batch) in ordered:
                if batch.provisional:
                    self._write_provisional(source_id, batch)
                    self._count(source_id, batch, 0)
            mark(self, marks)
            counts = counts_of((found for _, found in rows.get("messages", ())), self.table)
            if counts is not None:
                self.ingest("minute_counts", [counts])
            for table, found_in_all in rows.items():
                self._ingest(table, found_in_all)
        return stored

    def keep_counts(self) -> None:
        """See `CountingLedger`."""
        make(self)

    def counted(self, run: str) -> dict[int, Counted]:
        """See `CountingLedger`."""
        return counted(self, run)

    def forget_counts(self, run: str) -> None:
        """See `CountingLedger`."""
        forget(self, run)

    def left_open(self) -> list[LeftOpen]:
        """Return the runs on clusters whose end, or some of whose counts, are not in `runs`."""
        return left_open(self)

    def _count(self, source_id: int, batch: Batch, stored: int) -> None:
        if self.counted_for:
            count(self, self.counted_for, source_id, batch, stored)

    def _lock_sources(
        self, batches: Sequence[tuple[int, Batch]], rules: str, replace: bool
    ) -> None:
        """Lock the sources, so that a job that replaces rows of one keeps all other writers out.

        Storing an unfinished end takes the same lock: it must see what is done there, and whoever
        does that stretch must see the end.
        """
        source_ids = sorted({source_id for source_id, _ in batches})
        alone = replace or any(batch.provisional for _, batch in batches)
        among, value = self.among(pa.array(source_ids))
        rows = self.query(
            f"select claim, name from source_identities where source_id {among}"
            f" order by source_id{self.row_lock(exclusive=alone)}",
            value,
        )
        if len(rows) < len(source_ids):
            raise SinkFailed.replaced(self.place)
        for claim, name in rows:
            if replace and claim != rules:
                raise reprocessed_elsewhere(self.place, name)

    def _enter(
        self, batches: Sequence[tuple[int, Batch]], rules: str, replace: bool
    ) -> list[list[Part]]:
        """Enter the stretches of batches into the ledger; return the parts of each to store.

        It takes some statements, however many batches and sources there are. They are in the order
        of source and start.
        """
        if not batches:
            return []
        stretches = [(source_id, batch.start, batch.end) for source_id, batch in batches]
        done = overlapping_any(self, stretches, self.row_lock(exclusive=True))
        added: dict[int, list[Progress]] = defaultdict(list)
        entered = []
        for source_id, batch in batches:
            overlaps = [
                row
                for row in (*done[source_id], *added[source_id])
                if row[2] > batch.start and row[1] < batch.end
            ]
            check_witness(self.place, batch, overlaps)
            parts = new_parts(batch, overlaps, rules=rules, replace=replace)
            added[source_id] += (part.progress for part in parts)
            entered.append(parts)
        numbered = list(zip(batches, entered, strict=True))
        failed = self._delete_failures(
            [(source_id, *part.stretch) for (source_id, _), parts in numbered for part in parts]
        )
        if replace:
            for (source_id, _), parts in numbered:
                for part in parts:
                    self._replace(source_id, part, failed)
        new = [(source_id, row) for source_id, rows in added.items() for row in settled(rows)]
        if new:
            extend(self, new)
        for (source_id, batch), parts in numbered:
            if batch.last and parts:
                join(self, source_id, rules, batch.end)
        return entered

    def _delete_failures(self, stretches: Sequence[tuple[int, int, int]]) -> list[int]:
        """Delete the failures of stretches (source id, start, end); return their ids, in order.

        Without `replace` these are those of an unfinished end that has come again.
        """
        asked, value = listed(
            self.dialect,
            {"first": "bigint", "stop": "bigint"},
            [
                (first_key(source_id) + start, first_key(source_id) + end)
                for source_id, start, end in stretches
            ],
        )
        found = self.query(
            f"with asked as ({asked}) select f.failure_id from asked cross join failures f"
            " where f.failure_id >= asked.first and f.failure_id < asked.stop"
            f" order by f.failure_id{self.row_lock(exclusive=True)}",
            value,
        )
        ids = [row[0] for row in found]
        if ids:
            among, value = self.among(pa.array(ids))
            self.query(f"delete from failures where failure_id {among}", value)
        return ids

    def _replace(self, source_id: int, new: Part, failed: Sequence[int]) -> None:
        """Delete the rows in the place of new ones, and take their stretch from their progress.

        `failed` are the ids of the failures that are gone already, in order.
        """
        stretch = new.stretch
        start, end = (first_key(source_id) + at for at in stretch)
        keep_removed(self, start, end - 1)
        take_away(self, start, end - 1)
        for table in self.table.children:
            self._delete(table, source_id, *stretch)
        rows = overlapping(self.query, source_id, *stretch)
        parts = [(max(row[1], stretch[0]), min(row[2], stretch[1])) for row in rows]
        # Counted before they are gone, but not the usual stretch, which is of one row of progress.
        found = {part: self._counted(source_id, part)[0] for part in parts if len(parts) > 1}
        messages = self._delete("messages", source_id, *stretch)

        def gone(part: Stretch) -> tuple[int, int]:
            begin, stop = (bisect_left(failed, first_key(source_id) + at) for at in part)
            return found.get(part, messages), stop - begin

        # How many messages the old rules filtered out: they read as many messages as ours do.
        *_, stored, filtered, _, skipped, _ = new.progress
        filtered = max(0, stored + filtered - messages)
        for row, went in losses(rows, stretch, gone, filtered=filtered, skipped=skipped):
            self.query('delete from progress where source_id = ? and "end" = ?', source_id, row[2])
            for left in carved(row, stretch, went, lambda part: self._counted(source_id, part)):
                insert(self.query, source_id, left)

    def _delete(self, table: str, source_id: int, start: int, end: int) -> int:
        """Delete the rows of a stretch; return their number."""
        key = _KEYS.get(table, _KEYS["messages"])
        return self.changed(
            f"delete from {table} where {key} >= ? and {key} < ?",
            first_key(source_id) + start,
            first_key(source_id) + end,
        )

    def _counted(self, source_id: int, stretch: Stretch) -> tuple[int, int, int, int]:
        """Return the counts of a stretch; filtered and skipped are 0, since they leave no rows."""
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
        """Store the end of a source that makes no message yet, in place of its previous one."""
        stretch = batch.start, max(batch.end, batch.start + 1)
        for start, end in missing(stretch, overlapping(self.query, source_id, *stretch)):
            self._delete("failures", source_id, start, end)
            positions = batch.failures["position"].to_numpy()
            failures = batch.failures.filter(pa.array(inside(positions, [(start, end)])))
            self._ingest("failures", [(source_id, failures)])

    def _ingest(self, table: str, parts: Iterable[tuple[int, pa.RecordBatch]]) -> None:
        known = {"messages": self.table.keyed, "failures": FAILURE_COLUMNS}
        batches = table_rows(parts, (known | self.table.keyed_children)[table])
        if batches:
            self.ingest(table, batches)
