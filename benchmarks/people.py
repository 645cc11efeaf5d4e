"""How long people wait for pages and for the API while a job writes: `python -m benchmarks.people`.

python -m benchmarks.people --messages 150000 --people 20 --seconds 60

A sample day is in the database, and a job replays another one into it, with all that is derived of
it. Everybody opens a page, reads it for one to five seconds, asks the API, and so on. It prints
what half of them waited, 95 of 100, and the longest, for each kind of database, and how many
requests were answered with an error.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from benchmarks.days import write_days
from benchmarks.processor import used_below
from fixfeed.io.sql.open import open_store
from tests.dashboard.browser.conftest import running
from tests.dashboard.people import Asked, ask_all
from tests.dashboard.sample_day import store
from tests.services.postgresql_server import server

_PAUSE = (1.0, 5.0)  # seconds
_HOURS = 9.0  # of a sample day
_SERVER = "dashboard"  # its command
_WARM = 8  # turns: each page, by the process that serves them


@contextmanager
def writing(logs: Path, uri: str, speed: float) -> Iterator[None]:
    """Let a job store logs as they came, so many times as fast, meanwhile."""
    words = ["--quiet", "--input", f"replay:{logs}/*.log?speed={speed:.1f}", "--output", uri]
    command = [sys.executable, "-m", "fixfeed", *words]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as job:
        try:
            yield
            assert job.poll() is None, "the replay is over, or the job has ended"
        finally:
            job.send_signal(signal.SIGTERM)
            assert job.wait() == 0


def stored(uri: str) -> int:
    """Return how many messages there are."""
    with closing(open_store(uri, make=False)) as found:
        return int(found.query("select count(*) from messages")[0][0])


def row(kind: str, what: str, asked: Sequence[Asked]) -> str:
    """Return a row of the table."""
    took = [one.seconds for one in asked]
    p95 = statistics.quantiles(took, n=20)[18]
    errors = [one for one in asked if one.error]
    for one in errors:
        print(f"{one.what}: {one.error}", file=sys.stderr)
    return (
        f"| {what}, {kind} | {len(took):,} | {statistics.median(took) * 1e3:,.0f} ms"
        f" | {p95 * 1e3:,.0f} ms | {max(took) * 1e3:,.0f} ms | {len(errors)} |"
    )


def main() -> None:
    """Print the table for the documents."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=150_000, help="of each day")
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=300.0, help="messages a second that come")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name, server(durable=True) as postgresql:
        folder = Path(name)
        write_days(folder / "logs", 2 * options.messages, a_day=options.messages)
        (folder / "later").mkdir()
        for log in (folder / "logs").glob("2025-*"):
            log.rename(folder / "later" / log.name)
        speed = options.rate * _HOURS * 3600 / options.messages
        for kind, uri in (("SQLite", f"sqlite:///{folder}/day.db"), ("PostgreSQL", postgresql)):
            before = stored(store(folder / "logs", uri))
            with running(uri) as address, writing(folder / "later", uri, speed):
                ask_all(address, 1, each=_WARM)
                server_used = used_below(_SERVER)
                asked = ask_all(address, options.people, seconds=options.seconds, pause=_PAUSE)
                each = (used_below(_SERVER) - server_used) / len(asked)
                load = os.getloadavg()[0]
            pages = [one for one in asked if not one.what.startswith("/api/")]
            answers = [one for one in asked if one.what.startswith("/api/")]
            rows += [row(kind, "pages", pages), row(kind, "the API", answers)]
            came = stored(uri) - before
            print(
                f"{kind}: {came:,} messages came meanwhile, load {load:.1f};"
                f" the server took {each * 1e3:.0f} ms of processor time a request",
                flush=True,
            )
    print(f"\n| {options.people} people: | requests | p50 | p95 | longest | errors |")
    print("|---|--:|--:|--:|--:|--:|", *rows, sep="\n")


if __name__ == "__main__":
    main()
