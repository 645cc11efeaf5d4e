"""Measures how long the queries of docs/queries.md take: the table at its end.

python -m benchmarks.queries --messages 1000000

The log is a sample day (`fixfeed sample`) of that many messages, in SQLite, in PostgreSQL and in a
lake. Each query is asked three times, and the fastest counts.
"""

import argparse
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import psycopg2

from tests.queries.recipes import DATABASES, recipes
from tests.services.postgresql_server import server

__all__ = ["main"]

_TURNS = 3
_Ask = Callable[[str], list[tuple[object, ...]]]


def seconds(ask: _Ask, statement: str) -> float:
    """Return how long it takes to get all rows of a statement."""
    took = []
    for _ in range(_TURNS):
        start = time.perf_counter()
        ask(statement)
        took.append(time.perf_counter() - start)
    return min(took)


def store(folder: Path, messages: int, postgresql: str) -> None:
    """Make the sample in `folder`, and store it in all three places."""
    logs, lake = folder / "logs", folder / "lake"
    _fixfeed("sample", "--output", logs, "--messages", messages)
    for uri in (f"sqlite:///{folder}/fixfeed.db", postgresql, f"parquet:{lake}/"):
        _fixfeed("--quiet", "--input", f"{logs}/*.log*", "--output", uri)
    _fixfeed("views", lake)


def _fixfeed(*words: object) -> None:
    done = subprocess.run([sys.executable, "-m", "fixfeed", *map(str, words)], check=False)
    # 3: the log of a session in the sample breaks off.
    assert done.returncode in (0, 3), words


def main() -> None:
    """Print a row for each query, in seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, server(durable=True) as postgresql:
        folder = Path(place)
        store(folder, options.messages, postgresql)
        lite = sqlite3.connect(folder / "fixfeed.db")
        connection = psycopg2.connect(postgresql)
        cursor = connection.cursor()
        cursor.execute("set time zone 'UTC'")
        duck = duckdb.connect(str(folder / "lake" / "fixfeed.duckdb"), read_only=True)
        duck.execute("set timezone = 'UTC'")

        def ask_postgresql(statement: str) -> list[tuple[object, ...]]:
            cursor.execute(statement)
            return cursor.fetchall()

        asks: dict[str, _Ask] = {
            "SQLite": lambda statement: lite.execute(statement).fetchall(),
            "PostgreSQL": ask_postgresql,
            "DuckDB": lambda statement: duck.execute(statement).fetchall(),
        }
        print(f"| seconds on {options.messages:,} messages | {' | '.join(DATABASES)} |")
        print("|---|--:|--:|--:|")
        for title, statements in recipes().items():
            took = (seconds(asks[database], statements[database]) for database in DATABASES)
            print(f"| {title} | {' | '.join(f'{one:.2f}' for one in took)} |", flush=True)
        # The server ends only when nobody is connected.
        connection.close()


if __name__ == "__main__":
    main()
