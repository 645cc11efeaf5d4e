"""The answer to a name that no session has."""

from collections.abc import Collection

from fixfeed.transforms.nearest import did_you_mean

__all__ = ["no_session"]


def no_session(text: str, sessions: Collection[str]) -> str:
    """Return the sentence that no session has a text in its name, with the nearest that is there.

    >>> no_session("BROKR", ["FIX.4.4:BROKER->FUND"])
    "no session has 'BROKR' in its name; did you mean BROKER?; there are 1"
    """
    near = did_you_mean(text, [one for session in sessions for one in _names(session)])
    return f"no session has {text!r} in its name{near}; there are {len(sessions):,}"


def _names(session: str) -> list[str]:
    """Return the names that are in a session's: its CompIDs, and itself.

    >>> _names("FIX.4.4:BROKER->FUND")
    ['FIX.4.4:BROKER->FUND', 'BROKER', 'FUND']
    """
    return [session, *session.partition(":")[2].split("->")]
