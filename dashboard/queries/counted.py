"""Messages counted by minute, session and type, exactly for any time.

Whole minutes are those of `minute_counts`; of the two at the edges of a time that begins or ends
within a minute the messages are counted one by one.
"""

from typing import Any

from fixfeed.dashboard.database import Database
from fixfeed.dashboard.queries.conditions import Where
from fixfeed.dashboard.queries.order_of_time import TIME_SQL
from fixfeed.dashboard.queries.whole_minutes import edges, inside
from fixfeed.dashboard.view import View

__all__ = ["counted"]

_COLUMNS = "minute, session, msg_type, messages, defective"


def counted(database: Database, view: View, *, timed: bool = False) -> tuple[str, list[Any]]:
    """Return what comes after `from` in a query of the messages of a view, and its values.

    It has the columns `minute`, `session`, `msg_type`, `messages` and `defective`, whose rows add
    up. Of a view its times, sessions, types and scope count, not its search. What has no time is in
    it, with no minute, if the view has no times, unless those with a time are asked for (`timed`).
    """
    outside = list(edges(view))
    whole = inside(view)
    if not outside:
        of_time = Where(*(["minute is not null"] if timed else [])).time(database, "minute", view)
        where = _chosen(database, view, of_time)
        return f"minute_counts {where}", where.values
    parts, values = [], []
    if whole is not None:
        where = _chosen(database, view, Where().time(database, "minute", whole))
        parts.append(f"select {_COLUMNS} from minute_counts {where}")
        values += where.values
    source = "messages"
    if database.dialect == "sqlite":
        source += " indexed by messages_time"
    for edge in outside:
        where = _chosen(database, view, Where().time(database, TIME_SQL, edge))
        parts.append(
            f"select {_minute(database)} as minute, session, msg_type, count(*) as messages,"
            f" count(defects) as defective from {source} {where} group by 1, 2, 3"
        )
        values += where.values
    return f"({' union all '.join(parts)}) counted", values


def _chosen(database: Database, view: View, where: Where) -> Where:
    return where.sessions(database, view).among(database, "msg_type", view.types or None)


def _minute(database: Database) -> str:
    if database.dialect == "postgresql":
        return f"date_trunc('minute', {TIME_SQL})"
    return f"substr({TIME_SQL}, 1, 16) || ':00.000000'"
