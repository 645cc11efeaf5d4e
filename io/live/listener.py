"""An address that a gateway listens to, and whom it lets in."""

import errno
import ipaddress
import socket
import ssl
import time
from dataclasses import dataclass
from typing import Any

from fixfeed.io.live.spool import folder_of_address

__all__ = ["CannotListen", "Listener"]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class CannotListen(Exception):
    """A gateway cannot work; the text says why, and what to do."""


@dataclass(frozen=True)
class Listener:
    """An address, and its limits.

    `allow` are the networks that peers may be in, all if it is empty; `idle` is how many seconds a
    connection may be silent, None for ever. TLS is used if there is a certificate, `cert`, with its
    private `key`, in files; with `client_ca`, peers need a certificate that one in this file has
    signed.
    """

    host: str
    port: int
    max_connections: int = 1000
    idle: float | None = None
    allow: tuple[Network, ...] = ()
    cert: str = ""
    key: str = ""
    client_ca: str = ""

    @property
    def scheme(self) -> str:
        """`tls` or `tcp`."""
        return "tls" if self.cert else "tcp"

    @property
    def folder(self) -> str:
        """The name of its folder in the spool."""
        return folder_of_address(self.scheme, self.host, self.port)

    @property
    def text(self) -> str:
        """Its URI without parameters."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    def allows(self, host: str) -> bool:
        """Return whether a peer may connect."""
        if not self.allow:
            return True
        address: Any = ipaddress.ip_address(host.partition("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self.allow)

    def tls(self) -> ssl.SSLContext | None:
        """Return how TLS is done, None without it. Raises `CannotListen`."""
        if not self.cert:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # A peer that never reads would end with a reset, for tickets that it has not read, and the
        # kernel would throw away what it has sent last.
        context.num_tickets = 0
        file = self.cert
        try:
            # Without a text, OpenSSL would ask the terminal for the password of the key.
            context.load_cert_chain(self.cert, self.key or None, password=lambda: "")
            if self.client_ca:
                file = self.client_ca
                context.load_verify_locations(self.client_ca)
                context.verify_mode = ssl.CERT_REQUIRED
        except (OSError, ValueError) as error:
            why = getattr(error, "reason", "") or getattr(error, "strerror", "") or str(error)
            raise CannotListen(
                f"{self.text} cannot use the certificate in {file}"
                f"{f' with the key in {self.key}' if file == self.cert and self.key else ''}: "
                f"{str(why).lower().replace('_', ' ')}; expected PEM files, the key without a "
                "password"
            ) from error
        return context

    def bound(self, patience: float) -> socket.socket:
        """Return a socket that listens at the address. Raises `CannotListen`.

        An earlier gateway is waited for, for so many seconds.
        """
        until = time.monotonic() + patience
        while True:
            try:
                family, kind, number, _, where = socket.getaddrinfo(
                    self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
                )[0]
                one = socket.socket(family, kind, number)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                one.bind(where)
                one.listen(1024)
                one.setblocking(False)
                return one
            except OSError as error:
                if error.errno != errno.EADDRINUSE or time.monotonic() >= until:
                    raise CannotListen(
                        f"cannot listen to {self.text}: {error.strerror}; name an address of "
                        "this machine and a port that is free, such as tcp://0.0.0.0:9876"
                    ) from error
                time.sleep(0.1)
