"""What a worker pool and a job must have in common: versions of fixfeed, Beam and Python.

A job is sent to its workers pickled, which only the same versions read as it was meant. Beam itself
notices some differences, in the log of the worker, and the job is tried again for ever.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from platform import python_version
from typing import Any

import grpc

from fixfeed.pipelines.option import UsageError

__all__ = ["Versions", "answer", "check_pools", "here"]

_SERVICE, _METHOD = "fixfeed.WorkerPool", "Versions"
_PATIENCE = 5.0  # seconds for all pools to answer
_ADDRESS = re.compile(r"(?:[\w.-]+|\[[0-9a-fA-F:.]+\]):([0-9]{1,5})")
_CHANNEL = (("grpc.enable_http_proxy", 0),)


@dataclass(frozen=True)
class Versions:
    """What an installation consists of.

    >>> str(Versions(fixfeed="0.1.0", beam="2.77.0", python="3.11.7"))
    'fixfeed 0.1.0, Beam 2.77.0, Python 3.11.7'
    """

    fixfeed: str
    beam: str
    python: str

    def __str__(self) -> str:
        """Return it as people write it."""
        return f"fixfeed {self.fixfeed}, Beam {self.beam}, Python {self.python}"

    def agrees(self, other: "Versions") -> bool:
        """Return whether one reads what the other has pickled: of Python, 3.11 is enough."""
        return self._comparable() == other._comparable()

    def _comparable(self) -> tuple[str, ...]:
        return self.fixfeed, self.beam, *self.python.split(".")[:2]


def here() -> Versions:
    """Return what this process consists of."""
    return Versions(
        fixfeed=version("fixfeed"), beam=version("apache-beam"), python=python_version()
    )


def answer(server: grpc.Server, versions: Versions) -> None:
    """Have a server answer with these versions whoever asks: with JSON, at a method of its own."""
    said = json.dumps(asdict(versions)).encode()
    method = grpc.unary_unary_rpc_method_handler(lambda _request, _context: said)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(_SERVICE, {_METHOD: method}),)
    )


def check_pools(*addresses: str) -> None:
    """Ask worker pools what they consist of, all at the same time, for five seconds at most.

    `addresses` are as in `--environment_config`: `host:50000`. Raises `UsageError`, which says what
    to do, if one is none, does not answer, is no pool of fixfeed, or has other versions than this
    process.
    """
    for address in addresses:
        found = _ADDRESS.fullmatch(address)
        if not found or not 0 < int(found[1]) < 1 << 16:
            raise UsageError(f"{address!r} is no address of a worker pool, expected HOST:PORT")
    channels = [grpc.insecure_channel(address, options=_CHANNEL) for address in addresses]
    try:
        asked = [
            channel.unary_unary(f"/{_SERVICE}/{_METHOD}").future(b"", timeout=_PATIENCE)
            for channel in channels
        ]
        for address, one in zip(addresses, asked, strict=True):
            _compare(address, _versions_of(address, one))
    finally:
        for channel in channels:
            channel.close()


def _versions_of(address: str, asked: Any) -> Versions:
    try:
        said: Mapping[str, str] = json.loads(asked.result())
        return Versions(**said)
    except (TypeError, ValueError):
        why = "does not answer as this version of fixfeed does; install the same version there"
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.UNIMPLEMENTED:
            why = "is none of fixfeed (Beam's own?); start fixfeed worker-pool in its place"
        elif error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
            why = (
                f"has not answered in {_PATIENCE:.0f} s; see whether fixfeed worker-pool runs "
                "there, and whether a firewall is between"
            )
        else:
            why = (
                f"cannot be reached ({error.details()}); start fixfeed worker-pool there, with "
                "--host if this machine is to reach it"
            )
    raise UsageError(f"the worker pool at {address} {why}")


def _compare(address: str, there: Versions) -> None:
    ours = here()
    if not ours.agrees(there):
        raise UsageError(
            f"the worker pool at {address} has {there}, and this job {ours}; install the same "
            "versions on both"
        )
