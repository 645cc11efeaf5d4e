"""Write batches to a folder of Parquet files, partitioned, each commit whole.

batches | WriteToParquet("lake/")

DuckDB reads it as read_parquet('lake/messages/**/*.parquet', hive_partitioning = true), pandas as
read_parquet('lake/messages'); `parquet.files` tells how its folders are named.
"""

from collections.abc import Mapping, Sequence

import apache_beam as beam

from fixfeed.io.gathering import OnCommit, WriteBehindFn
from fixfeed.io.parquet.files import check_partitions
from fixfeed.io.parquet.writer import ParquetWriter
from fixfeed.io.redaction import redact
from fixfeed.transforms.batch import Batch
from fixfeed.transforms.protocol import Protocol

__all__ = ["MOST_BYTES", "MOST_ROWS", "WriteToParquet", "check_partitions"]

MOST_BYTES, MOST_ROWS = 64 << 20, 200_000
"""A commit is made when so much is gathered."""


class WriteToParquet(beam.PTransform):
    """Store each batch (`PCollection[Batch]`) in Parquet files, every message once.

    Batches are gathered, up to 64 MiB or to the end of the bundle, and committed together with
    their stretches: one file a source and folder, in the order of message_id. When a bundle runs
    twice, or a source is cut into blocks differently, what lies in a stretch that is done is left
    out, message by message. A killed job leaves neither half a file nor, once the next one has
    begun, a message twice. While one commit is written the next batches are being parsed, so an
    error surfaces when the next commit or the bundle ends; the bundle then fails.

    All files of messages have the columns of the first commit. A batch may lack one, which is null
    then; one that has another column, or a type of its own, fails with `SinkError`, and so does one
    without the columns of `Enrich(names=True)` where the lake has them.

    Args:
      place: A local folder; `SinkError` if it is none. It is made if it is not there.
      sources: The source ids of sources, by key, where planning has registered them. Others are
        registered by their key when they are first seen.
      rules: Digest of the rules that the messages were read with; stored with the progress.
      replace: Store anew what was stored under other rules.
      partition_by: What files are sorted into folders by: `date`, `hour`, `source_id`, or columns;
        `ValueError` for others. The date of FIX is that of captured_at, else sending_time, else
        transact_time; without `partition_by` it is sorted by `date` and `msg_type`.
      on_commit: Called after each commit, for each batch, with the number of messages stored.
      protocol: That of the batches, FIX if none is named.
    """

    def __init__(
        self,
        place: str,
        *,
        sources: Mapping[str, int] | None = None,
        rules: str = "",
        replace: bool = False,
        partition_by: Sequence[str] | None = None,
        on_commit: OnCommit | None = None,
        protocol: Protocol | None = None,
    ):
        """Check the parameters; nothing is made before the pipeline runs."""
        super().__init__()
        self._place = place
        writer = ParquetWriter(
            place, rules=rules, replace=replace, partition_by=partition_by, protocol=protocol
        )
        self._fn = _WriteBatchesFn(writer, dict(sources or {}), on_commit)

    def expand(self, batches: beam.PCollection[Batch]):
        """Write the batches; nothing comes out."""
        return batches | "Write" >> beam.ParDo(self._fn).with_output_types(Batch)

    def display_data(self):
        """Show where the batches go."""
        return {"place": redact(self._place)}


class _WriteBatchesFn(WriteBehindFn):
    def __init__(self, writer: ParquetWriter, sources: dict[str, int], on_commit: OnCommit | None):
        super().__init__(on_commit, most_bytes=MOST_BYTES, most_rows=MOST_ROWS)
        self._writer = writer
        self._sources = sources
        self._prepared = False

    def close(self) -> None:
        self._writer.close()

    def write(self, batches: list[Batch]) -> None:
        if not self._prepared:
            self._writer.prepare()
            self._prepared = True
        self._sources = self._writer.register(batches, self._sources)
        stored = self._writer.write([(self._sources[batch.source], batch) for batch in batches])
        self._tell(batches, stored)
