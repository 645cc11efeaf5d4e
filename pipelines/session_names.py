"""The names of sessions, and the answer to one that no session has."""

from collections.abc import Collection

from fixfeed.io.sql.store import Store
from fixfeed.pipelines.terminal import visible
from fixfeed.transforms.nearest import did_you_mean

__all__ = ["ends_of", "no_session", "sessions_in"]


def no_session(text: str, sessions: Collection[str]) -> str:
    """Return the sentence that no session has a text in its name, with the nearest that is there.

    >>> no_session("BROKR", ["FIX.4.4:BROKER->FUND"])
    "no session has 'BROKR' in its name; did you mean BROKER?; there are 1"
    """
    near = did_you_mean(text, [one for session in sessions for one in (session, *ends_of(session))])
    return f"no session has {text!r} in its name{visible(near)}; there are {len(sessions):,}"


def ends_of(session: str) -> tuple[str, str]:
    """Return the CompIDs in the name of a session: who sends, and to whom.

    >>> ends_of("FIX.4.4:BROKER->FUND")
    ('BROKER', 'FUND')
    """
    sender, _, target = session.partition(":")[2].partition("->")
    return sender, target


def sessions_in(store: Store) -> list[str]:
    """Return the names of the sessions that are derived in a database."""
    rows = store.query("select distinct session from session_days where session is not null")
    return [session for (session,) in rows]
