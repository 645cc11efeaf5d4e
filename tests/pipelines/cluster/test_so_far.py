"""A sink that is away is told by the command, which asks it what the workers have committed."""

import threading
import time
from contextlib import closing
from types import SimpleNamespace

import pytest

from fixfeed.io.background import in_background
from fixfeed.io.ledger.counts import Counts
from fixfeed.io.ledger.ledger import SinkFailed
from fixfeed.pipelines import meanwhile
from fixfeed.pipelines.cluster import so_far
from fixfeed.pipelines.cluster.so_far import SoFar
from fixfeed.pipelines.health import Health


class Ledger:
    """A sink that raises what it is told to, so many times."""

    def __init__(self):
        self.trouble, self.times = None, 99
        self.opened = self.closed = 0

    def open(self):
        if self.trouble:
            raise self.trouble
        self.opened += 1
        return self

    def close(self):
        self.closed += 1


@pytest.fixture
def watched(monkeypatch):
    """Return a sink, the health of its run, and what asks the sink."""
    monkeypatch.setattr(so_far, "_PAUSE", 0.01)
    ledger = Ledger()
    health = Health(["db"], longest=1.0, stopping=lambda: False)
    sinks = [SimpleNamespace(name="db", ledger=ledger.open)]
    job = SimpleNamespace(health=health, sinks_to_watch=lambda: sinks)

    def tally(_ledgers):
        ledger.times -= 1
        if ledger.trouble and ledger.times >= 0:
            raise ledger.trouble
        return SimpleNamespace(sinks={"db": Counts(bytes=90, read=9)})

    return ledger, health, SoFar(job, tally)


def asked(so_far):
    so_far._take(in_background(so_far._look))
    return so_far()


def test_a_sink_that_is_away_is_told_once_and_when_it_is_back(watched, capsys):
    ledger, health, so_far = watched
    assert so_far() == (0, 0)
    assert asked(so_far) == (90, 9)
    ledger.trouble = SinkFailed("cannot write to db: gone", away=True)
    assert [asked(so_far) for _ in range(3)] == [(90, 9)] * 3
    assert capsys.readouterr().err == (
        "fixfeed: cannot write to db: gone; the workers try again, and nothing is lost\n"
    )
    assert [one["error"] for one in health.report()["away"]] == ["cannot write to db: gone"]
    ledger.trouble = None
    assert asked(so_far) == (90, 9)
    assert capsys.readouterr().err == "fixfeed: it goes on: what had failed has worked\n"
    assert health.report()["away"] == []
    assert (ledger.opened, ledger.closed) == (2, 1)


def test_sinks_are_asked_meanwhile_whether_progress_is_shown_or_not(watched, capsys):
    ledger, health, so_far = watched
    ledger.trouble = SinkFailed("cannot write to db: gone", away=True)
    with so_far.asked():
        while not health.report()["away"]:
            time.sleep(0.01)
        ledger.trouble = None
        while health.report()["away"]:
            time.sleep(0.01)
    assert capsys.readouterr().err == (
        "fixfeed: cannot write to db: gone; the workers try again, and nothing is lost\n"
        "fixfeed: it goes on: what had failed has worked\n"
    )


def test_a_sink_that_does_not_answer_is_told_and_holds_up_no_end(watched, capsys, monkeypatch):
    monkeypatch.setattr(meanwhile, "_LATE", 0.05)
    _, health, so_far = watched
    frozen, tally = threading.Event(), so_far._tally
    so_far._tally = lambda ledgers: frozen.wait() and tally(ledgers)
    with closing(so_far), so_far.asked():
        while not health.report()["away"]:
            time.sleep(0.01)
        frozen.set()
        while health.report()["away"]:
            time.sleep(0.01)
        monkeypatch.setattr(meanwhile, "_LATE", 60.0)
        frozen.clear()
        time.sleep(0.1)
    assert not frozen.is_set()
    frozen.set()
    assert capsys.readouterr().err == (
        "fixfeed: db: no answer for ten seconds; the workers try again, and nothing is lost\n"
        "fixfeed: it goes on: what had failed has worked\n"
    )


def test_a_sink_that_is_slow_is_asked_again_and_told_if_that_lasts(watched, capsys):
    ledger, _, so_far = watched
    asked(so_far)
    ledger.trouble, ledger.times = SinkFailed("db is slow", held=True), 2
    assert asked(so_far) == (90, 9)
    assert capsys.readouterr().err == ""
    ledger.times = 9
    asked(so_far)
    assert capsys.readouterr().err.startswith("fixfeed: db is slow; the workers")
    assert (ledger.opened, ledger.closed) == (1, 0)
