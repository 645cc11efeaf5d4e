"""A sink that is away is waited for, one that is locked too, and one that is lost ends the run."""

import pytest

from fixfeed.io.ledger.ledger import RUN_AGAIN, SinkFailed
from fixfeed.pipelines import again
from fixfeed.pipelines.again import TryAgain
from fixfeed.pipelines.health import Health


class Work:
    """Fails with these errors, one after the other, and then works."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.calls = 0

    def __call__(self):
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


@pytest.fixture
def health():
    return Health([], longest=60, stopping=lambda: False)


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(again, "_FIRST", 0.001)


def test_a_failure_and_its_end_are_told_once(health, capsys):
    work = Work(SinkFailed("it is away"), SinkFailed("it is away still"))
    assert TryAgain(lambda: False, health).until_it_works(work) == "done"
    assert capsys.readouterr().err.splitlines() == [
        "fixfeed: it is away; meanwhile it is tried again and again, and nothing is lost",
        "fixfeed: it goes on: what had failed has worked",
    ]
    assert health.report()["away"] == []


def test_who_tries_again_by_himself_asks_nobody_to_run_it_again(health, capsys):
    errors = [SinkFailed.at("lake", "no space left", away=True), SinkFailed("gone; " + RUN_AGAIN)]
    assert TryAgain(lambda: False, health).until_it_works(Work(*errors)) == "done"
    told = "cannot write to lake: no space left; check that there is space left and that you may"
    assert capsys.readouterr().err.splitlines()[0] == (
        f"fixfeed: {told} write there; meanwhile it is tried again and again, and nothing is lost"
    )
    assert errors[0].meanwhile == f"{told} write there"
    assert str(errors[0]) == f"{told} write there, and run it again: what is committed stays"
    assert errors[1].meanwhile == "gone"


def test_a_short_lock_is_not_told_and_a_long_one_is_with_its_beginning(health, capsys, monkeypatch):
    locks = [SinkFailed("it is locked", locked=True) for _ in range(3)]
    assert TryAgain(lambda: False, health).until_it_works(Work(*locks)) == "done"
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(again, "_BRIEF", -1)
    assert TryAgain(lambda: False, health).until_it_works(Work(*locks)) == "done"
    first, last = capsys.readouterr().err.splitlines()
    assert first.startswith("fixfeed: it is locked; meanwhile it is tried again and again since ")
    assert last == "fixfeed: it goes on: what had failed has worked"


def test_what_is_lost_is_not_tried_again(health, capsys):
    work = Work(SinkFailed.replaced("sqlite:///f.db"))
    with pytest.raises(SinkFailed, match="was removed or replaced"):
        TryAgain(lambda: False, health).until_it_works(work)
    assert (work.calls, capsys.readouterr().err) == (1, "")


def test_a_run_that_is_to_stop_waits_for_a_lock_a_little_and_for_nothing_else(health, monkeypatch):
    stopping = TryAgain(lambda: True, health)
    with pytest.raises(SinkFailed, match="away"):
        stopping.until_it_works(Work(SinkFailed("it is away")))
    assert stopping.until_it_works(Work(SinkFailed("it is locked", locked=True))) == "done"
    monkeypatch.setattr(again, "_AT_THE_END", -1)
    with pytest.raises(SinkFailed, match="locked"):
        stopping.until_it_works(Work(SinkFailed("it is locked", locked=True)))


def test_what_a_server_holds_up_is_told_after_a_while_and_again_once_it_is_known_why(
    health, capsys, monkeypatch
):
    monkeypatch.setattr(TryAgain, "_wait", lambda *_: None)
    held = [SinkFailed("no answer yet", held=True) for _ in range(3)]
    assert TryAgain(lambda: False, health).until_it_works(Work(*held)) == "done"
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(again, "_BRIEF", -1)
    away = [SinkFailed("nobody listens", away=True), SinkFailed("nobody listens", away=True)]
    assert TryAgain(lambda: False, health).until_it_works(Work(*held, *away)) == "done"
    assert capsys.readouterr().err.splitlines() == [
        "fixfeed: no answer yet; meanwhile it is tried again and again, and nothing is lost",
        "fixfeed: nobody listens; meanwhile it is tried again and again, and nothing is lost",
        "fixfeed: it goes on: what had failed has worked",
    ]


def test_health_tells_the_cause_while_later_attempts_are_held_up_until_it_is_old(
    health, monkeypatch
):
    monkeypatch.setattr(TryAgain, "_wait", lambda *_: None)
    told = []
    monkeypatch.setattr(health, "failed", lambda _, error: told.append(str(error)))
    held = SinkFailed("no answer yet", held=True)
    work = Work(SinkFailed("no right"), held, SinkFailed("no topic"), held)
    assert TryAgain(lambda: False, health).until_it_works(work) == "done"
    assert told == ["no right", "no right", "no topic", "no topic"]
    told.clear()
    monkeypatch.setattr(again, "_LATELY", -1)
    assert TryAgain(lambda: False, health).until_it_works(Work(SinkFailed("no right"), held))
    assert told == ["no right", "no answer yet"]


def test_a_run_that_is_to_stop_waits_a_little_for_what_is_held_up_unless_that_was_told(
    health, monkeypatch
):
    stopping = TryAgain(lambda: True, health)
    held = [SinkFailed("no answer yet", held=True) for _ in range(3)]
    assert stopping.until_it_works(Work(*held)) == "done"
    monkeypatch.setattr(again, "_BRIEF", -1)
    work = Work(*held)
    with pytest.raises(SinkFailed, match="no answer"):
        stopping.until_it_works(work)
    assert work.calls == 1
