"""What the pages of one server share: the database, and what is asked of it again and again."""

import datetime
import os
from collections.abc import Callable
from typing import Any, TypeVar

import streamlit as st

from fixfeed.dashboard.database import Database
from fixfeed.dashboard.open import open_database
from fixfeed.dashboard.queries.codes import Names, names_in
from fixfeed.dashboard.queries.overview import newest_minute
from fixfeed.dashboard.queries.quality import failed
from fixfeed.dashboard.streamlit_app import VARIABLE
from fixfeed.dashboard.view import View, known_kinds, known_sessions

__all__ = ["asked", "database", "failures", "names", "newest", "sessions", "types"]


@st.cache_resource
def _opened(uri: str) -> Database:
    return open_database(uri)


def database() -> Database:
    """Return the database that this server is for."""
    return _opened(os.environ[VARIABLE])


_Found = TypeVar("_Found")


@st.cache_resource(ttl=4, max_entries=200, show_spinner=False)
def _asked(key: str, _ask: Callable[[], Any]) -> Any:
    return _ask()


def asked(query: Callable[..., _Found], *asks: Any, **more: Any) -> _Found:
    """Return what a query of the database answers, or has answered in the last four seconds.

    `asks` and `more` are what it takes after the database; texts of them (`repr`) have to tell them
    apart. Who asks the same at the same moment, another person or a click that changes something
    else, gets the same answer, which nobody may change. Raises `Trouble`.
    """
    name = f"{query.__module__}.{query.__qualname__}"
    key = repr((os.environ[VARIABLE], name, asks, sorted(more.items())))
    found: _Found = _asked(key, lambda: query(database(), *asks, **more))
    return found


@st.cache_resource(ttl=60)
def _names(uri: str) -> Names:
    return names_in(_opened(uri))


def names() -> Names:
    """Return what values are called. Raises `Trouble`."""
    return _names(os.environ[VARIABLE])


@st.cache_data(ttl=10, show_spinner=False)
def _sessions(uri: str) -> list[str]:
    return known_sessions(_opened(uri))


def sessions() -> list[str]:
    """Return the sessions to choose from. Raises `Trouble`."""
    return _sessions(os.environ[VARIABLE])


@st.cache_data(ttl=60, show_spinner=False)
def _types(uri: str) -> list[str]:
    return known_kinds(_opened(uri))


def types() -> list[str]:
    """Return the types of messages to choose from. Raises `Trouble`."""
    return _types(os.environ[VARIABLE])


@st.cache_data(ttl=30, show_spinner=False)
def _failures(uri: str) -> int:
    return failed(_opened(uri))


def failures() -> int:
    """Return how many failures there are, all of which have to be counted. Raises `Trouble`."""
    return _failures(os.environ[VARIABLE])


@st.cache_data(ttl=5, show_spinner=False)
def _newest(uri: str) -> datetime.datetime | None:
    return newest_minute(_opened(uri), View())


def newest() -> datetime.datetime | None:
    """Return the minute of the newest message. Raises `Trouble`."""
    return _newest(os.environ[VARIABLE])
