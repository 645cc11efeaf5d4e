"""A number that leads to messages is how many there are."""

import re
from contextlib import closing
from html import unescape
from urllib.parse import parse_qs

import pytest

from fixfeed.dashboard.filters import ADMIN, parse_time
from fixfeed.dashboard.open import open_database
from fixfeed.dashboard.queries import messages
from fixfeed.dashboard.view import View, known_kinds

RETAIL = "FIX.4.4:RETAIL->BROKER"
ALONG = {"RETAIL->BROKER", "BROKER->RETAIL"}
NUMBER = re.compile(
    r'<a [^>]*?href="messages([^"]*)"[^>]*>(?:<span[^>]*>[^<]*</span>)?(?:<b>)?([\d,]+)<'
)
FILTERS = [
    {},
    {"from_": "2025-01-02 11:28:20", "to": "2025-01-02 11:28:50"},
    {"from_": "2025-01-02 11:28:20.5", "to": "2025-01-02 12:59:30", "session": RETAIL},
    {"from_": "2025-01-02 12:59:30"},
    {"from_": "2025-01-02 10:00", "to": "2025-01-02 11:00", "type": "D", "q": "Side=1"},
]


@pytest.fixture(scope="module")
def database(sample_sqlite):
    with closing(open_database(sample_sqlite)) as read:
        yield read


def listed(database, query):
    """Return how many messages the page of an address has."""
    asked = parse_qs(query.removeprefix("?"))
    types = asked.get("type", ())
    if not types and asked.get("admin") != ["true"]:
        types = [one for one in known_kinds(database) if one not in ADMIN]
    begin, end = (parse_time(asked.get(name, [""])[0], None) for name in ("from", "to"))
    text = asked.get("q", [""])[0]
    view = View(text, tuple(asked.get("session", ())), tuple(types), begin, end)
    return len(messages.page(database, view, limit=100_000, seconds=60).rows)


@pytest.mark.parametrize("page", ["overview", "sessions"])
@pytest.mark.parametrize("filters", FILTERS, ids=str)
def test_a_number_is_that_of_the_messages_that_it_leads_to(
    page, filters, opened, html, sample_sqlite, database
):
    text = html(opened(sample_sqlite, page, **filters))
    found = [(unescape(query), int(told.replace(",", ""))) for query, told in NUMBER.findall(text)]
    assert len(found) >= (3 if page == "overview" else 1)
    assert found == [(query, listed(database, query)) for query, _ in found]


def test_of_a_time_within_a_minute_pages_say_which_time_is_counted(
    opened, html, sample_sqlite, database
):
    filters = {"from_": "2025-01-02 11:28:20", "to": "2025-01-02 11:28:50"}
    said = "count whole minutes: from 2025-01-02 11:28 to 2025-01-02 11:29 UTC."
    for page, what in (("sessions", "Charts"), ("latency", "Percentiles and charts")):
        captions = [one.value for one in opened(sample_sqlite, page, **filters).caption]
        assert f"{what} {said}" in captions
        assert said not in str(opened(sample_sqlite, page).caption)


LINK = re.compile(r'<a [^>]*?href="((?:sessions|orders|latency)\?[^"]*)"')


@pytest.mark.parametrize("page", ["overview", "latency"])
def test_links_to_other_pages_keep_the_time_and_what_was_chosen(page, opened, html, sample_sqlite):
    times = {"from": ["2025-01-02 10:00:30"], "to": ["2025-01-02 12:00"]}
    chosen = {"kind": "filled", "clock": "sent"} if page == "latency" else {}
    asked = {f"{name}_": value for name, (value,) in times.items()} | chosen
    text = html(opened(sample_sqlite, page, session=RETAIL, **asked))
    found = [unescape(one).partition("?") for one in LINK.findall(text)]
    assert {to for to, _, _ in found} > {"orders"}
    for to, _, query in found:
        kept = parse_qs(query)
        if "order" in kept:  # one order, whatever its time
            continue
        # An order that is found by its id is so whatever its time.
        expected = {} if "id" in kept else times
        if to == "latency":
            expected = expected | {name: [value] for name, value in chosen.items()}
        assert {name: kept.get(name) for name in expected} == expected
        assert {one.partition(":")[2] for one in kept["session"]} <= ALONG
