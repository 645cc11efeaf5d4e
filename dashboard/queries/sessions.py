"""What sessions did, day by day: their numbers, gaps and what filled them, when they were there."""

import datetime
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from fixfeed.dashboard.database import Database
from fixfeed.dashboard.queries.conditions import Where
from fixfeed.dashboard.queries.order_of_time import TIME_SQL
from fixfeed.dashboard.queries.whole_minutes import covering
from fixfeed.dashboard.view import View
from fixfeed.transforms.batch import TIME

__all__ = [
    "EVENTS",
    "NEVER",
    "Gap",
    "days",
    "events",
    "gaps",
    "gaps_in",
    "logged_out",
    "presences",
    "sequences",
    "silences",
]

Row = dict[str, Any]


def days(database: Database, view: View) -> list[Row]:
    """Return the rows of `session_days` of days that a view touches, by session and day.

    Each also has `missing` and `duplicates`, the sums over its sequence numbers, and its
    `first_number` and `last_number`.
    """
    where = Where().day("d.day", view).sessions(database, view, "d.session")
    within = Where().day("day", view)
    return database.rows(
        "select d.*, coalesce(s.missing, 0) as missing, coalesce(s.duplicates, 0) as duplicates,"
        " s.first_number, s.last_number from session_days d left join ("
        "select session_day, sum(missing) as missing, sum(duplicates) as duplicates,"
        " min(first_number) as first_number, max(last_number) as last_number"
        f" from sequences {within} group by session_day"
        f") s on s.session_day = d.session_day {where} order by d.session, d.day",
        *within.values,
        *where.values,
    )


def sequences(database: Database, view: View) -> list[Row]:
    """Return the rows of `sequences` of days that a view touches, in the order of numbers."""
    where = Where().day("day", view).sessions(database, view)
    return database.rows(
        f"select * from sequences {where}"
        " order by session, appl_id, day, numbers_since, first_number",
        *where.values,
    )


class Gap(NamedTuple):
    """Sequence numbers that did not come when they were due.

    `what` is `never came`, `resent`, or `gap fill`; `at` is when the numbers came that filled it,
    or, of one that never was filled, the first number after it. Of one that never came,
    `without_time` is how many of its numbers are those of stored messages that have no time: they
    may be of this day or of another one.
    """

    session: str
    day: datetime.date
    first: int
    last: int
    what: str
    at: datetime.datetime | None
    appl_id: str | None = None
    without_time: int = 0

    @property
    def numbers(self) -> int:
        """How many numbers it has."""
        return self.last - self.first + 1


NEVER = "never came"
_FILLED = {"resent": "resent", "gap_fill": "gap fill"}
_WITHOUT_TIME = 10_000  # messages


def gaps(database: Database, view: View) -> list[Gap]:
    """Return the gaps of days that a view touches, by session, in the order of their numbers."""
    found = list(gaps_in(sequences(database, view)))
    numbers = _without_time(database, view) if any(gap.what == NEVER for gap in found) else {}
    return [
        gap._replace(without_time=bisect_right(own, gap.last) - bisect_left(own, gap.first))
        if gap.what == NEVER and (own := numbers.get(gap.session)) and gap.appl_id is None
        else gap
        for gap in found
    ]


def _without_time(database: Database, view: View) -> dict[str | None, list[int]]:
    """Return the MsgSeqNums of messages that have no time, by session, in order, each once.

    Those of the first ten thousand such messages. Days of sessions are made of what has a time.
    """
    where = Where(f"{TIME_SQL} is null").sessions(database, view)
    found: dict[str | None, set[int]] = {}
    for row in database.rows(
        f"select session, msg_seq_num from messages {where} limit {_WITHOUT_TIME}", *where.values
    ):
        if row["msg_seq_num"] is not None:
            found.setdefault(row["session"], set()).add(row["msg_seq_num"])
    return {session: sorted(numbers) for session, numbers in found.items()}


def gaps_in(rows: Sequence[Row]) -> Iterator[Gap]:
    """Yield the gaps of rows of `sequences` that are in the order of `sequences` above.

    What names no session has none: its numbers are of several.
    """
    last: dict[Any, int] = {}
    for row in rows:
        if row["session"] is None:
            continue
        key = row["session"], row["appl_id"]
        missing = row["missing"]
        if row["began"] == "continued" and key in last:
            missing = max(0, row["first_number"] - last[key] - 1)  # since the day before
        where = row["session"], row["day"]
        first = row["first_number"]
        if missing:
            yield Gap(*where, first - missing, first - 1, NEVER, row["first_time"],
                      row["appl_id"])  # fmt: skip
        if row["began"] in _FILLED:
            yield Gap(*where, first, row["last_number"], _FILLED[row["began"]], row["first_time"],
                      row["appl_id"])  # fmt: skip
        before = last.get(key, 0) if row["began"] in _FILLED else 0  # of the day before, perhaps
        last[key] = max(before, row["last_number"])


_NUMBER = {
    "sqlite": "strftime('%s', substr(m.minute, 1, 16)) / 60",
    "postgresql": "extract(epoch from m.minute) / 60",
}
EVENTS = ("logons", "logouts", "resets", "gap_fills", "resend_requests", "rejects")
"""The columns of counts of what happens in a session beside its messages."""


def presences(database: Database, view: View) -> list[Row]:
    """Return when sessions sent something in every minute: `session`, `first`, `last`, `messages`.

    `first` and `last` are minutes, and `messages` how many came from the one to the other. Of a
    view its whole minutes count (`covering`).
    """
    where = _minutes_of(database, view).time(database, "m.minute", covering(view))
    return database.rows(
        f"""select session, min(minute) as first, max(minute) as last, sum(messages) as messages
from (
  select m.session, m.minute, m.messages, {_NUMBER[database.dialect]}
    - row_number() over (partition by m.session order by m.minute) as stretch
  from session_days d cross join session_minutes m {where}
) minutes group by session, stretch order by session, first""",
        *where.values,
        types={"first": TIME, "last": TIME},
    )


def events(database: Database, view: View, most: int = 20_000) -> list[Row]:
    """Return the minutes in which something else happened: `session`, `minute`, and `EVENTS`.

    Of a view its whole minutes count (`covering`).
    """
    where = _minutes_of(database, view).time(database, "m.minute", covering(view))
    where.add(f"{' + '.join(f'm.{name}' for name in EVENTS)} > 0")
    return database.rows(
        f"select m.session, m.minute, {', '.join(f'm.{name}' for name in EVENTS)}"
        f" from session_days d cross join session_minutes m {where} order by m.minute limit {most}",
        *where.values,
    )


def _minutes_of(database: Database, view: View) -> Where:
    """Return what joins `session_days d` with its `session_minutes m`, of a view's sessions.

    As a cross join: SQLite takes its tables as they are written, so all days, but not all minutes.
    """
    where = Where(
        "m.session_day = d.session_day", "m.session_day is not null", "d.session is not null"
    )
    return where.day("d.day", view).sessions(database, view, "d.session")


def logged_out(database: Database, view: View) -> set[str]:
    """Return the sessions whose last message on the days that a view touches is a Logout."""
    where = Where("session is not null").day("day", view).sessions(database, view)
    rows = database.rows(
        "select d.session, m.logged_out from"
        f" (select session, max(last_time) as last_time from session_days {where} group by session)"
        " ends cross join session_days d cross join session_minutes m"
        " where d.session = ends.session and d.last_time = ends.last_time"
        " and m.session_day = d.session_day"
        " and m.session_day is not null and m.last_time = d.last_time",
        *where.values,
    )
    return {row["session"] for row in rows if row["logged_out"]}


_SECONDS = {
    "sqlite": "(julianday({after}) - julianday({before})) * 86400",
    "postgresql": "extract(epoch from {after} - {before})",
}


def silences(database: Database, view: View) -> list[Row]:
    """Return how long sessions were silent: `session`, `heart_bt_int`, `seconds`, `minutes`.

    `minutes` are those whose longest silence was of so many whole seconds: the time between two
    messages the second of which is in the minute. What lies between a Logout and a Logon, or two
    days, is none. `heart_bt_int` is that of the day's last Logon, None if there is none. So a
    session with nothing to say but regular heartbeats has all its minutes at its HeartBtInt. Of a
    view its whole minutes count (`covering`).
    """
    own = _minutes_of(database, view)
    silent = Where("seconds >= 0").time(database, "minute", covering(view))
    between = _SECONDS[database.dialect].format(
        after="m.first_time", before="lag(m.last_time) over by_day"
    )
    return database.rows(
        f"""select session, heart_bt_int, seconds, count(*) as minutes from (
  select session, heart_bt_int, minute,
    cast(round(case when before > within then before else within end) as bigint) as seconds
  from (
    select d.session, d.heart_bt_int, m.minute, coalesce(m.longest_silence, -1) as within,
      case when coalesce(m.logged_on, false) or coalesce(lag(m.logged_out) over by_day, true)
        then -1 else {between} end as before
    from session_days d cross join session_minutes m {own}
    window by_day as (partition by m.session_day order by m.minute)
  ) silences
) longest {silent} group by 1, 2, 3 order by 1, 2, 3""",
        *own.values,
        *silent.values,
    )
