"""The limits that the job is compared with: the same rows, ready-made, stored in the fastest way.

    python -m benchmarks.limits NAME LOG TARGET    # prints seconds as JSON

Each runs in a separate process; its rows are made before the clock starts.
"""

import io
import json
import multiprocessing
import sqlite3
import sys
import time
from collections.abc import Callable

import adbc_driver_sqlite.dbapi
import pgpq
import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq

from fixfeed.io.files.find import cut_ranges, find_files
from fixfeed.io.files.reading import read_blocks
from fixfeed.io.sql.doubles import with_doubles
from fixfeed.io.sql.open import open_store
from fixfeed.io.sql.postgresql import encoder_of
from fixfeed.io.sql.sqlite import PRAGMAS
from fixfeed.io.sql.tables import create_statements
from fixfeed.transforms.fix.parser import parse_block
from fixfeed.transforms.fix.protocol import FIX

__all__ = ["LIMITS"]


def _rows(log: str) -> list[pa.RecordBatch]:
    """Return the messages of a log as batches for the table."""
    (file,), _ = find_files([log])
    batches = []
    for part in cut_ranges(file, ()):
        for block in read_blocks(part):
            rows = parse_block(block).messages
            keys = pa.array(rows["position"].to_numpy() + (1 << 40))
            ones = pa.array([1] * rows.num_rows, pa.int64())
            columns = [keys, ones, *(rows[name] for name in rows.schema.names[1:])]
            batches.append(pa.RecordBatch.from_arrays(columns, list(FIX.table.keyed)))
    return batches


def executemany(log: str, target: str) -> float:
    """Python's own sqlite3 with ready-made tuples, one transaction per block."""
    ready = []
    for rows in _rows(log):
        columns = [
            c.cast(pa.string()).to_pylist() if pa.types.is_timestamp(c.type) else c.to_pylist()
            for c in with_doubles(rows, FIX.table.finer).columns
        ]
        ready.append(list(zip(*columns, strict=True)))
    connection = sqlite3.connect(target, isolation_level=None)
    for pragma in PRAGMAS:
        connection.execute(f"pragma {pragma}")
    for statement in create_statements("sqlite", FIX.table):
        connection.execute(statement)
    insert = f"insert into messages values ({','.join('?' * len(FIX.table.keyed))})"
    begin = time.monotonic()
    for rows in ready:
        connection.execute("begin immediate")
        connection.executemany(insert, rows)
        connection.execute("commit")
    return time.monotonic() - begin


def adbc(log: str, target: str) -> float:
    """ADBC with ready-made batches, one transaction per block."""
    ready = [with_doubles(rows, FIX.table.finer) for rows in _rows(log)]
    connection = adbc_driver_sqlite.dbapi.connect(target, autocommit=True)
    cursor = connection.cursor()
    for statement in [*(f"pragma {p}" for p in PRAGMAS), *create_statements("sqlite", FIX.table)]:
        cursor.execute(statement)
        cursor.fetchall()
    begin = time.monotonic()
    for rows in ready:
        cursor.execute("begin immediate")
        cursor.adbc_ingest("messages", rows, mode="append")
        cursor.execute("commit")
    seconds = time.monotonic() - begin
    cursor.close()
    connection.close()
    return seconds


def copy(log: str, target: str) -> float:
    """Binary COPY of ready-made bytes over one connection per core, one transaction per block."""
    store = open_store(target)
    store.prepare()
    store.close()
    ready = []
    for rows in _rows(log):
        builders = {field.name: encoder_of(field, FIX.table.json) for field in rows.schema}
        encoder = pgpq.ArrowToPostgresBinaryEncoder.new_with_encoders(rows.schema, builders)
        ready.append(encoder.write_header() + encoder.write_batch(rows) + encoder.finish())
    processes = multiprocessing.cpu_count()
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(processes + 1)
    workers = [
        context.Process(target=_copy, args=(target, ready[number::processes], barrier))
        for number in range(processes)
    ]
    for worker in workers:
        worker.start()
    barrier.wait()
    begin = time.monotonic()
    for worker in workers:
        worker.join()
    return time.monotonic() - begin


def _copy(target: str, ready: list[bytes], barrier) -> None:
    connection = psycopg2.connect(target)
    cursor = connection.cursor()
    columns = ", ".join(FIX.table.keyed)
    barrier.wait()
    for content in ready:
        cursor.copy_expert(
            f"copy messages ({columns}) from stdin binary", io.BytesIO(content), size=1 << 18
        )
        connection.commit()


def parquet(log: str, target: str) -> float:
    """pyarrow writes the same columns to one zstd file on one core."""
    ready = _rows(log)
    begin = time.monotonic()
    with pq.ParquetWriter(target, ready[0].schema, compression="zstd") as writer:
        for rows in ready:
            writer.write_batch(rows)
    return time.monotonic() - begin


LIMITS: dict[str, Callable[[str, str], float]] = {
    "executemany": executemany,
    "adbc": adbc,
    "copy": copy,
    "parquet": parquet,
}
"""Name -> the function that stores the log's rows in the target and returns the seconds taken."""

if __name__ == "__main__":
    print(json.dumps(LIMITS[sys.argv[1]](*sys.argv[2:])))
