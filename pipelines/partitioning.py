"""Estimates from samples of the input how many Parquet files a run will make.

A commit makes a file for each source in each folder that its messages go to. The folders are
counted in up to eight blocks, spread evenly over the input, and in the first half of each. If twice
the messages have twice the folders, as with ClOrdID, a commit of a hundred times the messages has a
hundred times the folders. If they have the same folders, as with dates, so has the commit.
"""

import math
from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa

from fixfeed.io.files.ranges import Range
from fixfeed.io.files.reading import read_blocks
from fixfeed.io.parquet.files import partitions, with_keys
from fixfeed.io.parquet.sink import MOST_BYTES, MOST_ROWS
from fixfeed.pipelines.plan import Plan
from fixfeed.transforms.batch import Batch, Block
from fixfeed.transforms.protocol import Table

__all__ = ["MANY", "expected_files", "warning_of"]

MANY = 2000
"""More files than this from one run are worth a warning: readers open each of them."""

_SAMPLES = 8
_SAMPLE = 256 << 10  # bytes of each


def expected_files(
    plan: Plan, names: Sequence[str], read: Callable[[Block], Batch], table: Table
) -> int:
    """Return about how many message files a plan makes in a lake partitioned by `names`.

    `read` turns a block into the batch to store, whose messages `table` describes. Unreadable input
    counts as nothing.
    """
    # A column of names has as many values as the column it is made from.
    columns = [name[:-5] if name in table.names_of_codes else name for name in names]
    samples = [read(block) for block in _sampled(plan.ranges)]
    batches = [batch.messages for batch in samples if batch.messages.num_rows > 1]
    rows = sum(messages.num_rows for messages in batches)
    if not rows:
        return 0
    octets = sum(batch.end - batch.start for batch in samples)
    times = table.times
    whole = sum(_folders(messages, columns, times) for messages in batches)
    halves = sum(_folders(m.slice(0, m.num_rows // 2), columns, times) for m in batches)
    growth = min(1.0, math.log2(whole / halves))
    commit = min(MOST_ROWS, rows * MOST_BYTES / sum(messages.nbytes for messages in batches))
    files = 0.0
    for length in _lengths(plan).values():
        messages_of_source = length * rows / octets
        together = min(messages_of_source, commit)
        folders = whole / len(batches) * (together * len(batches) / rows) ** growth
        files += min(messages_of_source, max(1.0, folders) * math.ceil(messages_of_source / commit))
    return math.ceil(files)


def warning_of(place: str, names: Sequence[str], files: int) -> str:
    """Return the warning that this many files are expected."""
    shown = float(f"{files:.2g}")
    return (
        f"{place} will get about {shown:,.0f} files, partitioned by {', '.join(names)}; readers "
        "open each of them: partition by columns that have fewer values, as with "
        "--partition-by date (estimated from samples of the input)"
    )


def _sampled(ranges: Sequence[Range]) -> Iterator[Block]:
    """Yield the first block of some of the ranges, spread evenly."""
    fresh = [part for part in ranges if not part.skip]  # passing over stretches takes long
    step = max(1, len(fresh) // _SAMPLES)
    for part in fresh[::step][:_SAMPLES]:
        block = next(read_blocks(part, block_size=_SAMPLE), None)
        if block is not None and not block.provisional:
            yield block


def _folders(messages: pa.RecordBatch, names: Sequence[str], times: Sequence[str]) -> int:
    rows = pa.table(with_keys(messages, 0, "message_id"))
    return sum(1 for _ in partitions(rows, names, times))


def _lengths(plan: Plan) -> dict[str, int]:
    """Return the number of bytes to read of each source."""
    sizes = {file.key: file.length if file.compression else file.size for file in plan.files}
    lengths: dict[str, int] = {}
    for part in plan.ranges:
        end = sizes[part.origin.key] if part.stop is None else part.stop
        lengths[part.origin.key] = lengths.get(part.origin.key, 0) + end - part.start
    return lengths
