"""How long the queries of the dashboard's pages and of the API's lists take.

python -m benchmarks.dashboard --messages 150000
python -m benchmarks.dashboard --messages 10000000 --browser
python -m benchmarks.dashboard sqlite:///ten.db postgresql://user@host/ten

It stores a sample day of so many messages, or of a million each as many days as there have to be,
in SQLite and PostgreSQL, or takes databases that are there. It prints the milliseconds of each
query: the median of five, warm, by the clock, and what it takes of processor time, which says more
on a machine that does other work; with --browser also those of clicks in Chromium, on
the first database (`benchmarks.browser`). Ten million messages take 30 GB of disk, and half an
hour and more to store.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from starlette.testclient import TestClient

from benchmarks.browser import print_clicks
from benchmarks.days import write_days
from fixfeed.dashboard.api.app import make_api
from fixfeed.dashboard.database import Database
from fixfeed.dashboard.open import open_database
from fixfeed.dashboard.queries import (
    anomalies,
    executions,
    latency,
    messages,
    orders,
    overview,
    quality,
    sessions,
)
from fixfeed.dashboard.queries.latency_by_symbol import by_symbol
from fixfeed.dashboard.queries.slowest import slowest
from fixfeed.dashboard.view import View
from tests.services.postgresql_server import server

_TURNS = 5
_DAY = 1_000_000  # messages in one day at the most
_STEP = "ten minutes"  # as for a day
_ASKED = {"kind": "acknowledged", "clock": "sent"}
_LISTS = (
    "/messages",
    "/messages/count",
    "/executions",
    "/orders",
    "/sessions",
    "/gaps",
    "/silences",
    "/minutes",
    "/latency",
    "/latency/slowest",
    "/latency/symbols",
    "/anomalies",
    "/failures",
    "/sources",
    "/runs",
)


def questions(database: Database) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield what the pages ask, with a name for people."""
    everything = View()
    day = overview.last_day(database, everything)
    (session,) = database.rows("select max(session) as session from session_days")
    one_session = replace(day, sessions=(session["session"],))
    deep = messages.page(database, replace(day, end=day.begin and day.begin.replace(hour=12))).older
    one = orders.page(database, everything).rows[50]
    message = messages.page(database, everything).rows[50]["message_id"]
    yield "overview: counts of the day", lambda: overview.counts(database, day)
    yield "overview: messages by time and type", lambda: overview.minutes(database, day, _STEP)
    yield "overview: symbols", lambda: overview.symbols(database, day)
    yield "messages: the newest 100", lambda: messages.page(database, everything)
    yield "messages: 100 from noon on", lambda: messages.page(database, everything, cursor=deep)
    yield "messages: a session", lambda: messages.page(database, one_session)
    yield "messages: a rare type", lambda: messages.page(database, View(types=("3",)))
    yield "messages: Symbol=AAPL", lambda: messages.page(database, View("Symbol=AAPL"))
    yield "messages: PartyID=DESK2", lambda: messages.page(database, View("PartyID=DESK2"))
    yield "messages: a text that is nowhere", lambda: messages.page(database, View('"nowhere"'))
    yield "messages: one", lambda: messages.message(database, message)
    yield "messages: around one", lambda: messages.around(database, message)
    yield "orders: the newest 100", lambda: orders.page(database, everything)
    yield "orders: rejected ones", lambda: orders.page(database, everything, status="8")
    yield "orders: by an id", lambda: orders.page(database, everything, id=one["order_id"])
    yield "orders: one, whole", lambda: orders.order(database, one["order_key"])
    yield "executions: the newest 100", lambda: executions.executions(database, everything)
    yield "sessions: the day", lambda: sessions.days(database, day)
    yield "sessions: gaps", lambda: sessions.gaps(database, day)
    yield "sessions: silences", lambda: sessions.silences(database, day)
    yield (
        "latency: by time",
        lambda: latency.by_time(database, day, step=_STEP, **_ASKED),
    )
    yield "latency: the slowest 100", lambda: slowest(database, day, **_ASKED)
    yield "latency: by symbol", lambda: by_symbol(database, day, **_ASKED)
    yield "anomalies: the newest 100", lambda: anomalies.anomalies(database, everything)
    yield "quality: accounts", lambda: quality.accounts(database)
    yield "quality: defects", lambda: quality.defects(database, day)
    yield "quality: failures", lambda: quality.failures(database)
    asked = _client(database)
    span = f"?from={day.begin:%Y-%m-%dT%H:%M:%S}" if day.begin else ""
    for path in _LISTS:
        # Where the page is of a day, so is the answer.
        of_day = path.startswith(("/sessions", "/gaps", "/silences", "/minutes", "/latency"))
        yield f"API: {path}", partial(_answer, asked, path + (span if of_day else ""))


def _client(database: Database) -> TestClient:
    return TestClient(make_api(database, per_minute=1_000_000), base_url="http://127.0.0.1")


def _answer(asked: TestClient, path: str) -> None:
    answer = asked.get(path)
    assert answer.status_code == 200, answer.text


class Took(NamedTuple):
    """Milliseconds: the median by the clock, and the mean of processor time."""

    clock: float
    processor: float


def measured(uri: str) -> dict[str, Took]:
    """Return what each question takes."""
    database = open_database(uri)
    found = {}
    for name, ask in questions(database):
        ask()
        times = []
        used = _used(database)
        for _ in range(_TURNS):
            begun = time.perf_counter()
            ask()
            times.append(time.perf_counter() - begun)
        used = _used(database) - used
        found[name] = Took(statistics.median(times) * 1e3, used / _TURNS * 1e3)
    database.close()
    return found


def _used(database: Database) -> float:
    """Return the seconds of processor time of this process, and of those that answer it.

    Without those of PostgreSQL that help for a single query.
    """
    seconds = time.process_time()
    if database.dialect == "postgresql":
        answering = "select pid from pg_stat_activity where backend_type = 'client backend'"
        for row in database.rows(answering):
            # proc(5) has hundredths of a second alone.
            spent = Path(f"/proc/{row['pid']}/schedstat")
            seconds += int(spent.read_text().split()[0]) / 1e9 if spent.exists() else 0
    return seconds


def store(folder: Path, messages: int, uris: Sequence[str]) -> None:
    """Store a sample day, or days, in databases."""
    run = [sys.executable, "-m", "fixfeed"]
    if messages > _DAY:
        write_days(folder / "logs", messages)
    else:
        sample = [*run, "sample", "--output", f"{folder}/logs", "--compress", "none"]
        subprocess.run([*sample, "--messages", str(messages)], check=True)
    for uri in uris:
        stored = [*run, "--quiet", "--input", f"{folder}/logs/*.log", "--output", uri]
        # 3: the log of a session in the sample breaks off.
        assert subprocess.run(stored, check=False).returncode in (0, 3), uri


def print_table(head: str, uris: Sequence[str]) -> None:
    """Print the milliseconds of each question in each database."""
    columns = [measured(uri) for uri in uris]
    kinds = ["SQLite" if uri.startswith("sqlite") else "PostgreSQL" for uri in uris]
    heads = (f"{kind} | of processor time" for kind in kinds)
    print(f"{head}, load {os.getloadavg()[0]:.1f}\n\n| query | {' | '.join(heads)} |")
    print("|---|" + "--:|--:|" * len(uris))
    for name in columns[0]:
        cells = (f"{one[name].clock:,.1f} | {one[name].processor:,.1f}" for one in columns)
        print(f"| {name} | {' | '.join(cells)} |")


def main() -> None:
    """Store a day, and print a table for the documents."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("uris", nargs="*", metavar="URI", help="databases that are there")
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--browser", action="store_true", help="clicks in a browser too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as servers:
        if options.uris:
            head, uris = "as they are", options.uris
        else:
            postgresql = servers.enter_context(server(durable=True))
            head, uris = (
                f"{options.messages:,} messages",
                [f"sqlite:///{folder}/day.db", postgresql],
            )
            store(Path(folder), options.messages, uris)
        print_table(head, uris)
        if options.browser:
            print()
            print_clicks(uris[0])


if __name__ == "__main__":
    main()
