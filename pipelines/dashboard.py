"""Shows a database in the browser: `fixfeed dashboard URI`.

Messages, orders, sessions, latencies and what was wrong, as pages. It only reads; a job may write
meanwhile.
"""

import argparse
import os
import sys
import threading
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from fixfeed.io.ledger.ledger import SinkError
from fixfeed.pipelines.words import WordParser, port, read_words

__all__ = ["main"]

_PORT = 8501


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the pages until a signal asks to stop; return the exit code."""
    parser = WordParser(
        prog="fixfeed dashboard",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("uri", help="sqlite:///fixfeed.db or postgresql://user@host/db")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="the address to listen at; at any but this machine's own everybody who reaches it "
        "reads all messages (default: %(default)s)",
    )
    parser.add_argument(
        "--port",
        type=port,
        default=_PORT,
        help="the port to listen at (default: %(default)s)",
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        metavar="NAME",
        help="answer only those that ask for this name of a host, such as that of a proxy; at this "
        "machine's own address localhost is one; else, without this, any is; may be given several "
        "times",
    )
    parser.add_argument(
        "--tokens",
        type=Path,
        metavar="FILE",
        help="who may ask for what at /api, as for fixfeed api; without it programs on this "
        "machine alone",
    )
    parser.add_argument("--no-browser", action="store_true", help="open no browser")
    options = read_words(parser, arguments)
    try:
        _serve(options)
    except ImportError as error:
        _say(f"the package {error.name} is missing: pip install 'fixfeed[dashboard]'")
    except (SinkError, _Refused) as error:
        _say(str(error))
    else:
        return 0
    return 2


def _serve(options: argparse.Namespace) -> None:
    from fixfeed.dashboard.api.tokens import TokensError, read_tokens
    from fixfeed.dashboard.open import open_database
    from fixfeed.dashboard.serving import address_of, listen, serve
    from fixfeed.dashboard.streamlit_app import LOOPBACK, app_of
    from fixfeed.dashboard.trouble import Trouble

    database = open_database(options.uri)
    loopback = options.host in LOOPBACK
    try:
        readers = read_tokens(options.tokens) if options.tokens else None
    except TokensError as error:
        raise _Refused(str(error)) from None
    hosts = [*(LOOPBACK if loopback else ()), *(options.allow_host or ())]
    app = app_of(options.uri, database, hosts=hosts or None, readers=readers)
    try:
        database.check()
    except Trouble as trouble:
        # It may come, or come back; until then the pages say the same.
        _say(f"note: {trouble}")
    try:
        listener = listen(options.host, options.port)
    except (OSError, OverflowError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise _Refused(
            f"cannot listen at {options.host}, port {options.port}: {said}; name another with "
            "--port or --host"
        ) from None
    with listener:
        address = address_of(listener)
        if not loopback:
            _say(
                f"note: whoever reaches {address} reads all messages; put what asks for a password "
                "before it"
            )
        print(f"{database.place} is shown at {address} (Ctrl-C ends it)", flush=True)
        if not options.no_browser and _has_screen():
            threading.Timer(1.0, webbrowser.open, [address]).start()
        serve(app, listener)


class _Refused(Exception):
    """What was asked for cannot be done; the text says why."""


def _say(text: str) -> None:
    print(f"fixfeed dashboard: {text}", file=sys.stderr, flush=True)


def _has_screen() -> bool:
    """Return whether a browser would have a window; one in the terminal is not wanted."""
    return sys.platform in ("darwin", "win32") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )


if __name__ == "__main__":
    sys.exit(main())
