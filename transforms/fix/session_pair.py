"""The text of a session pair: both CompIDs, in the order of the alphabet: `BROKER<->BUYSIDE`."""

import re

__all__ = ["comp_id_of", "session_pair"]

_ARROWS = re.compile("<(-+)>")
_LONGER_ARROWS = re.compile("<-(-+)>")


def session_pair(one: str | None, other: str | None) -> str:
    """Return the text of a session pair, another one for each two CompIDs.

    An arrow in a CompID gets longer, so that there is one `<->` in the text.

    >>> session_pair("BUYSIDE", "BROKER")
    'BROKER<->BUYSIDE'
    >>> session_pair("A<->B", "C"), session_pair("A", "B<->C")
    ('A<-->B<->C', 'A<->B<-->C')
    """
    return "<->".join(_ARROWS.sub(r"<-\1>", end or "") for end in sorted((one or "", other or "")))


def comp_id_of(part: str) -> str:
    """Return the CompID of which a part of a session pair is the text.

    >>> comp_id_of("A<-->B")
    'A<->B'
    """
    return _LONGER_ARROWS.sub(r"<\1>", part)
