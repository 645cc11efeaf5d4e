"""What deriving costs beside loading, and from scratch, and how soon an order is found.

python -m benchmarks.deriving --messages 1000000
python -m benchmarks.deriving --messages 10000000 --rebuild

With --rebuild alone from scratch, from days of a million messages each (`benchmarks.days`), which
take a gigabyte and a half of disk a million in each kind of database. --kind chooses one of them.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from benchmarks.days import write_days
from fixfeed.io.sql.open import open_store
from fixfeed.pipelines.order import orders_with, steps_of
from tests.services.postgresql_server import server

__all__ = ["beside_loading", "deriving", "from_scratch"]

_TURNS = 3
_LOADED = 300_000  # messages at the most, loaded four times a turn
_ASKED = 500  # ids
_KINDS = ("SQLite", "PostgreSQL")


class _Used(NamedTuple):
    """What a process took: seconds, those of processor time, and bytes of memory at the most."""

    seconds: float
    processor: float
    memory: int


def _used(*words: object) -> _Used:
    """Run `fixfeed`; return what it took."""
    before, began = _processor(), time.monotonic()
    command = [sys.executable, "-m", "fixfeed", *map(str, words)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    # 3: the log of a session in the sample breaks off.
    assert process.returncode in (0, 3), words
    return _Used(time.monotonic() - began, _processor() - before, usage.ru_maxrss << 10)


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
                alone.append(_used(*load, bare, "--no-derive").processor / messages * 1e6)
                both.append(_used(*load, whole).processor / messages * 1e6)
            first, second = statistics.median(alone), statistics.median(both)
            rows.append(f"| {kind} | {first:.1f} | {second:.1f} | {second / first:.2f} |")
    return rows


def from_scratch(messages: int, kinds: Sequence[str] = _KINDS) -> list[str]:
    """Return the rows that tell how long a rebuild takes, and finding an order after it."""
    rows = [
        f"| {messages:,} messages in | rebuilt in | processor µs a message"
        " | peak memory | an order by an id: median | p99 |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    with tempfile.TemporaryDirectory(prefix="fixfeed-bench-") as name, server(durable=True) as pg:
        folder = Path(name)
        write_days(folder / "logs", messages)
        for kind in kinds:
            uri = _new(kind, folder, pg, "whole")
            _used(*_loading(folder), uri, "--no-derive")
            used = _used("derive", uri, "--rebuild")
            asked = _asked(uri)
            rows.append(
                f"| {kind} | {used.seconds:.1f} s | {used.processor / messages * 1e6:.1f}"
                f" | {used.memory >> 20:,} MB | {statistics.median(asked):.1f} ms"
                f" | {statistics.quantiles(asked, n=100)[98]:.1f} ms |"
            )
    return rows


def deriving(messages: int) -> list[str]:
    """Return the rows of docs/benchmarks.md."""
    return [*beside_loading(min(messages, _LOADED)), "", *from_scratch(messages)]


def _words(folder: Path, messages: int) -> tuple[str, ...]:
    """Write a sample day; return the words that load it, up to where."""
    _used("sample", "--output", folder / "logs", "--messages", messages)
    return _loading(folder)


def _loading(folder: Path) -> tuple[str, ...]:
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
    options.add_argument("--rebuild", action="store_true", help="only from scratch")
    options.add_argument("--kind", choices=_KINDS, help="with --rebuild: in this alone")
    chosen = options.parse_args()
    kinds = [chosen.kind] if chosen.kind else _KINDS
    if chosen.rebuild:
        print(*from_scratch(chosen.messages, kinds), sep="\n")
    else:
        print(*deriving(chosen.messages), sep="\n")


if __name__ == "__main__":
    main()
