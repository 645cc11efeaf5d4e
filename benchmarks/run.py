"""Measures what docs/benchmarks.md shows: ratios, each of two things in the same run.

python -m benchmarks.run --messages 1000000
"""

import argparse
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import simplefix

from benchmarks.bench_log import write_bench_log
from benchmarks.deriving import deriving
from benchmarks.flink import flink
from benchmarks.kafka_input import kafka_input
from benchmarks.kafka_latency import kafka_latency
from benchmarks.readings import loading, readings
from benchmarks.replay import replay
from benchmarks.streams import streams
from fixfeed.io.files.find import cut_ranges, find_files
from fixfeed.io.files.reading import read_blocks
from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.parser import parse_block
from tests.services.kafka_server import server as kafka_server
from tests.services.postgresql_server import server

__all__ = ["main"]

_PARSED = 40_000  # messages for timing the parsers
_SLOW = 2_000  # messages per round for the slow parsers
_ROUNDS = 7
_TURNS = 3


def plain_python(message: bytes) -> dict[bytes, bytes]:
    """The obvious first version: split at SOH and at `=`, sum up the bytes."""
    fields = dict(part.split(b"=", 1) for part in message.split(b"\x01") if b"=" in part)
    sum(message[: message.rfind(b"10=")]) % 256
    return fields


def with_simplefix(message: bytes) -> object:
    """simplefix's parser on one message; it raises on a tag that is no number."""
    parser = simplefix.FixParser()
    parser.append_buffer(message)
    try:
        return parser.get_message()
    except simplefix.errors.ParsingError:
        return None


def first_blocks(log: Path) -> list[Block]:
    """Return the blocks for timing the parsers."""
    blocks: list[Block] = []
    count = 0
    (file,), _ = find_files([str(log)])
    for block in read_blocks(*cut_ranges(file, (), size=file.size)):
        blocks.append(block)
        count += block.data.count(b"\n")
        if count >= _PARSED:
            break
    return blocks


def parsers(log: Path) -> list[str]:
    """Time the parsers in turns, in process time on one core."""
    blocks = first_blocks(log)
    count = sum(parse_block(block).read for block in blocks)
    lines = [
        line
        for block in blocks
        for line in block.data.split(b"\n")
        if line.startswith(b"8=FIX") and line[-8:-4] == b"\x0110="
    ][:_SLOW]
    times: dict[str, list[float]] = {"fixfeed": [], "simplefix": [], "plain Python": []}
    for _ in range(_ROUNDS):
        begin = time.process_time()
        for block in blocks:
            parse_block(block)
        times["fixfeed"].append((time.process_time() - begin) / count)
        for name, parse in (("simplefix", with_simplefix), ("plain Python", plain_python)):
            begin = time.process_time()
            for line in lines:
                parse(line)
            times[name].append((time.process_time() - begin) / len(lines))
    ours = statistics.median(times["fixfeed"])
    rows = ["| parser, one core | µs a message | fixfeed is faster by |", "|---|--:|--:|"]
    for name, measured in times.items():
        middle = statistics.median(measured)
        rows.append(f"| {name} | {middle * 1e6:.2f} | {middle / ours:.1f} |")
    return rows


def measured(module: str, *arguments: object) -> dict[str, float]:
    """Run one measurement in a separate process."""
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)],
        check=True,
        stdout=subprocess.PIPE,
    )
    result = json.loads(done.stdout.splitlines()[-1])
    return result if isinstance(result, dict) else {"seconds": result}


def in_turns(*runs: Callable[[Path], float]) -> list[float]:
    """Do the runs in turns, each in its own empty folder; return the median seconds of each.

    The disk and other users of the machine make a single run a third slower or faster.
    """
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(_TURNS):
        for taken, run in zip(times, runs, strict=True):
            with tempfile.TemporaryDirectory(prefix="fixfeed-bench-") as folder:
                taken.append(run(Path(folder)))
    return [statistics.median(taken) for taken in times]


def sinks(log: Path, messages: int) -> None:
    """Print the rates of the job and of its limits."""
    print("| from log to | messages/s | compared to | messages/s | ratio |")
    print("|---|--:|---|--:|--:|", flush=True)

    def job(sink: str, target: object) -> float:
        return measured("job", sink, log, target)["seconds"]

    def limit(name: str, target: object) -> float:
        return measured("limits", name, log, target)["seconds"]

    def to_postgresql(run: Callable[[str, object], float], name: str) -> float:
        with server(durable=True) as uri:
            return run(name, uri)

    def rows(sink: str, seconds: float, limits: dict[str, float]) -> None:
        for name, taken in limits.items():
            print(
                f"| {sink} | {messages / seconds:,.0f} | {name} | {messages / taken:,.0f}"
                f" | {taken / seconds:.2f} |",
                flush=True,
            )

    ours, tuples, batches = in_turns(
        lambda folder: job("sql", f"sqlite:///{folder}/job.db"),
        lambda folder: limit("executemany", folder / "limit.db"),
        lambda folder: limit("adbc", folder / "limit.db"),
    )
    rows(
        "SQLite",
        ours,
        {"executemany of ready tuples": tuples, "ADBC of ready batches": batches},
    )
    ours, copies = in_turns(
        lambda _: to_postgresql(job, "sql"), lambda _: to_postgresql(limit, "copy")
    )
    rows("PostgreSQL", ours, {"binary COPY of ready bytes, as many connections": copies})
    ours, parsing, bare = in_turns(
        lambda folder: job("parquet", folder / "lake"),
        lambda _: job("parse", "-"),
        lambda folder: limit("parquet", folder / "bare.parquet"),
    )
    rows(
        "Parquet",
        ours,
        {
            "parsing alone, as many cores": parsing,
            "pyarrow writes the same columns, one core": bare,
            # The rate if nothing but these two is done.
            "both of these, as many cores": parsing + bare / (os.cpu_count() or 1),
        },
    )
    with kafka_server() as broker:
        places = (f"kafka://{broker.plain}/bench-{number}" for number in itertools.count())
        words = "create=true&partitions=4"
        lines, sent, exactly = in_turns(
            lambda folder: job("jsonl", folder / "out.jsonl"),
            lambda _: job("kafka", f"{next(places)}?{words}"),
            lambda _: job("kafka", f"{next(places)}?{words}&transactions=true"),
        )
    rows("Kafka", sent, {"the job into JSON lines": lines})
    rows("Kafka, `transactions=true`, one core", exactly, {"the job into JSON lines": lines})
    print()


def from_file(log: Path, folder: Path) -> float:
    """Return the seconds of the job from a log into SQLite."""
    return measured("job", "sql", log, f"sqlite:///{folder}/job.db")["seconds"]


def growth(logs: dict[int, Path], folder: Path) -> None:
    """Print times and peak memory of the job into SQLite and Parquet at several sizes."""
    print("| messages | into | seconds | messages/s | peak memory, all processes |")
    print("|--:|---|--:|--:|--:|", flush=True)
    for messages, log in logs.items():
        for sink, target in (("sql", f"sqlite:///{folder}/grow.db"), ("parquet", f"{folder}/grow")):
            result = measured("job", sink, log, target)
            seconds, peak = result["seconds"], result["peak_bytes"] / 2**20
            print(
                f"| {messages:,} | {'SQLite' if sink == 'sql' else 'Parquet'} | {seconds:.1f}"
                f" | {messages / seconds:,.0f} | {peak:,.0f} MiB |",
                flush=True,
            )
        for path in folder.glob("grow.db*"):
            path.unlink()
        shutil.rmtree(folder / "grow")


def main() -> None:
    """Print the tables of docs/benchmarks.md."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--messages", type=int, default=1_000_000)
    options.add_argument("--growth", type=int, nargs="*", default=[], metavar="MESSAGES")
    options.add_argument(
        "--only",
        choices=[
            "parsers",
            "readings",
            "sinks",
            "growth",
            "replay",
            "kafka",
            "streams",
            "deriving",
            "flink",
        ],
    )
    given = options.parse_args()
    print(f"{os.cpu_count()} cores, {given.messages:,} messages\n", flush=True)
    with tempfile.TemporaryDirectory(prefix="fixfeed-bench-") as name:
        folder = Path(name)
        log = folder / "bench.log"
        write_bench_log(log, given.messages)
        if given.only in (None, "parsers"):
            print(*parsers(log), "", sep="\n", flush=True)
        if given.only in (None, "readings"):
            print(*readings(first_blocks(log)), "", *loading(), "", sep="\n", flush=True)
        if given.only in (None, "sinks"):
            sinks(log, given.messages)
        if given.only in (None, "replay"):
            print(*replay(given.messages), "", sep="\n", flush=True)
        if given.only in (None, "kafka"):
            print(*kafka_input(folder, given.messages), "", sep="\n", flush=True)
            print(*kafka_latency(folder), "", sep="\n", flush=True)
        if given.only in (None, "streams"):
            streams(log, given.messages, folder, from_file, in_turns)
        if given.only in (None, "deriving"):
            print(*deriving(given.messages), "", sep="\n", flush=True)
        if given.only == "flink":  # it takes a quarter of an hour, and a cluster
            print(*flink(log, given.messages), "", sep="\n", flush=True)
        if given.growth:
            logs = {}
            for messages in given.growth:
                logs[messages] = folder / f"{messages}.log"
                write_bench_log(logs[messages], messages)
            growth(logs, folder)


if __name__ == "__main__":
    main()
