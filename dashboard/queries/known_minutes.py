"""In which minutes a search can find anything at all, where the indexes of messages know.

The indexes are of columns. A field may also be in a group, or twice in a message: such a message
is of a type that has it in a group, or has a defect, provided that nobody read the database's
messages by a dictionary of his own, or without checks.
"""

import datetime
from typing import Any

from fixfeed.dashboard.database import Database
from fixfeed.dashboard.queries.order_of_time import TIME_SQL, among
from fixfeed.dashboard.search.conditions import condition
from fixfeed.dashboard.search.groups import without_groups_of
from fixfeed.dashboard.search.search import Search
from fixfeed.dashboard.view import known_kinds
from fixfeed.transforms.fix.rules.conditions import Term
from fixfeed.transforms.protocol import default_protocol

__all__ = ["known_minutes"]

_MOST = 1000
"""Messages that an index leads to; a search that means more of them soon fills a page anyway."""
_MOST_DEFECTIVE = 50_000  # all of which are looked at, in some 50 ms


def known_minutes(database: Database, search: Search) -> list[datetime.datetime] | None:
    """Return the minutes, in order, of all messages with a time that a search can mean.

    None if that is not known, or they are too many to be of use.
    """
    indexed = {columns[0] for columns in default_protocol().table.indexes}
    for term in search.required():
        if term.operand.column in indexed and term.operator in ("=", "in"):
            found = _of_term(database, term)
            if found is not None:
                return sorted(found)
    return None


def _of_term(database: Database, term: Term) -> set[datetime.datetime] | None:
    column = term.operand.column
    assert column is not None
    exact = among(database, column, term.values)
    times = _times(
        database, f"{column} is not null and {exact.sql}", exact.values, source="messages"
    )
    if times is None or not _read_plainly(database):
        return None
    source = "messages"
    if database.dialect == "sqlite":
        source += " indexed by messages_defects"
    counted = database.rows(
        f"select count(*) as messages from (select 1 from {source} where defects is not null"
        f" limit {_MOST_DEFECTIVE + 1}) defective"
    )
    if counted[0]["messages"] > _MOST_DEFECTIVE:
        return None
    wide = condition(term, database)
    defective = _times(database, f"defects is not null and {wide.sql}", wide.values, source=source)
    grouped = _minutes_of_groups(database, term.operand.keys)
    if defective is None or grouped is None:
        return None
    return {time.replace(second=0, microsecond=0) for time in times | defective} | grouped


def _times(
    database: Database, where: str, values: tuple[Any, ...], *, source: str
) -> set[datetime.datetime] | None:
    """Return the times of messages, None if they are too many."""
    rows = database.rows(
        f"select {TIME_SQL} as time from {source} where {where} limit {_MOST + 1}", *values
    )
    return None if len(rows) > _MOST else {row["time"] for row in rows if row["time"]}


def _minutes_of_groups(database: Database, keys: tuple[str, ...]) -> set[datetime.datetime] | None:
    """Return the minutes of the messages of types that may have the field in a group."""
    plain = frozenset.intersection(*map(without_groups_of, keys))
    grouping = [kind for kind in known_kinds(database) if kind not in plain]
    asked = among(database, "msg_type", grouping)
    rows = database.rows(
        f"select minute from minute_counts where (msg_type is null or {asked.sql})"
        f" and minute is not null group by minute limit {_MOST + 1}",
        *asked.values,
    )
    return None if len(rows) > _MOST else {row["minute"] for row in rows}


def _read_plainly(database: Database) -> bool:
    """Return whether all messages were read by the built-in dictionaries alone, and checked."""
    read = {row["rules"] for row in database.rows("select distinct rules from progress")}
    plain = database.rows(
        "select distinct configuration ->> 'rules' as rules from runs"
        " where (configuration ->> 'dictionary') = '[]'"
        " and (configuration ->> 'validate') in ('structure', 'dictionary')"
    )
    return read <= {row["rules"] for row in plain}
