"""Reads the failures of a folder of Parquet files, in order."""

import heapq
from collections.abc import Generator, Iterator
from operator import itemgetter
from typing import Any

import pyarrow.parquet as pq

from fixfeed.io.ledger.keys import POSITION_BITS
from fixfeed.io.ledger.ledger import SinkError
from fixfeed.io.parquet.folder import ParquetFolder
from fixfeed.io.parquet.storage import Storage

__all__ = ["read_failures"]

_ROWS = 1000  # at a time


def read_failures(place: str) -> Generator[dict[str, Any], None, None]:
    """Yield all failures of a lake with the name of their source; nothing is made or changed.

    Raises `SinkError` if there is no lake.
    """
    lake = ParquetFolder(place)
    if not lake.exists():
        raise SinkError(f"there is no lake of fixfeed's at {place}: no {lake.state_file}")
    names = {one["source_id"]: one["name"] for one in lake.load()["sources"]}
    for files in _overlapping(lake.storage):
        rows = (_rows(lake.storage, one) for one in files)
        for row in heapq.merge(*rows, key=itemgetter("failure_id")):
            source_id, position = divmod(row["failure_id"], 1 << POSITION_BITS)
            yield {
                "failure_id": row["failure_id"],
                "source": names.get(source_id, str(source_id)),
                "position": position,
                "reason": row["reason"],
                "detail": row["detail"],
                "raw": row["raw"],
            }


def _overlapping(storage: Storage) -> Iterator[list[str]]:
    """Yield together the files of a source whose positions, by their names, overlap."""
    found = []
    for place in storage.files("failures"):
        parts = place.rpartition("/")[2].split("-")[:-1]
        numbers = [int(part) for part in parts if part != "provisional"]
        found.append((numbers[0], numbers[1], numbers[-1], place))
    together: list[str] = []
    end = (0, 0)
    for source_id, first, last, place in sorted(found):
        if together and (source_id, first) > end:
            yield together
            together = []
        together.append(place)
        end = max(end, (source_id, last))
    if together:
        yield together


def _rows(storage: Storage, place: str) -> Iterator[dict[str, Any]]:
    with pq.ParquetFile(storage.source(place)) as file:
        for batch in file.iter_batches(_ROWS):
            yield from batch.to_pylist()
