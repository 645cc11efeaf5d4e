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
    is what is left of a stretch that was divided, in pieces. `removed` are the rows of
    derive_removed: after which, and up to which.
    """

    marks: list[int]
    stretches: list[tuple[int, int]]
    rest: list[tuple[int, int, int]]
    removed: tuple[int, int]
    messages: int

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be done."""
        return not self.marks and self.removed[0] == self.removed[1]

    def take_away(self, database: "Database") -> None:
        """Take away what says that this is to be done, in the transaction that does it."""
        among, values = database.among(pa.array(self.marks, pa.int64()))
        database.query(f"delete from derive_stretches where mark {among}", values)
        mark(database, self.rest)
        database.query(f"delete from derive_removed where {self.which_removed()}")

    def which_removed(self) -> str:
        """Return the condition of the rows of derive_removed."""
        return f"mark > {self.removed[0]} and mark <= {self.removed[1]}"


def next_part(database: "Database", at_once: int, before: Part | None = None) -> Part:
    """Return the next stretches, of at most so many messages; a longer one is divided.

    What is in the part `before` is left out.
    """
    done = set(before.marks) if before else set()
    stretches = [one for one in _stretches(database) if one.mark not in done]
    rest: list[tuple[int, int, int]] = []
    taken, messages = 0, 0
    for one in stretches:
        if taken and messages + one.messages > at_once:
            break
        taken, messages = taken + 1, messages + one.messages
    if messages > at_once:  # one alone
        stretches[0], rest = _divided(database, stretches[0], at_once)
        messages = stretches[0].messages
    after = before.removed[1] if before else -1
    removed = database.query(
        f"select coalesce(max(mark), {after}), count(*) from (select mark from derive_removed"
        f" where mark > {after} order by mark limit {at_once}) taken"
    )
    joined: list[tuple[int, int]] = []
    for one in sorted(stretches[:taken], key=lambda one: one.first):
        if joined and one.first <= joined[-1][1] + 1:
            joined[-1] = joined[-1][0], max(joined[-1][1], one.last)
        else:
            joined.append((one.first, one.last))
    marks = [one.mark for one in stretches[:taken]]
    return Part(marks, joined, rest, (after, int(removed[0][0])), messages + int(removed[0][1]))


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
    """Return the first part of a stretch, and the others, which are to be marked."""
    parts: list[tuple[int, int, int]] = []
    first, left = long.first, long.messages
    while found := database.query(
        f"select message_id from messages where message_id between ? and ?"
        f" order by message_id limit 1 offset {at_once}",
        first,
        long.last,
    ):
        border = int(found[0][0])
        parts.append((first, border - 1, at_once))
        first, left = border, left - at_once
    parts.append((first, long.last, max(1, left)))
    return long._replace(first=parts[0][0], last=parts[0][1], messages=parts[0][2]), parts[1:]
