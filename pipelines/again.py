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
_BRIEF = 5.0  # seconds for which a lock is nothing to speak of
_AT_THE_END = 2.0  # seconds for which a lock is waited for when the run is to stop
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
        when it has lasted for some seconds: other jobs may write to the same database.
        """
        began, since, stopped = time.monotonic(), datetime.datetime.now(), math.inf  # noqa: DTZ005
        told = False
        for times in itertools.count(1):
            try:
                result = work()
                break
            except SinkFailed as error:
                if error.lost or (away and not error.away):
                    raise
                if not told and (not error.locked or time.monotonic() - began > _BRIEF):
                    told = True
                    when = f" since {since:%H:%M:%S}" if error.locked else ""
                    text = f"{error}; meanwhile it is tried again and again{when}"
                    say(f"{text}, and nothing is lost", event="away", level="warning")
                if told:
                    self._health.failed(work, error)
                if not error.locked:  # for a lock, it has waited already
                    self._wait(min(_LONGEST, _FIRST * 2 ** (times - 1)))
                if self._stop():
                    stopped = min(stopped, time.monotonic())
                    if not error.locked or time.monotonic() - stopped > _AT_THE_END:
                        raise
        if told:
            self._health.works(work)
            say("it goes on: what had failed has worked", event="back")
        return result

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._stop():
            time.sleep(_STEP)
