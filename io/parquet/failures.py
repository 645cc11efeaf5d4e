"""Reads the failures of a folder of Parquet files, in order."""

import heapq
from collections.abc import Generator, Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from fixfeed.io.ledger.keys import POSITION_BITS
from fixfeed.io.ledger.ledger import SinkError
from fixfeed.io.parquet.folder import ParquetFolder

__all__ = ["read_failures"]

_ROWS = 1000  # at a time


def read_failures(place: str) -> Generator[dict[str, Any], None, None]:
    """Yield all failures of a lake with the name of their source; nothing is made or changed.

    Raises `SinkError` if there is no lake.
    """
    lake = ParquetFolder(place)
    if not lake.state_file.exists():
        raise SinkError(f"there is no lake of fixfeed's at {place}: no {lake.state_file}")
    names = {one["source_id"]: one["name"] for one in lake.load()["sources"]}
    for files in _overlapping(lake.folder / "failures"):
        for row in heapq.merge(*map(_rows, files), key=itemgetter("failure_id")):
            source_id, position = divmod(row["failure_id"], 1 << POSITION_BITS)
            yield {
                "failure_id": row["failure_id"],
                "source": names.get(source_id, str(source_id)),
                "position": position,
                "reason": row["reason"],
                "detail": row["detail"],
                "raw": row["raw"],
            }


def _overlapping(folder: Path) -> Iterator[list[Path]]:
    """Yield together the files of a source whose positions, by their names, overlap."""
    found = []
    for path in folder.glob("*.parquet"):
        numbers = [int(part) for part in path.stem.split("-")[:-1] if part != "provisional"]
        found.append((numbers[0], numbers[1], numbers[-1], path))
    together: list[Path] = []
    end = (0, 0)
    for source_id, first, last, path in sorted(found):
        if together and (source_id, first) > end:
            yield together
            together = []
        together.append(path)
        end = max(end, (source_id, last))
    if together:
        yield together


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_ROWS):
            yield from batch.to_pylist()
