"""The sample day in a database of each kind, stored once for all tests of this folder."""

import subprocess
import sys

import psycopg2
import pytest

from fixfeed.dashboard.open import open_database
from fixfeed.pipelines.sample.command import write_sample

MESSAGES = 4_000


@pytest.fixture(scope="session")
def sample_logs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    write_sample(folder, messages=MESSAGES)
    return folder


@pytest.fixture(scope="session")
def sample_sqlite(sample_logs, tmp_path_factory):
    """The URI of the sample day in SQLite."""
    return store(sample_logs, f"sqlite:///{tmp_path_factory.mktemp('day')}/fixfeed.db")


@pytest.fixture(scope="session")
def sample_postgresql(sample_logs, postgresql_server):
    """The URI of the sample day in PostgreSQL."""
    connection = psycopg2.connect(postgresql_server)
    connection.autocommit = True
    connection.cursor().execute("create database sample_day")
    yield store(sample_logs, postgresql_server.removesuffix("postgres") + "sample_day")
    connection.cursor().execute("drop database sample_day with (force)")
    connection.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def day(request):
    """The sample day as pages read it, in a database of each kind."""
    database = open_database(request.getfixturevalue(f"sample_{request.param}"))
    yield database
    database.close()


def store(logs, uri):
    """Store a folder of logs; return the URI."""
    done = subprocess.run(
        [sys.executable, "-m", "fixfeed", "--quiet", "--input", f"{logs}/*.log*", "--output", uri],
        capture_output=True,
        check=False,
    )
    # 3: a file was left that is not whole, as in the sample.
    assert done.returncode in (0, 3), done.stderr.decode()
    return uri
