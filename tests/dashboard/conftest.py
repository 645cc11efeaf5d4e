"""The same small day in a database of each kind, stored once for all tests here."""

from contextlib import closing, contextmanager

import psycopg2
import pytest

from fixfeed.dashboard.open import open_database
from tests.dashboard.stored_day import store


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def day(request, tmp_path_factory):
    """The URI of a database with the day, and its batches by source_id."""
    if request.param == "sqlite":
        uri = f"sqlite:///{tmp_path_factory.mktemp('day') / 'fixfeed.db'}"
        yield uri, store(uri)
        return
    with made(request.getfixturevalue("postgresql_server"), "dashboard_day") as uri:
        yield uri, store(uri)


@pytest.fixture(scope="module")
def many_postgresql(postgresql_server):
    """The URI of an empty PostgreSQL database for a module."""
    with made(postgresql_server, "dashboard_many") as uri:
        yield uri


@contextmanager
def made(server, name):
    """Make a database of a server; give its URI."""
    with closing(psycopg2.connect(server)) as connection:
        connection.autocommit = True
        connection.cursor().execute(f"create database {name}")
        yield server.removesuffix("postgres") + name
        connection.cursor().execute(f"drop database {name} with (force)")


@pytest.fixture(scope="session")
def read(day):
    """The database with the day, opened to be read."""
    with closing(open_database(day[0])) as database:
        yield database


@pytest.fixture(scope="session")
def batches(day):
    """What was stored, by source_id."""
    return day[1]
