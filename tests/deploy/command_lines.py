"""Command lines of services, read by the parsers that fixfeed itself uses; nothing is started."""

import shlex
from contextlib import contextmanager

import pytest

from fixfeed.pipelines import dashboard, gateway, log
from fixfeed.pipelines.endpoint import Endpoint
from fixfeed.pipelines.fixfeed import COMMANDS
from fixfeed.pipelines.options import read_settings
from fixfeed.pipelines.sinks import sink_of
from fixfeed.pipelines.sources import sources_of
from fixfeed.pipelines.worker_pool import command as worker_pool

__all__ = ["read_service"]


def read_job(words):
    """Return the settings of a job. Fails for what fixfeed does not know, and for Beam's own."""
    settings = read_settings(words, {})
    assert not settings.beam, settings.beam
    for uri in settings.output:
        sink_of(uri)
    assert sources_of(settings.input)
    return settings


def read_gateway(words):
    """Return the addresses, the spool and where metrics are."""
    found = {}

    def serve(listeners, spool, observer, watch):
        found.update(listeners=listeners, spool=spool)

    with _nothing_started() as patch:
        patch.setattr(gateway, "_serve", serve)
        patch.setattr(gateway.asyncio, "run", lambda _: None)
        patch.setattr(gateway.instruments, "alone", lambda: None)
        patch.setattr(Endpoint, "listen", lambda _, at, *rest: found.update(metrics=at))
        # Files of certificates are not here.
        patch.setattr("fixfeed.pipelines.listeners.os.path.isfile", bool)
        assert gateway.main(words) == 0, shlex.join(words)
    return found


def read_service(words):
    """Return the command that a container is given, and what its parser made of the words."""
    name = words[0] if words[0] in COMMANDS else "run"
    if name == "run":
        return name, read_job(words)
    if name == "gateway":
        return name, read_gateway(words[1:])
    found = {}
    with _nothing_started() as patch:
        if name == "worker-pool":
            serve = lambda host, port: found.update(host=host, port=port)  # noqa: E731
            patch.setattr(worker_pool, "_serve", serve)
            assert worker_pool.main(words[1:]) == 0
        else:
            patch.setattr(dashboard, "_serve", lambda options: found.update(vars(options)))
            assert (name, dashboard.main(words[1:])) == ("dashboard", 0)
    return name, found


@contextmanager
def _nothing_started():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log, "start", lambda *_, **__: None)
        yield patch
