"""The addresses that a gateway listens to, from `tcp://0.0.0.0:9876?idle=5m` and the like."""

import ipaddress
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from fixfeed.io.live.listener import Listener
from fixfeed.io.redaction import redact
from fixfeed.pipelines.durations import read_duration
from fixfeed.pipelines.option import Option, UsageError
from fixfeed.pipelines.uris import UnknownPlace, split_uri
from fixfeed.transforms.nearest import nearest

__all__ = ["LISTENING", "listener_of", "listeners_of", "once_each"]

_SCHEMES = ("tcp", "tls")
_PLACE = re.compile(
    r"(?P<scheme>tcp|tls)://(?P<host>\[[0-9A-Fa-f:.%\w]+\]|[^:/\[\]@]*):(?P<port>\d{1,5})/?"
)


def _networks(text: str) -> Any:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise UsageError(
            f"allow is {text!r}, expected addresses or networks such as 10.0.0.7 or 10.1.0.0/16"
        ) from error


LISTENING = (
    Option(
        name="max-connections",
        help="how many connections there may be at once; 1000 if not given",
        kind="number",
        metavar="N",
        least=1,
    ),
    Option(
        name="idle",
        help="how long a connection may be silent, such as 5m, before it is ended",
        metavar="TIME",
        read=partial(read_duration, "idle"),
    ),
    Option(
        name="allow",
        help="the addresses and networks that peers may have, such as 10.0.0.7,10.1.0.0/16",
        kind="list",
        metavar="ADDRESS",
    ),
    Option(name="cert", help="tls: a PEM file with the certificate, and its chain", metavar="FILE"),
    Option(name="key", help="tls: a PEM file with its key, if not in cert", metavar="FILE"),
    Option(
        name="client-ca",
        help="tls: a PEM file with what has signed the certificates that peers need to have",
        metavar="FILE",
    ),
)
"""The parameters of a `tcp://` or `tls://`."""


def listener_of(text: str, given: Mapping[str, Any]) -> Listener:
    """Return the address that a URI names, `given` its parameters. Raises `UnknownPlace`."""
    match = _PLACE.fullmatch(text)
    if not match or int(match["port"]) > 65535:
        raise UnknownPlace(
            f"{redact(text)!r} names no address to listen to; write tcp://0.0.0.0:9876, or "
            "tls://0.0.0.0:9877?cert=server.pem&key=server.key"
        )
    files = {word: str(given.get(word, "")) for word in ("cert", "key", "client-ca")}
    if match["scheme"] == "tls" and not files["cert"]:
        raise UnknownPlace(f"{redact(text)!r} needs a certificate: {text}?cert=server.pem")
    for word, file in files.items():
        if file and match["scheme"] == "tcp":
            raise UnknownPlace(f"{redact(text)!r}: {word} is for tls://, found tcp://")
        if file and not os.path.isfile(file):
            raise UnknownPlace(f"{redact(text)!r}: {word} is {file!r}, and there is no such file")
    try:
        allow = tuple(_networks(one) for one in given.get("allow", ()))
    except UsageError as error:
        raise UnknownPlace(f"{redact(text)!r}: {error}") from error
    return Listener(
        match["host"].strip("[]") or "0.0.0.0",
        int(match["port"]),
        max_connections=given.get("max-connections", 1000),
        idle=given.get("idle"),
        allow=allow,
        cert=files["cert"],
        key=files["key"],
        client_ca=files["client-ca"],
    )


def listeners_of(texts: Sequence[str]) -> list[Listener]:
    """Return the addresses that URIs name. Raises `UnknownPlace`."""
    for text in texts:
        scheme, mark, rest = text.partition("://")
        if not mark or scheme not in _SCHEMES:
            near = nearest(scheme.lower(), _SCHEMES, cutoff=0.3) if mark else ""
            guess = f"; did you mean {redact(f'{near}://{rest}')}?" if near else ""
            raise UnknownPlace(
                "a gateway listens to tcp://0.0.0.0:9876 or tls://0.0.0.0:9877?cert=server.pem, "
                f"found {redact(text)!r}{guess}"
            )
    return once_each(listener_of(*split_uri(text, LISTENING)) for text in texts)


def once_each(listeners: Iterable[Listener]) -> list[Listener]:
    """Return the addresses. Raises `UnknownPlace` if one is there twice."""
    found: dict[str, Listener] = {}
    for one in listeners:
        if one.folder in found:
            raise UnknownPlace(f"{one.text} is named twice")
        found[one.folder] = one
    return list(found.values())
