"""A stream on a cluster waits for its brokers."""

import pytest

from fixfeed.io.kafka import looking
from fixfeed.io.kafka.client import KafkaTrouble
from fixfeed.pipelines.cluster.stream_start import topics_at_start
from fixfeed.pipelines.health import Health
from fixfeed.pipelines.uris import UnknownPlace

AWAY = KafkaTrouble("kafka://a:9092/t: nobody listens there")
GONE = KafkaTrouble("kafka://a:9092/t: there is no topic t", lasting=True)


class Topics:
    """Answers one after the other (`TopicsElsewhere.at_start`)."""

    def __init__(self, health, *answers):
        self._health, self._answers = health, list(answers)
        self.away = []

    def at_start(self, _say):
        self.away.append([one["error"] for one in self._health.report()["away"]])
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def health(monkeypatch):
    monkeypatch.setattr(looking, "_FIRST", 0.01)
    monkeypatch.setattr(looking, "_STEP", 0.01)
    return Health(["db"], longest=1.0, stopping=lambda: False)


def test_brokers_that_are_away_are_waited_for_and_told_once(health, capsys):
    topics = Topics(health, AWAY, AWAY, ("topics", 3))
    assert topics_at_start(topics, lambda: False, health) == ("topics", 3)
    why = f"{AWAY}; it goes on once one does"
    assert topics.away == [[], [why], [why]]
    assert health.report()["away"] == []
    assert capsys.readouterr().err == (
        f"fixfeed: {why}\nfixfeed: brokers answer again, and it goes on\n"
    )


def test_what_waiting_does_not_mend_ends_the_run(health):
    with pytest.raises(UnknownPlace, match="there is no topic t"):
        topics_at_start(Topics(health, AWAY, GONE), lambda: False, health)


def test_a_run_may_be_stopped_before_brokers_answer(health):
    assert topics_at_start(Topics(health, AWAY), lambda: True, health) is None
