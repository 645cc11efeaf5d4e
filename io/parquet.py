"""Write batches to a folder of Parquet files, partitioned, each commit whole.

    batches | WriteToParquet("lake/")

Readers find `lake/messages/date=2025-01-02/by_msg_type=D/*.parquet`. A column that files are sorted
into folders by stays in the files; its folder is named with `by_`, since DuckDB and pandas would
otherwise take the value in the path for a number.
"""

import dataclasses
import difflib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fixio.ledger import Progress, Source, Stretch, gaps, inside, merged
from fixio.parquet_ledger import Commit, ParquetLedger
from fixio.tables import POSITION_BITS
from transforms.fix.block import Batch
from transforms.fix.schema import MESSAGES

__all__ = ["WriteToParquet", "check_partitions"]

_BYTES = 96 << 20
_ROWS = 250_000
_NULL = "unknown"  # pandas cannot read a folder of Hive's own name for null beside others
_DERIVED = ("date", "hour")
_TIMES = ("captured_at", "sending_time", "transact_time")

OnCommit = Callable[[Batch, int], None]


def check_partitions(names: Sequence[str]) -> None:
    """Raise `ValueError` naming the nearest if one is neither a column, `date` nor `hour`."""
    known = [*_DERIVED, "source_id", *MESSAGES.names]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            guess = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"cannot partition by {name!r}, which is no column{guess}")


class WriteToParquet(beam.PTransform):
    """Store each batch (`PCollection[Batch]`) in Parquet files, each message once.

    Batches are collected, up to some 100 MB or to the end of the bundle, and committed together
    with their stretches. When a bundle runs twice, or a source is cut differently, what lies in a
    stretch that is done is left out, message by message. A killed job leaves neither a part of a
    file nor a message twice once the next one has begun. While one commit is written the next
    batches are being parsed.

    Args:
      place: A local folder, made if it is not there.
      sources: The source ids of sources, by key, where planning has registered them.
      rules: Digest of the rules that the messages were read with.
      replace: Store anew what was stored under other rules.
      partition_by: Columns, `date` (of capture, else sending, else transaction) or `hour`.
      on_commit: Called after each commit for each batch, with the number of messages stored.
    """

    def __init__(
        self,
        place: str,
        *,
        sources: Mapping[str, int] | None = None,
        rules: str = "",
        replace: bool = False,
        partition_by: Sequence[str] = ("date", "msg_type"),
        on_commit: OnCommit | None = None,
    ):
        """Check the parameters; nothing is made before the pipeline runs."""
        super().__init__()
        check_partitions(partition_by)
        self._fn = _WriteFilesFn(
            place, dict(sources or {}), rules, replace, tuple(partition_by), on_commit
        )

    def expand(self, batches: beam.PCollection[Batch]):
        """Write the batches; nothing comes out."""
        return batches | "Write" >> beam.ParDo(self._fn).with_output_types(Batch)


class _WriteFilesFn(beam.DoFn):
    def __init__(
        self,
        place: str,
        sources: dict[str, int],
        rules: str,
        replace: bool,
        partition_by: tuple[str, ...],
        on_commit: OnCommit | None,
    ):
        self._place = place
        self._sources = sources
        self._rules = rules
        self._replace = replace
        self._partition_by = partition_by
        self._on_commit = on_commit

    def setup(self):
        self._thread = ThreadPoolExecutor(1)
        self._writing: Future[None] | None = None
        self._ledger: ParquetLedger | None = None
        self._batches: list[Batch] = []
        self._bytes = self._rows = 0

    def process(self, batch: Batch):
        self._batches.append(batch)
        self._bytes += batch.messages.nbytes + batch.failures.nbytes
        self._rows += batch.messages.num_rows
        if self._bytes >= _BYTES or self._rows >= _ROWS:
            self._flush()
        return ()

    def finish_bundle(self):
        self._flush()
        self._wait()

    def teardown(self):
        if self._ledger is not None:
            self._thread.submit(self._ledger.close).result()
        self._thread.shutdown()

    def _flush(self) -> None:
        self._wait()
        if self._batches:
            self._writing = self._thread.submit(self._write, self._batches)
            self._batches, self._bytes, self._rows = [], 0, 0

    def _wait(self) -> None:
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.result()

    def _write(self, batches: list[Batch]) -> None:
        if self._ledger is None:
            ledger = ParquetLedger(self._place)
            ledger.prepare()
            self._ledger = ledger
        for batch in batches:
            if batch.source not in self._sources:
                kind = batch.source.partition(":")[0]
                source = Source(batch.source, kind, batch.source, batch.source.encode())
                known = self._ledger.register([source], rules=self._rules)
                self._sources[batch.source] = known[batch.source].source_id
        flush = _Flush(self._ledger, self._rules, self._replace, self._partition_by)
        stored = flush.store([(self._sources[batch.source], batch) for batch in batches])
        if self._on_commit:
            for batch, count in zip(batches, stored, strict=True):
                self._on_commit(batch, count)


class _Flush:
    """One commit: what is new of some batches, as files."""

    def __init__(
        self, ledger: ParquetLedger, rules: str, replace: bool, partition_by: tuple[str, ...]
    ):
        self._ledger = ledger
        self._rules = rules
        self._replace = replace
        self._partition_by = partition_by

    def store(self, batches: list[tuple[int, Batch]]) -> list[int]:
        """Commit the batches; return how many messages of each were new."""
        while True:
            progress = self._ledger.progress()
            new = self._new(batches, progress)
            commit = self._write_files(new)

            def make(
                now: dict[int, list[Progress]],
                new: list[tuple[int, Batch, list[Stretch]]] = new,
                commit: Commit = commit,
            ) -> Commit | None:
                again = self._new(batches, now)
                if [one[2] for one in again] != [one[2] for one in new]:
                    return None
                if self._replace:
                    self._replace_rows(commit, new)
                return commit

            # None if another process stored a part of this while the files were written.
            if self._ledger.commit(make):
                return [batch.messages.num_rows for _, batch, _ in new]

    def _new(
        self, batches: list[tuple[int, Batch]], progress: Mapping[int, list[Progress]]
    ) -> list[tuple[int, Batch, list[Stretch]]]:
        """Return the batches with what is not done, and the stretches of that."""
        done: dict[int, list[Stretch]] = {}
        result = []
        for source_id, batch in batches:
            if source_id not in done:
                done[source_id] = [
                    (row[1], row[2])
                    for row in progress.get(source_id, ())
                    if not self._replace or row[0] == self._rules
                ]
            left = gaps(done[source_id], batch.start, batch.end)
            if batch.provisional:
                left = [(batch.start, batch.end)]
            elif left != [(batch.start, batch.end)]:
                batch = dataclasses.replace(
                    batch,
                    messages=batch.messages.filter(_inside(batch.messages, left)),
                    failures=batch.failures.filter(_inside(batch.failures, left)),
                    filtered=batch.filtered if left else 0,
                    skipped=batch.skipped if left else 0,
                )
            if not batch.provisional:
                done[source_id] += left
            result.append((source_id, batch, left))
        return result

    def _write_files(self, new: list[tuple[int, Batch, list[Stretch]]]) -> Commit:
        commit = Commit()
        messages, failures = [], []
        for source_id, batch, left in new:
            if batch.messages.num_rows:
                messages.append(_with_id(batch.messages, "message_id", source_id))
            if batch.failures.num_rows and not batch.provisional:
                failures.append(_with_id(batch.failures, "failure_id", source_id))
            if batch.provisional:
                self._write_provisional(commit, source_id, batch)
                continue
            commit.replaces += self._provisional(source_id, batch.start, batch.start)
            for number, stretch in enumerate(left):
                counts = (
                    _inside(batch.messages, [stretch]).true_count,
                    batch.filtered if number == 0 else 0,
                    _inside(batch.failures, [stretch]).true_count,
                    batch.skipped if number == 0 else 0,
                )
                commit.progress.append((source_id, (self._rules, *stretch, *counts)))
        if messages:
            table = pa.Table.from_batches(messages).combine_chunks()
            for folder, rows in _partitions(table, self._partition_by):
                self._write_file(commit, rows.sort_by("message_id"), f"messages/{folder}", "")
        if failures:
            self._write_file(commit, pa.Table.from_batches(failures), "failures/", "")
        return commit

    def _write_provisional(self, commit: Commit, source_id: int, batch: Batch) -> None:
        commit.replaces += self._provisional(source_id, batch.start, 1 << POSITION_BITS)
        if batch.failures.num_rows:
            rows = pa.Table.from_batches([_with_id(batch.failures, "failure_id", source_id)])
            self._write_file(commit, rows, "failures/", f"provisional-{batch.start}-")

    def _provisional(self, source_id: int, first: int, last: int) -> list[str]:
        """Return the files of unfinished ends of a source at positions from `first` to `last`."""
        folder = self._ledger.folder
        found = folder.glob(f"failures/provisional-*-{source_id}-*.parquet")
        return [
            str(path.relative_to(folder))
            for path in found
            if first <= int(path.name.split("-")[1]) <= last
        ]

    def _write_file(self, commit: Commit, rows: pa.Table, folder: str, prefix: str) -> None:
        written = self._ledger.new_file()
        # A file holds rows of several sources only if one commit does; the first one names it.
        name = "-".join(str(number) for number in sorted(set(rows["source_id"].to_pylist()))[:1])
        with open(self._ledger.folder / written, "wb") as file:
            pq.write_table(
                rows, file, compression="zstd", compression_level=1, row_group_size=128 << 10
            )
        commit.files.append((written, f"{folder}{prefix}{name}-{Path(written).stem}.parquet"))

    def _replace_rows(self, commit: Commit, new: list[tuple[int, Batch, list[Stretch]]]) -> None:
        """Write the files anew that hold rows of the stretches that are stored now."""
        ids = merged(
            ((source_id << POSITION_BITS) + start, (source_id << POSITION_BITS) + end)
            for source_id, batch, left in new
            for start, end in left
            if not batch.provisional
        )
        folder = self._ledger.folder
        for table, key in (("messages", "message_id"), ("failures", "failure_id")):
            for path in sorted(folder.glob(f"{table}/**/*.parquet")):
                column = pq.read_table(path, columns=[key], partitioning=None)[key].to_numpy()
                gone = inside(column, ids)
                if not gone.any():
                    continue
                place = str(path.relative_to(folder))
                if not gone.all():
                    rows = pq.read_table(path, partitioning=None).filter(pa.array(~gone))
                    self._write_file(commit, rows, place.rpartition("/")[0] + "/", "")
                commit.replaces.append(place)


def _inside(rows: pa.RecordBatch, stretches: Sequence[Stretch]) -> pa.BooleanArray:
    return pa.array(inside(rows["position"].to_numpy(), stretches))


def _with_id(rows: pa.RecordBatch, key: str, source_id: int) -> pa.RecordBatch:
    first = source_id << POSITION_BITS
    # Parquet has dictionaries of its own; readers stumble over Arrow's where they hold nulls.
    arrays = [
        pa.array(rows["position"].to_numpy() + first),
        pa.array(np.full(rows.num_rows, source_id, np.int64)),
        *(c.dictionary_decode() if pa.types.is_dictionary(c.type) else c for c in rows.columns[1:]),
    ]
    return pa.RecordBatch.from_arrays(arrays, [key, "source_id", *rows.schema.names[1:]])


def _partitions(rows: pa.Table, names: Sequence[str]) -> list[tuple[str, pa.Table]]:
    """Return the rows by their folder, `date=2025-01-02/by_msg_type=D/`."""
    number = np.zeros(rows.num_rows, np.int64)
    levels: list[list[str]] = []
    for name in names:
        coded = _key(rows, name).dictionary_encode(null_encoding="encode")
        if isinstance(coded, pa.ChunkedArray):
            coded = coded.combine_chunks()
        key = name if name in _DERIVED else f"by_{name}"
        levels.append(
            [
                f"{key}={_NULL if v is None else quote(str(v), safe='')}/"
                for v in coded.dictionary.to_pylist()
            ]
        )
        number = number * len(levels[-1]) + coded.indices.to_numpy()
    order = np.argsort(number, kind="stable")
    values, starts = np.unique(number[order], return_index=True)
    ends = [*starts[1:].tolist(), len(order)]
    result = []
    for value, start, end in zip(values.tolist(), starts.tolist(), ends, strict=True):
        folder = ""
        for level in reversed(levels):
            value, place = divmod(value, len(level))
            folder = level[place] + folder
        result.append((folder, rows.take(pa.array(order[start:end]))))
    return result


def _key(rows: pa.Table, name: str) -> pa.Array:
    if name not in _DERIVED:
        return rows[name].combine_chunks().cast(pa.string())
    time = pc.coalesce(*(rows[column] for column in _TIMES))
    return time.cast(pa.date32()) if name == "date" else pc.hour(time)
