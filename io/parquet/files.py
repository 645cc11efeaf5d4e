"""Messages as Parquet files in folders that DuckDB and pandas read directly.

Both guess the type of a value in a path, and that value hides the file's column of the same name:
MsgType 8 would become a number. So every column stays in the files, and its folder has another
name: `by_msg_type=is-8`, which any reader takes as text. Only `date` (a date in DuckDB) and `hour`
(`h09`) are in the path alone. Rows without a time have the date 0001-01-01, since pandas cannot
read a null folder next to others.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fixfeed.io.ledger.keys import keys
from fixfeed.transforms.batch import TIME
from fixfeed.transforms.nearest import did_you_mean
from fixfeed.transforms.protocol import Table

__all__ = [
    "check_partitions",
    "children_schemas",
    "columns_of",
    "partitions",
    "with_keys",
    "write_file",
]

_UNDATED = "0001-01-01"
_LONGEST = 200  # file systems take names of 255 bytes
# While parser and writer both work, Arrow's own allocator keeps returning pages and taking new
# zeroed ones: 0.7 s of system time per million messages. malloc does not.
_POOL = pa.system_memory_pool()


def check_partitions(names: Sequence[str], table: Table) -> None:
    """Raise `ValueError`, with the nearest name, if these cannot sort files into folders."""
    columns = (
        "date",
        "hour",
        "source_id",
        *(name for name in table.schema.names if name not in ("position", "raw")),
        *table.names_of_codes,
    )
    for name in names:
        if list(names).count(name) > 1:
            raise ValueError(f"cannot partition by {name!r} twice")
        if name not in columns:
            raise ValueError(
                f"cannot partition by {name!r}: expected date, hour, source_id or a column of the "
                f"messages{did_you_mean(name, columns)}"
            )


def with_keys(
    rows: pa.RecordBatch, source_id: int, key: str, left_out: Sequence[str] = ()
) -> pa.RecordBatch:
    """Return rows of a batch with `key` and source_id in place of their position.

    The columns `left_out`, which only other sinks need, are dropped.
    """
    columns = {
        key: pa.array(keys(source_id, rows["position"].to_numpy())),
        "source_id": pa.array(np.full(rows.num_rows, source_id, np.int64)),
    }
    for name in rows.schema.names:
        if name != "position" and name not in left_out:
            column = rows[name]
            if pa.types.is_dictionary(column.type):
                column = column.dictionary_decode()
            columns[name] = column
    return pa.RecordBatch.from_pydict(columns)


def columns_of(messages: pa.RecordBatch, left_out: Sequence[str]) -> pa.Schema:
    """Return the schema that messages of a batch, or their children, have in files."""
    return with_keys(messages.slice(0, 0), 0, "message_id", left_out).schema


def children_schemas(table: Table) -> dict[str, pa.Schema]:
    """Return the schemas that the tables of children have in files, by name."""
    return {
        name: columns_of(pa.RecordBatch.from_pylist([], schema), ())
        for name, schema in table.children.items()
    }


def partitions(
    rows: pa.Table, names: Sequence[str], times: Sequence[str]
) -> Iterator[tuple[str, pa.Table]]:
    """Yield messages, ordered by message_id, by folder: `date=2025-01-02/by_msg_type=is-D/`.

    They keep that order in each folder. `times` are the columns for their date.
    """
    # Go chunk by chunk, as the batches came, so that rows are copied once and a few at a time.
    found: dict[str, list[pa.RecordBatch]] = {}
    for chunk in rows.to_batches():
        for folder, part in _by_folder(chunk, names, times):
            found.setdefault(folder, []).append(part)
    for folder, parts in found.items():
        yield folder, pa.Table.from_batches(parts)


def _by_folder(
    rows: pa.RecordBatch, names: Sequence[str], times: Sequence[str]
) -> Iterator[tuple[str, pa.RecordBatch]]:
    group = pa.array(np.zeros(rows.num_rows, np.int32))
    folders = [""]
    for name in names:
        values = _values(rows, name, times).dictionary_encode(null_encoding="encode")
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
        # A column that is all null needs no sorting.
        column if column.null_count == len(column) else pc.take(column, order, memory_pool=_POOL)
        for column in rows.columns
    ]
    rows = pa.RecordBatch.from_arrays(columns, schema=rows.schema)
    ends = np.cumsum(np.bincount(group.to_numpy())).tolist()
    for folder, start, end in zip(folders, [0, *ends], ends, strict=False):
        yield folder, rows.slice(start, end - start)


def _values(rows: pa.RecordBatch, name: str, times: Sequence[str]) -> pa.Array:
    if name in ("date", "hour"):
        undated = pa.nulls(rows.num_rows, TIME)
        time = pc.coalesce(*(rows[column] for column in times), undated)
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


def write_file(rows: pa.Table, path: Path, table: Table) -> None:
    """Write a Parquet file; `table` describes the messages. It is on disk once it is synced."""
    # For values that hardly ever repeat, a dictionary would be built and thrown away.
    repeating = [
        field.name
        for field in rows.schema
        if (pa.types.is_string(field.type) and field.name not in table.unique)
        or pa.types.is_decimal(field.type)
    ]
    # Nobody prunes by these; minima and maxima of long texts cost more than all the others.
    long = ("raw", *(name for name in table.json if name in table.unique))
    counted = [name for name in rows.schema.names if name not in long]
    # Level 2 compresses as well as 3. Pages of 2 MiB make smaller files than those of 1 MiB.
    pq.write_table(
        rows,
        path,
        compression="zstd",
        compression_level=2,
        use_dictionary=repeating,
        write_statistics=counted,
        data_page_size=2 << 20,
        memory_pool=_POOL,
    )
