"""Looks at the topics of an address: which there are now, with how many partitions."""

import math
import re
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import TypeVar

from fixfeed.io.background import in_background
from fixfeed.io.kafka.address import Address
from fixfeed.io.kafka.client import Cluster, KafkaTrouble, Topic

__all__ = ["Looking", "Topics", "patterns_of", "topics_now", "until_answered"]

T = TypeVar("T")
U = TypeVar("U")
Topics = dict[str, Topic | KafkaTrouble]
"""Each topic by its name, or what is wrong with it."""

_LOOK = 10.0  # seconds between two looks
_LOOK_FOR_BROKERS = 1.0  # the same while none answers
_FIRST, _LONGEST = 0.5, 5.0  # the same at the start
_PATIENCE = 4.0  # seconds until no answer at the start is told
_STEP = 0.05


def patterns_of(topics: Iterable[str]) -> list[re.Pattern[str]]:
    """Return the patterns among names of topics. Raises `ValueError` for one that is none."""
    patterns = []
    for one in topics:
        if one.startswith("^"):
            try:
                patterns.append(re.compile(one))
            except re.error as error:
                raise ValueError(f"{one} is no pattern of names: {error}") from None
    return patterns


def topics_now(brokers: Cluster, address: Address) -> Topics:
    """Return the topics that an address names, and those that its patterns match now.

    Raises `KafkaTrouble` if brokers do not answer.
    """
    names = [one for one in address.topics if not one.startswith("^")]
    patterns = patterns_of(address.topics)
    if patterns:
        names += [one for one in brokers.names() if any(p.fullmatch(one) for p in patterns)]
    return brokers.topics(dict.fromkeys(names)) if names else {}


def until_answered(
    ask: Callable[[], T],
    take: Callable[[T], U],
    away: Callable[[KafkaTrouble], None],
    stop: Callable[[], bool],
) -> U | None:
    """Return what `take` makes of what brokers answer; None if it is to stop before.

    As long as they do not, or one of both raises a `KafkaTrouble` that waiting may mend, `away` is
    told, and it is tried again, after longer and longer waits. Raises all others. `ask` is called
    in a thread of its own, which holds up no stop.
    """
    wait = _FIRST
    while not stop():
        asking = in_background(ask)
        while not asking.done():
            if stop():
                return None
            time.sleep(_STEP)
        try:
            return take(asking.result())
        except KafkaTrouble as trouble:
            if trouble.lasting:
                raise
            away(trouble)
        until = time.monotonic() + wait
        while time.monotonic() < until and not stop():
            time.sleep(_STEP)
        wait = min(2 * wait, _LONGEST)
    return None


class Looking:
    """Looks at topics in threads of its own, so that brokers that are away hold up nothing.

    `cluster` is the id of the cluster, once a look has ended well.
    """

    def __init__(self, address: Address):
        """Nothing is asked yet. Raises `KafkaTrouble` for a property that is wrong."""
        self.cluster = ""
        self._address = address
        self._brokers = Cluster(address)
        self._look: Future[Topics] | None = None
        self._while_away = False
        self._next = time.monotonic() + _LOOK

    def until_answered(
        self,
        use: Callable[[Topics], None],
        away: Callable[[KafkaTrouble], None],
        stop: Callable[[], bool],
    ) -> bool:
        """Have the topics used once brokers answer; return false if it is to stop before.

        See `until_answered`, whose trouble is also that of `use`.
        """

        def take(topics: Topics) -> bool:
            self._next = math.inf
            use(topics)
            self.soon(_LOOK)
            return True

        return bool(until_answered(self._topics, take, away, stop))

    def so_far(self) -> KafkaTrouble | None:
        """Return why no broker has answered, as far as is known; None if one has."""
        return None if self.cluster else self._brokers.so_far()

    def soon(self, seconds: float = 0.0) -> None:
        """Begin the next look at once, or in so many seconds at the latest."""
        self._next = min(self._next, time.monotonic() + seconds)

    def ended(self, *, away: bool) -> Future[Topics] | None:
        """Return a look that has ended, if one has; begin one if it is time.

        With `away` no broker answers as far as is known; looks that are begun then come soon after
        each other.
        """
        if self._look is None:
            if time.monotonic() >= self._next:
                self._look, self._while_away = in_background(self._topics), away
            return None
        if not self._look.done():
            return None
        look, self._look = self._look, None
        if away and not self._while_away:  # it tells of the time before
            self._next = 0.0
            return None
        self._next = time.monotonic() + (_LOOK_FOR_BROKERS if away else _LOOK)
        return look

    def _topics(self) -> Topics:
        self.cluster = self.cluster or self._brokers.identity(_PATIENCE)
        return topics_now(self._brokers, self._address)
