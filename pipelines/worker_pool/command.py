"""Runs workers for Flink, on each machine of a cluster: `fixfeed worker-pool`.

A TaskManager asks it for the processes that do the work of jobs. They have the packages, the
environment and the folder of this command. It runs until SIGTERM or Ctrl-C, and they end with it.
"""

import argparse
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import grpc
from apache_beam.portability.api import beam_fn_api_pb2_grpc

from fixfeed.pipelines import log
from fixfeed.pipelines.early_signals import asking
from fixfeed.pipelines.endpoint import HOST, read_port
from fixfeed.pipelines.option import UsageError
from fixfeed.pipelines.words import WordParser, read_words
from fixfeed.pipelines.worker_pool import versions
from fixfeed.pipelines.worker_pool.pool import Pool

__all__ = ["main"]

_PORT = "50000"
_PROGRAM = "fixfeed worker-pool"
_LOOPBACK = ("localhost", "127.", "::1")
_OPTIONS = (
    ("grpc.so_reuseport", 0),  # else two pools could have one port
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.max_ping_strikes", 0),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal asks to stop; return the exit code."""
    parser = WordParser(
        prog=_PROGRAM, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--host", default=HOST, metavar="ADDRESS", help=f"the address to listen at ({HOST})"
    )
    parser.add_argument("--port", default=_PORT, help=f"its port, 0 for any free one ({_PORT})")
    parser.add_argument(
        "--log-format",
        default="text",
        choices=log.FORMATS,
        help="how lines of the log on standard error are written (text)",
    )
    parser.add_argument(
        "--log-level",
        default="info",
        choices=log.LEVELS,
        help="the least important lines of it, also of workers: debug, info, warning, error (info)",
    )
    options = read_words(parser, arguments)
    log.start(options.log_format, options.log_level, program=_PROGRAM)
    try:
        _serve(options.host, read_port("port", options.port))
    except UsageError as error:
        log.say(str(error), event="error", level="error", exit_code=2)
        return 2
    return 0


def _serve(host: str, port: int) -> None:
    over = threading.Event()
    for number in asking():
        signal.signal(number, lambda *_: over.set())
    server = grpc.server(ThreadPoolExecutor(), options=_OPTIONS)
    pool = Pool()
    beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(pool, server)
    versions.answer(server, versions.here())
    name = f"[{host}]" if ":" in host else host
    try:
        port = server.add_insecure_port(f"{name}:{port}")
    except RuntimeError:
        raise UsageError(
            f"cannot listen at {name}:{port}: {_why_not(host, port)}; name another place with "
            "--host and --port"
        ) from None
    server.start()
    log.say(f"listening at {name}:{port}; {versions.here()}", event="listening")
    if not host.startswith(_LOOPBACK):
        log.say(
            "whoever reaches this address can run programs here as this user; leave it to the "
            "cluster's own network",
            level="warning",
        )
    over.wait()
    log.say("stopping", event="stopping")
    server.stop(0)
    pool.stop()


def _why_not(host: str, port: int) -> str:
    """Return why nobody can listen there: gRPC says only that it cannot."""
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        ):
            with socket.socket(family, kind, protocol) as one:
                one.bind(address)
    except OSError as error:
        return error.strerror or str(error)
    return "the system refuses it"


if __name__ == "__main__":
    sys.exit(main())
