"""Replaces rows in the files of a lake when stretches are stored anew.

A file keeps its name. Those of its messages that are stored anew replace the old ones; the others
stay. A message that was in no file, or in a file of another folder, goes to a new file. So a reader
that listed the files earlier can open each of them, and whichever it opens before and after, it
finds no message in two of them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from fixfeed.io.ledger.keys import POSITION_BITS
from fixfeed.io.ledger.ledger import Progress, Stretch, carved, inside, losses
from fixfeed.io.parquet.storage import Storage

__all__ = [
    "KEYS",
    "Held",
    "held_files",
    "key_of",
    "progress_after",
    "provisional_files",
    "renewed",
]

KEYS = {"messages": "message_id", "failures": "failure_id"}
"""Table whose rows progress counts -> the key column of its rows."""


def key_of(table: str) -> str:
    """Return the column by which the rows of any table are in order; children have that twice."""
    return KEYS.get(table, KEYS["messages"])


class Held(NamedTuple):
    """A file that, by its name, may hold rows of some stretches.

    `place` is its path in the lake; `version` changes when its content is replaced.
    """

    table: str
    place: str
    source_id: int
    version: Any

    @property
    def folder(self) -> str:
        """The place of its folder, as `partitions` names it."""
        return self.place.removeprefix(self.table + "/").rpartition("/")[0]


def held_files(
    storage: Storage,
    stretches: Mapping[int, Sequence[Stretch]],
    emptied: set[str],
    tables: Iterable[str] = KEYS,
) -> list[Held]:
    """Return the files of tables that may have rows in these stretches of the sources."""
    found = []
    for table in tables:
        for place in storage.files(table):
            numbers = _numbers(place)
            if not numbers[0].isdigit():  # an unfinished end
                continue
            source_id, first, last = map(int, numbers[:3])
            if place not in emptied and any(
                start <= last and first < end for start, end in stretches.get(source_id, ())
            ):
                found.append(Held(table, place, source_id, storage.version(place)))
    return found


def provisional_files(storage: Storage) -> Iterator[tuple[str, int, int]]:
    """Yield the places of sources' unfinished ends, with source id and start."""
    for place in storage.files("failures", "provisional-"):
        _, source_id, start, _ = _numbers(place)
        yield place, int(source_id), int(start)


def _numbers(place: str) -> list[str]:
    """Return the parts of a file's name."""
    return place.rpartition("/")[2].split("-")


def renewed(
    storage: Storage, held: Held, stretches: Sequence[Stretch], new: pa.Table | None
) -> tuple[pa.Table | None, pa.Table | None]:
    """Return the rows to replace a file's, None if they stay, and the rest of `new`.

    `new` are the rows of the stretches in its folder, in order, if there are any.
    """
    key = key_of(held.table)
    rows = pq.ParquetFile(storage.source(held.place)).read()
    kept = ~inside(_positions(rows[key], held), stretches)
    if kept.all():
        return None, new
    content = rows.filter(pa.array(kept))
    if new is not None:
        ours = np.isin(new[key].to_numpy(), rows[key].to_numpy())
        content = pa.concat_tables(
            [content, new.filter(pa.array(ours))], promote_options="default"
        ).sort_by([(key, "ascending"), *([] if held.table in KEYS else [("entry", "ascending")])])
        new = new.filter(pa.array(~ours)) if not ours.all() else None
    return content, new


def progress_after(
    storage: Storage,
    progress: Sequence[Progress],
    done: Mapping[int, Sequence[Progress]],
    held: Sequence[Held],
    emptied: set[str],
) -> dict[int, list[Progress]]:
    """Return all progress of sources, by id, after stretches of them are stored anew.

    `progress` has the rows of these stretches, each after its source id, and `done` is the progress
    before. The files are still the old ones.
    """
    before: dict[tuple[str, int], list[NDArray[np.int64]]] = {}
    for one in held:
        if one.table in KEYS:
            before.setdefault((one.table, one.source_id), []).append(_positions_in(storage, one))

    def counted(table: str, source_id: int, stretch: Stretch) -> int:
        found = before.get((table, source_id), ())
        return sum(int(np.count_nonzero(inside(one, [stretch]))) for one in found)

    after: dict[int, list[Progress]] = {}
    for row in progress:
        source_id, _, start, end, stored, filtered, _, skipped, _ = row
        rows = after.get(source_id, done.get(source_id, ()))
        over = [part for part in rows if part[1] < end and start < part[2]]

        def gone(stretch: Stretch, source_id: int = source_id) -> tuple[int, int]:
            messages, failures = (counted(table, source_id, stretch) for table in KEYS)
            return messages, failures

        def count_rows(stretch: Stretch, source_id: int = source_id) -> tuple[int, int, int, int]:
            return _counts(storage, source_id, stretch, emptied)

        left = [part for part in rows if part not in over]
        # How many messages the old rules filtered out: they read as many messages as ours do.
        filtered = max(0, stored + filtered - gone((start, end))[0])
        for part, went in losses(over, (start, end), gone, filtered=filtered, skipped=skipped):
            left += carved(part, (start, end), went, count_rows)
        after[source_id] = [*left, row[1:]]
    return after


def _counts(
    storage: Storage, source_id: int, stretch: Stretch, emptied: set[str]
) -> tuple[int, int, int, int]:
    """Return the counts of a stretch; filtered and skipped are 0, since they leave no rows."""
    rows = dict.fromkeys(KEYS, 0)
    for one in held_files(storage, {source_id: [stretch]}, emptied):
        rows[one.table] += int(np.count_nonzero(inside(_positions_in(storage, one), [stretch])))
    return rows["messages"], 0, rows["failures"], 0


def _positions_in(storage: Storage, held: Held) -> NDArray[np.int64]:
    source = storage.source(held.place)
    keys = pq.read_table(source, columns=[KEYS[held.table]], partitioning=None)[0]
    return _positions(keys, held)


def _positions(keys: pa.ChunkedArray, held: Held) -> NDArray[np.int64]:
    return keys.to_numpy() - (held.source_id << POSITION_BITS)
