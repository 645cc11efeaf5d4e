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

from fixfeed.io.ledger.ledger import SinkError
from fixfeed.io.redaction import redact
from fixfeed.pipelines.words import read_words

__all__ = ["main"]

_PORT = 8501


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the pages until Ctrl-C; return the exit code."""
    parser = argparse.ArgumentParser(
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
        "--port", type=int, default=_PORT, help="the port to listen at (default: %(default)s)"
    )
    parser.add_argument("--no-browser", action="store_true", help="open no browser")
    options = read_words(parser, arguments)
    try:
        import streamlit  # noqa: F401
    except ImportError:
        print(
            "fixfeed dashboard: needs Streamlit: pip install 'fixfeed[dashboard]'", file=sys.stderr
        )
        return 2
    from fixfeed.dashboard.open import open_database
    from fixfeed.dashboard.serve import LOOPBACK, serve
    from fixfeed.dashboard.trouble import Trouble

    try:
        open_database(options.uri).check()
    except SinkError as error:
        print(f"fixfeed dashboard: {error}", file=sys.stderr)
        return 2
    except Trouble as trouble:
        # It may come, or come back; until then the pages say the same.
        print(f"fixfeed dashboard: note: {trouble}", file=sys.stderr)
    shown = f"[{options.host}]" if ":" in options.host else options.host
    address = f"http://{shown}:{options.port}/"
    if options.host not in LOOPBACK:
        print(
            f"fixfeed dashboard: note: whoever reaches {options.host}:{options.port} reads all "
            "messages; put what asks for a password before it",
            file=sys.stderr,
        )
    print(f"{redact(options.uri)} is shown at {address} (Ctrl-C ends it)", flush=True)
    if not options.no_browser and _has_screen():
        threading.Timer(1.0, webbrowser.open, [address]).start()
    try:
        serve(options.uri, options.host, options.port)
    except OSError as error:
        print(
            f"fixfeed dashboard: cannot listen at {options.host}:{options.port}: {error.strerror}; "
            "name another with --port or --host",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        pass
    return 0


def _has_screen() -> bool:
    """Return whether a browser would have a window; one in the terminal is not wanted."""
    return sys.platform in ("darwin", "win32") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )


if __name__ == "__main__":
    sys.exit(main())
