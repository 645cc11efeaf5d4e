"""Outputs are looked at before anything is started for a cluster."""

from types import SimpleNamespace

import pytest

from fixfeed.io.ledger.ledger import SinkError, SinkFailed
from fixfeed.pipelines.cluster import on_cluster
from fixfeed.pipelines.cluster.on_cluster import OnCluster
from fixfeed.transforms.fix.protocol import FIX


class Cluster:
    """A cluster that notes that it was asked."""

    run, about, abandon = "run", {}, print

    def __init__(self, *_, **__):
        self.asked = 0

    def check(self, _stop):
        self.asked += 1

    def close(self):
        pass


@pytest.fixture
def on(monkeypatch, tmp_path):
    """Return what puts a job with this output on a cluster, and how often that was asked."""

    def put(look, *, stream=None, keep_open=False):
        cluster = Cluster()
        monkeypatch.setattr(on_cluster, "Cluster", lambda *_, **__: cluster)
        sink = SimpleNamespace(name="db", look=look, keep_open=keep_open)
        job = SimpleNamespace(
            sinks=[sink],
            rules=SimpleNamespace(protocol=FIX),
            settings=SimpleNamespace(quiet=True),
            stream=stream,
            watch=SimpleNamespace(stop=lambda: False),
        )
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        try:
            OnCluster(job, folder)
        finally:
            asked.append(cluster.asked)

    asked = []
    return put, asked


def fails(error):
    def look():
        raise error

    return look


def test_an_output_that_cannot_be_opened_is_told_before_the_cluster_is_asked(on):
    put, asked = on
    for error in (SinkError("no database db"), SinkFailed("db is away", away=True)):
        with pytest.raises(SinkError, match=str(error)) as raised:
            put(fails(error))
        assert not isinstance(raised.value, SinkFailed)  # nothing was open: it may be asked wrongly
    assert asked == [0, 0]


def test_a_stream_waits_for_an_output_that_is_away_later(on):
    put, asked = on
    put(fails(SinkFailed("db is away", away=True)), stream=print)
    with pytest.raises(SinkError, match="password"):
        put(fails(SinkFailed("wrong password")), stream=print)
    assert asked == [1, 0]


def test_what_is_looked_at_is_closed_and_may_not_be_there_yet(on):
    put, asked = on
    closed = []
    put(lambda: SimpleNamespace(close=lambda: closed.append(1)))
    put(lambda: None)
    put(fails(AssertionError("it is read from its beginning")), keep_open=True)
    assert (asked, closed) == ([1, 1, 1], [1])
