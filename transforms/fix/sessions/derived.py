"""Sessions as derived tables (`transforms.derived`): minutes, and days put together from them.

A message changes the minute of its session that it was sent in. That minute is made again from all
of its messages, and the day from all of its minutes.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.transforms.derived import Changes, Derived, DerivedTable, Stored
from fixfeed.transforms.fix.sessions.days import days_of
from fixfeed.transforms.fix.sessions.distinct import MINUTE
from fixfeed.transforms.fix.sessions.minutes import minutes_of
from fixfeed.transforms.fix.sessions.schema import (
    COLUMNS,
    SEQUENCES,
    SESSION_DAYS,
    SESSION_MINUTES,
)

__all__ = ["Sessions"]

_APART = 10 * MINUTE
"""Minutes that are nearer to each other are read at once, with those between."""

_END = np.datetime64("10000-01-01", "us").astype(np.int64)
"""After the last minute that there is."""


class Sessions(Derived):
    """The tables of sessions; see `docs/sessions.md`."""

    tables = {  # noqa: RUF012
        "session_minutes": DerivedTable(
            schema=SESSION_MINUTES,
            unit="session_minute",
            key=("session_minute",),
            indexes=(("session_day",),),
        ),
        "sequences": DerivedTable(
            schema=SEQUENCES, unit="session_day", indexes=(("session_day",),)
        ),
        "session_days": DerivedTable(schema=SESSION_DAYS, unit="session_day", key=("session_day",)),
    }
    columns = COLUMNS

    def update(self, changed: pa.Table, removed: pa.Table, stored: Stored) -> Changes:
        """See `Derived`."""
        came = minutes_of(changed)
        touched = pa.concat_tables([came, minutes_of(removed)])
        if not touched.num_rows:
            return Changes({}, {})
        units = pc.unique(touched["session_minute"])
        # All messages of a minute without a row are among those that came, or are still to come.
        again = stored.rows("session_minutes", "session_minute", units)
        fresh = _without(came, again["session_minute"])
        if again.num_rows:
            fresh = pa.concat_tables([fresh, _made_again(again, stored)])
        days = pc.unique(touched["session_day"])
        others = _without(stored.rows("session_minutes", "session_day", days), units)
        made = days_of(pa.concat_tables([others, fresh], promote_options="default"))
        return Changes(
            {"session_minutes": units, **dict.fromkeys(made, days)},
            {"session_minutes": fresh, **made},
        )


def _made_again(minutes: pa.Table, stored: Stored) -> pa.Table:
    """Return the rows of these minutes as their messages are now; some may have none any more."""
    sessions = pc.unique(minutes["session"])
    parts = []
    for begin, end in _spans(minutes):
        found = stored.between(_text(begin), _text(end) if end < _END else None)
        parts.append(found.filter(pc.is_in(found["session"], value_set=sessions)))
    made = minutes_of(pa.concat_tables(parts))
    return made.filter(pc.is_in(made["session_minute"], value_set=_array(minutes)))


def _spans(minutes: pa.Table) -> Iterator[tuple[int, int]]:
    """Yield stretches of time, in microseconds, that have all the minutes."""
    times = sorted(set(minutes["minute"].cast(pa.int64()).to_pylist()))
    begin = end = times[0]
    for time in times:
        if time > end + _APART:
            yield begin, end
            begin = time
        end = time + MINUTE
    yield begin, end


def _text(time: int) -> str:
    return str(np.datetime64(time, "us").astype("datetime64[s]")).replace("T", " ")


def _array(minutes: pa.Table) -> pa.Array:
    return minutes["session_minute"].combine_chunks()


def _without(minutes: pa.Table, units: pa.Array | pa.ChunkedArray) -> pa.Table:
    units = units.combine_chunks() if isinstance(units, pa.ChunkedArray) else units
    return minutes.filter(pc.invert(pc.is_in(minutes["session_minute"], value_set=units)))
