"""Times that begin or end within a minute, where tables have a row for each minute."""

import datetime
from collections.abc import Iterator
from dataclasses import replace

from fixfeed.dashboard.moments import LAST, after
from fixfeed.dashboard.view import View

__all__ = ["covering", "edges", "inside"]

_MINUTE = datetime.timedelta(minutes=1)


def covering(view: View) -> View:
    """Return a view of the whole minutes that its times touch; the view itself if they are whole.

    >>> begin = datetime.datetime(2025, 3, 3, 9, 0, 30)
    >>> wide = covering(View(begin=begin, end=datetime.datetime(2025, 3, 3, 9, 1, 10)))
    >>> print(wide.begin, wide.end)
    2025-03-03 09:00:00+00:00 2025-03-03 09:02:00+00:00
    """
    return replace(view, begin=_floor(view.begin), end=_ceiling(view.end))


def inside(view: View) -> View | None:
    """Return a view of the whole minutes that are within its times, None if there are none."""
    begin, end = _ceiling(view.begin), _floor(view.end)
    return None if begin and end and begin >= end else replace(view, begin=begin, end=end)


def edges(view: View) -> Iterator[View]:
    """Yield views of the times that `inside` leaves out: they are in two minutes at the most."""
    whole = inside(view)
    if whole is None:
        yield view
        return
    if whole.begin != view.begin:
        yield replace(view, end=whole.begin)
    if whole.end != view.end:
        yield replace(view, begin=whole.end)


def _floor(time: datetime.datetime | None) -> datetime.datetime | None:
    if time is None or time == LAST:  # which has nothing after it
        return time
    return time.replace(second=0, microsecond=0)


def _ceiling(time: datetime.datetime | None) -> datetime.datetime | None:
    begun = _floor(time)
    return begun if begun is None or begun == time else after(begun, _MINUTE)
