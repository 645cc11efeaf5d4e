"""The ledgers of a stream go on once their servers do."""

from contextlib import ExitStack
from types import SimpleNamespace

from fixfeed.io.ledger.ledger import Known, SinkFailed
from fixfeed.io.ledger.source import Source
from fixfeed.pipelines.again import TryAgain
from fixfeed.pipelines.health import Health
from fixfeed.pipelines.open_ledgers import OpenLedgers


class Server:
    """A server whose ledger is of no use after it was closed, or while the server is away."""

    def __init__(self):
        self.away = False
        self.opened = 0

    def ledger(self):
        if self.away:
            raise SinkFailed("cannot connect", away=True)
        self.opened += 1
        return Ledger(self)


class Ledger:
    def __init__(self, server):
        self._server, self._closed = server, False

    def prepare(self):
        pass

    def register(self, sources, *, rules):
        if self._closed or self._server.away:
            raise SinkFailed("cursor already closed", away=True)
        return {one.key: Known(1, (), (), frozenset(), "") for one in sources}

    def close(self):
        self._closed = True


def test_the_first_attempt_after_a_server_is_back_works(monkeypatch):
    server = Server()
    waited = []

    def wait(_again, seconds):
        waited.append(seconds)
        server.away = len(waited) < 3

    monkeypatch.setattr(TryAgain, "_wait", wait)
    sink = SimpleNamespace(name="s", ledger=server.ledger, remembers=True)
    rules = SimpleNamespace(digest="r")
    health = Health(["s"], longest=120, stopping=lambda: False)
    job = SimpleNamespace(sinks=[sink], rules=rules, configuration={})
    with ExitStack() as stack:
        ledgers = OpenLedgers(job, stack, TryAgain(lambda: False, health))
        ledgers.open()
        server.away = True
        assert ledgers.done([Source("kafka:t", "kafka", "t")]) == {"kafka:t": ()}
        assert (len(waited), server.opened) == (3, 2)
        assert health.report()["away"] == []
        ledgers.done([Source("kafka:t", "kafka", "t")])
        assert server.opened == 2
