"""SQL statements on sources and their progress, shared by all ledgers in SQL.

The tables `source_identities` and `progress` are in a sink's database, and in the small one beside
a file of JSON lines. Each function takes a `Query` that runs a statement there; the caller opens
and commits transactions.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

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

__all__ = [
    "Identified",
    "Query",
    "extend",
    "identified",
    "insert",
    "join",
    "move_source",
    "overlapping",
    "progress_of",
    "settle",
]

Query = Callable[..., list[tuple[Any, ...]]]
"""Runs a statement with `?` for the values after it; returns its rows, [] if there are none."""

# The columns of the table `progress` that make a `ledger.ledger.Progress`.
_PROGRESS = f'rules, start, "end", {", ".join(COUNTS)}, witnesses'
# Its values: the new end, counts, whether the last witness is kept (1 or 0), notes of further
# witnesses, source, rules, and the old end.
_EXTEND = (
    f'update progress set "end" = ?, {", ".join(f"{name} = {name} + ?" for name in COUNTS)},'
    " witnesses = case when ? = 1 or witnesses = ''"
    f" then witnesses else substr(witnesses, 1, length(witnesses) - {NOTE}) end || ?"
    ' where source_id = ? and rules = ? and "end" = ? returning start'
)


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


def insert(query: Query, source_id: int, row: Progress) -> None:
    """Store a row of progress of a source."""
    query("insert into progress values (?, ?, ?, ?, ?, ?, ?, ?, ?)", source_id, *row)


def extend(query: Query, source_id: int, row: Progress) -> None:
    """Count a stretch as done, joined to the one of its rules that ends where it begins, if any."""
    rules, start, end, *counts, notes = row
    kept = int(far_apart(start, end))
    # One statement each, so that a change to a neighbour by another worker in between is seen: if
    # it was joined to another stretch, there is no row to extend, and a new one is inserted.
    if not query(_EXTEND, end, *counts, kept, notes, source_id, rules, start):
        insert(query, source_id, row)


def join(query: Query, source_id: int, rules: str, end: int) -> None:
    """Join the stretch that ends at `end` with the one that begins there, if any."""
    found = query(
        "delete from progress where source_id = ? and rules = ? and start = ?"
        f' returning "end", {", ".join(COUNTS)}, witnesses',
        source_id,
        rules,
        end,
    )
    if found:
        follows, *counts, notes = found[0]
        first = min(noted(notes), default=follows)
        kept = int(far_apart(end, first))
        query(_EXTEND, follows, *counts, kept, notes, source_id, rules, end)


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
