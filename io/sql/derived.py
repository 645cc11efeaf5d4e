"""Keeps a database's derived tables (`transforms.derived`) up to date with its messages.

A transaction that stores messages marks their stretch of message_id in `derive_stretches`, one row
a stretch. One that deletes messages keeps the columns that matter in `derive_removed`. `derive`
takes some of both at a time, changes the tables, and deletes what it took, in one transaction: a
kill leaves it done or to be done. So the tables are those of all messages once both are empty.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.transforms.derived import Derived, Replaced

if TYPE_CHECKING:
    from fixfeed.io.sql.database import Database

__all__ = [
    "Done",
    "derive",
    "derive_part",
    "keep_removed",
    "kept_settings",
    "mark",
    "settle",
    "start_over",
    "waiting",
]

_MESSAGES = 100_000  # at once: two or three seconds, after which a run that is to stop does
_RANGES = 100  # stretches that are read at once; each query costs some tenths of a millisecond
_LARGEST = (1 << 63) - 1
_STRETCH = pa.schema(
    [("mark", pa.int64()), ("first", pa.int64()), ("last", pa.int64()), ("messages", pa.int64())]
)

_SPANS = {
    "sqlite": "select value ->> 0 as value, value ->> 1 as first, value ->> 2 as last"
    " from json_each(?)",
    "postgresql": "select value ->> 0 as value, (value ->> 1)::bigint as first,"
    " (value ->> 2)::bigint as last from jsonb_array_elements(?)",
}
"""A list of [text, number, number] as rows."""


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
        names = ", ".join(_schema(database, database.table.derived).names)
        database.query(
            f"insert into derive_removed ({names}) select {names} from messages"
            f" where message_id between ? and ?{_and_where(database.table.derived)}",
            first,
            last,
        )


def start_over(database: "Database") -> None:
    """Empty the derived tables, and mark all messages, in the transaction."""
    database.query("delete from derive_removed")
    _again(database, 0)


def settle(database: "Database") -> None:
    """Let the database keep the settings of derived tables that the user has chosen.

    Those that are not chosen stay as the database has them. If that changes settings, the tables
    that they matter to are emptied, and all messages are marked, as they have to be derived again.
    Without this the tables are derived by the settings that the database has.
    """
    if not any(one.settings for one in database.table.derived):
        return
    with database.deriving():
        kept = _settings(database)
        first: int | None = None
        for number, one in enumerate(database.table.derived):
            name, known = _name(one), kept.get(_name(one))
            if not one.settings or (known and known.chosen and not one.chosen):
                continue
            if known is None or known != (one.settings, one.chosen):
                database.query("delete from derive_settings where name = ?", name)
                database.query(
                    "insert into derive_settings (name, settings, chosen) values (?, ?, ?)",
                    name,
                    one.settings,
                    int(one.chosen),
                )
            others = one.chosen if known is None else known.settings != one.settings
            first = number if others and first is None else first
        if first is not None and _any_rows(database, first):
            _again(database, first)


def _any_rows(database: "Database", first: int) -> bool:
    """Return whether a derived table from the place `first` on has rows."""
    return any(
        database.query(f"select 1 from {name} limit 1")
        for one in database.table.derived[first:]
        for name in one.tables
    )


def _again(database: "Database", first: int) -> None:
    """Empty the derived tables from the place `first` on, and mark all messages."""
    for one in database.table.derived[first:]:
        for name in one.tables:
            database.query(f"delete from {name}")
    database.query("delete from derive_stretches")
    count = int(database.query("select count(*) from messages")[0][0])
    if count:
        mark(database, [(0, _LARGEST, count)])


class _Kept(NamedTuple):
    settings: str
    chosen: bool


def kept_settings(database: "Database") -> dict[str, str]:
    """Return the settings of derived tables that the database has, by the names of the tables."""
    return {name: kept.settings for name, kept in _settings(database).items()}


def _settings(database: "Database") -> dict[str, _Kept]:
    rows = database.query("select name, settings, chosen from derive_settings")
    return {name: _Kept(settings, bool(chosen)) for name, settings, chosen in rows}


def _name(derived: Derived) -> str:
    """Return the name of the first of its tables, which stands for all of them."""
    return next(iter(derived.tables))


def _derived(database: "Database") -> list[Derived]:
    """Return what is derived, with the settings that the database has."""
    if not any(one.settings for one in database.table.derived):
        return list(database.table.derived)
    kept = _settings(database)
    return [
        one.with_settings(known.settings) if (known := kept.get(_name(one))) else one
        for one in database.table.derived
    ]


def derive(
    database: "Database", *, stop: Callable[[], bool] = lambda: False, at_once: int = _MESSAGES
) -> int:
    """Bring the derived tables up to date; return how many messages were looked at for it.

    It does so in parts of about `at_once` messages, each all or nothing, and ends early after one
    of them if `stop` says so. Nobody else derives meanwhile; others may store messages, in SQLite
    between two parts.
    """
    looked_at = 0
    last = None
    while not stop() and (last := derive_part(database, at_once, last)) is not None:
        looked_at += last.messages
    return looked_at


class Done(NamedTuple):
    """A part that is done: of how many messages, and how many were read again for it."""

    messages: int
    read_again: int


def derive_part(database: "Database", at_once: int, last: Done | None = None) -> Done | None:
    """Do one part of that, given the one before; return what was done, None if nothing is left.

    Where ids come again and again, each part reads again what the parts before it had. So a part
    has as many messages as the last one read again, if that is more: all is read two or three times
    then, however often its ids come.
    """
    if not (database.table.derived and _due(database)):
        return None
    with database.deriving():
        return _derive_part(database, max(at_once, last.read_again) if last else at_once)


def waiting(database: "Database") -> int:
    """Return how many messages are stored and not derived yet."""
    found = database.query("select coalesce(sum(messages), 0) from derive_stretches")
    return int(found[0][0])


def _due(database: "Database") -> bool:
    return any(
        database.query(f"select 1 from {name} limit 1")
        for name in ("derive_stretches", "derive_removed")
    )


def _derive_part(database: "Database", at_once: int) -> Done:
    part = _next_part(database, at_once)
    derived = _derived(database)
    readers = [one for one in derived if one.columns]
    schema = _schema(database, readers)
    # Read once for all of them: a row costs more than its columns.
    changed = pa.concat_tables(
        [
            schema.empty_table(),
            *(
                _messages(database, readers, _between(part.stretches[at : at + _RANGES]))
                for at in range(0, len(part.stretches), _RANGES)
            ),
        ]
    )
    removed = database.select(
        f"select {', '.join(schema.names)} from derive_removed where mark <= {part.last_removed}",
        schema,
    )
    read_again = 0
    replaced: dict[str, Replaced] = {}
    for one in derived:
        stored = _Stored(database, one, replaced)
        changes = one.update(_own(changed, one), _own(removed, one), stored)
        replaced |= {name: changes.of(name, table) for name, table in one.tables.items()}
        for name, units in changes.units.items():
            if len(units):
                among, values = database.among(units)
                database.query(f"delete from {name} where {one.tables[name].unit} {among}", values)
        for name, rows in changes.rows.items():
            if rows.num_rows:
                database.ingest(name, rows.combine_chunks().to_batches())
        read_again = max(read_again, stored.read)
    among, values = database.among(pa.array(part.marks, pa.int64()))
    database.query(f"delete from derive_stretches where mark {among}", values)
    database.query(f"delete from derive_removed where mark <= {part.last_removed}")
    return Done(part.messages, read_again)


class _Part(NamedTuple):
    """What is done in one transaction.

    `marks` are the rows of derive_stretches, `stretches` their messages, neighbours joined.
    """

    marks: list[int]
    stretches: list[tuple[int, int]]
    last_removed: int
    messages: int


def _next_part(database: "Database", at_once: int) -> _Part:
    """Return the next stretches, of at most so many messages; a longer one is divided."""
    stretches = list(_stretches(database))
    taken, messages = 0, 0
    for one in stretches:
        if taken and messages + one.messages > at_once:
            break
        taken, messages = taken + 1, messages + one.messages
    if messages > at_once:  # one alone
        stretches = [_shortened(database, stretches[0], at_once)]
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
    return _Part(marks, joined, int(removed[0][0] or -1), messages + int(removed[0][1]))


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


def _shortened(database: "Database", long: _Stretch, at_once: int) -> _Stretch:
    """Divide a stretch in the table; return its first part, which has no row there any more."""
    found = database.query(
        f"select message_id from messages where message_id between ? and ?"
        f" order by message_id limit 1 offset {at_once}",
        long.first,
        long.last,
    )
    if not found:
        return long
    border = int(found[0][0])
    rest = max(1, long.messages - at_once)
    mark(database, [(border, long.last, rest)])
    return long._replace(last=border - 1, messages=at_once)


class _Stored:
    """See `transforms.derived.Stored`; `read` counts messages."""

    read = 0

    def __init__(self, database: "Database", derived: Derived, replaced: Mapping[str, Replaced]):
        self._database = database
        self._derived = derived
        self._replaced = replaced

    def rows(self, table: str, column: str, values: pa.Array) -> pa.Table:
        schema = next(
            one.tables[table].schema for one in self._database.table.derived if table in one.tables
        )
        if not len(values):
            return schema.empty_table()
        among, given = self._database.among(values)
        return self._database.select(
            f"select {', '.join(schema.names)} from {table} where {column} {among}", schema, given
        )

    def messages(self, ids: pa.Array) -> pa.Table:
        if not len(ids):
            return _own(_schema(self._database, [self._derived]).empty_table(), self._derived)
        among, given = self._database.among(ids)
        return self._messages(f"message_id {among}", given)

    def between(self, begin: str, end: str) -> pa.Table:
        time = ", ".join(self._database.table.in_order)
        time = f"coalesce({time})" if "," in time else time
        return self._messages(f"{time} >= ? and {time} < ?", *_six_digits(begin, end))

    def _messages(self, which: str, *values: object) -> pa.Table:
        found = _messages(self._database, [self._derived], which, *values)
        self.read += found.num_rows
        return _own(found, self._derived)

    def replaced(self, table: str) -> Replaced:
        return self._replaced[table]

    def around(self, table: str, column: str, place: str, spans: pa.Table) -> pa.Table:
        schema = self._derived.tables[table].schema
        if not spans.num_rows:
            return schema.empty_table()
        given = orjson.dumps(
            list(zip(*(one.to_pylist() for one in spans.columns), strict=True))
        ).decode()
        same = f"from {table} n where n.{column} = s.value and n.{place}"
        return self._database.select(
            f"select {', '.join(f't.{name}' for name in schema.names)}"
            f" from ({_SPANS[self._database.dialect]}) s join {table} t on t.{column} = s.value"
            f" and t.{place} >= coalesce((select max(n.{place}) {same} < s.first), s.first)"
            f" and t.{place} <= coalesce((select min(n.{place}) {same} > s.last), s.last)",
            schema,
            given,
        )


def _six_digits(*times: str) -> list[str]:
    """Return times as the texts that SQLite has, which are compared as texts."""
    return [f"{one:<19}"[:19] + (one[19:] + ".000000"[len(one[19:]) :])[:7] for one in times]


def _schema(database: "Database", derived: Sequence[Derived]) -> pa.Schema:
    """Return message_id and all columns that matter to any of them, or choose messages."""
    names = dict.fromkeys(name for one in derived for name in (*one.columns, *one.where))
    columns = [(name, database.table.schema.field(name).type) for name in names]
    return pa.schema([("message_id", pa.int64()), *columns])


def _own(messages: pa.Table, derived: Derived) -> pa.Table:
    """Return those of the messages that matter to one, with its columns."""
    if not derived.columns:
        messages = messages.slice(0, 0)
    for name, values in derived.where.items():
        messages = messages.filter(pc.is_in(messages[name], pa.array(sorted(values))))
    return messages.select(["message_id", *derived.columns])


def _messages(
    database: "Database", derived: Sequence[Derived], which: str, *values: object
) -> pa.Table:
    schema = _schema(database, derived)
    return database.select(
        f"select {', '.join(schema.names)} from messages where {which}{_and_where(derived)}",
        schema,
        *values,
    )


def _between(stretches: Sequence[tuple[int, int]]) -> str:
    """Return the condition that messages are in one of some stretches."""
    return f"({' or '.join(f'message_id between {one} and {last}' for one, last in stretches)})"


def _and_where(derived: Sequence[Derived]) -> str:
    """Return the condition that messages matter to one of them, after others."""
    conditions = [_condition(one.where) for one in derived if one.columns]
    return f" and ({' or '.join(conditions)})" if all(conditions) else ""


def _condition(where: Mapping[str, object]) -> str:
    parts = []
    for name, values in where.items():
        assert isinstance(values, (tuple, list, set, frozenset))
        listed = ", ".join(f"'{value}'" for value in sorted(values))
        parts.append(f"{name} in ({listed})")
    return " and ".join(parts)
