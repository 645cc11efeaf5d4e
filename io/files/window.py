"""A window of time: which of the messages of a log are wanted, by the time they came at."""

import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["UNTIMED", "Times", "Window"]

Times = NDArray[np.int64]
"""Microseconds since 1970 in UTC."""

UNTIMED = int(np.iinfo(np.int64).min)
"""The time of messages that have none, before the first that has one."""

_DAY = 86_400_000_000
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)


class Window(NamedTuple):
    """From `begin` on, and before `end`, in microseconds; None is no bound.

    If it is `daily`, they count from midnight and hold for each day, over midnight too.

    >>> window = Window.of(datetime.time(22), datetime.time(2))
    >>> window.inside(np.array([UNTIMED, 0, 7_200_000_000, 79_200_000_000])).tolist()
    [False, True, False, True]
    """

    begin: int | None = None
    end: int | None = None
    daily: bool = False

    @classmethod
    def of(
        cls,
        begin: datetime.time | datetime.datetime | None,
        end: datetime.time | datetime.datetime | None,
    ) -> "Window":
        """Return a window between two times of day, or two dates with a time, in UTC."""
        daily = any(isinstance(one, datetime.time) for one in (begin, end))
        return cls(_micros(begin), _micros(end), daily)

    def inside(self, times: Times) -> NDArray[np.bool_]:
        """Return which of the times are in it; without a beginning, those that are none as well."""
        if self.daily:
            begin = self.begin or 0
            length = ((_DAY if self.end is None else self.end) - begin) % _DAY or _DAY
            return ((times - begin) % _DAY < length) & (times != UNTIMED)
        inside = np.ones(len(times), np.bool_)
        if self.begin is not None:
            inside &= times >= self.begin
        if self.end is not None:
            inside &= times < self.end
        return inside

    def is_over(self, time: int) -> bool:
        """Return whether no later time can be in it."""
        return not self.daily and self.end is not None and time >= self.end


def _micros(when: datetime.time | datetime.datetime | None) -> int | None:
    if when is None:
        return None
    if isinstance(when, datetime.time):
        when = datetime.datetime.combine(_EPOCH.date(), when, datetime.UTC)
    return (when - _EPOCH) // _MICROSECOND
