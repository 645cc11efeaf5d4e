"""A gateway says whom it refused, each listener and reason by itself, and not each of very many."""

import pytest

from fixfeed.io.live import refusals
from fixfeed.io.live.refusals import Refusals


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(refusals.time, "monotonic", lambda: now[0])
    return now


def test_no_refusal_hides_that_of_another_listener_or_for_another_reason(clock):
    said = []
    one = Refusals(said.append)
    one.add("a", "a is full", "10.0.0.1")
    one.add("b", "b is full", "10.0.0.2")
    one.add("a", "a does not allow it", "10.0.0.1")
    assert said == [
        "refused 10.0.0.1: a is full",
        "refused 10.0.0.2: b is full",
        "refused 10.0.0.1: a does not allow it",
    ]


def test_what_is_refused_again_and_again_is_said_every_ten_seconds_with_its_count(clock):
    said = []
    one = Refusals(said.append)
    for host in ("10.0.0.1", "10.0.0.1", "10.0.0.1"):
        one.add("a", "a is full", host)
    for host in ("10.0.0.1", "10.0.0.2"):
        one.add("b", "b is full", host)
    clock[0] += 9
    one.say_due()
    assert said == ["refused 10.0.0.1: a is full", "refused 10.0.0.1: b is full"]
    clock[0] += 1
    one.add("a", "a is full", "10.0.0.3")
    assert said[2:] == [
        "refused 10.0.0.1 and others: a is full (3 times)",
        "refused 10.0.0.2: b is full",
    ]
    one.add("a", "a is full", "10.0.0.3")
    one.say_rest()
    assert said[4:] == ["refused 10.0.0.3: a is full"]


def test_a_reason_that_came_no_more_is_forgotten_and_said_at_once_when_it_comes_again(clock):
    said = []
    one = Refusals(said.append)
    one.add("a", "cannot accept connections to a: x")
    for _ in range(2):
        clock[0] += 10
        one.say_due()
    one.add("a", "cannot accept connections to a: x")
    assert said == ["cannot accept connections to a: x"] * 2
