"""Waits for a sink that has failed, as while its server is away or its disk is full."""

import datetime
import itertools
import math
import time
from collections.abc import Callable
from typing import TypeVar

from fixfeed.io.ledger.ledger import SinkFailed
from fixfeed.pipelines.health import Health
from fixfeed.pipelines.log import say

__all__ = ["TryAgain"]

T = TypeVar("T")

_FIRST, _LONGEST = 0.5, 15.0  # seconds between two attempts
_BRIEF = 5.0  # seconds for which a lock, or a server that is slow, is nothing to speak of
_AT_THE_END = 2.0  # seconds for which a lock is waited for when the run is to stop
_HELD_AT_THE_END = 1.0  # the same for a server of which nothing bad was told until then
_LATELY = 15.0  # seconds for which a cause says more than that a later attempt is held up
_STEP = 0.1


class TryAgain:
    """Tries again for as long as the run is not to stop, after longer and longer waits."""

    def __init__(self, stop: Callable[[], bool], health: Health):
        """`stop` returns whether the run is to stop; it can be pickled. `health` is told."""
        self._stop = stop
        self._health = health

    def until_it_works(self, work: Callable[[], T], *, away: bool = False) -> T:
        """See `io.commit.Again`; the first error of a row, and its end, go to standard error.

        With `away` other errors are raised at once than those that waiting may mend. A lock is told
        when it has lasted for some seconds: other jobs may write to the same database. So is a
        server that holds up what was begun.
        """
        began, since, stopped = time.monotonic(), datetime.datetime.now(), math.inf  # noqa: DTZ005
        told: SinkFailed | None = None
        cause: SinkFailed | None = None
        known = -math.inf  # when it came
        waits = itertools.count()
        while True:
            try:
                result = work()
                break
            except SinkFailed as error:
                if error.lost or (away and not error.away):
                    raise
                has_waited = error.locked or error.held
                news = told is None or (told.held and not error.held)  # now it is known why
                if news and (not has_waited or time.monotonic() - began > _BRIEF):
                    told = error
                    when = f" since {since:%H:%M:%S}" if error.locked else ""
                    text = f"{error.meanwhile}; meanwhile it is tried again and again{when}"
                    say(f"{text}, and nothing is lost", event="away", level="warning")
                if not has_waited:
                    cause, known = error, time.monotonic()
                if told:
                    lately = error.held and time.monotonic() - known < _LATELY
                    self._health.failed(work, (cause if cause and lately else error).meanwhile)
                if not has_waited:
                    self._wait(min(_LONGEST, _FIRST * 2 ** next(waits)))
                if self._stop():
                    stopped = min(stopped, time.monotonic())
                    if time.monotonic() - stopped >= self._left(error, told=told is not None):
                        raise
        if told:
            self._health.works(work)
            say("it goes on: what had failed has worked", event="back")
        return result

    @staticmethod
    def _left(error: SinkFailed, *, told: bool) -> float:
        """Return for how many seconds more it is tried when the run is to stop."""
        if error.locked:
            return _AT_THE_END
        return _HELD_AT_THE_END if error.held and not told else 0.0

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._stop():
            time.sleep(_STEP)
