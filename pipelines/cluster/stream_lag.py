"""How far a stream on a cluster is behind its topics: the command asks, as workers tell nobody."""

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager

from fixfeed.io.kafka.client import KafkaTrouble
from fixfeed.io.kafka.sharded import TopicsElsewhere
from fixfeed.io.lag import Lag
from fixfeed.io.ledger.ledger import SinkError
from fixfeed.pipelines.health import Health
from fixfeed.pipelines.log import say
from fixfeed.pipelines.meanwhile import asked_meanwhile

__all__ = ["StreamLag"]

_PAUSE = 10.0  # seconds between two questions to brokers and outputs


class StreamLag:
    """What a job on a cluster reads (`io.stream.FeedState`), as brokers and outputs said last.

    What is wrong with brokers or topics is told once, and when it has ended: workers wait for them,
    and say so in their own logs alone.
    """

    def __init__(self, topics: TopicsElsewhere, health: Health, state: Callable[[], str]):
        """Nothing is asked yet; `state` returns how the job is."""
        self._topics = topics
        self._health = health
        self._state = state
        self._lag: Lag | None = None
        self._told = ""

    @property
    def state(self) -> str:
        """See `FeedState`."""
        return self._state()

    @property
    def behind(self) -> str:
        """See `FeedState`."""
        return str(self._lag or "")

    @property
    def lag(self) -> Lag | None:
        """See `FeedState`."""
        return self._lag

    def asked(self) -> AbstractContextManager[None]:
        """Have brokers and outputs asked every ten seconds while the body runs.

        Its end waits for no answer.
        """
        return asked_meanwhile(self._topics.lag, self._take, pause=_PAUSE)

    def _take(self, asked: Future[tuple[Lag, list[KafkaTrouble]]]) -> None:
        try:
            self._lag, troubles = asked.result()
        except KafkaTrouble as trouble:
            self._lag, troubles = None, [trouble]
        except SinkError:  # that it is away is told by `SoFar`
            self._lag = None
            return
        why = "; ".join(map(str, troubles))
        self._health.input_away(why)
        if why and why != self._told:
            say(f"{why}; the workers wait, and nothing is lost", event="away", level="warning")
        elif self._told and not why:
            say("brokers answer, and all topics are read again", event="back")
        self._told = why
