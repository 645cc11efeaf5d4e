"""What a batch has in some stretches of its source."""

from collections.abc import Iterable
from dataclasses import replace

import pyarrow as pa

from fixfeed.io.ledger.ledger import Stretch, inside
from fixfeed.transforms.batch import Batch

__all__ = ["within"]


def within(batch: Batch, stretches: Iterable[Stretch]) -> Batch:
    """Return a batch with what it has in `stretches`: rows, and what was filtered and skipped.

    So those of stretches that do not overlap, and together are the batch's, add up to the batch.
    `joined` and `octets` stay, since it is not known where they were.
    """
    stretches = list(stretches)
    messages, failures = _rows(batch.messages, stretches), _rows(batch.failures, stretches)
    filtered = _positions(batch.filtered_positions, stretches)
    return replace(
        batch,
        messages=messages,
        failures=failures,
        children={name: _rows(rows, stretches) for name, rows in batch.children.items()},
        filtered_positions=filtered,
        skipped_positions=_positions(batch.skipped_positions, stretches),
        read=messages.num_rows + failures.num_rows + len(filtered),
    )


def _rows(rows: pa.RecordBatch, stretches: Iterable[Stretch]) -> pa.RecordBatch:
    return rows.filter(pa.array(inside(rows["position"].to_numpy(), stretches)))


def _positions(positions: pa.Int64Array, stretches: Iterable[Stretch]) -> pa.Int64Array:
    return positions.filter(pa.array(inside(positions.to_numpy(), stretches)))
