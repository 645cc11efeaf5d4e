"""What goes wrong while topics are read: each trouble is told once, and that it has ended."""

from collections.abc import Callable

from fixfeed.io.kafka.client import KafkaTrouble

__all__ = ["Troubles"]

_BACK = "brokers answer again, and it goes on"


class Troubles:
    """Says sentences about topics, partitions and brokers, no sentence twice in a row."""

    def __init__(self, place: str, say: Callable[[str], None], away: Callable[[str], None]):
        """`place` is the URI for people. `say` is given what people should know.

        `away` is given why nothing can be read, or not all, as long as that is so, and then ``.
        """
        self._place = place
        self.say = say
        self._tell_away = away
        self._told_away = ""
        self._away = ""
        self._unread: dict[str, str] = {}
        self._known: dict[str, str] = {}

    @property
    def brokers(self) -> bool:
        """Whether something is wrong with all brokers."""
        return bool(self._away)

    def about(self, what: str, text: str) -> None:
        """Say what is wrong with a topic, a partition, a broker (``); no text: that nothing is."""
        if self._unread.pop(what, ""):
            self._tell()
        if self._known.get(what, "") != text:
            self._known[what] = text
            if text:
                self.say(text)

    def unread(self, what: str, text: str) -> None:
        """As `about`, of something that cannot be read until somebody does something."""
        if self._unread.get(what) != text:
            self.about(what, text)
            self._unread[what] = text
            self._tell()

    def ended(self, what: str) -> bool:
        """Forget what was wrong; return whether anything was."""
        if self._unread.pop(what, ""):
            self._tell()
        return bool(self._known.pop(what, ""))

    def _tell(self) -> None:
        text = self._away or "; ".join(self._unread.values())
        if text != self._told_away:
            self._told_away = text
            self._tell_away(text)

    def away(self, trouble: KafkaTrouble | None = None) -> None:
        """No broker answers, or each refuses as `trouble` says."""
        if trouble is not None and trouble.lasting:
            text = f"{trouble}; it is tried again"
        elif self._away:
            return
        else:
            why = str(trouble) if trouble else f"{self._place}: no broker answers"
            text = f"{why}; it goes on once one does"
        if text != self._away:
            self._away = text
            self._tell()
            self.about("", text)

    def answered(self) -> None:
        """Brokers answer."""
        if self._away:
            self._away = ""
            self._tell()
            self.ended("")
            self.say(_BACK)
