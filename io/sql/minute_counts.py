"""Keeps the table `minute_counts`: how many messages there are, minute by minute.

Its rows are changes that add up: a transaction that stores messages appends what it adds, and one
that deletes messages what it takes away. So two jobs never wait for each other's rows, and the sums
are those of the messages after every commit. Now and then the rows of a minute are made one.

A minute is that of the time that people order messages by (`Table.in_order`), and null where they
have none. `Table.counted_by` are the other columns that are counted apart.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.transforms.batch import TIME
from fixfeed.transforms.protocol import Table

if TYPE_CHECKING:
    from fixfeed.io.sql.database import Database

__all__ = [
    "count_all",
    "counts_of",
    "merge_counts",
    "take_away",
]


def counts_of(parts: Iterable[pa.RecordBatch], table: Table) -> pa.RecordBatch | None:
    """Return the rows that count these messages; None if there is nothing to count."""
    names = [*table.in_order, *table.counted_by, "defects"]
    batches = [part.select(names) for part in parts if part.num_rows]
    if not (batches and table.counted_by):
        return None
    messages = pa.Table.from_batches(batches)
    time = pc.coalesce(*(messages[name].cast(TIME) for name in table.in_order)).cast(pa.int64())
    # Without the time zone, whose look-up takes long.
    minute = pc.floor_temporal(time.cast(pa.timestamp("us")), unit="minute")
    keys = {"minute": minute, **{name: messages[name] for name in table.counted_by}}
    counted = pa.table({**keys, "defects": messages["defects"]}).group_by(list(keys))
    found = counted.aggregate([("minute", "count", pc.CountOptions("all")), ("defects", "count")])
    arrays = [found[name].combine_chunks() for name in keys]
    arrays[0] = arrays[0].cast(pa.int64()).cast(TIME)
    counts = [found["minute_count"].combine_chunks(), found["defects_count"].combine_chunks()]
    return pa.RecordBatch.from_arrays([*arrays, *counts], [*keys, "messages", "defective"])


def take_away(database: "Database", first: int, last: int) -> None:
    """Append that the messages from `first` to `last`, which this transaction deletes, are gone."""
    if database.table.counted_by:
        _count(database, "-", "where message_id between ? and ?", first, last)


def count_all(database: "Database") -> None:
    """Count all messages; the table is empty."""
    if database.table.counted_by:
        _count(database, "", "")


def _count(database: "Database", sign: str, where: str, *values: int) -> None:
    table = database.table
    names = ", ".join(table.counted_by)
    time = ", ".join(table.in_order)
    time = f"coalesce({time})" if "," in time else time
    minute = {
        "sqlite": f"substr({time}, 1, 16) || ':00.000000'",
        "postgresql": f"date_trunc('minute', {time})",
    }[database.dialect]
    database.query(
        f"insert into minute_counts (minute, {names}, messages, defective)"
        f" select {minute}, {names}, {sign}count(*), {sign}count(defects) from messages {where}"
        f" group by {_numbers(1 + len(table.counted_by))}",
        *values,
    )


def merge_counts(database: "Database") -> None:
    """Make the rows of each minute one, in the transaction; what others append stays as it is."""
    if not database.table.counted_by:
        return
    names = ", ".join(["minute", *database.table.counted_by])
    numbers = _numbers(1 + len(database.table.counted_by))
    into = f"insert into minute_counts ({names}, messages, defective)"
    sums = f"select {names}, sum(messages), sum(defective)"
    grouped = f"group by {numbers} having sum(messages) <> 0"
    if database.dialect == "postgresql":
        twice = f"select minute from minute_counts group by {names} having count(*) > 1"
        gone = f"delete from minute_counts where minute in ({twice}) or minute is null returning *"
        database.query(f"with gone as ({gone}) {into} {sums} from gone {grouped}")
        return
    last = int(database.query("select coalesce(max(rowid), 0) from minute_counts")[0][0])
    old = f"rowid <= {last}"
    twice = f"select minute from minute_counts where {old} group by {names} having count(*) > 1"
    chosen = f"where {old} and (minute in ({twice}) or minute is null)"
    database.query(f"{into} {sums} from minute_counts {chosen} {grouped}")
    database.query(f"delete from minute_counts {chosen}")


def _numbers(count: int) -> str:
    return ", ".join(map(str, range(1, count + 1)))
