"""Many people at once, while a job writes; how long they wait: `python -m benchmarks.people`."""

import subprocess
import sys
from contextlib import closing

import pytest

from fixfeed.dashboard.open import open_database
from fixfeed.dashboard.queries.quality import accounts
from fixfeed.pipelines.sample.command import write_sample
from tests.dashboard.browser.conftest import running
from tests.dashboard.conftest import made
from tests.dashboard.people import API, PAGES, ask_all
from tests.dashboard.stored_day import store

PEOPLE = 20


@pytest.fixture(params=["sqlite", "postgresql"])
def uri(request, tmp_path):
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/fixfeed.db"
        return
    with made(request.getfixturevalue("postgresql_server"), "people") as empty:
        yield empty


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs")
    write_sample(folder, messages=2_000)
    return folder


def test_twenty_people_are_all_answered_while_a_job_writes(uri, logs):
    store(uri)
    # A commit for each minute of the log.
    job = [sys.executable, "-m", "fixfeed", "--quiet", "--output", uri]
    job += ["--input", f"replay:{logs}/*.log?speed=0&to=08:40"]
    with closing(open_database(uri)) as database:
        before = accounts(database)[0].numbers["rows of messages"]
        with running(uri) as address, subprocess.Popen(job) as writing:
            asked = ask_all(address, PEOPLE, each=1)
            assert writing.wait() == 0
        assert {one.what for one in asked} == {*PAGES, *(f"/api/{path}" for path in API)}
        assert [one for one in asked if one.error] == []
        assert all(account.agrees for account in accounts(database))
        assert accounts(database)[0].numbers["rows of messages"] > before
