"""Days of sessions, put together from their minutes: sequences, and what was counted."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from fixfeed.transforms.batch import TIME
from fixfeed.transforms.fix.sessions.minutes import added, minutes_of, seconds
from fixfeed.transforms.fix.sessions.schema import COUNTS, SEQUENCES, SESSION_DAYS
from fixfeed.transforms.fix.sessions.sequences import read_runs, stretches

__all__ = ["days_of", "sequences", "session_days"]

_MINUTE = Decimal(60)
_DAY = 86_400_000_000


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
    minutes = minutes.sort_by([("session", "ascending"), ("minute", "ascending")])
    plain = minutes
    for place, field in enumerate(minutes.schema):
        if field.type == TIME:
            plain = plain.set_column(place, field.name, plain[field.name].cast(pa.int64()))
    numbers: list[dict[str, Any]] = []
    days: list[dict[str, Any]] = []
    for name, found in itertools.groupby(plain.to_pylist(), lambda row: row["session_day"]):
        rows = list(found)
        day = {
            "session_day": name,
            "session": rows[0]["session"],
            "day": pa.scalar(rows[0]["minute"] // _DAY, pa.int32()).cast(pa.date32()).as_py(),
        }
        runs = [run for row in rows for run in read_runs(row["numbers"])]
        numbers += ({**day, **one} for one in stretches(runs))
        days.append({**day, **_day(rows)})
    return {
        "sequences": pa.Table.from_pylist(numbers, SEQUENCES),
        "session_days": pa.Table.from_pylist(days, SESSION_DAYS),
    }


def _day(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the columns of a day after the first three, given its minutes in order."""
    intervals = [row["heart_bt_int"] for row in rows if row["heart_bt_int"] is not None]
    between = list(_silences(rows))
    within = [row["longest_silence"] for row in rows if row["longest_silence"] is not None]
    longest = max([*within, *(silence for silence, _, _ in between)], default=None)
    return {
        "first_time": rows[0]["first_time"],
        "last_time": rows[-1]["last_time"],
        **{name: sum(row[name] for row in rows) for name in COUNTS},
        "heart_bt_int": intervals[-1] if intervals else None,
        "longest_silence": longest,
        "silent_since": next((since for one, _, since in between if one == longest), None),
        "silences": sum(silence > allowed for silence, allowed, _ in between),
        "logout_reasons": added(row["logout_reasons"] for row in rows),
        "reject_reasons": added(row["reject_reasons"] for row in rows),
    }


def _silences(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Decimal, Decimal, int]]:
    """Yield how long nothing came between two minutes, how long that may be, and since when."""
    interval = Decimal(0)
    for before, after in itertools.pairwise(rows):
        if before["heart_bt_int"] is not None:
            interval = Decimal(before["heart_bt_int"])
        if not (before["logged_out"] or after["logged_on"]):
            silence = seconds(after["first_time"] - before["last_time"])
            yield silence, max(_MINUTE, 2 * interval), before["last_time"]
