"""Command lines of services, read by the parsers that fixfeed itself uses; nothing is started."""

import shlex

import pytest

from fixfeed.pipelines import dashboard, gateway
from fixfeed.pipelines.endpoint import Endpoint
from fixfeed.pipelines.fixfeed import COMMANDS
from fixfeed.pipelines.options import read_settings
from fixfeed.pipelines.sinks import sink_of
from fixfeed.pipelines.sources import sources_of

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

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gateway, "_serve", serve)
        patch.setattr(gateway.asyncio, "run", lambda _: None)
        patch.setattr(Endpoint, "listen", lambda _, at, *rest: found.update(metrics=at))
        # Files of certificates are not here.
        patch.setattr("fixfeed.pipelines.listeners.os.path.isfile", lambda file: bool(file))
        assert gateway.main(words) == 0, shlex.join(words)
    return found


def read_service(words):
    """Return the command that a container is given, and what its parser made of the words."""
    name = words[0] if words[0] in COMMANDS else "run"
    if name == "run":
        return name, read_job(words)
    if name == "gateway":
        return name, read_gateway(words[1:])
    assert name == "dashboard"
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dashboard, "_serve", lambda options: found.update(vars(options)))
        assert dashboard.main(words[1:]) == 0
    return name, found
