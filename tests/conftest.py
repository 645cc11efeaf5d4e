"""Fixtures that several parts of the tests use."""

import itertools
import os
import sys

import psycopg2
import pytest
from hypothesis import settings

from fixfeed.pipelines import log
from tests.services import kafka_server
from tests.services.postgresql_server import server
from tests.services.select import Selecting

_NUMBERS = itertools.count(1)

# Many containers set this. Each of the hundreds of processes that tests start would then compile
# all of fixfeed anew, for a third of a second.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# CI runs the same examples every time; each run by hand tries other ones.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


# Where tests take longest, most of it waiting: first, or one process would end long after others.
_FIRST = ("flink/", "test_", "pipelines/", "dashboard/browser/", "deploy/", "io/")


def pytest_collection_modifyitems(items):
    """Begin with the tests that take longest, in the order of _FIRST."""

    def place(item):
        file = item.nodeid.removeprefix("tests/")
        return next((i for i, one in enumerate(_FIRST) if file.startswith(one)), len(_FIRST))

    items.sort(key=place)


@pytest.fixture(autouse=True)
def lines_of_the_log():
    """Have lines of the log be as usual for each test: some run commands in this process."""
    log.start()


@pytest.fixture(scope="session")
def postgresql_server():
    with server() as uri:
        yield uri


@pytest.fixture
def postgresql(postgresql_server):
    """The URI of an empty PostgreSQL database for one test."""
    name = f"test_{next(_NUMBERS)}"
    connection = psycopg2.connect(postgresql_server)
    connection.autocommit = True
    connection.cursor().execute(f"create database {name}")
    yield postgresql_server.removesuffix("postgres") + name
    connection.cursor().execute(f"drop database {name} with (force)")
    connection.close()


@pytest.fixture(scope="session")
def kafka():
    """A running broker (`kafka_server.Server`); each test makes topics of its own."""
    with kafka_server.server() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    """The URI of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'fixfeed.db'}"
    return request.getfixturevalue("postgresql")


@pytest.fixture(scope="session")
def _selecting():
    selecting = Selecting()
    yield selecting
    selecting.end()


@pytest.fixture
def select(_selecting):
    """Run a query on a database in another process, as any other tool would.

    SQLite must not be opened by two libraries in one process.
    """
    return _selecting.ask
