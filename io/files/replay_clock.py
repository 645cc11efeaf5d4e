"""The clock of a replay: when a message is due, by the times of the log, and how late it came."""

import time

import numpy as np
from numpy.typing import NDArray

from fixfeed.io.files.window import UNTIMED, Times

__all__ = ["Lateness", "ReplayClock"]

Seconds = NDArray[np.float64]

_MILLION = 1e6
_DAY, _MINUTE = 86_400_000_000, 60_000_000  # microseconds


class ReplayClock:
    """Goes at `speed` times the pace of the log, from the first message on; 0 waits for nothing.

    A gap between two messages longer than `longest_gap` microseconds counts as that long. Without
    that, one of more than a day counts as a minute: it is a weekend, or a clock that was wrong.
    `long_gap` is the first of those, from which time to which.
    """

    def __init__(self, speed: float, longest_gap: int | None = None):
        """It starts with the first message that has a time."""
        self.is_paused = False
        self.long_gap: tuple[int, int] | None = None
        self._speed = speed
        self._longest_gap = longest_gap
        self._planned = UNTIMED  # the time of the last message that `plan` was given
        self._offset = 0.0  # when that is due, in seconds after the start
        self._begin: float | None = None
        self._stopped_at = 0.0

    def plan(self, times: Times) -> Seconds:
        """Return when the next messages are due, in seconds after the start of the clock."""
        if self._planned == UNTIMED:
            known = times[times != UNTIMED]
            if len(known):
                self._planned, self._begin = int(known[0]), time.monotonic()
        if not self._speed or self._begin is None:
            return np.zeros(len(times))
        reached = np.maximum(times, self._planned)
        steps = np.diff(reached, prepend=self._planned)
        if self._longest_gap is not None:
            steps = np.minimum(steps, self._longest_gap)
        elif len(long := np.flatnonzero(steps > _DAY)):
            if self.long_gap is None:
                end = int(reached[long[0]])
                self.long_gap = end - int(steps[long[0]]), end
            steps[long] = _MINUTE
        offsets = self._offset + np.cumsum(steps) / (_MILLION * self._speed)
        self._planned, self._offset = int(reached[-1]), float(offsets[-1])
        return offsets

    def due_now(self) -> None:
        """Have the last message that was planned be due now."""
        if self._begin is not None:
            self._begin = time.monotonic() - self._offset

    def late(self) -> float:
        """Return by how many seconds the last message that was planned is late; less if it is not.

        0 if nothing is waited for.
        """
        if not self._speed or self._begin is None:
            return 0.0
        return self.now - self._offset

    @property
    def now(self) -> float:
        """How many seconds the clock has gone."""
        if self._begin is None:
            return 0.0
        return (self._stopped_at if self.is_paused else time.monotonic()) - self._begin

    @property
    def time(self) -> int:
        """What time it is in the log, in microseconds, `UNTIMED` before the start."""
        if self._planned == UNTIMED or not self._speed:
            return self._planned
        return self._planned + int(min(0.0, self.late()) * self._speed * _MILLION)

    def pause(self) -> None:
        """Stop the clock."""
        self.is_paused, self._stopped_at = True, time.monotonic()

    def go_on(self) -> None:
        """Let it go again from where it was stopped."""
        self.is_paused = False
        if self._begin is not None:
            self._begin += time.monotonic() - self._stopped_at


class Lateness:
    """How late messages came: a histogram, so that a long replay needs no more memory.

    >>> lateness = Lateness()
    >>> lateness.add(np.array([0.001] * 98 + [0.02, 3.0]))
    >>> [round(lateness.quantile(share), 3) for share in (0.5, 0.99)], lateness.worst
    ([0.001, 0.02], 3.0)
    """

    _STEP = 1.02  # so quantiles are right to two percent
    _EDGES = 1e-4 * _STEP ** np.arange(1 + int(np.log(1e10) / np.log(_STEP)))  # to eleven days

    def __init__(self) -> None:
        """Begin with no message."""
        self.worst = 0.0
        self._counts = np.zeros(len(self._EDGES) + 1, np.int64)

    def add(self, seconds: Seconds) -> None:
        """Count messages."""
        self.worst = max(self.worst, float(seconds.max()))
        places = np.searchsorted(self._EDGES, seconds)
        self._counts += np.bincount(places, minlength=len(self._counts))

    def quantile(self, share: float) -> float:
        """Return the seconds that this share of the messages was late by at the most."""
        total = int(self._counts.sum())
        if not total:
            return 0.0
        place = int(np.searchsorted(np.cumsum(self._counts), share * total))
        return min(self.worst, float(self._EDGES[min(place, len(self._EDGES) - 1)]))
