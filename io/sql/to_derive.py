"""What is to be derived: stretches of messages that came, and what is kept of those that went.

Both are marked in the transaction of the messages, and taken away in that of what is derived.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from fixfeed.io.sql.derived_messages import and_where, schema_of

if TYPE_CHECKING:
    from fixfeed.io.sql.database import Database

__all__ = ["Part", "is_due", "keep_removed", "mark", "next_part", "waiting"]

_STRETCH = pa.schema(
    [("mark", pa.int64()), ("first", pa.int64()), ("last", pa.int64()), ("messages", pa.int64())]
)


def mark(database: "Database", stretches: Sequence[tuple[int, int, int]]) -> None:
    """Mark stretches of messages that come, in their transaction: first id, last id, how many."""
    if stretches and database.table.derived:
        database.query(
            "insert into derive_stretches (first, last, messages) values "
            + ", ".join(f"({first}, {last}, {count})" for first, last, count in stretches)
        )


def keep_removed(database: "Database", first: int, last: int) -> None:
    """Keep what matters of the messages from `first` to `last`, which this transaction deletes."""
    if database.table.derived:
        names = ", ".join(schema_of(database, database.table.derived).names)
        database.query(
            f"insert into derive_removed ({names}) select {names} from messages"
            f" where message_id between ? and ?{and_where(database.table.derived)}",
            first,
            last,
        )


def waiting(database: "Database") -> int:
    """Return how many messages are stored and not derived yet."""
    found = database.query("select coalesce(sum(messages), 0) from derive_stretches")
    return int(found[0][0])


def is_due(database: "Database") -> bool:
    """Return whether anything is to be derived."""
    return any(
        database.query(f"select 1 from {name} limit 1")
        for name in ("derive_stretches", "derive_removed")
    )


class Part(NamedTuple):
    """What is done in one transaction.

    `marks` are the rows of derive_stretches, `stretches` their messages, neighbours joined. `rest`
    is what is left of a stretch that was divided.
    """

    marks: list[int]
    stretches: list[tuple[int, int]]
    rest: list[tuple[int, int, int]]
    last_removed: int
    messages: int

    def take_away(self, database: "Database") -> None:
        """Take away what says that this is to be done, in the transaction that does it."""
        among, values = database.among(pa.array(self.marks, pa.int64()))
        database.query(f"delete from derive_stretches where mark {among}", values)
        mark(database, self.rest)
        database.query(f"delete from derive_removed where mark <= {self.last_removed}")


def next_part(database: "Database", at_once: int) -> Part:
    """Return the next stretches, of at most so many messages; a longer one is divided."""
    stretches = list(_stretches(database))
    rest: list[tuple[int, int, int]] = []
    taken, messages = 0, 0
    for one in stretches:
        if taken and messages + one.messages > at_once:
            break
        taken, messages = taken + 1, messages + one.messages
    if messages > at_once:  # one alone
        stretches[0], rest = _divided(database, stretches[0], at_once)
        messages = stretches[0].messages
    removed = database.query(
        f"select max(mark), count(*) from (select mark from derive_removed order by mark"
        f" limit {at_once}) taken"
    )
    joined: list[tuple[int, int]] = []
    for one in sorted(stretches[:taken], key=lambda one: one.first):
        if joined and one.first <= joined[-1][1] + 1:
            joined[-1] = joined[-1][0], max(joined[-1][1], one.last)
        else:
            joined.append((one.first, one.last))
    marks = [one.mark for one in stretches[:taken]]
    return Part(marks, joined, rest, int(removed[0][0] or -1), messages + int(removed[0][1]))


class _Stretch(NamedTuple):
    mark: int
    first: int
    last: int
    messages: int


def _stretches(database: "Database") -> Iterator[_Stretch]:
    # In the order of message_id, so that a run that has stored a log in any order derives its
    # orders once.
    found = database.select(
        "select mark, first, last, messages from derive_stretches order by first, mark", _STRETCH
    )
    return map(_Stretch._make, zip(*(column.to_pylist() for column in found.columns), strict=True))


def _divided(
    database: "Database", long: _Stretch, at_once: int
) -> tuple[_Stretch, list[tuple[int, int, int]]]:
    """Return the first part of a stretch, and what is left to be marked."""
    found = database.query(
        f"select message_id from messages where message_id between ? and ?"
        f" order by message_id limit 1 offset {at_once}",
        long.first,
        long.last,
    )
    if not found:
        return long, []
    border = int(found[0][0])
    rest = border, long.last, max(1, long.messages - at_once)
    return long._replace(last=border - 1, messages=at_once), [rest]
