"""Write batches to a folder of partitioned Parquet files, each commit whole.

batches | WriteToParquet("lake/")

DuckDB reads it as read_parquet('lake/messages/**/*.parquet', hive_partitioning = true), pandas as
read_parquet('lake/messages'); `parquet.files` explains the names of its folders.
"""

import dataclasses
import math
from collections.abc import Sequence

import apache_beam as beam

from fixfeed.io.commit import CommitFn, Limits, Run
from fixfeed.io.parquet.writer import ParquetWriter
from fixfeed.io.redaction import redact
from fixfeed.transforms.batch import Batch
from fixfeed.transforms.protocol import Protocol

__all__ = ["MOST_BYTES", "MOST_ROWS", "WriteToParquet"]

MOST_BYTES, MOST_ROWS = 64 << 20, 200_000
"""A commit is made when this much is gathered."""

# A commit writes a file per folder, and many small files are slow to read.
_LIMITS = Limits(MOST_BYTES, MOST_ROWS, seconds=60.0)


class WriteToParquet(beam.PTransform):
    """Store each batch (`PCollection[Batch]`) in Parquet files, every message once.

    Batches are gathered up to 64 MiB, for 60 seconds, or to the end of the bundle, and committed
    together with their stretches: one file per source and folder, ordered by message_id. When a
    bundle runs twice, or a source is cut into blocks differently, messages in a stretch that is
    done are left out one by one. A killed job leaves no half-written file and, once the next one
    has begun, no message twice. While one commit is written, the next batches are being parsed, so
    an error surfaces when the next commit or the bundle ends; the bundle then fails.

    All files of messages have the columns of the first commit. A batch may lack a column, which is
    null then. It fails with `SinkError` if it has a further column or a different type, or lacks
    the columns of `Enrich(names=True)` and the lake has them.

    Args:
      place: A local folder, or one of a bucket (s3://bucket/lake/, gs://bucket/lake/), else
        `SinkError`. A folder is made if it is missing, a bucket is not.
      run: Details of the run besides its batches, if there are any.
      partition_by: The names that sort files into folders: `date`, `hour`, `source_id`, or columns;
        `ValueError` for others. The date of a FIX message is that of captured_at, else
        sending_time, else transact_time. By default FIX is sorted by `date` and `msg_type`.
      protocol: That of the batches, FIX if none is named.
    """

    def __init__(
        self,
        place: str,
        run: Run | None = None,
        *,
        partition_by: Sequence[str] | None = None,
        protocol: Protocol | None = None,
    ):
        """Check the parameters; nothing is made before the pipeline runs."""
        super().__init__()
        self._place = place
        # Made here: workers may run in another folder.
        run = run or Run()
        writer = ParquetWriter(
            place, partition_by=partition_by, protocol=protocol, counted_for=run.counted_for
        )
        # A file for each batch of a run without end would be too small to be of use.
        run = dataclasses.replace(run, seconds=math.inf)
        self._fn = CommitFn(lambda: writer, run, _LIMITS, while_parsing=True)

    def expand(self, batches: beam.PCollection[Batch]):
        """Write the batches; nothing comes out."""
        return batches | "Write" >> beam.ParDo(self._fn).with_output_types(Batch)

    def display_data(self):
        """Show where the batches go."""
        return {"place": redact(self._place)}
