"""Latencies as pages show them, against request_times."""

from collections import Counter

import pytest

from fixfeed.dashboard.queries import latency, overview
from fixfeed.dashboard.view import View
from tests.dashboard.queries.plans import plans_of

ASKED = {"kind": "filled", "clock": "sent"}


@pytest.fixture
def view(day):
    return overview.last_day(day, View())


@pytest.fixture
def waited(day):
    """Every order with a fill: the seconds between them, the longest first."""
    rows = day.rows(
        "select request, ordered_at, filled_at from request_times"
        " where clock = 'sent' and ordered_at is not null and filled_at is not null"
    )
    times = [
        ((row["filled_at"] - row["ordered_at"]).total_seconds(), row["request"]) for row in rows
    ]
    return sorted(times, reverse=True)


def test_percentiles_are_at_most_a_tenth_above_the_exact_ones(day, view, waited):
    rows = latency.by_time(day, view, step="day", **ASKED)
    assert sum(row["requests"] for row in rows) == len(waited)
    exact = [seconds for seconds, _ in waited][::-1]
    for share in (0.5, 0.95, 0.99):
        one = exact[-(-int(share * 1000) * len(exact) // 1000) - 1]
        assert one <= latency.percentile(rows, share) <= one * 1.1 + 1e-6
    assert latency.percentile([], 0.5) is None


@pytest.mark.parametrize("limit", [1, 10, 100])
def test_the_slowest_are_the_slowest(limit, day, view, waited):
    found = latency.slowest(day, view, limit=limit, **ASKED)
    assert [row["seconds"] for row in found] == [seconds for seconds, _ in waited[:limit]]
    assert all(row["request"].endswith(f" {row['session']} {row['cl_ord_id']}") for row in found)


def test_sessions_and_clocks_have_their_requests(day, view):
    sums = Counter()
    for row in day.rows("select session, kind, clock, requests from latencies"):
        sums[row["kind"], row["clock"]] += row["requests"]
    rows = latency.kinds_and_clocks(day, view)
    assert {(row["kind"], row["clock"]): row["requests"] for row in rows} == sums
    by_session = latency.percentiles(day, view, **ASKED)
    assert sum(row["requests"] for row in by_session) == sums["filled", "sent"]
    for row in by_session:
        assert row["p50"] <= row["p95"] <= row["p99"] <= row["most"]


def test_latencies_of_a_time_are_read_from_their_index(day, view):
    with plans_of(day) as plans:
        latency.by_time(day, view, step="minute", **ASKED)
        latency.percentiles(day, view, **ASKED)
        latency.slowest(day, view, **ASKED)
    assert len(plans) == 4
    assert ["latencies_minute" in plan for plan in plans] == [True, True, True, False]
    # PostgreSQL, with so few rows, may take the primary key.
    indexes = {"sqlite": ["session_minute"], "postgresql": ["session_minute", "pkey"]}[day.dialect]
    assert any(f"request_times_{index}" in plans[3] for index in indexes)
