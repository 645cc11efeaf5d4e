"""Receives what peers send and writes it to a spool: `fixfeed gateway tcp://0.0.0.0:9876`.

Jobs store what is there, now or later: `fixfeed --input spool:fixfeed-spool`. A restart of a job,
or an hour without its database, never touches a connection.
"""

import argparse
import asyncio
import json
import logging
import os
import pickle
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from fixfeed.io.live.gateway import Gateway
from fixfeed.io.live.listener import CannotListen, Listener
from fixfeed.io.live.spool import DEFAULT as SPOOL
from fixfeed.pipelines import instruments, log
from fixfeed.pipelines.endpoint import HOST, Endpoint, read_port
from fixfeed.pipelines.gateway_metrics import GatewayMetrics
from fixfeed.pipelines.listeners import LISTENING, listeners_of
from fixfeed.pipelines.option import UsageError
from fixfeed.pipelines.uris import UnknownPlace
from fixfeed.pipelines.words import WordParser, read_words

__all__ = ["main", "of_a_job"]

# How a message of FIX begins. The protocol knows it too, but takes a second and 100 MB to load.
_BEGIN = b"8=FIX"
_PROGRAM = "fixfeed gateway"


def main(arguments: Sequence[str] | None = None) -> int:
    """Receive until a signal asks to stop; return the exit code."""
    parameters = "\n".join(f"  {one.name:<16} {one.help}" for one in LISTENING)
    parser = WordParser(
        prog="fixfeed gateway",
        description=__doc__,
        epilog=f"parameters of an address, as in tcp://0.0.0.0:9876?idle=5m:\n{parameters}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "addresses", nargs="+", metavar="ADDRESS", help="tcp://HOST:PORT or tls://HOST:PORT"
    )
    parser.add_argument(
        "--spool", default=SPOOL, metavar="FOLDER", help=f"where it writes (default: {SPOOL})"
    )
    parser.add_argument(
        "--metrics-port", metavar="PORT", help="give metrics to Prometheus at /metrics of this port"
    )
    parser.add_argument(
        "--metrics-host", default=HOST, metavar="ADDRESS", help=f"of this address (default: {HOST})"
    )
    parser.add_argument(
        "--log-format",
        default="text",
        choices=log.FORMATS,
        help="how lines of the log on standard error are written (default: text)",
    )
    log.start(program=_PROGRAM)
    instruments.alone()
    options = read_words(parser, arguments)
    log.start(options.log_format, program=_PROGRAM)
    try:
        listeners = listeners_of(options.addresses)
        observer = _observer(listeners)
        if options.metrics_port is not None:
            port = read_port("metrics-port", options.metrics_port)
            Endpoint().listen((options.metrics_host, port), observer.registry.collect, log.say)
        asyncio.run(_serve(listeners, Path(options.spool), observer, _stop_by_signals))
    except (CannotListen, UnknownPlace, UsageError) as error:
        return _fail(str(error), 2)
    except OSError as error:
        return _fail(f"cannot write the spool {options.spool}: {error.strerror or error}", 6)
    return 0


def of_a_job() -> None:
    """Receive for the job that started this process, until it closes standard input, or dies.

    What to do comes there. The first line of standard output is a JSON object: the addresses that
    are `listening`, or an `error`.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # they are for the job
    log.as_child(_PROGRAM)
    listeners, spool = pickle.load(sys.stdin.buffer)
    try:
        asyncio.run(_serve(listeners, spool, _observer(listeners), _stop_with_job))
    except CannotListen as error:
        _answer({"error": str(error)})
        sys.exit(2)
    except OSError as error:
        sys.exit(_fail(f"cannot write the spool {spool}: {error.strerror or error}", 6))


def _observer(listeners: Sequence[Listener]) -> GatewayMetrics:
    return GatewayMetrics([one.text for one in listeners])


async def _serve(
    listeners: Sequence[Listener],
    spool: Path,
    observer: GatewayMetrics,
    watch: Callable[[Gateway, list[str]], None],
) -> None:
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # peers that break off are no errors
    gateway = Gateway(listeners, spool, say=log.say, observer=observer, begin=_BEGIN)
    listening = gateway.start()
    log.say(f"listening to {' and '.join(listening)}, into the spool {spool}", event="listening")
    watch(gateway, listening)
    await gateway.run()


def _stop_by_signals(gateway: Gateway, _listening: list[str]) -> None:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        for number in numbers:  # a second signal ends it at once
            loop.remove_signal_handler(number)
        gateway.stop()

    numbers = [signal.SIGINT, signal.SIGTERM]
    # Under nohup it must survive the end of the terminal.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, stop)


def _stop_with_job(gateway: Gateway, listening: list[str]) -> None:
    _answer({"listening": listening})
    loop = asyncio.get_running_loop()

    def ended() -> None:
        loop.remove_reader(0)
        gateway.stop()

    loop.add_reader(0, ended)


def _answer(found: object) -> None:
    with suppress(OSError):
        os.write(1, json.dumps(found).encode() + b"\n")


def _fail(text: str, code: int) -> int:
    log.say(text, event="error", level="error", exit_code=code)
    return code


if __name__ == "__main__":
    sys.exit(main())
