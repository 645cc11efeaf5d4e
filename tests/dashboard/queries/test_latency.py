"""Latencies as pages show them, against request_times."""

from collections import Counter
from dataclasses import replace

import pytest

from fixfeed.dashboard.queries import latency, latency_by_symbol, overview, stretches
from fixfeed.dashboard.queries.slowest import slowest
from fixfeed.dashboard.view import View
from fixfeed.transforms.batch import TIME
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


def test_the_slowest_are_the_slowest(day, view, waited):
    names = [request for _, request in waited]
    for limit in (1, 10, 100, len(waited), 10_000):
        found, since = slowest(day, view, limit=limit, **ASKED)
        assert since is None
        assert [row["seconds"] for row in found] == [seconds for seconds, _ in waited[:limit]]
        assert {row["request"] for row in found} <= set(names)
        assert all(
            row["request"].endswith(f" {row['session']} {row['cl_ord_id']}") for row in found
        )


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


@pytest.mark.parametrize("kind", ["acknowledged", "filled", "answered"])
def test_requests_are_told_apart_by_the_symbol_of_their_order(kind, day, view):
    began, types = {"answered": ("changed_at", "('F', 'G')")}.get(kind, ("ordered_at", "('D')"))
    named = {}
    for row in day.rows(
        "select session, cl_ord_id, symbol from messages where cl_ord_id is not null"
        f" and msg_type in {types} and sending_time is not null"
    ):
        named.setdefault((row["session"], row["cl_ord_id"]), set()).add(row["symbol"])
    rows = day.rows(
        f"select request, session, {began} as began, {kind}_at as ended from request_times"
        f" where clock = 'sent' and {began} is not null and {kind}_at is not null",
        types={"began": TIME, "ended": TIME},
    )
    waited = {}
    for row in rows:
        symbols = named[row["session"], row["request"][len(f"2025-01-02 {row['session']} ") :]]
        symbol = next(iter(symbols)) if len(symbols) == 1 else None
        seconds = (row["ended"] - row["began"]).total_seconds()
        waited.setdefault((symbol, row["session"]), []).append(seconds)
    found, since = latency_by_symbol.by_symbol(day, view, kind=kind, clock="sent")
    known = {(row["symbol"], row["session"]): row for row in found if row["symbol"]}
    assert since is None
    assert sum(row["requests"] for row in found) == len(rows)
    assert len(known) > 20
    exact = [
        key
        for key, row in known.items()
        if row["requests"] == len(waited[key]) and row["most"] == max(waited[key])
    ]
    # The messages of some orders are damaged in their symbol.
    assert len(exact) > 0.9 * len(known)


def test_percentiles_by_symbol_are_exact_and_of_one_request_that_request():
    def told(*waited):
        (row,) = latency_by_symbol.percentiles_of(
            [{"session": "A", "seconds": seconds} for seconds in waited]
        )
        return row

    exact = {"p50": 1.05, "p95": 1.095, "p99": 1.099, "most": 1.1}
    waited = [micro / 1e6 for micro in range(1_000_000, 1_100_001, 1000)]
    assert told(*waited) == {"session": "A", "requests": 101, **exact}
    alone = dict.fromkeys(exact, 0.000007)
    assert told(0.000007) == {"session": "A", "requests": 1, **alone}


@pytest.mark.parametrize("at_a_time", [10_000, 30])
def test_requests_of_a_symbol_are_those_that_are_counted_by_it(day, view, at_a_time, monkeypatch):
    counted, _ = latency_by_symbol.by_symbol(day, view, **ASKED)
    monkeypatch.setattr(stretches, "_REQUESTS", at_a_time)
    for symbol in ("AAPL", "7203.T"):
        own = [row for row in counted if row["symbol"] == symbol]
        assert len(own) > 2
        found, since = latency_by_symbol.of_symbol(day, view, symbol=symbol, seconds=60, **ASKED)
        assert since is None
        assert latency_by_symbol.percentiles_of(found) == [
            {name: value for name, value in row.items() if name != "symbol"} for row in own
        ]
        waited = [row["seconds"] for row in found]
        assert waited == sorted(waited, reverse=True)
    assert latency_by_symbol.of_symbol(day, view, symbol="none", **ASKED) == ([], None)


def test_requests_of_a_symbol_that_take_too_long_say_how_far_back_they_go(day, view, monkeypatch):
    monkeypatch.setattr(stretches, "_REQUESTS", 100)
    asked = {"symbol": "AAPL", **ASKED}
    found, since = latency_by_symbol.of_symbol(day, view, seconds=0, **asked)
    newer, of_all = latency_by_symbol.of_symbol(day, replace(view, begin=since), **asked)
    assert of_all is None
    assert found == newer


def test_of_too_many_requests_the_newest_minutes_are_told_apart_by_symbol(day, view, monkeypatch):
    monkeypatch.setattr(stretches, "_REQUESTS", 100)
    found, since = latency_by_symbol.by_symbol(day, view, **ASKED)
    newer = replace(view, begin=since)
    requests = sum(row["requests"] for row in found)
    by_minute = latency.by_time(day, newer, step="minute", **ASKED)
    assert requests == sum(row["requests"] for row in by_minute) >= 100
    later = [row["requests"] for row in by_minute if row["time"] > since]
    assert sum(later) < 100


def test_latencies_of_a_time_are_read_from_their_index(day, view):
    with plans_of(day) as plans:
        latency_by_symbol.by_symbol(day, view, **ASKED)
    assert "latencies_minute" in plans[0]
    assert "TEMP B-TREE" not in plans[0]
    order = {"sqlite": "SEARCH o USING PRIMARY KEY", "postgresql": "orders_pkey"}[day.dialect]
    for part in ("request_times_", "order_ids_id", order):
        assert part in plans[-1]
    assert "Seq Scan" not in plans[-1]
    with plans_of(day) as plans:
        latency.by_time(day, view, step="minute", **ASKED)
        latency.percentiles(day, view, **ASKED)
        slowest(day, view, **ASKED)
    assert len(plans) == 7
    read = [True, True, True, True, False, True, False]
    assert ["latencies_minute" in plan for plan in plans] == read
    # PostgreSQL, with so few rows, may take the primary key.
    indexes = {"sqlite": ["session_minute"], "postgresql": ["session_minute", "pkey"]}[day.dialect]
    for plan in (plans[4], plans[6]):
        assert any(f"request_times_{index}" in plan for index in indexes)
