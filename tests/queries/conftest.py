"""The same logs in SQLite, in PostgreSQL and in a lake with views for DuckDB."""

import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal

import duckdb
import psycopg2
import pytest

from fixfeed.pipelines.sample.command import write_sample
from tests.queries.asked_day import asked_day


@pytest.fixture(scope="module")
def stored(tmp_path_factory, postgresql_server):
    """Store a folder of logs everywhere; return what asks a kind of database for rows."""
    connection = psycopg2.connect(postgresql_server)
    connection.autocommit = True
    names = []

    def store(logs):
        name = f"queries_{len(names)}"
        connection.cursor().execute(f"create database {name}")
        names.append(name)
        folder = tmp_path_factory.mktemp(name)
        sqlite = f"sqlite:///{folder}/fixfeed.db"
        postgresql = postgresql_server.removesuffix("postgres") + name
        lake = folder / "lake"
        outputs = [f"--output={uri}" for uri in (sqlite, postgresql, f"parquet:{lake}/")]
        _fixfeed("--quiet", "--input", f"{logs}/*.log*", *outputs)
        _fixfeed("views", lake)
        return Stored(sqlite, postgresql, lake / "fixfeed.duckdb")

    yield store
    for name in names:
        connection.cursor().execute(f"drop database {name} with (force)")
    connection.close()


@pytest.fixture(scope="module")
def asked(stored, tmp_path_factory):
    """The day made by hand."""
    folder = tmp_path_factory.mktemp("asked")
    (folder / "asked.log").write_bytes(asked_day())
    return stored(folder)


@pytest.fixture(scope="module")
def sample(stored, tmp_path_factory):
    """The sample day, and its manifest."""
    folder = tmp_path_factory.mktemp("sample")
    manifest = write_sample(folder)
    return stored(folder), manifest


class Stored:
    """Logs in a database of each kind."""

    def __init__(self, sqlite, postgresql, views):
        """Take the URIs of databases and the path of the views of a lake."""
        self._uris = {"SQLite": sqlite, "PostgreSQL": postgresql}
        self._views = str(views)

    def rows(self, select, database, statement):
        """Return the rows of a statement, with values as all kinds of databases have them."""
        if database != "DuckDB":
            rows = select(self._uris[database], statement)
        else:
            with duckdb.connect(self._views, read_only=True) as connection:
                connection.execute("set timezone = 'UTC'")
                rows = connection.execute(statement).fetchall()
        return [tuple(map(_plain, row)) for row in rows]


def _fixfeed(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "fixfeed", *map(str, arguments)], capture_output=True, check=False
    )
    # 3: a file was left that is not whole, as in the sample.
    assert done.returncode in (0, 3), done.stderr.decode()


def _plain(value):
    """Return numbers as doubles, times as text in UTC, days as text."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return round(float(value), 6)
    return value
