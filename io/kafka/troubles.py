"""What goes wrong while topics are read: each trouble is told once, and that it has ended."""

from collections.abc import Callable

from fixfeed.io.kafka.client import KafkaTrouble

__all__ = ["Troubles"]

_BACK = "brokers answer again, and it goes on"


class Troubles:
    """Says sentences about topics, partitions and brokers, no sentence twice in a row."""

    def __init__(self, place: str, say: Callable[[str], None], away: Callable[[str], None]):
        """`place` is the URI for people. `say` is given what people should know.

        `away` is given what is wrong with all brokers, as long as something is, and then ``.
        """
        self._place = place
        self.say = say
        self._tell_away = away
        self._away = ""
        self._known: dict[str, str] = {}

    @property
    def brokers(self) -> bool:
        """Whether something is wrong with all brokers."""
        return bool(self._away)

    def about(self, what: str, text: str) -> None:
        """Say what is wrong with a topic, a partition, a broker (``); no text: that nothing is."""
        if self._known.get(what, "") != text:
            self._known[what] = text
            if text:
                self.say(text)

    def ended(self, what: str) -> bool:
        """Forget what was wrong; return whether anything was."""
        return bool(self._known.pop(what, ""))

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
            self._tell_away(text)
            self.about("", text)

    def answered(self) -> None:
        """Brokers answer."""
        if self._away:
            self._away = ""
            self._tell_away("")
            self.ended("")
            self.say(_BACK)
