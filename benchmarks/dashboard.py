"""How long the queries of the dashboard's pages take: `python -m benchmarks.dashboard`.

It stores a sample day of many messages in SQLite and PostgreSQL, and prints the milliseconds of
each query: the median of five, warm, by the clock.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from fixfeed.dashboard.database import Database
from fixfeed.dashboard.open import open_database
from fixfeed.dashboard.queries import latency, messages, orders, overview, quality, sessions
from fixfeed.dashboard.view import View
from tests.services.postgresql_server import server

_TURNS = 5
_STEP = "ten minutes"  # as for a day
_RETAIL = "FIX.4.4:RETAIL->BROKER"
_ASKED = {"kind": "acknowledged", "clock": "sent"}


def questions(database: Database) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield what the pages ask, with a name for people."""
    everything = View()
    day = overview.last_day(database, everything)
    retail = replace(day, sessions=(_RETAIL,))
    deep = messages.page(database, replace(day, end=day.begin and day.begin.replace(hour=12))).older
    one = orders.page(database, everything).rows[50]
    message = messages.page(database, everything).rows[50]["message_id"]
    yield "overview: counts of the day", lambda: overview.counts(database, day)
    yield "overview: messages by time and type", lambda: overview.minutes(database, day, _STEP)
    yield "overview: symbols", lambda: overview.symbols(database, day)
    yield "messages: the newest 100", lambda: messages.page(database, everything)
    yield "messages: 100 from noon on", lambda: messages.page(database, everything, cursor=deep)
    yield "messages: a session", lambda: messages.page(database, retail)
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
    yield "sessions: the day", lambda: sessions.days(database, day)
    yield "sessions: gaps", lambda: sessions.gaps(database, day)
    yield (
        "latency: by time",
        lambda: latency.by_time(database, day, step=_STEP, **_ASKED),
    )
    yield "latency: the slowest 100", lambda: latency.slowest(database, day, **_ASKED)
    yield "quality: accounts", lambda: quality.accounts(database)
    yield "quality: defects", lambda: quality.defects(database, day)


def measured(uri: str) -> dict[str, float]:
    """Return the milliseconds of each question."""
    database = open_database(uri)
    found = {}
    for name, ask in questions(database):
        times = []
        for _ in range(_TURNS + 1):
            begun = time.perf_counter()
            ask()
            times.append(time.perf_counter() - begun)
        found[name] = statistics.median(times[1:]) * 1000
    database.close()
    return found


def main() -> None:
    """Store a day, and print a table for the documents."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=200_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, server(durable=True) as postgresql:
        sqlite = f"sqlite:///{folder}/day.db"
        run = [sys.executable, "-m", "fixfeed"]
        sample = [*run, "sample", "--output", f"{folder}/logs", "--compress", "none"]
        subprocess.run([*sample, "--messages", str(options.messages)], check=True)
        stored = [*run, "--quiet", "--input", f"{folder}/logs/*.log", f"--output={sqlite}"]
        subprocess.run([*stored, f"--output={postgresql}"], check=False)
        columns = [measured(sqlite), measured(postgresql)]
    print(f"{options.messages:,} messages\n\n| query | SQLite | PostgreSQL |\n|---|--:|--:|")
    for name, value in columns[0].items():
        print(f"| {name} | {value:,.1f} | {columns[1][name]:,.1f} |")


if __name__ == "__main__":
    main()
