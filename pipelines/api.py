"""Answers programs over HTTP: `fixfeed api postgresql://user@host/db --tokens tokens.yaml`.

What can be asked is at /openapi.json, and in docs/api.md. It reads the database, and writes nothing
there. Each request is a line on standard error, a JSON object. It runs until SIGTERM or Ctrl-C.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from fixfeed.dashboard.database import Database
from fixfeed.dashboard.open import open_database
from fixfeed.dashboard.trouble import Trouble
from fixfeed.io.ledger.ledger import SinkError
from fixfeed.io.tracing import NoTracing, flush, start
from fixfeed.pipelines.option import UsageError
from fixfeed.pipelines.settings import read_collector
from fixfeed.pipelines.words import WordParser, port, read_words, whole_number

__all__ = ["main"]

_HOST, _PORT = "127.0.0.1", 8000


class _Refused(Exception):
    """What was asked for cannot be done; the text says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer until a signal asks to stop; return the exit code."""
    parser = WordParser(prog="fixfeed api", description=__doc__)
    parser.add_argument("uri", nargs="?", help="sqlite:///fixfeed.db or postgresql://user@host/db")
    parser.add_argument(
        "--tokens", type=Path, metavar="FILE", help="who may ask for what, see docs/api.md"
    )
    parser.add_argument("--host", default=_HOST, help=f"the address to listen at ({_HOST})")
    parser.add_argument("--port", type=port, default=_PORT, help=f"its port ({_PORT})")
    parser.add_argument(
        "--requests-per-minute",
        type=whole_number,
        default=600,
        metavar="N",
        help="how many a token may make (600)",
    )
    parser.add_argument(
        "--trace", metavar="URL", help="send a span of each request to this collector, by OTLP"
    )
    parser.add_argument(
        "--new-token", action="store_true", help="print a new token, and its entry for --tokens"
    )
    options = read_words(parser, arguments)
    if options.uri is None and not options.new_token:
        parser.error("name a database: sqlite:///fixfeed.db or postgresql://user@host/db")
    if options.requests_per_minute < 1:
        parser.error("--requests-per-minute: expected 1 or more")
    try:
        if options.new_token:
            _print_token()
        else:
            _serve(open_database(options.uri), options)
    except (SinkError, _Refused) as error:
        _say(str(error))
        return 2
    return 0


def _print_token() -> None:
    from fixfeed.dashboard.api.tokens import new_token

    token, digest = new_token()
    print(f"token, for who will use it; it is stored nowhere:\n  {token}\n")
    print("entry for the file that --tokens names, with the sessions that it may see:")
    print(f'  - name: somebody\n    sha256: "{digest}"\n    sessions: ["BROKER<->*"]')


def _serve(database: Database, options: argparse.Namespace) -> None:
    try:
        from fixfeed.dashboard.api.access import is_loopback
        from fixfeed.dashboard.api.app import make_api
        from fixfeed.dashboard.api.tokens import TokensError, read_tokens
        from fixfeed.dashboard.serving import address_of, listen, serve
    except ImportError as error:
        raise _Refused(f"the package {error.name} is missing: pip install 'fixfeed[api]'") from None
    if options.trace is not None:
        try:
            start(read_collector(options.trace))
        except (NoTracing, UsageError) as error:
            raise _Refused(str(error)) from None
    readers = None
    if options.tokens is not None:
        try:
            readers = read_tokens(options.tokens)
        except TokensError as error:
            raise _Refused(str(error)) from None
    elif not is_loopback(options.host):
        raise _Refused(
            f"{options.host} can be reached from other machines, and without --tokens whoever "
            "reaches it sees everything: name a file of tokens (fixfeed api --new-token makes one)"
        )
    try:
        database.check()
    except Trouble as trouble:
        _say(f"note: {trouble}; until then requests are answered with 503")
    app = make_api(database, readers=readers, per_minute=options.requests_per_minute)
    try:
        listener = listen(options.host, options.port)
    except (OSError, OverflowError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise _Refused(
            f"cannot listen at {options.host}, port {options.port}: {said}; name another with "
            "--port or --host"
        ) from None
    with listener:
        _say(
            f"answers at {address_of(listener)} for {database.place}; "
            "/openapi.json lists what can be asked"
        )
        serve(app, listener, server_header=False, lifespan="off")
    flush()
    database.close()


def _say(text: str) -> None:
    print(f"fixfeed api: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
