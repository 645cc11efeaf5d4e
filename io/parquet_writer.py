"""Commits of batches to a folder of Parquet files: what is new of them, and what it replaces."""

import contextlib
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from fixio.ledger import (
    Progress,
    SinkFailed,
    Stretch,
    carved,
    check_witness,
    gaps,
    inside,
    register_batches,
)
from fixio.parquet_files import (
    between,
    check_partitions,
    partitions,
    with_keys,
    write_file,
)
from fixio.parquet_ledger import ParquetLedger
from fixio.tables import POSITION_BITS
from transforms.fix.block import Batch

__all__ = ["ParquetWriter"]

_KEYS = {"messages": "message_id", "failures": "failure_id"}


@dataclass
class _Commit:
    """What is new of some batches: its progress, `stored` of each batch, and rows by source."""

    stored: list[int] = field(default_factory=list)
    progress: list[Progress] = field(default_factory=list)
    read: list[int] = field(default_factory=list)
    messages: dict[int, list[pa.RecordBatch]] = field(default_factory=dict)
    failures: dict[int, list[pa.RecordBatch]] = field(default_factory=dict)
    provisional: dict[tuple[int, int], pa.RecordBatch] = field(default_factory=dict)
    files: list[tuple[Path, str]] = field(default_factory=list)

    @property
    def stretches(self) -> dict[int, list[Stretch]]:
        found: dict[int, list[Stretch]] = {}
        for source_id, _, start, end, *_ in self.progress:
            found.setdefault(source_id, []).append((start, end))
        return found

    def says_the_same(self, other: "_Commit") -> bool:
        """Tell whether both hold the same parts of the same batches."""
        return (
            self.progress == other.progress and self.provisional.keys() == other.provisional.keys()
        )


class ParquetWriter:
    """Commits batches to a folder; see `WriteToParquet` for the arguments and the guarantee."""

    def __init__(
        self,
        place: str,
        *,
        rules: str = "",
        replace: bool = False,
        partition_by: Sequence[str] = ("date", "msg_type"),
    ):
        """Check the arguments; nothing is opened or made."""
        check_partitions(partition_by)
        self._ledger = ParquetLedger(place)
        self._rules = rules
        self._replace = replace
        self._partition_by = tuple(partition_by)

    def prepare(self) -> None:
        """Make the folder ready; `SinkError` if it cannot be, or is partitioned otherwise."""
        self._ledger.prepare()
        self._ledger.agree_on_partitions(self._partition_by)
        self._ledger.enlist()

    def register(self, batches: Iterable[Batch], known: Mapping[str, int]) -> dict[str, int]:
        """Return the source ids of the batches' sources by key, those that are `known` included."""
        return register_batches(
            self._ledger, batches, known, rules=self._rules, replace=self._replace
        )

    def close(self) -> None:
        """Close what is open."""
        self._ledger.close()

    def write(self, batches: Sequence[tuple[int, Batch]]) -> list[int]:
        """Commit (source id, batch) pairs; return how many messages of each were stored."""
        commit = self._new(batches, self._ledger.done())
        try:
            self._write_files(commit)
            with self._ledger.locked():
                done = self._ledger.done()
                now = self._new(batches, done)
                if not now.says_the_same(commit):
                    # Another writer has stored a part of it while we wrote.
                    self._discard(commit)
                    commit = now
                    self._write_files(commit)
                gone, settled = self._replaced(commit, done) if self._replace else ([], {})
                gone += self._provisional_before(commit)
                if commit.progress or commit.files or gone:
                    self._ledger.commit(commit.progress, commit.files, gone, settled)
        except OSError as error:
            self._discard(commit)
            raise SinkFailed.at(self._ledger.place, error) from error
        except SinkFailed:
            self._discard(commit)
            raise
        return commit.stored

    def _discard(self, commit: _Commit) -> None:
        for path, _ in commit.files:
            with contextlib.suppress(OSError):  # Who comes next sweeps them away.
                path.unlink(missing_ok=True)

    def _new(
        self, batches: Sequence[tuple[int, Batch]], done: Mapping[int, Sequence[Progress]]
    ) -> _Commit:
        """Return what of the batches is in no done stretch, position by position.

        With `replace` only what is done under our rules is.
        """
        commit = _Commit()
        covered = {
            source_id: [
                (row[1], row[2]) for row in rows if not self._replace or row[0] == self._rules
            ]
            for source_id, rows in done.items()
        }
        for source_id, batch in batches:
            check_witness(self._ledger.place, batch, done.get(source_id, ()))
        if self._replace:
            self._ledger.check_claims({source_id for source_id, _ in batches}, rules=self._rules)
        for source_id, batch in batches:
            known = covered.setdefault(source_id, [])
            if batch.provisional:
                commit.stored.append(0)
                for one in [k for k in commit.provisional if k[0] == source_id]:
                    if one[1] >= batch.start:
                        del commit.provisional[one]
                if gaps(known, batch.start, batch.start + 1):
                    commit.provisional[source_id, batch.start] = batch.failures
                continue
            stored = 0
            for start, end in gaps(known, batch.start, batch.end):
                messages = between(batch.messages, start, end)
                failures = between(batch.failures, start, end)
                # Which of the filtered messages a part of the stretch held is not known.
                first = start == batch.start
                counts = (
                    messages.num_rows,
                    batch.filtered if first else 0,
                    failures.num_rows,
                    batch.skipped if first else 0,
                )
                stored += messages.num_rows
                witness = batch.witness if end == batch.end else ""
                commit.progress.append((source_id, self._rules, start, end, *counts, witness))
                commit.read.append(batch.read - batch.failures.num_rows)
                for rows, kind in ((messages, commit.messages), (failures, commit.failures)):
                    if rows.num_rows:
                        kind.setdefault(source_id, []).append(rows)
                for one in [k for k in commit.provisional if k[0] == source_id]:
                    if start <= one[1] < end:
                        del commit.provisional[one]
                known.append((start, end))
            commit.stored.append(stored)
        return commit

    # Files. Their names tell the source and its first and last position, or, of failures that may
    # be none when the source has grown, where they begin.

    def _write_files(self, commit: _Commit) -> None:
        for source_id, batches in commit.messages.items():
            messages = _in_order(batches, source_id, "message_id")
            for folder, rows in partitions(messages, self._partition_by):
                self._write_file(commit, f"messages/{folder}{source_id}", rows, "message_id")
        for source_id, batches in commit.failures.items():
            rows = _in_order(batches, source_id, "failure_id")
            self._write_file(commit, f"failures/{source_id}", rows, "failure_id")
        for (source_id, start), provisional in commit.provisional.items():
            if provisional.num_rows:
                rows = _in_order([provisional], source_id, "failure_id")
                place = f"failures/provisional-{source_id}-{start}-{uuid4().hex[:8]}.parquet"
                self._write(commit, place, rows)

    def _write_file(self, commit: _Commit, name: str, rows: pa.Table, key: str) -> None:
        ids = rows[key]
        first, last = (ids[n].as_py() & (1 << POSITION_BITS) - 1 for n in (0, len(ids) - 1))
        self._write(commit, f"{name}-{first}-{last}-{uuid4().hex[:8]}.parquet", rows)

    def _write(self, commit: _Commit, place: str, rows: pa.Table) -> None:
        path = self._ledger.new_file()
        commit.files.append((path, place))
        write_file(rows, path)

    def _replaced(
        self, commit: _Commit, done: Mapping[int, Sequence[Progress]]
    ) -> tuple[list[str], dict[int, list[Progress]]]:
        """Write the rest of files that hold rows of the stretches.

        Returns the files that go, and all progress of the sources as it is then.
        """
        gone: list[str] = []
        removed: dict[tuple[str, int], list[NDArray[np.int64]]] = {}
        for table, key in _KEYS.items():
            for path, source_id, positions in self._holding(table, commit.stretches):
                stretches = commit.stretches[source_id]
                rest = ~inside(positions, stretches)
                if rest.all():
                    continue
                removed.setdefault((table, source_id), []).append(positions[~rest])
                folder = path.parent.relative_to(self._ledger.folder)
                gone.append(f"{folder}/{path.name}")
                if rest.any():
                    rows = pq.ParquetFile(path).read().filter(pa.array(rest))
                    self._write_file(commit, f"{folder}/{source_id}", rows, key)

        def counted(source_id: int, stretch: Stretch) -> tuple[int, int]:
            found = (
                sum(
                    int(np.count_nonzero(inside(positions, [stretch])))
                    for positions in removed.get((table, source_id), ())
                )
                for table in _KEYS
            )
            messages, failures = found
            return messages, failures

        settled: dict[int, list[Progress]] = {}
        for row, read in zip(commit.progress, commit.read, strict=True):
            source_id, _, start, end, *_, skipped, _ = row
            messages, failures = counted(source_id, (start, end))
            went = messages, max(0, read - messages), failures, skipped
            count = functools.partial(self._count, source_id)
            left: list[Progress] = []
            for one in settled.get(source_id, done.get(source_id, ())):
                overlaps = one[1] < end and start < one[2]
                left += carved(one, (start, end), went, count) if overlaps else [one]
            settled[source_id] = [*left, row[1:]]
        return gone, settled

    def _holding(
        self, table: str, stretches: Mapping[int, Sequence[Stretch]]
    ) -> Iterator[tuple[Path, int, NDArray[np.int64]]]:
        """Yield path, source id and the positions of all rows of files that may hold stretches."""
        for path, numbers in self._stored(table, "[0-9]*.parquet"):
            source_id, first, last = map(int, numbers[:3])
            if any(start <= last and first < end for start, end in stretches.get(source_id, ())):
                keys = pq.read_table(path, columns=[_KEYS[table]], partitioning=None)[0]
                yield path, source_id, keys.to_numpy() - (source_id << POSITION_BITS)

    def _count(self, source_id: int, stretch: Stretch) -> tuple[int, int, int, int]:
        """Return the counts of a stretch; of what was filtered and skipped no rows tell."""
        stored, failed = (
            sum(
                int(np.count_nonzero(inside(positions, [stretch])))
                for _, _, positions in self._holding(table, {source_id: [stretch]})
            )
            for table in _KEYS
        )
        return stored, 0, failed, 0

    def _provisional_before(self, commit: _Commit) -> list[str]:
        """Return the files of unfinished ends that have come again or turned into messages."""
        stretches = commit.stretches
        gone = []
        for path, (_, number, begin, _) in self._stored("failures", "provisional-*.parquet"):
            source_id, at = int(number), int(begin)
            if any(start <= at < end for start, end in stretches.get(source_id, ())) or any(
                source == source_id and start <= at for source, start in commit.provisional
            ):
                gone.append(f"failures/{path.name}")
        return gone

    def _stored(self, table: str, pattern: str) -> Iterator[tuple[Path, list[str]]]:
        """Return files and the parts of their names."""
        for path in sorted((self._ledger.folder / table).rglob(pattern)):
            yield path, path.stem.split("-")


def _in_order(batches: Sequence[pa.RecordBatch], source_id: int, key: str) -> pa.Table:
    """Return batches, of which none overlaps another, with their keys and in the order of these."""
    ordered = sorted(batches, key=lambda rows: rows["position"][0].as_py())
    # Batches of one job have the same columns; a user's own may not.
    tables = [pa.Table.from_batches([with_keys(rows, source_id, key)]) for rows in ordered]
    return pa.concat_tables(tables, promote_options="default")
