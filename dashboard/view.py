"""What is asked for: the filter row of a page, the parameters of a link and of the API."""

import datetime
from collections.abc import Iterator
from dataclasses import dataclass

from fixfeed.dashboard.database import Database
from fixfeed.dashboard.scope import EVERYTHING, Scope, cuts
from fixfeed.dashboard.search.search import Search, read_search
from fixfeed.transforms.fix.patterns import matches
from fixfeed.transforms.fix.session_pair import session_pair

__all__ = ["View", "known_kinds", "known_sessions", "opposites", "seen_pairs", "seen_sessions"]


@dataclass(frozen=True)
class View:
    """A part of the messages.

    Args:
      text: The search (`search.search`); `` for none.
      sessions: Sessions as the column has them, `FIX.4.4:A->B`, or patterns of them with `*` and
        `?`, but for what is the name of a session itself; none means all.
      types: MsgTypes; none means all.
      begin: The first time, of `coalesce(sending_time, captured_at)`; None for any.
      end: The time after the last one. With either of them, what has no time is left out.
      scope: What the reader may see: whatever is asked for, nothing else is found.
      exactly: Sessions are no patterns, whatever there is.
    """

    text: str = ""
    sessions: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    begin: datetime.datetime | None = None
    end: datetime.datetime | None = None
    scope: Scope = EVERYTHING
    exactly: bool = False

    def __post_init__(self) -> None:
        """Bring both times to UTC; one without a zone is in UTC."""
        for name in ("begin", "end"):
            time = getattr(self, name)
            if time is not None:
                known = time.replace(tzinfo=time.tzinfo or datetime.UTC)
                object.__setattr__(self, name, known.astimezone(datetime.UTC))

    @property
    def search(self) -> Search:
        """The search; raises `SearchError` if it cannot be read."""
        return read_search(self.text)


_KINDS = """with recursive kinds (kind) as (
  select min(msg_type) from minute_counts
  union all
  select (select min(msg_type) from minute_counts where msg_type > kind) from kinds
  where kind is not null
)"""
"""Steps over the index by type, however many rows each has."""

_EACH = f"""{_KINDS}, each (kind, session) as (
  select kind, (select min(session) from minute_counts where msg_type = kind) from kinds
  where kind is not null
  union all
  select kind, (select min(c.session) from minute_counts c
    where c.msg_type = kind and c.session > each.session) from each where each.session is not null
)
select session from each where session is not null
union select session from minute_counts where msg_type is null and session is not null"""
"""Steps over the index by type, session and minute: some microseconds for each type of each."""


def known_kinds(database: Database) -> list[str]:
    """Return the types of all messages that there are, in order."""
    return [
        row["kind"]
        for row in database.rows(f"{_KINDS} select kind from kinds where kind is not null")
    ]


def known_sessions(database: Database) -> list[str]:
    """Return all sessions that there are messages of, in order."""
    return sorted(row["session"] for row in database.rows(_EACH))


def seen_sessions(database: Database, view: View, *, both: bool = False) -> list[str] | None:
    """Return the sessions that a view is of; None if that is all there is, without a session too.

    With `both` those alone whose opposite may be seen as well.
    """
    if view.scope.is_everything and not view.sessions:
        return None
    exact = view.exactly or all("*" not in one and "?" not in one for one in view.sessions)
    if view.scope.is_everything and exact:
        return list(view.sessions)
    known = known_sessions(database)
    if both:
        # Orders are of the session of who ordered, who may have sent nothing that is stored.
        known = sorted({*known, *(one for session in known for one in opposites(session))})
    # A CompID of a counterparty may have `*` or `?` itself: links name its session.
    patterns = () if exact else set(view.sessions) - set(known)
    return [
        session
        for session in known
        if view.scope.allows(session, both=both)
        and (
            not view.sessions
            or session in view.sessions
            or any(matches(session, one) for one in patterns)
        )
    ]


def seen_pairs(database: Database, view: View) -> list[str] | None:
    """Return the session pairs (`A<->B`, as orders have them) that a view is of; None for all."""
    sessions = seen_sessions(database, view, both=True)
    if sessions is None:
        return None
    pairs = {
        session_pair(one, other)
        for session in sessions
        for one, other in cuts(session.partition(":")[2], "->")
    }
    return sorted(pair for pair in pairs if view.scope.allows_pair(pair))


def opposites(session: str) -> Iterator[str]:
    """Yield the sessions of the other direction, however the arrows of a session are read."""
    version, _, sides = session.partition(":")
    for one, other in cuts(sides, "->"):
        yield f"{version}:{other}->{one}"
