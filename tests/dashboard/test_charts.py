"""What charts draw."""

import datetime

from fixfeed.dashboard.charts.latency import percentiles, waiting

NINE = datetime.datetime(2025, 1, 2, 9, tzinfo=datetime.UTC)


def test_a_percentile_that_equals_a_higher_one_is_drawn_narrower_and_over_it():
    rows = [
        {"time": NINE, "percentile": name, "seconds": seconds}
        for name, seconds in (("p50", 0.000001), ("p95", 0.5), ("p99", 0.5))
    ]
    spec = percentiles(rows, "minute")
    at = int(NINE.timestamp() * 1000)
    # p50 is of answers at the time of their requests, which no logarithmic axis has.
    assert spec["data"]["values"] == [
        {"t": at, "percentile": "p99", "ms": 500.0},
        {"t": at, "percentile": "p95", "ms": 500.0},
    ]
    widths = spec["encoding"]["strokeWidth"]["scale"]
    assert widths["domain"] == ["p50", "p95", "p99"]
    assert widths["range"] == sorted(widths["range"])


def test_the_map_leaves_out_what_took_no_time_by_its_clock():
    rows = [{"time": NINE, "up_to": up_to, "requests": 3} for up_to in (0, 0.000001, 0.001024)]
    (square,) = waiting(rows, "minute")["data"]["values"]
    assert (square["requests"], square["high"]) == (3, 1.024)
