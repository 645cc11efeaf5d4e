"""Minutes of sessions: what is counted of messages, and the runs of their numbers."""

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cache

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fixfeed.transforms.batch import TIME
from fixfeed.transforms.fix.dictionary.union import Field, merged
from fixfeed.transforms.fix.sessions.distinct import MINUTE, Distinct, distinct, whole_number
from fixfeed.transforms.fix.sessions.schema import SESSION_MINUTES
from fixfeed.transforms.fix.sessions.sequences import runs_of, written_runs

__all__ = ["added", "counts_text", "minutes_of", "seconds"]

_COUNTED = {
    "logons": ("A",),
    "logouts": ("5",),
    "heartbeats": ("0",),
    "test_requests": ("1",),
    "resend_requests": ("2",),
    "rejects": ("3", "j"),
}
_REFUSING = ("3", "9", "j", "Y", "AG")
"""Types of messages that refuse: Reject, OrderCancelReject, BusinessMessageReject, and the rejects
of requests for market data and quotes."""
_REASONS = {"3": "SessionRejectReason", "j": "BusinessRejectReason"}


def minutes_of(messages: pa.Table) -> pa.Table:
    """Return the minutes of sessions in messages, `SESSION_MINUTES`, by session and minute.

    `messages` has at least `schema.COLUMNS`. The result depends on the set of messages alone: not
    on their order, nor on how often each is there. Each session and minute stands for itself, so
    their rows may be computed apart.
    """
    known = distinct(messages)
    if not known.keys:
        return SESSION_MINUTES.empty_table()
    starts = np.searchsorted(known.line, np.arange(len(known.keys)))
    ends = np.append(starts[1:], len(known.line)) - 1

    def counted(which: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.bincount(known.line[which], minlength=len(known.keys))

    told = _Told(known)
    runs = runs_of(known)
    columns = {
        "session_minute": _named(known, "2025-01-02 09:30"),
        "session_day": _named(known, "2025-01-02"),
        "session": [session for session, _ in known.keys],
        "minute": [at for _, at in known.keys],
        "first_time": known.time[starts],
        "last_time": known.time[ends],
        "messages": counted(np.ones(len(known.line), bool)),
        "app_messages": counted(~_of(known, merged().admin)),
        "poss_dups": counted(known.resent),
        "resets": counted(told.resets),
        "gap_fills": counted(told.gap_fills),
        **{name: counted(_of(known, kinds)) for name, kinds in _COUNTED.items()},
        "heart_bt_int": [told.intervals.get(line) for line in range(len(known.keys))],
        "longest_silence": _longest_silences(known),
        "logged_on": _of(known, "A")[starts],
        "logged_out": _of(known, "5")[ends],
        "logout_reasons": [counts_text(told.logouts.get(n)) for n in range(len(known.keys))],
        "reject_reasons": [counts_text(told.rejects.get(n)) for n in range(len(known.keys))],
        "numbers": [written_runs(runs.get(line, ())) for line in range(len(known.keys))],
        "refusals": _by_second(known, _refusals(known)),
        "cancel_requests": _by_second(known, _of(known, "Fq")),
    }
    arrays = []
    for field in SESSION_MINUTES:
        kind = pa.int64() if field.type == TIME else field.type
        arrays.append(pa.array(columns[field.name], kind).cast(field.type))
    return pa.Table.from_arrays(arrays, schema=SESSION_MINUTES)


def _named(known: Distinct, like: str) -> list[str]:
    """Return the session and as much of the minute of each line as `like` has."""
    sessions = pa.array([session or "" for session, _ in known.keys], pa.string())
    times = pa.array([at for _, at in known.keys], pa.timestamp("us")).cast(pa.string())
    times = pc.utf8_slice_codeunits(times, 0, len(like))
    named: list[str] = pc.binary_join_element_wise(sessions, times, " ").to_pylist()
    return named


def _of(known: Distinct, types: Iterable[str]) -> NDArray[np.bool_]:
    """Return which messages are of these types."""
    found: NDArray[np.bool_] = pc.is_in(
        known.rows["msg_type"], value_set=pa.array(list(types), pa.string())
    ).to_numpy(zero_copy_only=False)
    return found


def _refusals(known: Distinct) -> NDArray[np.bool_]:
    """Return which messages refuse one of the peer's; in FIX up to 4.0 only OrdStatus says so."""
    exec_type, ord_status = known.rows["exec_type"], known.rows["ord_status"]
    rejected = pc.equal(pc.coalesce(exec_type, ord_status), "8").fill_null(False)
    reports = _of(known, "8") & rejected.to_numpy(zero_copy_only=False)
    return _of(known, _REFUSING) | reports


def _by_second(known: Distinct, which: NDArray[np.bool_]) -> list[str | None]:
    """Return how many of the messages came in which second of each minute, as JSON."""
    counts: dict[int, Counter[str]] = {}
    for place in np.flatnonzero(which & ~known.resent).tolist():
        second = known.time[place] % MINUTE // 1_000_000
        counts.setdefault(int(known.line[place]), Counter())[str(second)] += 1
    return [counts_text(counts.get(line)) for line in range(len(known.keys))]


def seconds(microseconds: int) -> Decimal:
    """Return microseconds as seconds."""
    return Decimal(int(microseconds)).scaleb(-6)


class _Told:
    """What the fields of messages at the session level say, by line or by message."""

    def __init__(self, known: Distinct):
        self.resets = np.zeros(len(known.line), bool)
        self.gap_fills = np.zeros(len(known.line), bool)
        self.intervals: dict[int, int] = {}
        self.logouts: dict[int, Counter[str]] = {}
        self.rejects: dict[int, Counter[str]] = {}
        for place in np.flatnonzero(_of(known, "A453j")).tolist():
            line, told = int(known.line[place]), known.told(place)
            kind = known.rows["msg_type"][place].as_py()
            text = known.rows["text"][place].as_py() or ""
            if kind == "A":
                self.resets[place] = told.get("ResetSeqNumFlag") == "Y"
                interval = whole_number(told.get("HeartBtInt", ""))
                if interval is not None:
                    self.intervals[line] = interval
            elif kind == "4":
                fills = told.get("GapFillFlag") == "Y"
                self.gap_fills[place], self.resets[place] = fills, not fills
            elif kind == "5":
                if text:
                    self.logouts.setdefault(line, Counter())[text] += 1
            else:
                self.rejects.setdefault(line, Counter())[_reason(kind, text, told)] += 1


def _longest_silences(known: Distinct) -> list[Decimal | None]:
    """Return the longest time between two messages of each line that are one connection's."""
    longest = np.full(len(known.keys), -1, np.int64)
    within = known.line[1:] == known.line[:-1]
    connected = within & ~_of(known, "A")[1:] & ~_of(known, "5")[:-1]
    at = np.flatnonzero(connected)
    np.maximum.at(longest, known.line[at], np.diff(known.time)[at])
    return [None if one < 0 else seconds(one) for one in longest.tolist()]


def _reason(msg_type: str, text: str, told: Mapping[str, str]) -> str:
    """Return the reason of a reject by name, else its number, its text or `none given`."""
    number = told.get(_REASONS[msg_type], "")
    return _field(_REASONS[msg_type]).values.get(number) or number or text or "none given"


@cache
def _field(name: str) -> Field:
    return next(one for one in merged().fields.values() if one.name == name)


def counts_text(counts: Mapping[str, int] | None) -> str | None:
    """Return counts as a JSON object, in the order of their texts; None if there are none."""
    return orjson.dumps(counts, option=orjson.OPT_SORT_KEYS).decode() if counts else None


def added(texts: Iterable[str | None]) -> str | None:
    """Return the sum of counts that `counts_text` has written."""
    total: Counter[str] = Counter()
    for text in texts:
        if text:
            total.update(orjson.loads(text))
    return counts_text(total)
