"""Latencies as derived tables (`transforms.derived`): times of requests, and counts by minute."""

import datetime
from collections.abc import Collection, Mapping
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.transforms.batch import DECIMAL, TIME
from fixfeed.transforms.derived import Changes, Derived, DerivedTable, Stored
from fixfeed.transforms.fix.latencies.buckets import buckets_of, up_to
from fixfeed.transforms.fix.latencies.requests import merged_times, request_times
from fixfeed.transforms.fix.latencies.schema import (
    COLUMNS,
    KINDS,
    LATENCIES,
    MSG_TYPES,
    REQUEST_TIMES,
)

__all__ = ["Latencies", "latencies"]

_EACH = {
    "acknowledged": ("ordered_at", "acknowledged_at"),
    "filled": ("ordered_at", "filled_at"),
    "answered": ("changed_at", "answered_at"),
}
"""The times between which each of `schema.KINDS` lies."""


class Latencies(Derived):
    """The tables of latencies; see `docs/latencies.md`."""

    tables = {  # noqa: RUF012
        "request_times": DerivedTable(
            schema=REQUEST_TIMES,
            unit="request",
            key=("request", "session", "clock"),
            indexes=(("session_minute",),),
        ),
        "latencies": DerivedTable(
            schema=LATENCIES,
            unit="session_minute",
            key=("session_minute", "kind", "clock", "bucket"),
            indexes=(("minute",),),
        ),
    }
    columns = COLUMNS
    where: ClassVar[Mapping[str, Collection[str]]] = {"msg_type": MSG_TYPES}

    def update(self, changed: pa.Table, removed: pa.Table, stored: Stored) -> Changes:
        """See `Derived`: minima only fall as messages come, so nothing is read again for those."""
        came, gone = request_times(changed), request_times(removed)
        requests = pc.unique(pa.concat_tables([came, gone])["request"])
        if not len(requests):
            return Changes({}, {})
        before = stored.rows("request_times", "request", requests)
        lost = pc.unique(gone["request"])
        kept = before.filter(pc.invert(pc.is_in(before["request"], value_set=lost)))
        now = came
        if kept.num_rows or len(lost):
            now = merged_times(came, kept, _read_again(lost, stored))
        minutes = pc.unique(
            pa.chunked_array(
                [*now["session_minute"].chunks, *before["session_minute"].chunks], pa.string()
            ).drop_null()
        )
        others = stored.rows("request_times", "session_minute", minutes)
        others = others.filter(pc.invert(pc.is_in(others["request"], value_set=requests)))
        whole = pa.concat_tables([now, others], promote_options="default")
        return Changes(
            {"request_times": requests, "latencies": minutes},
            {"request_times": now, "latencies": latencies(whole)},
        )


def _read_again(requests: pa.Array, stored: Stored) -> pa.Table:
    """Return the times of requests as their messages are now: all of the days that they are on."""
    days = {text[:10] for text in requests.to_pylist()}
    found = [REQUEST_TIMES.empty_table()]
    for day in sorted(days):
        begin = datetime.date.fromisoformat(day)
        end = None
        if begin < datetime.date.max:
            end = f"{begin + datetime.timedelta(days=1)} 00:00:00"
        read = request_times(stored.between(f"{begin} 00:00:00", end))
        found.append(read.filter(pc.is_in(read["request"], value_set=requests)))
    return pa.concat_tables(found)


def latencies(times: pa.Table) -> pa.Table:
    """Return the latencies, `schema.LATENCIES`, of requests whose times are given."""
    parts = [LATENCIES.empty_table()]
    for kind in KINDS:
        begin, end = (times[name].combine_chunks().cast(pa.int64()) for name in _EACH[kind])
        both = pc.and_(begin.is_valid(), end.is_valid())
        rows = times.filter(both)
        if not rows.num_rows:
            continue
        taken = pc.subtract(end.filter(both), begin.filter(both)).to_numpy()
        counted = pa.table(
            {
                "session_minute": rows["session_minute"],
                "session": rows["session"],
                "clock": rows["clock"],
                "bucket": buckets_of(taken),
            }
        )
        keys = counted.schema.names
        counted = counted.group_by(keys).aggregate([([], "count_all")])
        counted = counted.sort_by([(name, "ascending") for name in keys])
        minute = pc.utf8_slice_codeunits(counted["session_minute"], -16)
        columns = {
            "session_minute": counted["session_minute"],
            "session": counted["session"],
            "minute": pc.strptime(minute, "%Y-%m-%d %H:%M", "us").cast(TIME),
            "kind": pa.repeat(kind, counted.num_rows),
            "clock": counted["clock"],
            "bucket": counted["bucket"],
            "up_to": _ups_to(counted["bucket"].combine_chunks()),
            "requests": counted["count_all"],
        }
        parts.append(pa.Table.from_arrays(list(columns.values()), schema=LATENCIES))
    return pa.concat_tables(parts)


def _ups_to(buckets: pa.Array) -> pa.Array:
    coded = buckets.dictionary_encode()
    ends = pa.array([up_to(one) for one in coded.dictionary.to_pylist()], DECIMAL)
    return ends.take(coded.indices)
