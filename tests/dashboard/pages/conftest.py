"""Fixtures of the tests of pages."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

import fixfeed.dashboard
from fixfeed.dashboard.streamlit_app import VARIABLE
from tests.dashboard.sample_day import sample_logs, sample_sqlite  # noqa: F401

APP = Path(fixfeed.dashboard.__path__[0]) / "pages" / "app.py"


@pytest.fixture
def opened(monkeypatch):
    """Open a page of a database, with parameters of the address; return what is on it."""

    def run(uri, page="overview", **parameters):
        monkeypatch.setenv(VARIABLE, uri)
        shown = AppTest.from_file(str(APP), default_timeout=60)
        for name, value in parameters.items():
            shown.query_params[name.rstrip("_")] = value
        if page != "overview":
            # Not switch_page: before a first run that knows no pages of st.navigation.
            shown._page_hash = calc_hash(page)
        shown.run()
        assert not shown.exception
        return shown

    return run


@pytest.fixture
def html():
    """All HTML of a page as one text."""
    return lambda shown: "\n".join(one.proto.body for one in shown.get("html"))
