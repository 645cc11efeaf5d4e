"""What is waited for is told where that takes a while."""

import time

from fixfeed.pipelines import waiting
from fixfeed.pipelines.waiting import waiting_told


def test_what_takes_a_while_is_told_again_and_again_as_it_is_then(monkeypatch, capsys):
    monkeypatch.setattr(waiting, "_FIRST", 0.01)
    monkeypatch.setattr(waiting, "_NEXT", 0.01)
    what = iter(["waiting for a", "waiting for b"])
    told = []

    def waits():
        told.append(next(what, "over"))
        return told[-1]

    with waiting_told(waits):
        while "over" not in told:
            time.sleep(0.01)
    assert capsys.readouterr().err.startswith("waiting for a\nwaiting for b\n")


def test_what_is_over_at_once_is_not_told(capsys):
    with waiting_told(lambda: "waiting"):
        pass
    assert capsys.readouterr().err == ""
