"""Ports for servers of tests."""

import random
import socket

__all__ = ["free_port"]

_FIRST, _LAST = 15_000, 32_000  # the system gives none of these to connections that go out
_RANDOM = random.SystemRandom()


def free_port() -> int:
    """Return a port of the loopback that nobody listens to.

    A server that is started later, or again, finds it free as well: neither a connection of another
    test nor, but for bad luck, another server takes it.
    """
    while True:
        port = _RANDOM.randrange(_FIRST, _LAST)
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
