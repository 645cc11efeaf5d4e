"""What is out of the ordinary in sessions: gaps, silences, bursts of rejects and of cancels."""

import datetime
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.transforms.derived import Stored
from fixfeed.transforms.fix.anomalies.anomaly import Found, anomaly, scopes
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
    return Found(scopes("day", pc.unique(_texts(stretches.units, of_days.units))), rows)


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
    names = pc.unique(_texts(replaced.units, replaced.rows["session_minute"]))
    if not rules or not len(names):
        return Found(names.slice(0, 0), [])
    touched = pc.unique(_texts(names, _moved(names, 1)))
    around = pc.unique(_texts(touched, _moved(names, -1)))
    others = around.filter(pc.invert(pc.is_in(around, value_set=names)))
    beside = stored.rows("session_minutes", "session_minute", others)
    columns = ["session_minute", "session", "minute", *(name for name, _ in _COUNTED.values())]
    known = pa.concat_tables(
        [replaced.rows.select(columns), beside.select(columns)], promote_options="default"
    )
    known = known.filter(pc.or_(known["refusals"].is_valid(), known["cancel_requests"].is_valid()))
    known = known.append_column("before", _moved(known["session_minute"].combine_chunks(), -1))
    is_touched = pc.is_in(known["session_minute"], value_set=touched)
    minutes = {row["session_minute"]: row for row in known.to_pylist()}
    rows: list[dict[str, Any]] = []
    for minute in known.filter(is_touched).to_pylist():
        before = minutes.get(minute["before"], {})
        for rule in rules:
            column, what = _COUNTED[rule.kind]
            if minute[column] and rule.holds_for(minute["session"]):
                rows += _burst(rule, minute, before.get(column), column, what)
    return Found(scopes("minute", touched), rows)


def _texts(*arrays: pa.Array | pa.ChunkedArray) -> pa.Array:
    parts = [one.combine_chunks() if isinstance(one, pa.ChunkedArray) else one for one in arrays]
    return pa.concat_arrays([one.cast(pa.string()) for one in parts])


def _burst(
    rule: Rule, minute: Mapping[str, Any], before: str | None, column: str, what: str
) -> Iterator[dict[str, Any]]:
    """Yield the largest burst that ends in a minute, if there is one, given what came before."""
    counts = {int(second) - 60: count for second, count in orjson.loads(before or "{}").items()}
    own = {int(second): count for second, count in orjson.loads(minute[column]).items()}
    counts |= own
    least = int(rule.number("at_least"))
    if sum(counts.values()) < least:
        return
    within = int(rule.number("within"))
    largest, at = 0, 0
    for end in sorted(own):
        count = sum(counts.get(second, 0) for second in range(end - within + 1, end + 1))
        if count > largest:
            largest, at = count, end
    if largest >= least:
        yield anomaly(
            rule,
            scope=f"minute {minute['session_minute']}",
            happened_at=minute["minute"] + datetime.timedelta(seconds=at),
            session=minute["session"],
            seen=f"{largest:,} {what} within {within} s",
            expected=f"less than {least:,}",
        )


def _moved(session_minutes: pa.Array, minutes: int) -> pa.Array:
    """Return the names of the minutes of sessions that are so many minutes later.

    >>> _moved(pa.array(["FIX.4.4:A->B 2025-01-02 23:59"]), 1).to_pylist()
    ['FIX.4.4:A->B 2025-01-03 00:00']
    """
    time = pc.strptime(pc.utf8_slice_codeunits(session_minutes, -_LENGTH), _WRITTEN, "us")
    moved = pc.add(time, pa.scalar(datetime.timedelta(minutes=minutes), pa.duration("us")))
    texts = pc.utf8_slice_codeunits(moved.cast(pa.string()), 0, _LENGTH)
    return pc.binary_join_element_wise(
        pc.utf8_slice_codeunits(session_minutes, 0, -_LENGTH), texts, ""
    )
