"""Rows of messages as Parquet files in folders that DuckDB and pandas read as they are.

Both guess the type of a value that stands in a path, and what stands there covers the column of the
same name in the file: MsgType 8 would become a number. So a column is never left out of the files,
and its folder has another name: `by_msg_type=is-8`, which is text to everyone. Only `date` (a date
to DuckDB) and `hour` (`h09`) stand in the path alone. Rows without a time have the date 0001-01-01,
since pandas does not read a folder whose value is null beside others.
"""

import difflib
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fixfeed.io.fsync import sync
from fixfeed.io.ledger.keys import keys
from fixfeed.transforms.fix.schema import MESSAGES, NAMED

__all__ = [
    "check_partitions",
    "columns_of",
    "partitions",
    "with_keys",
    "write_file",
]

_UNDATED = "0001-01-01"
_TIMES = ("captured_at", "sending_time", "transact_time")
_COLUMNS = (
    "date",
    "hour",
    "source_id",
    *(name for name in MESSAGES.names if name not in ("position", "raw")),
    *(f"{name}_name" for name in NAMED),
)
_LONGEST = 200  # file systems take names of 255 bytes
_LEFT_OUT = ("position", "fix_json")  # fix_json, for sinks of JSON, says what the others say
# Values that hardly ever come again: a dictionary of them would be made and thrown away.
_NO_DICTIONARY = ("cl_ord_id", "orig_cl_ord_id", "order_id", "exec_id", "exec_ref_id", "fields")
# What nobody prunes by; minima and maxima of long texts cost more than those of all the rest.
_NO_STATISTICS = ("fields", "raw")
# Arrow's own allocator gives pages back and takes them anew, zeroed, while the parser works beside
# the writer: 0.7 s of system time for a million messages, which malloc does without.
_POOL = pa.system_memory_pool()


def check_partitions(names: Sequence[str]) -> None:
    """Raise `ValueError`, naming the nearest, if files cannot be sorted into folders by these."""
    for name in names:
        if name not in _COLUMNS:
            near = difflib.get_close_matches(name, _COLUMNS, 1)
            guess = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(
                f"cannot partition by {name!r}: expected date, hour, source_id or a column of the "
                f"messages{guess}"
            )


def with_keys(rows: pa.RecordBatch, source_id: int, key: str) -> pa.RecordBatch:
    """Return rows of a batch with `key` and source_id in place of their position.

    What is there for other sinks, the column `fix_json`, is left out.
    """
    columns = {
        key: pa.array(keys(source_id, rows["position"].to_numpy())),
        "source_id": pa.array(np.full(rows.num_rows, source_id, np.int64)),
    }
    for name in rows.schema.names:
        if name not in _LEFT_OUT:
            column = rows[name]
            if pa.types.is_dictionary(column.type):
                column = column.dictionary_decode()
            columns[name] = column
    return pa.RecordBatch.from_pydict(columns)


def columns_of(messages: pa.RecordBatch) -> pa.Schema:
    """Return the schema that messages of a batch have in files."""
    return with_keys(messages.slice(0, 0), 0, "message_id").schema


def partitions(rows: pa.Table, names: Sequence[str]) -> Iterator[tuple[str, pa.Table]]:
    """Return messages, in the order of message_id, by folder: `date=2025-01-02/by_msg_type=is-D/`.

    In each folder they stay in that order.
    """
    # Chunk by chunk, as the batches came: rows are copied once, and little at a time.
    found: dict[str, list[pa.RecordBatch]] = {}
    for chunk in rows.to_batches():
        for folder, part in _by_folder(chunk, names):
            found.setdefault(folder, []).append(part)
    for folder, parts in found.items():
        yield folder, pa.Table.from_batches(parts)


def _by_folder(rows: pa.RecordBatch, names: Sequence[str]) -> Iterator[tuple[str, pa.RecordBatch]]:
    group = pa.array(np.zeros(rows.num_rows, np.int32))
    folders = [""]
    for name in names:
        values = _values(rows, name).dictionary_encode(null_encoding="encode")
        level = [_folder(name, value) for value in values.dictionary.to_pylist()]
        pairs = group.to_numpy().astype(np.int64) * len(level) + values.indices.to_numpy()
        coded = pa.array(pairs).dictionary_encode()
        group = coded.indices
        folders = [
            folders[one // len(level)] + level[one % len(level)]
            for one in coded.dictionary.to_pylist()
        ]
    order = pc.array_sort_indices(group)  # stable
    columns = [
        # Where all is null there is nothing to sort.
        column if column.null_count == len(column) else pc.take(column, order, memory_pool=_POOL)
        for column in rows.columns
    ]
    rows = pa.RecordBatch.from_arrays(columns, schema=rows.schema)
    ends = np.cumsum(np.bincount(group.to_numpy())).tolist()
    for folder, start, end in zip(folders, [0, *ends], ends, strict=False):
        yield folder, rows.slice(start, end - start)


def _values(rows: pa.RecordBatch, name: str) -> pa.Array:
    if name in ("date", "hour"):
        time = pc.coalesce(*(rows[column] for column in _TIMES))
        return time.cast(pa.date32()) if name == "date" else pc.hour(time)
    return rows[name] if name in rows.schema.names else pa.nulls(rows.num_rows, pa.string())


def _folder(name: str, value: Any) -> str:
    if name == "date":
        return f"date={_UNDATED if value is None else value}/"
    if name == "hour":
        return f"hour={'none' if value is None else f'h{value:02d}'}/"
    if value is None:
        return f"by_{name}=none/"
    text = quote(str(value), safe="")
    if len(text) > _LONGEST:
        digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        text = f"{text[:_LONGEST].rpartition('%')[0] or text[:_LONGEST]}...{digest}"
    return f"by_{name}=is-{text}/"


def write_file(rows: pa.Table, path: Path) -> None:
    """Write a Parquet file and wait until it is on the disk."""
    repeating = [
        field.name
        for field in rows.schema
        if (pa.types.is_string(field.type) and field.name not in _NO_DICTIONARY)
        or pa.types.is_decimal(field.type)
    ]
    # Level 2 makes the files as small as 3 does, pages of 2 MiB smaller than those of 1 MiB.
    pq.write_table(
        rows,
        path,
        compression="zstd",
        compression_level=2,
        use_dictionary=repeating,
        write_statistics=[name for name in rows.schema.names if name not in _NO_STATISTICS],
        data_page_size=2 << 20,
        memory_pool=_POOL,
    )
    sync(path)
