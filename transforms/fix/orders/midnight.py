"""The day of answers whose clock is before midnight when that of their request is after it.

What an id is depends on the day (UTC). An order of 00:00:00.1 whose broker's clock is 0.2 seconds
slow is acknowledged the day before; this answer, and what follows it there, count for the day of
the request.

An answer says that an order or a request is new, pending, refused or done; so does a fill, unless
another order has its ClOrdID that day. What is said of an order at the end of its day (Expired,
Done for day) is none. It counts if clocks are no more than `SKEW` apart, and no request has this
ClOrdID in that time before midnight.
"""

from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["DAY", "SKEW", "Ask", "Told", "early", "is_answer", "is_late"]

DAY = 86_400_000_000  # microseconds

SKEW = 10_000_000
"""How far clocks are apart at the most, in microseconds."""

Key = tuple[object, str]
"""A ClOrdID, with its session pair."""


class Ask(NamedTuple):
    """A request that is no copy: the ClOrdID that it opens, and its time."""

    key: Key
    time: int


class Told(NamedTuple):
    """An event that asks for nothing: its number, its ClOrdID, and its time.

    `answers` is whether it is an answer, None if it is a fill.
    """

    event: int
    key: Key
    time: int
    answers: bool | None


def is_late(time: int) -> bool:
    """Return whether a time is so short before midnight that a request may come after it."""
    return time % DAY >= DAY - SKEW


def is_answer(
    kind: str, said: str | None, cl_ord_id: str | None, orig_cl_ord_id: str | None
) -> bool | None:
    """Return `Told.answers`; `said` is the ExecType of a report, OrdStatus without one.

    >>> is_answer("8", "0", "A", None), is_answer("8", "F", "A", None), is_answer("8", "C", "A", "")
    (True, None, True)
    """
    if kind != "8":
        return kind in ("9", "j")
    if said in ("0", "A", "8") or orig_cl_ord_id not in (None, cl_ord_id):
        return True
    return None if said in ("F", "1", "2") else False


def early(told: Iterable[Told], asks: Iterable[Ask]) -> list[int]:
    """Return the events of those that are late (`is_late`) that count for the next day.

    `asks` are the requests of their ClOrdIDs.

    >>> key, midnight = ("A<->B", "1"), 20_000 * DAY
    >>> told = [Told(0, key, midnight - 50_000, True), Told(1, key, midnight - 40_000, None)]
    >>> early(told, [Ask(key, midnight + 100_000)]), early(told, [])
    ([0, 1], [])
    """
    asked: dict[Key, list[int]] = {}
    for key, time in asks:
        asked.setdefault(key, []).append(time)
    by_day: dict[tuple[Key, int], list[Told]] = {}
    for one in told:
        if one.key in asked:
            by_day.setdefault((one.key, one.time // DAY), []).append(one)
    found = []
    for (key, day), those in by_day.items():
        begin, midnight = day * DAY, (day + 1) * DAY
        request = min(
            (one for one in asked[key] if midnight <= one < midnight + SKEW), default=None
        )
        if request is None:
            continue
        before = [one for one in asked[key] if begin <= one < midnight]
        since = request - SKEW
        if any(one >= since for one in before):
            continue
        first = min(
            (
                one.time
                for one in those
                if one.time >= since and (not before if one.answers is None else one.answers)
            ),
            default=midnight,
        )
        found += [one.event for one in those if one.time >= first]
    return found
