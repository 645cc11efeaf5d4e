"""The app of the pages: Streamlit's, and the API beside it, in one process."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import Mount
from streamlit import config

from fixfeed.dashboard.api.app import make_api
from fixfeed.dashboard.api.tokens import Reader
from fixfeed.dashboard.database import Database

__all__ = ["LOOPBACK", "OPTIONS", "TOKENS", "VARIABLE", "app_of"]

VARIABLE = "FIXFEED_DASHBOARD_DATABASE"
"""The variable of the environment that has the URI of the database."""

TOKENS = "FIXFEED_DASHBOARD_TOKENS"
"""The variable that is there if the API beside the pages asks for tokens."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Names of this machine itself."""

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


def app_of(
    uri: str,
    database: Database,
    *,
    hosts: Sequence[str] | None = LOOPBACK,
    readers: Mapping[str, Reader] | None = None,
) -> st.App:
    """Return the app of a database and of its URI; one to a process.

    It answers only those that ask for it under a name of `hosts`, so that no page from elsewhere
    can have a browser read it (DNS rebinding); with None, under any name. At `/api` is the API, for
    `readers` with their tokens, or without them for this machine alone.
    """
    os.environ[VARIABLE] = uri
    os.environ.pop(TOKENS, None)
    if readers is not None:
        os.environ[TOKENS] = "1"
    for name, value in OPTIONS.items():
        config.set_option(name, value)
    known = [f"[{host}]" if ":" in host else host for host in hosts or ()]
    return st.App(
        Path(__file__).parent / "pages" / "app.py",
        routes=[Mount("/api", make_api(database, readers=readers))],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=known)] if known else [],
    )
