"""The slowest requests of a day on which very many waited about equally long, against all of it."""

import datetime
from contextlib import closing
from dataclasses import replace

import pytest

from fixfeed.dashboard.open import open_database
from fixfeed.dashboard.queries import stretches
from fixfeed.dashboard.queries.slowest import slowest
from fixfeed.dashboard.view import View
from fixfeed.io.ledger.source import Source
from fixfeed.io.sql.derived import derive
from fixfeed.io.sql.open import open_store
from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.latencies.buckets import up_to
from fixfeed.transforms.fix.parser import parse_block
from tests.dashboard.queries.test_sessions import MINUTE

ASKED = {"kind": "acknowledged", "clock": "sent"}
BEGIN = datetime.datetime(2025, 3, 3, 8, tzinfo=datetime.UTC)
REQUESTS = [
    (
        f"FIX.4.4:CL{number % 3}->BRK",
        BEGIN + number * datetime.timedelta(seconds=4.8),
        (number * 7919 % 2000 + 1) / 1000,
        f"O{number}",
    )
    for number in range(6000)
]
"""Session, time, seconds to its answer, ClOrdID: every minute has some of nearly two seconds."""


def lines():
    for session, began, seconds, name in REQUESTS:
        client = session[8:11]
        ended = began + datetime.timedelta(seconds=seconds)
        for kind, time, sender, target in (
            ("D", began, client, "BRK"),
            ("8", ended, "BRK", client),
        ):
            status = "150=0|39=0|" if kind == "8" else ""
            written = f"{time:%Y%m%d-%H:%M:%S.%f}"[:-3]
            yield (
                f"8=FIX.4.4|9=1|35={kind}|49={sender}|56={target}|52={written}|11={name}|"
                f"{status}10=000|\n"
            )


@pytest.fixture(scope="module")
def even(tmp_path_factory):
    """The database with REQUESTS, opened to be read."""
    uri = f"sqlite:///{tmp_path_factory.mktemp('even')}/even.db"
    with closing(open_store(uri)) as opened:
        opened.prepare()
        source = Source("file:even", "file", "even")
        number = opened.register([source], rules="r")[source.key].source_id
        batch = parse_block(Block(source.key, 0, "".join(lines()).encode(), b"|"))
        opened.write([(number, batch)], rules="r", replace=False)
        derive(opened)
    with closing(open_database(uri)) as database:
        yield database


def truly_slowest(view, limit):
    own = [
        (-seconds, began, session, name)
        for session, began, seconds, name in REQUESTS
        if (not view.sessions or session in view.sessions)
        and (view.begin is None or view.begin <= began < view.end)
    ]
    return sorted(own)[:limit]


def told(rows):
    return [(-row["seconds"], row["began"], row["session"], row["cl_ord_id"]) for row in rows]


@pytest.mark.parametrize("at_a_time", [10_000, 700])
def test_of_very_many_that_waited_about_equally_long_the_slowest_are_listed(
    even, at_a_time, monkeypatch
):
    monkeypatch.setattr(stretches, "_REQUESTS", at_a_time)
    hour = View(begin=BEGIN + 60 * MINUTE, end=BEGIN + 120 * MINUTE)
    for view in (View(), View(sessions=("FIX.4.4:CL1->BRK",)), hour):
        for limit in (1, 100, 1000):
            found, since = slowest(even, view, limit=limit, seconds=60, **ASKED)
            assert told(found) == truly_slowest(view, limit)
            assert since is None


def test_where_that_takes_too_long_the_list_says_since_when_it_is_whole(even, monkeypatch):
    monkeypatch.setattr(stretches, "_REQUESTS", 700)
    found, since = slowest(even, View(), seconds=0, **ASKED)
    assert BEGIN < since < REQUESTS[-1][1]
    assert told(found) == truly_slowest(replace(View(), begin=since, end=BEGIN + 900 * MINUTE), 100)
    # What waited longer than that is there whenever it was.
    of_600, since = slowest(even, View(), limit=600, seconds=0, **ASKED)
    above = sum(seconds > float(up_to(167)) for _, _, seconds, _ in REQUESTS)
    assert (200 < above < 600, since > BEGIN) == (True, True)
    assert told(of_600)[:above] == truly_slowest(View(), above)
