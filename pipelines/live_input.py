"""What peers send, through the spool of a gateway, as input."""

from collections.abc import Sequence
from pathlib import Path

from fixfeed.io.live.feed import SpoolFeed
from fixfeed.io.live.spool import DEFAULT
from fixfeed.io.redaction import redact
from fixfeed.io.stream import Feed
from fixfeed.pipelines.gateway_process import GatewayProcess
from fixfeed.pipelines.listeners import listener_of, once_each
from fixfeed.pipelines.source import Found, Named, Reading, Source
from fixfeed.pipelines.uris import UnknownPlace
from fixfeed.transforms.protocol import Protocol

__all__ = ["listening_source", "spool_source"]

_SPOOL = "spool:"


def listening_source(named: Sequence[Named]) -> Source:
    """Return the source of addresses that a gateway of the job listens to; it is not started yet.

    Raises `UnknownPlace`.
    """
    listeners = once_each(listener_of(*one) for one in named)

    def stream(reading: Reading) -> Feed:
        gateway = None
        if not reading.is_over:
            gateway = GatewayProcess(listeners, reading.spool, reading.say)
        return _spooled(reading.spool, reading, [one.folder for one in listeners], gateway)

    return Source(_nothing, lambda protocol, _folder, _stop: _nothing(protocol), stream)


def spool_source(named: Sequence[Named]) -> Source:
    """Return the source of a spool that a gateway of its own writes. Raises `UnknownPlace`."""
    folders = [Path(one.text.removeprefix(_SPOOL)) for one in named]
    if len(folders) > 1 or not named[0].text.removeprefix(_SPOOL) or folders[0].is_file():
        raise UnknownPlace(
            f"{_SPOOL} wants one folder that fixfeed gateway writes, such as {_SPOOL}{DEFAULT}, "
            f"found {' and '.join(redact(one.text) for one in named)}"
        )
    return Source(
        _nothing,
        lambda protocol, _folder, _stop: _nothing(protocol),
        lambda reading: _spooled(folders[0], reading),
    )


def _spooled(
    folder: Path,
    reading: Reading,
    addresses: Sequence[str] | None = None,
    gateway: GatewayProcess | None = None,
) -> Feed:
    return SpoolFeed(
        folder,
        addresses,
        reading.protocol,
        reading.ledgers,
        stop=reading.stop,
        say=reading.say,
        keep=reading.keep,
        longest=reading.longest,
        gather=reading.commit_after,
        gateway=gateway,
    )


def _nothing(_protocol: Protocol) -> Found:
    return [], []
