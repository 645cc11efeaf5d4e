"""Prometheus sees what the sinks of a run on a cluster have committed."""

from fixfeed.io.ledger.counts import Counts
from fixfeed.pipelines import metrics
from fixfeed.pipelines.cluster.for_prometheus import ForPrometheus
from fixfeed.pipelines.counters import start_counting
from fixfeed.transforms.fix.protocol import FIX


def test_counters_follow_the_totals_of_each_sink_and_never_go_back(tmp_path):
    start_counting(tmp_path, ["db", "lake"], FIX)
    count = ForPrometheus(tmp_path)
    first = Counts(bytes=90, read=9, stored=6, repeated=1, failed={"not_text": 2}, skipped=1)
    count({"db": first, "lake": Counts()})
    second = first + Counts(
        bytes=10,
        read=4,
        stored=1,
        filtered=2,
        failed={"not_text": 1},
        defects={"check_sum": 3},
        joined={"symbol": 2},
    )
    count({"db": second, "lake": first})
    count({"db": second, "lake": first})
    assert seen(tmp_path) == {"db": second, "lake": first}
    # Another run may have put the failure right meanwhile, by reading the same again.
    count({"db": second.without("not_text", 1), "lake": first})
    count({"db": second, "lake": first})
    assert seen(tmp_path) == {"db": second, "lake": first}


def seen(folder):
    """Return the totals, without what is 0."""
    found = metrics.totals(folder)
    for one in found.values():
        for name in ("failed", "defects", "joined"):
            setattr(one, name, {kind: count for kind, count in getattr(one, name).items() if count})
    return found
