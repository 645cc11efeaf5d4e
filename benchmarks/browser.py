"""How long pages and clicks take in a real browser: `python -m benchmarks.browser URI`.

Debian's Chromium opens the dashboard of a database in a new window, and clicks through it. A click
is answered once what it asks for is on the screen, and the script of the page has ended. It prints
the median of five and the least in milliseconds, and what of processor time the server and the
browser took for it, which is what bounds it, and the load of the machine.
"""

import argparse
import os
import re
import shutil
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.processor import used_below
from tests.dashboard.browser.conftest import running

_TURNS = 5
_TABLE = "[data-testid=stDataFrame] canvas"
_LINK = "[data-testid=stTopNavLink]"  # of another page
_CHART = "[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg"
_PAGES = {
    "Messages": _TABLE,
    "Orders": _TABLE,
    "Sessions": ".ff-table",
    "Latency": _CHART,
    "Data quality": ".ff-table",
    "Overview": ".ff-tile",
}
"""The links at the top, and what is on their pages."""
_ROW = 29  # pixels
_SERVER = "dashboard"  # its command
_DRAWN = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


class _Took(NamedTuple):
    """Milliseconds: by the clock, of processor time of the server, and of the browser."""

    clock: float
    server: float
    browser: float


_Found = dict[str, list[_Took]]


class _Clock:
    """Times what a page does, by name."""

    def __init__(self, page: Page, found: _Found):
        self._page = page
        self._found = found

    def __call__(self, name: str, act: Callable[[], object], address: str, shown: str) -> None:
        """Do something; the page has an address then, and shows something."""
        server, every = used_below(_SERVER), used_below()
        begun = time.perf_counter()
        act()
        self._page.wait_for_url(re.compile(address), wait_until="commit")
        self._page.wait_for_selector(shown)
        self._page.wait_for_selector("[data-test-script-state=notRunning]")
        self._page.evaluate(_DRAWN)
        clock = time.perf_counter() - begun
        server, every = used_below(_SERVER) - server, used_below() - every
        self._found[name].append(_Took(clock * 1e3, server * 1e3, (every - server) * 1e3))


def visited(browser: Browser, address: str, found: _Found) -> None:
    """Open the dashboard in a new window, and click through it."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(60_000)
    timed = _Clock(page, found)
    timed("the first page, in a new window", lambda: page.goto(address), ".", ".ff-tile")
    for name, shown in _PAGES.items():
        link = page.locator(_LINK, has_text=name)
        path = "/$|/\\?" if name == "Overview" else f"/{name.split()[-1].lower()}"
        timed(f"to {name}", link.click, path, shown)
    page.locator(_LINK, has_text="Messages").click()
    page.wait_for_selector(_TABLE)
    page.wait_for_selector("[data-test-script-state=notRunning]")
    page.wait_for_timeout(1000)
    older = page.get_by_role("button", name="Older")
    timed("an older page of messages", older.click, "at=", _TABLE)
    page.wait_for_timeout(1000)
    box = page.locator("[data-testid=stDataFrame]").first.bounding_box()
    assert box is not None
    place = box["x"] + 16, box["y"] + 36 + _ROW * 3.5
    timed("a message", lambda: page.mouse.click(*place), r"message=\d", ".ff-tree")
    search = page.get_by_role("textbox", name="Search")
    search.fill("Symbol=AAPL")
    timed("a search", lambda: search.press("Enter"), "q=Symbol", _TABLE)
    context.close()


def print_clicks(uri: str) -> None:
    """Print the table for the documents."""
    found: _Found = defaultdict(list)
    program = shutil.which("chromium")
    assert program, "Chromium is not installed; run: make services"
    with running(uri) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for _ in range(_TURNS + 1):
            visited(browser, address, found)
        browser.close()
    print(f"load {os.getloadavg()[0]:.1f}\n")
    print("| in the browser | median | least | processor time: server | browser |")
    print("|---|--:|--:|--:|--:|")
    for name, times in found.items():
        clock, server, browser = zip(*times[1:], strict=True)
        print(
            f"| {name} | {statistics.median(clock):,.0f} | {min(clock):,.0f}"
            f" | {statistics.median(server):,.0f} | {statistics.median(browser):,.0f} |"
        )


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("uri", metavar="URI")
    print_clicks(options.parse_args().uri)
