"""Listens at an address, and serves an ASGI app there until a signal asks to stop."""

import contextlib
import datetime
import logging
import signal
import socket
from typing import Any

import orjson
import uvicorn

from fixfeed.dashboard.api.access import audit_to_stderr

__all__ = ["address_of", "listen", "serve"]


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens there; raises `OSError` or `OverflowError`."""
    family, _, _, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    return socket.create_server(address[:2], family=family, backlog=128)


def address_of(listener: socket.socket) -> str:
    """Return where a browser finds it: `http://127.0.0.1:8000/`."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def serve(app: Any, listener: socket.socket, **settings: Any) -> None:
    """Serve until SIGTERM or Ctrl-C; each request is a line of audit. `settings` are uvicorn's.

    What uvicorn itself has to say, of bytes that are no HTTP or of a bug, is a JSON object too.
    """
    audit_to_stderr()
    said = logging.StreamHandler()
    said.setFormatter(_AsJson())
    logging.getLogger("uvicorn").addHandler(said)
    logging.getLogger("uvicorn").propagate = False
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            log_config=None,
            access_log=False,
            proxy_headers=False,  # what anybody may write is no address to count refusals by
            **settings,
        )
    )
    # It heeds both signals, ends in order, and then raises them again.
    signal.signal(signal.SIGTERM, lambda *_: None)
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listener])


class _AsJson(logging.Formatter):
    """Makes an object of a line of the log: `at`, `level`, `message`, and `traceback` if any."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        line = {
            "at": at.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line).decode()
