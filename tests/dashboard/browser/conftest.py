"""One server and one browser for all tests of this folder."""

import re
import shutil
import subprocess
import sys
from contextlib import contextmanager

import pytest
from playwright.sync_api import sync_playwright

from fixfeed.dashboard.open import open_database
from tests.dashboard.browser.hostile import hostile_log
from tests.dashboard.sample_day import store
from tests.transforms.fix.messages import encode

SESSION = "FIX.4.4:BUYER->SELLER"


@pytest.fixture(scope="session")
def uri(tmp_path_factory):
    """A database with a small day: orders with fills, and a counterparty that means harm."""
    logs = tmp_path_factory.mktemp("logs")
    (logs / "day.log").write_bytes(b"\n".join(_day()) + b"\n")
    (logs / "hostile.log").write_bytes(hostile_log())
    return store(logs, f"sqlite:///{tmp_path_factory.mktemp('browsed')}/fixfeed.db")


def _day():
    """Yield 120 orders, each accepted and filled in two parts."""
    for number in range(120):
        order = b"C%03d" % number
        minute = b"20250102-09:%02d:" % (number // 2)
        second = b"%02d.%%03d" % (30 * (number % 2))
        symbol = [b"AAPL", b"VOD.L"][number % 2]
        about = [(11, order), (55, symbol), (54, b"1"), (38, b"100")]
        sent = [(49, b"BUYER"), (56, b"SELLER"), (34, b"%d" % (number + 1))]
        yield encode(
            [(35, b"D"), *sent, (52, minute + second % 0), *about, (40, b"2"), (44, b"10")]
        )
        for part, (kind, done) in enumerate([(b"0", 0), (b"F", 40), (b"F", 100)]):
            yield encode(
                [(35, b"8"), (49, b"SELLER"), (56, b"BUYER"), (34, b"%d" % (3 * number + part + 1)),
                 (52, minute + second % (20 * (part + 1))), *about, (37, b"O" + order),
                 (17, b"E%d-%d" % (number, part)), (150, kind), (39, b"012"[part : part + 1]),
                 (32, [b"0", b"40", b"60"][part]), (31, b"10"), (14, b"%d" % done),
                 (151, b"%d" % (100 - done)), (6, b"10")]
            )  # fmt: skip


@pytest.fixture(scope="session")
def served(uri):
    """The address of the dashboard of that database."""
    with running(uri) as address:
        yield address


@contextmanager
def running(uri, *options):
    """Run `fixfeed dashboard`; give its address."""
    command = [sys.executable, "-m", "fixfeed", "dashboard", uri, "--port", "0", "--no-browser"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as server:
        try:
            yield re.search(r"http://\S+", server.stdout.readline())[0]
        finally:
            server.terminate()
            assert server.wait(timeout=60) == 0


@pytest.fixture(scope="session")
def database(uri):
    """The same database, read by the test."""
    reader = open_database(uri)
    yield reader
    reader.close()


@pytest.fixture(scope="module")
def context():
    """A window of a browser, which keeps the scripts that it has loaded.

    As long as it is open an event loop runs in this thread, which no test of another module may
    meet: `asyncio.run` refuses to begin a second one.
    """
    with sync_playwright() as playwright:
        program = shutil.which("chromium")
        assert program, "Chromium is not installed; run: make services"
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser.new_context(viewport={"width": 1280, "height": 900})
        browser.close()


@pytest.fixture
def visit(context, served):
    """Open a page, as `visit(path, width=)`; in the end nothing was asked for from elsewhere."""
    asked, dialogs, errors, pages = [], [], [], []

    def go(path, width=1280):
        page = context.new_page()
        pages.append(page)
        page.set_viewport_size({"width": width, "height": 900})
        page.set_default_timeout(120_000)
        page.on("request", lambda request: asked.append(request.url))
        page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(served + path)
        page.wait_for_selector(".stMainBlockContainer")
        return page

    yield go
    for page in pages:
        page.close()
    own = (served, served.replace("http", "ws"), "data:", "blob:", "file:")
    assert [url for url in asked if not url.startswith(own)] == []
    assert (dialogs, errors) == ([], [])
