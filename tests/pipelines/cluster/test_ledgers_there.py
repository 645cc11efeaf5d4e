"""A worker of a cluster opens ledgers to ask them, or keeps those open that are long to read."""

import pickle
from functools import partial

import pytest

from fixfeed.io.ledger.ledger import Known, SinkFailed
from fixfeed.io.ledger.source import Source
from fixfeed.pipelines.cluster import ledgers_there
from fixfeed.pipelines.cluster.ledgers_there import LedgersThere, LedgerThere
from fixfeed.pipelines.sinks import sink_of

SOURCE = Source("k", "kafka", "k")


class Ledger:
    """A ledger that has so much of each source, and counts how often it is opened and closed."""

    opened = closed = 0
    fails = False

    def __init__(self, end):
        self.end = end
        Ledger.opened += 1

    def look_up(self, sources, *, rules):
        if Ledger.fails:
            raise SinkFailed("gone")
        return {one.key: Known(1, done=((0, self.end),)) for one in sources}

    def close(self):
        Ledger.closed += 1


@pytest.fixture
def counted(monkeypatch):
    monkeypatch.setattr(ledgers_there, "_open", {})
    for name, value in (("opened", 0), ("closed", 0), ("fails", False)):
        monkeypatch.setattr(Ledger, name, value)


def asked(*ledgers):
    return LedgersThere(ledgers, "r").stored([SOURCE])


def test_what_all_ledgers_have_is_told_and_each_is_closed_again(counted):
    ledgers = [LedgerThere(f"{end}", partial(Ledger, end)) for end in (5, 9)]
    assert asked(*ledgers) == {"k": ((0, 5),)}
    assert (Ledger.opened, Ledger.closed) == (2, 2)


def test_a_ledger_that_is_kept_is_opened_once_and_anew_after_trouble(counted):
    kept = LedgerThere("topic", partial(Ledger, 5), keep_open=True)
    assert asked(kept) == asked(kept) == {"k": ((0, 5),)}
    assert (Ledger.opened, Ledger.closed) == (1, 0)
    Ledger.fails = True
    with pytest.raises(SinkFailed):
        asked(kept)
    Ledger.fails = False
    asked(kept)
    assert (Ledger.opened, Ledger.closed) == (2, 1)


def test_the_ledgers_of_all_sinks_of_a_cluster_can_be_pickled():
    uris = ("postgresql://u@h/db", "parquet:/lake", "kafka://h/fix")
    there = LedgersThere.of([sink_of(uri) for uri in uris], "r")
    found = pickle.loads(pickle.dumps(there))
    assert [(one.name, one.keep_open) for one in found.ledgers] == [
        ("postgresql://u@h/db", False),
        ("parquet:/lake", False),
        ("kafka://h/fix", True),
    ]
