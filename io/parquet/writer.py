"""Commits the new parts of batches to a folder of Parquet files, replacing old rows if asked."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from fixfeed.io.codes import codes_of_sessions, new_sessions
from fixfeed.io.ledger.counts import newly_counted
from fixfeed.io.ledger.keys import POSITION_BITS
from fixfeed.io.ledger.ledger import (
    Progress,
    SinkFailed,
    Stretch,
    check_protocol,
    check_witness,
)
from fixfeed.io.ledger.new_parts import Part, missing, new_parts
from fixfeed.io.parquet.commits import CountedRow
from fixfeed.io.parquet.files import (
    check_partitions,
    children_schemas,
    columns_of,
    partitions,
    with_keys,
    write_file,
)
from fixfeed.io.parquet.ledger import ParquetLedger, counted_by
from fixfeed.io.parquet.replacing import (
    KEYS,
    Held,
    held_files,
    key_of,
    progress_after,
    provisional_files,
    renewed,
)
from fixfeed.io.parquet.schema import conforming
from fixfeed.transforms.batch import LARGEST_SOURCE, Batch
from fixfeed.transforms.protocol import Protocol, default_protocol

__all__ = ["ParquetWriter"]


@dataclass
class _Commit:
    """The new parts of batches: progress, number `stored` of each, rows by table and source."""

    rules: str
    replace: bool
    stored: list[int] = field(default_factory=list)
    progress: list[Progress] = field(default_factory=list)
    rows: dict[str, dict[int, list[pa.RecordBatch]]] = field(default_factory=dict)
    provisional: dict[tuple[int, int], pa.RecordBatch] = field(default_factory=dict)
    held: list[Held] = field(default_factory=list)
    files: list[tuple[str, str]] = field(default_factory=list)
    replacing: int = 0
    emptied: list[str] = field(default_factory=list)

    @property
    def stretches(self) -> dict[int, list[Stretch]]:
        found: dict[int, list[Stretch]] = {}
        for source_id, _, start, end, *_ in self.progress:
            found.setdefault(source_id, []).append((start, end))
        return found

    @property
    def by_table(self) -> Iterator[tuple[str, int, list[pa.RecordBatch]]]:
        """Rows with their table and source; children are first, so that messages have them."""
        for table, by_source in sorted(self.rows.items(), key=lambda one: one[0] in KEYS):
            for source_id, batches in by_source.items():
                yield table, source_id, batches

    def add(self, source_id: int, part: Part) -> None:
        """Add a new part of a batch; unfinished ends inside it are dropped."""
        self.progress.append((source_id, *part.progress))
        for table, rows in part.tables.items():
            if rows.num_rows:
                self.rows.setdefault(table, {}).setdefault(source_id, []).append(rows)
        self.forget_provisional(source_id, *part.stretch)

    def forget_provisional(self, source_id: int, start: int, end: int = LARGEST_SOURCE) -> None:
        """Drop the unfinished ends of a source that begin in [start, end)."""
        for one in [one for one in self.provisional if one[0] == source_id]:
            if start <= one[1] < end:
                del self.provisional[one]

    def says_the_same(self, other: "_Commit") -> bool:
        """Return whether both hold the same parts of batches and replace the same files."""
        return (
            self.progress == other.progress
            and self.provisional.keys() == other.provisional.keys()
            and self.held == other.held
        )


class ParquetWriter(ParquetLedger):
    """A folder that stores batches; see `WriteToParquet` for the guarantee."""

    def __init__(
        self,
        place: str,
        *,
        partition_by: Sequence[str] | None = None,
        protocol: Protocol | None = None,
        counted_for: str = "",
    ):
        """Check the arguments; nothing is opened or made.

        `counted_for` is the run on a cluster whose commits are counted in the lake, if it is one.
        """
        table = (protocol or default_protocol()).table
        self._sorted_by = tuple(table.partition_by if partition_by is None else partition_by)
        check_partitions(self._sorted_by, table)
        super().__init__(place, partition_by=self._sorted_by, protocol=protocol)
        self._counted_for = counted_for
        self._schema: pa.Schema | None = None
        self._agreed: set[pa.Schema] = set()
        self._named_sessions: frozenset[str] = frozenset()

    def prepare(self) -> None:
        """Make the folder ready; `SinkError` if that fails or it is partitioned differently."""
        super().prepare()
        self.agree_on_partitions(self._sorted_by)
        self.enlist()

    def write(
        self, batches: Sequence[tuple[int, Batch]], *, rules: str, replace: bool
    ) -> list[int]:
        """Commit (source id, batch) pairs; return how many messages of each were stored.

        Raises `SinkError` if the folder cannot be written, or the messages do not fit its schema.
        """
        source_ids = {source_id for source_id, _ in batches}
        self.check_there(source_ids)
        self.is_decided = False
        commit = self._new(batches, self.done(), rules, replace)
        # Before their messages, so that no message is ever without its names.
        sessions = new_sessions((batch for _, batch in batches), self._named_sessions, self.table)
        self.keep_codes(codes_of_sessions(sessions, self.table))
        self._named_sessions |= sessions
        try:
            self._agree_on_columns(batch for _, batch in batches)
            commit.held = self._held(commit)
            self._write_files(commit)
            with self.locked():
                self.check_there(source_ids)
                done = self.done()
                now = self._new(batches, done, rules, replace)
                now.held = self._held(now)
                if not now.says_the_same(commit):
                    # Another writer stored or replaced part of it while we were writing.
                    self._discard(commit)
                    commit = now
                    self._write_files(commit)
                settled = self._settled(commit, done)
                self._end_provisional(commit)
                counted = self._counts(batches, commit.stored)
                if commit.progress or commit.files or counted:
                    self.commit(
                        commit.progress,
                        commit.files,
                        commit.emptied,
                        settled,
                        counted,
                        replacing=commit.replacing,
                    )
        except OSError as error:
            self._discard(commit)
            raise SinkFailed.at(self.place, error) from error
        except SinkFailed:
            self._discard(commit)
            raise
        return commit.stored

    def _counts(
        self, batches: Sequence[tuple[int, Batch]], stored: Sequence[int]
    ) -> list[CountedRow]:
        """Return what of the batches the run has not counted yet; the caller holds the lock."""
        run = self._counted_for
        if not run:
            return []
        found: list[CountedRow] = []
        state = self.load()
        self.progress(state)
        before = counted_by(self.counted_rows(state), run)
        done = {
            source_id: [(start, end) for start, end, _ in rows if start < end]
            for source_id, rows in before.items()
        }
        for (source_id, batch), new in zip(batches, stored, strict=True):
            of_source = done.setdefault(source_id, [])
            for start, end, one in newly_counted(batch, new, of_source):
                found.append((run, source_id, start, end, one.text))
                if start < end:
                    of_source.append((start, end))
        return found

    def _agree_on_columns(self, batches: Iterable[Batch]) -> None:
        left_out = self.table.json_only
        found = {
            one.messages.schema: columns_of(one.messages, left_out)
            for one in batches
            if one.messages.num_rows
        }
        for rows in found:
            check_protocol(self.place, rows, self.table)
        new = [given for rows, given in found.items() if rows not in self._agreed]
        if new:
            self._schema = self.agree_on_columns(new)
            self._agreed.update(found)

    def _held(self, commit: _Commit) -> list[Held]:
        if not commit.replace:
            return []
        tables = (*self.table.children, *KEYS)
        return held_files(self.storage, commit.stretches, self.emptied(), tables)

    def _discard(self, commit: _Commit) -> None:
        # Those of a commit that may count are moved to their places by the next writer.
        if not self.is_decided:
            self.storage.discard(aside for aside, _ in commit.files)

    def _new(
        self,
        batches: Sequence[tuple[int, Batch]],
        done: Mapping[int, Sequence[Progress]],
        rules: str,
        replace: bool,
    ) -> _Commit:
        """Return the positions of the batches that are in no stretch already done.

        With `replace` only stretches done under `rules` count as done.
        """
        commit = _Commit(rules, replace)
        for source_id, batch in batches:
            check_witness(self.place, batch, done.get(source_id, ()))
        if replace:
            self.check_claims({source_id for source_id, _ in batches}, rules=rules)
        then = {source_id: list(done.get(source_id, ())) for source_id, _ in batches}
        for source_id, batch in batches:
            if batch.provisional:
                commit.stored.append(0)
                self._add_provisional(commit, source_id, batch, then[source_id])
                continue
            parts = new_parts(batch, then[source_id], rules=rules, replace=replace)
            for part in parts:
                commit.add(source_id, part)
                then[source_id].append(part.progress)
            commit.stored.append(sum(part.messages.num_rows for part in parts))
        return commit

    def _add_provisional(
        self, commit: _Commit, source_id: int, batch: Batch, done: Iterable[Progress]
    ) -> None:
        """Add an unfinished end, unless it is done; it replaces those that begin at or after it."""
        commit.forget_provisional(source_id, batch.start)
        first = batch.start, batch.start + 1
        if missing(first, done, rules=commit.rules, replace=commit.replace):
            commit.provisional[source_id, batch.start] = batch.failures

    # A file's name has its source and the first and last position; that of an unfinished end, which
    # may be no failure once the source has grown, has only the start.

    def _write_files(self, commit: _Commit) -> None:
        new: dict[tuple[str, int, str], pa.Table] = {}
        children = children_schemas(self.table)
        for table, source_id, batches in commit.by_table:
            if table != "messages":
                rows = _in_order(batches, source_id, key_of(table))
                new[table, source_id, ""] = rows if table in KEYS else rows.cast(children[table])
                continue
            messages = _in_order(batches, source_id, "message_id", self.table.json_only)
            if self._schema is not None:
                messages = conforming(messages, self._schema)
            for folder, rows in partitions(messages, self._sorted_by, self.table.times):
                new["messages", source_id, folder.rstrip("/")] = rows
        for one in commit.held:
            at = one.table, one.source_id, one.folder
            content, left = renewed(
                self.storage, one, commit.stretches[one.source_id], new.pop(at, None)
            )
            if left is not None:
                new[at] = left
            if content is not None:
                self._write(commit, one.place, content)
                commit.replacing += 1
        for (table, source_id, folder), rows in new.items():
            ids = rows[key_of(table)]
            first, last = (ids[n].as_py() & (1 << POSITION_BITS) - 1 for n in (0, len(ids) - 1))
            name = f"{source_id}-{first}-{last}-{uuid4().hex[:8]}.parquet"
            self._write(commit, "/".join(filter(None, (table, folder, name))), rows)
        for (source_id, start), provisional in commit.provisional.items():
            if provisional.num_rows:
                rows = _in_order([provisional], source_id, "failure_id")
                place = f"failures/provisional-{source_id}-{start}-{uuid4().hex[:8]}.parquet"
                self._write(commit, place, rows)
        self.storage.keep(aside for aside, _ in commit.files)

    def _write(self, commit: _Commit, place: str, rows: pa.Table) -> None:
        if place.startswith("messages/") and self._schema is not None:
            rows = conforming(rows, self._schema)
        aside = self.storage.aside()
        commit.files.append((aside, place))
        if not rows.num_rows:
            commit.emptied.append(place)
        write_file(rows, self.storage.scratch(aside), self.table)

    def _settled(
        self, commit: _Commit, done: Mapping[int, Sequence[Progress]]
    ) -> dict[int, list[Progress]]:
        """Return all progress, after the commit, of sources whose stretches are replaced."""
        if not commit.replace:
            return {}
        storage, emptied = self.storage, self.emptied()
        return progress_after(storage, commit.progress, done, commit.held, emptied)

    def _end_provisional(self, commit: _Commit) -> None:
        """Empty the files of unfinished ends that came again or became messages."""
        stretches = commit.stretches
        storage = self.storage
        gone = [
            place
            for place, source_id, at in provisional_files(storage)
            if any(start <= at < end for start, end in stretches.get(source_id, ()))
            or any(source == source_id and start <= at for source, start in commit.provisional)
        ]
        if gone:
            gone = sorted(set(gone) - self.emptied())
        written, commit.files = commit.files, []
        for place in gone:
            self._write(commit, place, pq.read_schema(storage.source(place)).empty_table())
        storage.keep(aside for aside, _ in commit.files)
        commit.files += written
        commit.replacing += len(gone)


def _in_order(
    batches: Sequence[pa.RecordBatch], source_id: int, key: str, left_out: Sequence[str] = ()
) -> pa.Table:
    """Return batches that do not overlap, with their keys and ordered by these.

    The columns `left_out` are dropped.
    """
    ordered = sorted(batches, key=lambda rows: rows["position"][0].as_py())
    # Batches of one job have the same columns, but a user's own batches may not.
    tables = [
        pa.Table.from_batches([with_keys(rows, source_id, key, left_out)]) for rows in ordered
    ]
    return pa.concat_tables(tables, promote_options="default")
