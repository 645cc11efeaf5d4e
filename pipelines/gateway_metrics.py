"""The metrics of a gateway: of its own, or in the files of the job that has started it."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import prometheus_client

from fixfeed.pipelines.instruments import GATEWAY, made

__all__ = ["GatewayMetrics"]


class GatewayMetrics:
    """Counts what happens at the listeners of a gateway (`io.live.connection.Observer`)."""

    def __init__(self, listeners: Iterable[str]):
        """Begin with nothing, at these listeners."""
        self.registry = prometheus_client.CollectorRegistry()
        self._metrics = made(GATEWAY, self.registry)
        self._metrics["fixfeed_gateway_paused"].set(0)
        for name, one in GATEWAY.items():
            for listener in listeners if one.labels else ():
                self._metrics[name].labels(listener)
        # A look-up takes as long as to count.
        self._of = cache(self._labelled)

    def _labelled(self, name: str, listener: str) -> Any:
        return self._metrics[f"fixfeed_gateway_{name}"].labels(listener)

    def opened(self, listener: str) -> None:
        """See `Observer`."""
        self._of("connections", listener).inc()
        self._of("accepted_connections_total", listener).inc()

    def closed(self, listener: str) -> None:
        """See `Observer`."""
        self._of("connections", listener).dec()

    def refused(self, listener: str) -> None:
        """See `Observer`."""
        self._of("refused_connections_total", listener).inc()

    def received(self, listener: str, octets: int) -> None:
        """See `Observer`."""
        self._of("received_bytes_total", listener).inc(octets)

    def paused(self, paused: bool) -> None:
        """See `Observer`."""
        self._metrics["fixfeed_gateway_paused"].set(paused)
