"""A stream on a cluster tells how far it is behind, and that brokers are away."""

import threading
import time

import pytest

from fixfeed.io.kafka.client import KafkaTrouble
from fixfeed.io.lag import Lag
from fixfeed.io.ledger.ledger import SinkFailed
from fixfeed.pipelines.cluster import stream_lag
from fixfeed.pipelines.cluster.stream_lag import StreamLag
from fixfeed.pipelines.health import Health

AWAY = KafkaTrouble("kafka://a:9092/t: nobody listens there")
GONE = KafkaTrouble("kafka://a:9092/t: there is no topic t", lasting=True, gone=True)


class Topics:
    """Answers what it is told to, once for each `ask` (`TopicsElsewhere.lag`)."""

    def __init__(self):
        self.answer = Lag(0, "records"), []
        self.asked = 0

    def lag(self):
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def watched(monkeypatch):
    """Return topics, the health of their run, and what asks them all along."""
    monkeypatch.setattr(stream_lag, "_PAUSE", 0.01)
    topics, health = Topics(), Health(["db"], longest=1.0, stopping=lambda: False)
    lag = StreamLag(topics, health, lambda: "RUNNING")
    health.feed = lag
    return topics, health, lag


def answered(topics, answer):
    """Have topics answer this, and wait until it was taken."""
    topics.answer = answer
    before = topics.asked
    while topics.asked < before + 3:
        time.sleep(0.01)


def test_what_outputs_lack_is_told_as_long_as_it_is_known(watched):
    topics, health, lag = watched
    told = []
    with lag.asked():
        for answer in (
            (Lag(1200, "records"), []),
            AWAY,
            (Lag(3, "records"), []),
            SinkFailed("db is gone", away=True),
            (Lag(0, "records"), []),
        ):
            answered(topics, answer)
            told.append((health.report()["behind"], lag.lag))
    assert lag.state == "RUNNING"
    assert told == [
        ("1,200 records behind", (1200, "records")),
        ("", None),
        ("3 records behind", (3, "records")),
        ("", None),
        ("", (0, "records")),
    ]


def test_brokers_that_are_away_and_topics_that_are_gone_are_told_once_and_when_that_is_over(
    watched, capsys
):
    topics, health, lag = watched
    with lag.asked():
        answered(topics, AWAY)
        assert [one["error"] for one in health.report()["away"]] == [str(AWAY)]
        answered(topics, SinkFailed("db is gone", away=True))  # which says nothing of brokers
        answered(topics, (Lag(5, "records"), [GONE]))
        assert [one["error"] for one in health.report()["away"]] == [str(GONE)]
        answered(topics, (Lag(5, "records"), []))
        assert health.report()["away"] == []
    waits = "the workers wait, and nothing is lost"
    assert capsys.readouterr().err == (
        f"fixfeed: {AWAY}; {waits}\n"
        f"fixfeed: {GONE}; {waits}\n"
        "fixfeed: brokers answer, and all topics are read again\n"
    )


def test_a_run_that_ends_waits_for_no_broker(watched, capsys):
    topics, _, lag = watched
    frozen = threading.Event()
    topics.lag = frozen.wait
    with lag.asked():
        time.sleep(0.1)
    assert not frozen.is_set()
    frozen.set()
    assert capsys.readouterr().err == ""
