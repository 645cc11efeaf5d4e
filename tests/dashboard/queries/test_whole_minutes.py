"""Times within a minute: exact where messages and requests have times, else whole minutes."""

import datetime
from collections import Counter
from dataclasses import replace

import pytest

from fixfeed.dashboard.moments import LAST
from fixfeed.dashboard.queries import latency, latency_by_symbol, messages, overview, sessions
from fixfeed.dashboard.queries.slowest import slowest
from fixfeed.dashboard.queries.whole_minutes import covering, edges, inside
from fixfeed.dashboard.view import View
from fixfeed.transforms.batch import TIME
from tests.dashboard.queries.plans import plans_of

ASKED = {"kind": "acknowledged", "clock": "sent"}


def at(clock):
    return datetime.datetime.fromisoformat(f"2025-01-02 {clock}+00:00")


TIMES = (
    ("11:28:20", "11:28:50"),
    ("11:28:00", "11:28:50"),
    ("11:28:20.5", "12:59:30"),
    ("11:28:59.999999", "11:29:00.000001"),
    ("11:28", "11:29"),
    ("11:28:20", None),
    (None, "12:59:30"),
    ("12:59:30", "11:28:20"),
)


@pytest.fixture(params=TIMES, ids=str)
def view(request):
    begin, end = request.param
    return View(begin=begin and at(begin), end=end and at(end))


def is_in(view, time):
    return (
        time is not None
        and (view.begin is None or view.begin <= time)
        and (view.end is None or time < view.end)
    )


def test_a_time_is_its_whole_minutes_and_its_edges():
    view = View(begin=at("09:00:30.5"), end=at("10:00:10"))
    whole = replace(view, begin=at("09:01"), end=at("10:00"))
    assert covering(view) == replace(view, begin=at("09:00"), end=at("10:01"))
    assert inside(view) == whole
    assert list(edges(view)) == [replace(view, end=whole.begin), replace(view, begin=whole.end)]
    for own in (View(), View(begin=at("09:00"), end=LAST), View(end=at("10:00"))):
        assert (covering(own), inside(own), list(edges(own))) == (own, own, [])
    short = View(begin=at("09:00:30"), end=at("09:00:50"))
    assert (inside(short), list(edges(short))) == (None, [short])


def test_messages_of_any_time_are_counted_exactly(day, view):
    rows = day.rows(
        "select session, msg_type, defects, coalesce(sending_time, captured_at) as time"
        " from messages"
    )
    for one in (view, replace(view, sessions=("FIX.4.4:RETAIL->BROKER",), types=("D", "0"))):
        own = [
            row
            for row in rows
            if is_in(one, row["time"])
            and (not one.sessions or row["session"] in one.sessions)
            and (not one.types or row["msg_type"] in one.types)
        ]
        assert overview.counts(day, one) == {
            "messages": len(own),
            "defective": sum(row["defects"] is not None for row in own),
            "rejects": sum(row["msg_type"] in ("3", "9", "j") for row in own),
        }
        assert messages.count(day, one) == len(own)
        by_minute = Counter(
            (row["time"].replace(second=0, microsecond=0), row["msg_type"]) for row in own
        )
        found = overview.minutes(day, one)
        assert {(row["time"], row["msg_type"]): row["messages"] for row in found} == by_minute
        by_session = {row["session"]: row["messages"] for row in overview.by_session(day, one)}
        assert by_session == Counter(row["session"] for row in own)


def test_requests_of_any_time_are_exact_one_by_one_and_else_those_of_whole_minutes(day, view):
    rows = day.rows(
        "select session, request, ordered_at, acknowledged_at from request_times where"
        " clock = 'sent' and ordered_at is not null and acknowledged_at is not null",
        types={"ordered_at": TIME, "acknowledged_at": TIME},
    )
    waited = [
        (row["ordered_at"], (row["acknowledged_at"] - row["ordered_at"]).total_seconds())
        for row in rows
    ]
    own = sorted((seconds for began, seconds in waited if is_in(view, began)), reverse=True)
    for limit in (1, 20, 100_000):
        found, since = slowest(day, view, limit=limit, seconds=60, **ASKED)
        assert ([row["seconds"] for row in found], since) == (own[:limit], None)
        assert all(is_in(view, row["began"]) for row in found)
    by_symbol, since = latency_by_symbol.by_symbol(day, view, **ASKED)
    assert (sum(row["requests"] for row in by_symbol), since) == (len(own), None)
    counted = [seconds for began, seconds in waited if is_in(covering(view), began)]
    by_session = latency.percentiles(day, view, **ASKED)
    assert sum(row["requests"] for row in by_session) == len(counted)


def test_minutes_of_sessions_are_those_that_a_time_touches(day, view):
    for query in (sessions.presences, sessions.events, sessions.silences):
        found = query(day, view)
        assert found == query(day, covering(view))
    touched = day.rows("select minute from session_minutes where session is not null")
    is_any = any(is_in(covering(view), row["minute"]) for row in touched)
    assert bool(sessions.presences(day, view)) == is_any


def test_messages_at_the_edges_of_a_time_are_found_by_the_index_of_times(day):
    view = View(begin=at("09:00:30"), end=at("10:00:10"), sessions=("FIX.4.4:RETAIL->BROKER",))
    with plans_of(day) as plans:
        overview.counts(day, view)
    (plan,) = plans
    assert plan.count("messages_time") == 2
