"""What a reader may see: sessions by their patterns.

* `BROKER->*`: what BROKER sent, to anybody.
* `BROKER<->*`: also what anybody sent to BROKER.
* `*`: everything; what belongs to no session too.

CompIDs have `*` for any text and `?` for one character. A reader sees an order if both directions
of its session may be seen, since an order is made of both.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from fixfeed.transforms.fix.patterns import matches
from fixfeed.transforms.fix.session_pair import comp_id_of

__all__ = ["EVERYTHING", "Scope", "cuts", "read_scope"]

_PATTERN = re.compile(r"(.*?\S)\s*(<?->)\s*(\S.*)")


@dataclass(frozen=True)
class Scope:
    """The sessions that may be seen: those that match one of `patterns`.

    >>> scope = read_scope(["BROKER->*"])
    >>> scope.allows("FIX.4.4:BROKER->FUND"), scope.allows("FIX.4.4:FUND->BROKER")
    (True, False)
    >>> scope.allows_pair("BROKER<->FUND"), read_scope(["F*<->BROKER"]).allows_pair("BROKER<->FUND")
    (False, True)
    """

    patterns: tuple[str, ...]

    @cached_property
    def is_everything(self) -> bool:
        """Whether all may be seen."""
        return "*" in self.patterns

    @cached_property
    def _sides(self) -> tuple[tuple[str, str], ...]:
        found = []
        for pattern in self.patterns:
            match = _PATTERN.fullmatch(pattern)
            if match:
                one, arrow, other = match.groups()
                found.append((one, other))
                if arrow == "<->":
                    found.append((other, one))
        return tuple(found)

    def allows(self, session: str | None, *, both: bool = False) -> bool:
        """Tell whether a session (`FIX.4.4:A->B`) may be seen; with `both` also its opposite.

        A CompID may itself hold an arrow: then it has to match however it is read.
        """
        if self.is_everything:
            return True
        if session is None:
            return False
        ways = list(cuts(session.partition(":")[2], "->"))
        return bool(ways) and all(
            self._allows(one, other) and (not both or self._allows(other, one))
            for one, other in ways
        )

    def allows_pair(self, pair: str | None) -> bool:
        """Tell whether both directions of two parties (`A<->B`) may be seen."""
        if self.is_everything:
            return True
        ways = [(comp_id_of(a), comp_id_of(b)) for a, b in cuts(pair or "", "<->")]
        return bool(ways) and all(
            self._allows(one, other) and self._allows(other, one) for one, other in ways
        )

    def _allows(self, sender: str, target: str) -> bool:
        return any(matches(sender, one) and matches(target, other) for one, other in self._sides)


EVERYTHING = Scope(("*",))
"""For who owns the database."""


def read_scope(patterns: list[str]) -> Scope:
    """Return the scope of patterns; raise `ValueError` for one that is none."""
    for pattern in patterns:
        if pattern != "*" and not _PATTERN.fullmatch(pattern):
            raise ValueError(
                f"{pattern!r} is no pattern of sessions: expected BROKER->* (what BROKER sent), "
                "BROKER<->* (both directions) or * (everything)"
            )
    return Scope(tuple(patterns))


def cuts(text: str, arrow: str) -> Iterator[tuple[str, str]]:
    """Yield both sides of a text at each arrow in it."""
    at = text.find(arrow)
    while at >= 0:
        yield text[:at], text[at + len(arrow) :]
        at = text.find(arrow, at + 1)
