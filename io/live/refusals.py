"""Says that peers were refused, and why, without a sentence for each of very many."""

import time
from collections.abc import Callable

__all__ = ["Refusals"]

_SAY_AGAIN = 10.0  # seconds between two sentences about the same


class _Refused:
    """What was refused for one reason, and not said yet; `host` is that of the first peer."""

    def __init__(self) -> None:
        self.next = 0.0
        self.count = 0
        self.host = ""
        self.others = False


class Refusals:
    """Says each reason of each listener at once, and after ten seconds how often it came since.

    None hides another one, and none is left unsaid: `say_due` says those whose time has come, and
    `say_rest` what is left.
    """

    def __init__(self, say: Callable[[str], None]):
        """`say` is given the sentences."""
        self._say = say
        self._by_reason: dict[tuple[str, str], _Refused] = {}

    def add(self, listener: str, why: str, host: str = "") -> None:
        """Note that something, or the peer `host`, was refused at a listener, and why."""
        one = self._by_reason.setdefault((listener, why), _Refused())
        one.others |= one.count > 0 and host != one.host
        one.host = one.host if one.count else host
        one.count += 1
        self.say_due()

    def say_due(self) -> None:
        """Say what was refused since it was said last, ten seconds ago or more."""
        now = time.monotonic()
        for (listener, why), one in list(self._by_reason.items()):
            if now < one.next:
                continue
            if one.count:
                self._say_one(why, one)
                self._by_reason[listener, why] = again = _Refused()
                again.next = now + _SAY_AGAIN
            else:
                del self._by_reason[listener, why]

    def say_rest(self) -> None:
        """Say all that was not said."""
        for (_, why), one in self._by_reason.items():
            if one.count:
                self._say_one(why, one)
        self._by_reason.clear()

    def _say_one(self, why: str, one: _Refused) -> None:
        who = f"refused {one.host}{' and others' if one.others else ''}: " if one.host else ""
        self._say(f"{who}{why}{f' ({one.count:,} times)' if one.count > 1 else ''}")
