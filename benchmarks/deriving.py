"""What deriving costs beside loading, and from scratch, and how soon an order is found.

python -m benchmarks.deriving --messages 1000000
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import pyarrow as pa

from fixfeed.io.sql.open import open_store
from fixfeed.pipelines.order import orders_with, steps_of
from fixfeed.pipelines.sample.command import write_sample
from tests.services.postgresql_server import server

__all__ = ["beside_loading", "deriving", "from_scratch"]

_TURNS = 3
_LOADED = 300_000  # messages at the most, loaded four times a turn
_ASKED = 500  # ids
_KINDS = ("SQLite", "PostgreSQL")


def _used(*words: object) -> tuple[float, float]:
    """Run `fixfeed`; return the seconds, and those of processor time, that it took."""
    before, began = _processor(), time.monotonic()
    command = [sys.executable, "-m", "fixfeed", *map(str, words)]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    # 3: the log of a session in the sample breaks off.
    assert done.returncode in (0, 3), words
    return time.monotonic() - began, _processor() - before


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _without_indexes(uri: str) -> None:
    """Make the tables without what was added with deriving, so that loading alone is that."""
    with closing(open_store(uri)) as store:
        store.prepare()
        for name in ("messages_time", "messages_defects"):
            store.query(f"drop index {name}")


def _asked(uri: str) -> list[float]:
    """Return how long it takes to find orders with their messages by ids, in milliseconds."""
    took = []
    with closing(open_store(uri)) as store:
        ids = store.select(
            f"select id from order_ids order by order_key limit {_ASKED}",
            pa.schema([("id", pa.string())]),
        )
        for text in ids["id"].to_pylist():
            began = time.perf_counter()
            for key in orders_with(store, text):
                store.query("select * from orders where order_key = ?", key)
                steps_of(store, key)
            took.append((time.perf_counter() - began) * 1e3)
    return took


def beside_loading(messages: int, turns: int = _TURNS) -> list[str]:
    """Return the rows that compare loading alone with loading and deriving, in turns."""
    rows = [
        f"| a sample day of {messages:,} into | loading alone, processor µs a message"
        " | loading and deriving | ratio |",
        "|---|--:|--:|--:|",
    ]
    with tempfile.TemporaryDirectory(prefix="fixfeed-bench-") as name, server(durable=True) as pg:
        folder = Path(name)
        load = _words(folder, messages)
        for kind in _KINDS:
            alone, both = [], []
            for turn in range(turns):
                bare, whole = (_new(kind, folder, pg, f"{one}{turn}") for one in ("bare", "whole"))
                _without_indexes(bare)
                alone.append(_used(*load, bare, "--no-derive")[1] / messages * 1e6)
                both.append(_used(*load, whole)[1] / messages * 1e6)
            first, second = statistics.median(alone), statistics.median(both)
            rows.append(f"| {kind} | {first:.1f} | {second:.1f} | {second / first:.2f} |")
    return rows


def from_scratch(messages: int) -> list[str]:
    """Return the rows that tell how long a rebuild takes, and finding an order after it."""
    rows = [
        f"| a sample day of {messages:,} in | rebuilt in | processor µs a message"
        " | an order by an id: median | p99 |",
        "|---|--:|--:|--:|--:|",
    ]
    with tempfile.TemporaryDirectory(prefix="fixfeed-bench-") as name, server(durable=True) as pg:
        folder = Path(name)
        load = _words(folder, messages)
        for kind in _KINDS:
            uri = _new(kind, folder, pg, "whole")
            _used(*load, uri, "--no-derive")
            took, used = _used("derive", uri, "--rebuild")
            asked = _asked(uri)
            rows.append(
                f"| {kind} | {took:.1f} s | {used / messages * 1e6:.1f}"
                f" | {statistics.median(asked):.1f} ms"
                f" | {statistics.quantiles(asked, n=100)[98]:.1f} ms |"
            )
    return rows


def deriving(messages: int) -> list[str]:
    """Return the rows of docs/benchmarks.md."""
    return [*beside_loading(min(messages, _LOADED)), "", *from_scratch(messages)]


def _words(folder: Path, messages: int) -> tuple[str, ...]:
    """Write a sample day; return the words that load it, up to where."""
    write_sample(folder / "logs", messages=messages)
    return "--quiet", "--input", f"{folder}/logs/*.log*", "--output"


def _new(kind: str, folder: Path, server_uri: str, name: str) -> str:
    """Return the URI of a new database."""
    if kind == "SQLite":
        return f"sqlite:///{folder}/{name}.db"
    with closing(open_store(server_uri)) as store:
        store.query(f"create database {name}")
    return server_uri.rpartition("/")[0] + f"/{name}"


def main() -> None:
    """Print the tables."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--messages", type=int, default=1_000_000)
    print(*deriving(options.parse_args().messages), sep="\n")


if __name__ == "__main__":
    main()
