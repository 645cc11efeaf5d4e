"""Where a stream on a cluster begins in its topics, which brokers say once they answer."""

from collections.abc import Callable
from functools import partial

from fixfeed.io.kafka.client import KafkaTrouble
from fixfeed.io.kafka.looking import until_answered
from fixfeed.io.kafka.sharded import TopicsElsewhere
from fixfeed.pipelines.health import Health
from fixfeed.pipelines.log import say
from fixfeed.pipelines.uris import UnknownPlace

__all__ = ["topics_at_start"]


def topics_at_start(
    topics: TopicsElsewhere, stop: Callable[[], bool], health: Health
) -> tuple[TopicsElsewhere, int] | None:
    """Return topics for a job that is begun now, and how many partitions they have.

    Brokers that are away are waited for, as on one machine; that is told once. Returns None if
    `stop` returns true before they answer. Raises `UnknownPlace` for what waiting does not mend.
    """
    told = False

    def away(trouble: KafkaTrouble) -> None:
        nonlocal told
        why = f"{trouble}; it goes on once one does"
        health.input_away(why)
        if not told:
            say(why, event="away", level="warning")
        told = True

    def take(found: tuple[TopicsElsewhere, int]) -> tuple[TopicsElsewhere, int]:
        health.input_away("")
        if told:
            say("brokers answer again, and it goes on", event="back")
        return found

    try:
        return until_answered(
            partial(topics.at_start, partial(say, level="warning")), take, away, stop
        )
    except KafkaTrouble as trouble:
        raise UnknownPlace(str(trouble)) from trouble
