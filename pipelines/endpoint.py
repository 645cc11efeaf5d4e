"""The endpoint of the metrics: `/metrics` over HTTP, where Prometheus fetches them."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator

import prometheus_client
from prometheus_client.registry import Collector

from fixfeed.pipelines.option import UsageError

__all__ = ["HOST", "Endpoint", "read_port"]

HOST = "127.0.0.1"
_SENDING = 0.5  # seconds for an answer to be on its way
_STEP = 0.1

Metrics = Iterable[prometheus_client.Metric]


def read_port(word: str, text: str) -> int:
    """Return a port, 0 for any that is free. Raises `UsageError`, which names the option `word`."""
    if not (text.isascii() and text.isdecimal() and int(text) < 1 << 16):
        raise UsageError(f"{word} is {text!r}, expected a port such as 9464; 0 is any free one")
    return int(text)


class Endpoint:
    """Where the metrics of this process and those it has started are fetched.

    It listens until the process ends, so that whatever becomes of a run can be seen.
    """

    def __init__(self) -> None:
        """Nothing listens yet."""
        self._registry: prometheus_client.CollectorRegistry | None = None
        self._collecting: Callable[[], Metrics] = tuple
        self._last: list[prometheus_client.Metric] | None = None
        self._fetched = threading.Event()

    def listen(
        self,
        address: tuple[str, int],
        collect: Callable[[], Metrics],
        say: Callable[[str], None],
    ) -> None:
        """Answer with what `collect` returns then, and with the usual metrics of a process.

        `say` is told where. Raises `UsageError` if the address cannot be listened at.
        """
        self._collecting = collect
        self._registry = prometheus_client.CollectorRegistry()
        self._registry.register(_Now(self))
        prometheus_client.ProcessCollector(registry=self._registry)
        host, port = address
        try:
            server, _ = prometheus_client.start_http_server(port, host, self._registry)
        except OSError as error:
            why = error.strerror or error
            raise UsageError(f"metrics-port: cannot listen at {host}:{port}: {why}") from error
        say(f"metrics are at http://{host}:{server.server_port}/metrics")

    def collect(self) -> Iterator[prometheus_client.Metric]:
        """Yield the metrics as they are now, or were last."""
        yield from self._collecting() if self._last is None else self._last
        if self._last is not None:
            self._fetched.set()

    def keep(self) -> None:
        """Go on with the metrics as they are now: the run is over, and its files are removed."""
        if self._registry is not None and self._last is None:
            self._last = list(self._collecting())

    def wait(self, seconds: float, stop: Callable[[], bool]) -> None:
        """Wait until what `keep` has kept is fetched, but so long at most, and not beyond `stop`.

        A run that ends between two fetches has numbers that nobody has seen.
        """
        if self._last is None:
            return
        until = time.monotonic() + seconds
        while time.monotonic() < until and not stop():
            if self._fetched.wait(_STEP):
                time.sleep(_SENDING)
                return


class _Now(Collector):
    """Gives the registry what the endpoint has."""

    def __init__(self, endpoint: Endpoint):
        self._endpoint = endpoint

    def describe(self) -> Metrics:
        """Describe nothing: what there is differs from one fetch to the next."""
        return ()

    def collect(self) -> Metrics:
        """Return the metrics."""
        return self._endpoint.collect()
