"""Sessions that carry copies of another session's reports, as the user names them.

Nothing in a message says for certain that it is a drop copy, nor of which session. So a drop copy
is of an order of its own, unless its session is named: `BROKER->RISK`, or, where the copies come
under another CompID than the reports, `BROKERDC->RISK=BROKER`. Then it is of the order to which the
firm, here BROKER, has given its OrderID, in whatever session. So OrderIDs that this firm gives are
those of the firm, and no more of each of its session pairs: it must not give the same to two
clients. Those that others give to it, as where it orders itself, are of their session pair.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from fixfeed.transforms.fix.patterns import matches

__all__ = ["NO_DROP_COPIES", "DropCopies", "DropCopyError", "read_drop_copies"]

_VERSION = re.compile(r"FIXT?\.[^:]*:")


class DropCopyError(ValueError):
    """A session of drop copies cannot be understood; the text says what was expected."""


@dataclass(frozen=True)
class DropCopies:
    """The sessions of drop copies, each (sender, target, firm), the first two with `*` and `?`.

    An empty firm is the sender.
    """

    sessions: tuple[tuple[str, str, str], ...] = ()

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return bool(self.sessions)

    def copied(self, sender: str | None, target: str | None) -> str | None:
        """Return the firm whose reports a session carries copies of; None if it does not.

        >>> known = read_drop_copies(["BROKER->RISK", "DC->*=BROKER"])
        >>> [known.copied(*ends) for ends in (("BROKER", "RISK"), ("DC", "X"), ("RISK", "BROKER"))]
        ['BROKER', 'BROKER', None]
        """
        for from_, to, firm in self.sessions:
            if matches(sender or "", from_) and matches(target or "", to):
                return firm or sender or ""
        return None

    def firm_of(self, sender: str | None, target: str | None, *, gives: bool) -> str | None:
        """Return the firm that an OrderID is of, None if it is of the session pair.

        `gives` is whether the sender of the message has given the OrderID, else its target has
        (`events.GIVING`). Only what the firm itself has given is the firm's: others may number
        alike. What goes the other way in a session of drop copies is of the session pair.

        >>> known = read_drop_copies(["BROKER->RISK"])
        >>> known.firm_of("BROKER", "RISK", gives=True)
        'BROKER'
        >>> [known.firm_of("BROKER", "EXCHANGE", gives=gives) for gives in (True, False)]
        ['BROKER', None]
        >>> [known.firm_of(one, "BROKER", gives=False) for one in ("CLIENT", "RISK")]
        ['BROKER', None]
        """
        copied = self.copied(sender, target)
        if copied is not None:
            return copied
        firm = sender if gives else target
        return firm if self.is_copied(firm) and self.copied(target, sender) is None else None

    def is_copied(self, firm: str | None) -> bool:
        """Return whether there are copies of a firm's reports."""
        return any(
            firm == known if known else matches(firm or "", sender)
            for sender, _, known in self.sessions
        )


NO_DROP_COPIES = DropCopies()
"""No session carries drop copies."""


def read_drop_copies(texts: Iterable[str]) -> DropCopies:
    """Return the sessions of drop copies that texts name, none for `none`.

    Raises `DropCopyError`.
    """
    sessions = []
    for text in texts:
        session, _, firm = text.partition("=")
        sender, arrow, target = (one.strip() for one in session.partition("->"))
        if text == "none":
            continue
        # As the column `session` has it, with the version, it would be no session's CompIDs.
        versioned = _VERSION.match(sender)
        if versioned or not (arrow and sender and target) or text.endswith("="):
            raise DropCopyError(
                f"{text!r} is no session of drop copies, expected one such as BROKER->RISK, or "
                "BROKERDC->RISK=BROKER for copies of BROKER's reports that BROKERDC sends"
            )
        sessions.append((sender, target, firm.strip()))
    return DropCopies(tuple(sessions))
