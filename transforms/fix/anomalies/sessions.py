"""What is out of the ordinary in sessions: gaps, silences, bursts of rejects and of cancels."""

import datetime
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.transforms.derived import Stored
from fixfeed.transforms.fix.anomalies.anomaly import Found, anomaly
from fixfeed.transforms.fix.anomalies.rules import Rule

__all__ = ["bursts", "days"]

_COUNTED = {
    "reject_burst": ("refusals", "rejects"),
    "cancel_storm": ("cancel_requests", "requests to cancel"),
}
"""Kind of a rule -> the column of `session_minutes` that it counts, and what that counts."""

_WRITTEN = "%Y-%m-%d %H:%M"  # the end of session_minute
_LENGTH = len("2025-01-02 09:30")


def days(rules: Iterable[Rule], stored: Stored) -> Found:
    """Return the gaps and silences of the days of sessions that an update has replaced.

    Messages that name no session, as damaged ones do, have none.
    """
    rules = list(rules)
    stretches, of_days = stored.replaced("sequences"), stored.replaced("session_days")
    missing = pc.greater(stretches.rows["missing"], 0)
    gaps = stretches.rows.filter(pc.and_(missing, stretches.rows["session"].is_valid())).to_pylist()
    named = of_days.rows.filter(of_days.rows["session"].is_valid()).to_pylist()
    rows: list[dict[str, Any]] = []
    for rule in rules:
        if rule.kind == "sequence_gap":
            rows += (anomaly(rule, **_gap(row)) for row in gaps if _is_gap(rule, row))
        elif rule.kind == "silent_session":
            for row in named:
                longest = _longest_allowed(rule, row)
                if longest is not None and rule.holds_for(row["session"]):
                    rows += _silence(rule, row, longest)
    units = pc.unique(pa.concat_arrays([stretches.units, of_days.units])).to_pylist()
    return Found([f"day {unit}" for unit in units], rows)


def _is_gap(rule: Rule, row: Mapping[str, Any]) -> bool:
    return bool(row["missing"] >= rule.number("at_least")) and rule.holds_for(row["session"])


def _gap(row: Mapping[str, Any]) -> dict[str, Any]:
    last, first = row["first_number"] - 1, row["first_number"] - row["missing"]
    span = f"{first}" if first == last else f"{first} to {last}"
    feed = f" of ApplID {row['appl_id']}" if row["appl_id"] else ""
    return {
        "scope": f"day {row['session_day']}",
        "happened_at": row["first_time"],
        "session": row["session"],
        "seen": f"{row['missing']:,} missing{feed}: {span}",
        "expected": f"{first}",
    }


def _longest_allowed(rule: Rule, row: Mapping[str, Any]) -> float | None:
    """Return how many seconds a session may be silent, None if that is not known.

    A log without Heartbeats may have left them out.
    """
    times = rule.number("heartbeats")
    if times and not (row["heartbeats"] and row["heart_bt_int"]):
        return None
    return max(rule.number("seconds"), times * (row["heart_bt_int"] or 0))


def _silence(rule: Rule, row: Mapping[str, Any], longest: float) -> Iterator[dict[str, Any]]:
    if (row["longest_silence"] or 0) > longest:
        yield anomaly(
            rule,
            scope=f"day {row['session_day']}",
            happened_at=row["silent_since"] or row["first_time"],
            session=row["session"],
            seen=f"silent for {row['longest_silence']:.0f} s",
            expected=f"a message every {longest:.0f} s at the latest",
        )


def bursts(rules: Iterable[Rule], stored: Stored) -> Found:
    """Return the bursts in the minutes that an update has replaced, and in those after them.

    A burst is of the minute that it ends in. It may have begun in the one before.
    """
    rules = [rule for rule in rules if rule.kind in _COUNTED]
    replaced = stored.replaced("session_minutes")
    names = {*replaced.units.to_pylist(), *replaced.rows["session_minute"].to_pylist()}
    touched = names | {_moved(name, 1) for name in names}
    if not rules or not touched:
        return Found([], [])
    columns = ["session_minute", "session", "minute", *(name for name, _ in _COUNTED.values())]
    others = sorted((touched | {_moved(name, -1) for name in names}) - names)
    beside = stored.rows("session_minutes", "session_minute", pa.array(others, pa.string()))
    known = pa.concat_tables(
        [replaced.rows.select(columns), beside.select(columns)], promote_options="default"
    )
    counted = pc.or_(known["refusals"].is_valid(), known["cancel_requests"].is_valid())
    minutes = {row["session_minute"]: row for row in known.filter(counted).to_pylist()}
    rows: list[dict[str, Any]] = []
    for name, minute in minutes.items():
        before = minutes.get(_moved(name, -1), {})
        for rule in rules:
            column, what = _COUNTED[rule.kind]
            if name in touched and minute[column] and rule.holds_for(minute["session"]):
                rows += _burst(rule, minute, before.get(column), column, what)
    return Found([f"minute {name}" for name in touched], rows)


def _burst(
    rule: Rule, minute: Mapping[str, Any], before: str | None, column: str, what: str
) -> Iterator[dict[str, Any]]:
    """Yield the largest burst that ends in a minute, if there is one, given what came before."""
    counts = {int(second) - 60: count for second, count in orjson.loads(before or "{}").items()}
    own = {int(second): count for second, count in orjson.loads(minute[column]).items()}
    counts |= own
    within = int(rule.number("within"))
    largest, at = 0, 0
    for end in sorted(own):
        count = sum(counts.get(second, 0) for second in range(end - within + 1, end + 1))
        if count > largest:
            largest, at = count, end
    least = int(rule.number("at_least"))
    if largest >= least:
        yield anomaly(
            rule,
            scope=f"minute {minute['session_minute']}",
            happened_at=minute["minute"] + datetime.timedelta(seconds=at),
            session=minute["session"],
            seen=f"{largest:,} {what} within {within} s",
            expected=f"less than {least:,}",
        )


def _moved(session_minute: str, minutes: int) -> str:
    """Return the name of the minute of a session that is so many minutes later.

    >>> _moved("FIX.4.4:A->B 2025-01-02 23:59", 1)
    'FIX.4.4:A->B 2025-01-03 00:00'
    """
    text = session_minute[-_LENGTH:]
    time = datetime.datetime.strptime(text, _WRITTEN).replace(tzinfo=datetime.UTC)
    moved = time + datetime.timedelta(minutes=minutes)
    return session_minute[:-_LENGTH] + f"{moved.year:04}-{moved:%m-%d %H:%M}"
