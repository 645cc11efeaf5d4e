"""Days of sessions, put together from their minutes: sequences, and what was counted."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fixfeed.transforms.fix.sessions.minutes import added, minutes_of, seconds
from fixfeed.transforms.fix.sessions.schema import COUNTS, SEQUENCES, SESSION_DAYS
from fixfeed.transforms.fix.sessions.sequences import read_runs, stretches

__all__ = ["days_of", "sequences", "session_days"]

Ints = NDArray[np.int64]

_MINUTE = 60_000_000  # microseconds
_LONGEST = 86_400  # seconds: whatever HeartBtInt says, no silence is longer than a day


def sequences(messages: pa.Table) -> pa.Table:
    """Return the stretches of sequence numbers in messages, `schema.SEQUENCES`.

    `messages` has at least `schema.COLUMNS`, as what `fixfeed.read` gives. The result depends on
    the set of messages alone: not on their order, nor on how often each is there.

    >>> import fixfeed
    >>> log = "\\n".join(
    ...     f"8=FIX.4.4|9=1|35=0|49=A|56=B|34={n}|52=20250102-09:30:0{n}|10=0|" for n in (1, 2, 5)
    ... )
    >>> rows = sequences(fixfeed.parse(log)).to_pylist()
    >>> [(row["first_number"], row["last_number"], row["began"], row["missing"]) for row in rows]
    [(1, 2, 'continued', 0), (5, 5, 'gap', 2)]
    """
    return days_of(minutes_of(messages))["sequences"]


def session_days(messages: pa.Table) -> pa.Table:
    """Return the days of sessions in messages, `schema.SESSION_DAYS`; see `sequences`."""
    return days_of(minutes_of(messages))["session_days"]


def days_of(minutes: pa.Table) -> dict[str, pa.Table]:
    """Return `sequences` and `session_days`, given all minutes of the days, in any order."""
    minutes = minutes.sort_by([("session", "ascending"), ("minute", "ascending")]).combine_chunks()
    if not minutes.num_rows:
        return {"sequences": SEQUENCES.empty_table(), "session_days": SESSION_DAYS.empty_table()}
    day = minutes["session_day"].combine_chunks().dictionary_encode().indices.to_numpy()
    starts = np.flatnonzero(np.diff(day, prepend=-1))
    counted = _counted(minutes, starts)
    numbers: list[dict[str, Any]] = []
    days: list[dict[str, Any]] = []
    for place, start in enumerate(starts.tolist()):
        own = minutes.slice(start, int(counted["minutes"][place]))
        first = own.slice(0, 1).select(["session_day", "session", "minute"]).to_pylist()[0]
        one = {
            "session_day": first["session_day"],
            "session": first["session"],
            "day": first["minute"].date(),
        }
        numbers += ({**one, **stretch} for stretch in stretches(read_runs(own["numbers"])))
        counts = {name: values[place] for name, values in counted.items()}
        reasons = {
            name: added(own[name].drop_null().to_pylist())
            for name in ("logout_reasons", "reject_reasons")
        }
        days.append({**one, **counts, **reasons})
    return {
        "sequences": pa.Table.from_pylist(numbers, SEQUENCES),
        "session_days": pa.Table.from_pylist(days, SESSION_DAYS),
    }


def _counted(minutes: pa.Table, starts: Ints) -> dict[str, list[Any]]:
    """Return what is counted of each day, given where its minutes start, as columns of the table.

    And how many minutes it has.
    """
    ends = np.append(starts[1:], minutes.num_rows) - 1
    first, last = (_ints(minutes[name]) for name in ("first_time", "last_time"))
    columns: dict[str, Any] = {
        "minutes": ends - starts + 1,
        "first_time": first[starts],
        "last_time": last[ends],
        **{name: np.add.reduceat(_ints(minutes[name]), starts) for name in COUNTS},
    }
    # The interval of the last Logon in this minute or before, on this day; 0 if there is none.
    logged = minutes["heart_bt_int"].is_valid().to_numpy()
    logon = np.maximum.accumulate(np.where(logged, np.arange(len(logged)), -1))
    begin = np.repeat(starts, columns["minutes"])
    interval = np.where(logon >= begin, _ints(minutes["heart_bt_int"])[logon], 0)
    has_logon = (logon >= begin)[ends]
    columns["heart_bt_int"] = np.where(has_logon, interval[ends], None)
    # How long nothing came between two minutes, and how long that may be.
    place = np.repeat(np.arange(len(starts)), columns["minutes"])
    on, off = (_flags(minutes[name]) for name in ("logged_on", "logged_out"))
    at = np.flatnonzero((place[1:] == place[:-1]) & ~off[:-1] & ~on[1:])
    silence, of_day = first[at + 1] - last[at], place[at]
    allowed = np.maximum(_MINUTE, 2_000_000 * np.minimum(interval[at], _LONGEST))
    columns["silences"] = np.bincount(of_day[silence > allowed], minlength=len(starts))
    within = minutes["longest_silence"].cast(pa.float64()).fill_null(-1e-6).to_numpy()
    longest = np.maximum.reduceat(np.rint(within * 1e6).astype(np.int64), starts)
    np.maximum.at(longest, of_day, silence)
    columns["longest_silence"] = [None if one < 0 else seconds(one) for one in longest.tolist()]
    since = np.full(len(starts), None)
    found = silence == longest[of_day]
    since[of_day[found][::-1]] = last[at[found]][::-1]  # the first one counts
    columns["silent_since"] = since
    return {name: np.asarray(values).tolist() for name, values in columns.items()}


def _ints(column: pa.ChunkedArray) -> Ints:
    found: Ints = column.cast(pa.int64()).fill_null(0).to_numpy()
    return found


def _flags(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = column.fill_null(False).to_numpy()
    return found
