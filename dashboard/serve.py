"""Serves the pages: Streamlit's app, and what a browser takes from beside it, in one process."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st
import uvicorn
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import Mount
from streamlit import config

from fixfeed.dashboard.api.access import audit_to_stderr
from fixfeed.dashboard.api.app import make_api
from fixfeed.dashboard.open import open_database

__all__ = ["LOOPBACK", "OPTIONS", "VARIABLE", "app_of", "serve"]

VARIABLE = "FIXFEED_DASHBOARD_DATABASE"
"""The variable of the environment that has the URI of the database."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")

OPTIONS: Mapping[str, Any] = {
    "browser.gatherUsageStats": False,
    "client.toolbarMode": "minimal",
    # What goes wrong is told in the log; values of messages do not belong in it, nor code in pages.
    "client.showErrorDetails": "none",
    "runner.magicEnabled": False,
    "server.fileWatcherType": "none",
    "server.headless": True,
    "theme.light.primaryColor": "#1d4ed8",
    "theme.dark.primaryColor": "#60a5fa",
}
"""How Streamlit is to behave: nothing is asked for from elsewhere, and nothing is told there."""


def app_of(uri: str, *, loopback: bool = True) -> st.App:
    """Return the app for a database; one to a process.

    With `loopback` it answers only those that ask for it under a name of this machine, so that no
    page from elsewhere can have a browser read it (DNS rebinding).
    """
    os.environ[VARIABLE] = uri
    for name, value in OPTIONS.items():
        config.set_option(name, value)
    known = [Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "[::1]"])]
    # For programs on this machine, and for files of messages; the API on its own has tokens.
    beside = Mount("/api", make_api(open_database(uri)))
    return st.App(
        Path(__file__).parent / "pages" / "app.py",
        routes=[beside],
        middleware=known if loopback else [],
    )


def serve(uri: str, host: str, port: int) -> None:
    """Serve until a signal ends it. Raises `OSError` if it cannot listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        app = app_of(uri, loopback=host in LOOPBACK)
        audit_to_stderr()
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        server.run(sockets=[listening])
