"""Times as the text that SQLite's own functions give and PostgreSQL prints.

SQLite has no type for times; its texts compare as times only if all are written alike. So all have
six digits after the point, and no zone: they are in UTC.
"""

import pyarrow as pa

__all__ = ["with_texts_of_times"]


def with_texts_of_times(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Return rows with times in microseconds as texts like `2026-03-02 09:00:00.123456`."""
    arrays = [
        # Without the time zone, whose look-up takes thirty times as long.
        column.cast(pa.int64()).cast(pa.timestamp("us")).cast(pa.string())
        if pa.types.is_timestamp(column.type)
        else column
        for column in rows.columns
    ]
    return pa.RecordBatch.from_arrays(arrays, rows.schema.names)
