"""A worker says which messages of which session it could not store, and why."""

import pickle

import pytest

from fixfeed.io.ledger.ledger import SinkFailed
from fixfeed.pipelines import log
from fixfeed.pipelines.around_commits import nothing_around
from fixfeed.pipelines.commit_lines import TroubleLines
from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.parser import parse_block
from fixfeed.transforms.fix.protocol import FIX
from tests.transforms.fix.messages import encode


def sent(sender, number):
    return encode([(35, b"0"), (34, b"%d" % number), (49, sender), (56, b"ME")])


def test_each_session_of_what_is_not_stored_is_a_warning(monkeypatch):
    said = []
    monkeypatch.setattr(log, "say", lambda text, **fields: said.append((text, fields)))
    data = sent(b"A", 7) + sent(b"B", 3) + sent(b"A", 9)
    batch = parse_block(Block("k", 0, data))
    lines = pickle.loads(pickle.dumps(TroubleLines("db", nothing_around, FIX.table)))
    with lines([batch]):
        pass
    assert said == []
    with pytest.raises(SinkFailed), lines([batch]):
        raise SinkFailed("db is gone", away=True)
    where = {"sink": "db", "source": "k", "start": 0, "end": len(data)}
    told = {"level": "warning", "event": "uncommitted"}
    first, second = sorted(said, key=lambda one: one[1]["session"])
    numbers = {"first_seq": 7, "last_seq": 9, "messages": 2}
    session = first[1]["session"]
    assert first == (
        f"2 messages of {session}, 7 to 9, are not in db yet: db is gone",
        {"session": session, **numbers, **where, **told},
    )
    assert (second[1]["first_seq"], second[1]["last_seq"], second[1]["messages"]) == (3, 3, 1)
