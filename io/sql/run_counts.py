"""What a run on a cluster has committed, counted in the transactions of its rows.

Its workers are on other machines, and what they do is tried again after any of them died. So each
commit counts here what of its batches the run has not counted yet, position by position: whatever
comes again counts nothing.

The table `run_counts` is made by the first such run, and is empty when no such run is open. A row
has the counts of a stretch of a source, as JSON; one whose stretch is empty has those of an
unfinished end, or of a place that could not be read, until it is read after all.
"""

from typing import Any, NamedTuple

import orjson

from fixfeed.io.ledger.counts import Counted, newly_counted
from fixfeed.io.sql.database import Database
from fixfeed.transforms.batch import Batch

__all__ = ["LeftOpen", "count", "counted", "forget", "left_open", "make"]


class LeftOpen(NamedTuple):
    """A run on a cluster whose end, or some of whose counts, its row does not have.

    `about` is what `begin_run` was given as `cluster` of the configuration; `counts` are those in
    its row, {} if there are none, and `ended` is ``, if its end is not stored.
    """

    run_id: int
    about: dict[str, str]
    counts: dict[str, Any]
    ended: str


def make(database: Database) -> None:
    """Make the table, if it is not there."""
    with database.transaction():
        database.lock_schema()
        if "run_counts" not in database.tables():
            integer = {"sqlite": "integer", "postgresql": "bigint"}[database.dialect]
            database.query(
                f"""create table run_counts (
  run text not null,
  source_id {integer} not null,
  start {integer} not null,
  "end" {integer} not null,
  counts text not null,
  primary key (run, source_id, start, "end")
)"""
            )


def count(database: Database, run: str, source_id: int, batch: Batch, stored: int) -> None:
    """Count a batch of a source, of which `stored` messages are new, in its transaction."""
    at = run, source_id
    overlapping = database.query(
        'select start, "end" from run_counts where run = ? and source_id = ?'
        ' and "end" > ? and start < ? and start < "end"',
        *at,
        batch.start,
        batch.end,
    )
    for start, end, one in newly_counted(batch, stored, overlapping):
        _delete(database, at, start, max(end, start + 1))
        if start == end:
            _insert(database, at, start, end, one)
            continue
        before = database.query(
            'select start, counts from run_counts where run = ? and source_id = ? and "end" = ?'
            f' and start < "end"{_lock(database)}',
            *at,
            start,
        )
        for begin, text in before:
            database.query(
                "delete from run_counts where run = ? and source_id = ? and start = ?"
                ' and "end" = ?',
                *at,
                begin,
                start,
            )
            start, one = begin, Counted.read(text) + one
        _insert(database, at, start, end, one)


def _lock(database: Database) -> str:
    return database.row_lock(exclusive=True)


def _insert(database: Database, at: tuple[str, int], start: int, end: int, one: Counted) -> None:
    database.query(
        'insert into run_counts (run, source_id, start, "end", counts) values (?, ?, ?, ?, ?)',
        *at,
        start,
        end,
        one.text,
    )


def _delete(database: Database, at: tuple[str, int], start: int, end: int) -> None:
    """Delete the unfinished ends, and unread places, of [start, end)."""
    database.query(
        'delete from run_counts where run = ? and source_id = ? and start = "end"'
        " and start >= ? and start < ?",
        *at,
        start,
        end,
    )


def counted(database: Database, run: str) -> dict[int, Counted]:
    """Return what a run has counted of each source, by its id."""
    found: dict[int, Counted] = {}
    for source_id, text in database.query(
        "select source_id, counts from run_counts where run = ? order by source_id, start", run
    ):
        found[source_id] = found.get(source_id, Counted()) + Counted.read(text)
    return found


def forget(database: Database, run: str) -> None:
    """Forget what a run has counted."""
    with database.transaction():
        database.query("delete from run_counts where run = ?", run)


def left_open(database: Database) -> list[LeftOpen]:
    """Return the runs on clusters whose end is not stored, or that are counted here still.

    What workers commit after the end of a run is counted here.
    """
    names = [f"%{run}%" for (run,) in database.query("select distinct run from run_counts")]
    found = database.query(
        "select run_id, cast(configuration as text), cast(counts as text), ended from runs"
        " where ended is null" + " or cast(configuration as text) like ?" * len(names),
        *names,
    )
    runs = [
        LeftOpen(
            int(run_id),
            orjson.loads(text).get("cluster") or {},
            orjson.loads(counts or "{}"),
            ended or "",
        )
        for run_id, text, counts, ended in found
    ]
    return [one for one in runs if one.about]
