"""SQL statements on sources and their progress, shared by all ledgers in SQL.

The tables `source_identities` and `progress` are in a sink's database, and in the small one beside
a file of JSON lines. Each function takes a `Query` that runs a statement there, or the database
(`Tables`); the caller opens and commits transactions.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from fixfeed.io.ledger.identity import (
    Match,
    StoredSource,
    digests_of,
    identify,
    place_of,
    stored_source,
)
from fixfeed.io.ledger.ledger import COUNTS, Known, Progress, by_source, known, settled
from fixfeed.io.ledger.source import Source
from fixfeed.io.ledger.witness import NOTE, far_apart, note, noted
from fixfeed.io.sql.listed import listed

__all__ = [
    "Identified",
    "Query",
    "Tables",
    "extend",
    "identified",
    "insert",
    "join",
    "move_source",
    "overlapping",
    "overlapping_any",
    "progress_of",
    "settle",
]

Query = Callable[..., list[tuple[Any, ...]]]
"""Runs a statement with `?` for the values after it; returns its rows, [] if there are none."""

# The columns of the table `progress` that make a `ledger.ledger.Progress`.
_NAMES = ("source_id", "rules", "start", '"end"', *COUNTS, "witnesses")
_PROGRESS = ", ".join(_NAMES[1:])
_ROW = {
    "source_id": "bigint",
    "rules": "text",
    "start": "bigint",
    "stop": "bigint",
    **dict.fromkeys(COUNTS, "bigint"),
    "notes": "text",
    "kept": "bigint",
}
"""The columns of stretches that `extend` counts as done. `kept` is 1 if the last witness of the
stretch that one is joined to is kept, and 0 if the next one takes its place."""
_ADDED = ", ".join(f"{name} = progress.{name} + added.{name}" for name in COUNTS)
_EXTEND = (
    f'update progress set "end" = added.stop, {_ADDED}, witnesses = case when added.kept = 1'
    " or progress.witnesses = '' then progress.witnesses else"
    f" substr(progress.witnesses, 1, length(progress.witnesses) - {NOTE}) end || added.notes"
    " from added where progress.source_id = added.source_id and progress.rules = added.rules"
    ' and progress."end" = added.start returning progress.source_id, progress."end"'
)


class Tables(Protocol):
    """A database that has these tables."""

    dialect: str

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """See `Query`."""


class Identified(NamedTuple):
    """The match of each source that is stored, by key; `stored_end` and progress of all, by id."""

    found: dict[str, Match]
    ends: dict[int, str]
    progress: dict[int, list[Progress]]

    def known(self, *, rules: str) -> dict[str, Known]:
        """Return what is known about each source in `found`."""
        ids = {key: match.stored.source_id for key, match in self.found.items()}
        return known(ids, self.ends, self.progress, rules=rules)


def identified(query: Query, sources: Sequence[Source]) -> Identified:
    """Return the stored sources that sources are, from one look at all that are stored."""
    rows = query(
        "select source_id, kind, place, file_id, fingerprint, digests, stored_end"
        " from source_identities order by source_id"
    )
    progress = progress_of(query, [row[0] for row in rows])
    stored = [stored_source(row, progress.get(row[0], ())) for row in rows]
    return Identified(identify(sources, stored), {row[0]: row[-1] for row in rows}, progress)


def move_source(query: Query, source: Source, stored: StoredSource) -> None:
    """Store a source's current place and beginning, and the witness of its end if it is missing."""
    query(
        "update source_identities set place = ?, file_id = ?, fingerprint = ?, digests = ?"
        " where source_id = ?",
        *place_of(source),
        digests_of(source),
        stored.source_id,
    )
    if witness := stored.missing_witness(source):
        query(
            'update progress set witnesses = ? where source_id = ? and "end" = ?',
            note(stored.extent, witness),
            stored.source_id,
            stored.extent,
        )


def progress_of(query: Query, ids: Collection[int]) -> dict[int, list[Progress]]:
    """Return the rows of progress of sources, and of any sources with ids between theirs."""
    return by_source(
        query(
            f"select source_id, {_PROGRESS} from progress where source_id between ? and ?",
            min(ids, default=0),
            max(ids, default=0),
        )
    )


def overlapping(query: Query, source_id: int, start: int, end: int) -> list[Progress]:
    """Return the rows of progress of a source that overlap [start, end)."""
    return query(
        f'select {_PROGRESS} from progress where source_id = ? and "end" > ? and start < ?',
        source_id,
        start,
        end,
    )


def overlapping_any(
    tables: Tables, stretches: Iterable[tuple[int, int, int]], lock: str = ""
) -> dict[int, list[Progress]]:
    """Return, by source, the rows of progress that overlap any of the stretches, each once.

    A stretch is a source id, its start and its end. With a `lock` (`Database.row_lock`) the rows
    are locked, in order, so that jobs wait for each other but do not deadlock; those beside a
    stretch are locked as well, as `extend` and `join` change them.
    """
    over, under = (">=", "<=") if lock else (">", "<")
    columns = {"source_id": "bigint", "start": "bigint", "stop": "bigint"}
    query, value = listed(tables.dialect, columns, stretches)
    found = tables.query(
        f"with asked as ({query}) select {', '.join(f'p.{name}' for name in _NAMES)}"
        " from asked cross join progress p where p.source_id = asked.source_id"
        f' and p."end" {over} asked.start and p.start {under} asked.stop'
        f' order by p.source_id, p."end"{lock}',
        value,
    )
    rows: dict[int, list[Progress]] = defaultdict(list)
    for source_id, *row in dict.fromkeys(found):
        rows[source_id].append(tuple(row))
    return rows


def insert(query: Query, source_id: int, row: Progress) -> None:
    """Store a row of progress of a source."""
    query("insert into progress values (?, ?, ?, ?, ?, ?, ?, ?, ?)", source_id, *row)


def extend(tables: Tables, rows: Sequence[tuple[int, Progress]]) -> None:
    """Count stretches of sources as done, in two statements, however many there are.

    Each is joined to the one of its rules that ends where it begins, if any; they do not join each
    other (`ledger.settled`).
    """
    added = [
        (source_id, *row, int(far_apart(row[1], min(noted(row[-1]), default=row[2]))))
        for source_id, row in rows
    ]
    # One statement, so that a change to a neighbour by another worker in between is seen: if it was
    # joined to another stretch, there is no row to extend, and a new one is inserted.
    query, value = listed(tables.dialect, _ROW, added)
    extended = set(tables.query(f"with added as ({query}) {_EXTEND}", value))
    new = [row for row in added if (row[0], row[3]) not in extended]
    if new:
        query, value = listed(tables.dialect, _ROW, new)
        columns = ", ".join(list(_ROW)[:-1])
        tables.query(f"insert into progress select {columns} from ({query}) added", value)


def join(tables: Tables, source_id: int, rules: str, end: int) -> None:
    """Join the stretch that ends at `end` with the one that begins there, if any."""
    found = tables.query(
        "delete from progress where source_id = ? and rules = ? and start = ?"
        f" returning {_PROGRESS}",
        source_id,
        rules,
        end,
    )
    if found:
        extend(tables, [(source_id, found[0])])


def settle(query: Query, source_id: int, rows: Sequence[Progress]) -> list[Progress]:
    """Join neighbouring stretches of a source; return all of its stretches afterwards."""
    if len(settled(rows)) == len(rows):
        return list(rows)
    # Rows that another job has added meanwhile are deleted here and inserted again, or not touched.
    found = query(f"delete from progress where source_id = ? returning {_PROGRESS}", source_id)
    joined = settled(found)
    for row in joined:
        insert(query, source_id, row)
    return joined
