"""A Flink cluster on this machine against one machine without, and how long a message takes."""

import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import psycopg2
from confluent_kafka import Producer

from benchmarks.into_postgresql import into_postgresql
from benchmarks.paced import paced
from tests.services import flink_server, kafka_server, postgresql_server
from tests.transforms.fix.messages import encode

__all__ = ["flink"]

_TURNS = 3
_RATE = 1_000  # messages a second
_SECONDS = 20.0
_WARM = 5.0  # seconds at the beginning that do not count


def flink(log: Path, messages: int) -> list[str]:
    """Return the rows of two tables: rates of a log into PostgreSQL, and times of a stream."""
    rows = ["| a log into PostgreSQL | messages/s | against | ratio |", "|---|--:|---|--:|"]
    with flink_server.cluster(task_managers=1, slots=2) as cluster:
        on_flink = [*cluster.options, "--input", str(log)]
        runs = (
            ["--workers", "1", "--input", str(log)],
            [*on_flink, "--parallelism", "1"],
            [*on_flink, "--parallelism", "2"],
        )
        rates = [[into_postgresql(words, messages) for words in runs] for _ in range(_TURNS)]
        local, one, two = map(statistics.median, zip(*rates, strict=True))
        rows += [
            f"| one machine, one worker | {local:,.0f} | | |",
            f"| one slot | {one:,.0f} | one machine, one worker | {one / local:.2f} |",
            f"| two slots | {two:,.0f} | twice one slot | {two / one / 2:.2f} |",
            "",
            "| messages/s | Kafka to a row of PostgreSQL on Flink, median | p99 |",
            "|--:|--:|--:|",
        ]
        cuts = statistics.quantiles(_taken(cluster.options), n=100)
    return [*rows, f"| {_RATE:,} | {cuts[49] * 1000:.0f} ms | {cuts[98] * 1000:.0f} ms |"]


def _taken(options: Sequence[str]) -> list[float]:
    """Return the seconds until each message of one partition is in the database."""
    count = int(_RATE * _SECONDS)
    sent = [0.0] * count
    with kafka_server.server() as broker, postgresql_server.server(durable=True) as uri:
        topic = broker.topic()
        producer = Producer({"bootstrap.servers": broker.plain, "linger.ms": 0})

        def send(number: int) -> None:
            sent[number] = time.monotonic()
            fields = [(35, b"D"), (34, b"%d" % number), (11, b"order"), (55, b"AAPL")]
            producer.produce(topic, encode(fields), partition=0)
            producer.poll(0)

        def send_all() -> None:
            paced(range(1, count), _RATE, send)
            producer.flush()

        words = [*options, "--parallelism", "1", "--quiet", "--no-derive", "--output", uri]
        job = subprocess.Popen(
            [sys.executable, "-m", "fixfeed", *words, "--input", f"kafka://{broker.plain}/{topic}"],
            stdout=subprocess.DEVNULL,
        )
        send(0)
        producer.flush()
        connection = psycopg2.connect(uri)
        connection.autocommit = True
        cursor = connection.cursor()
        came: list[float] = []
        thread = threading.Thread(target=send_all)
        while len(came) < count:
            try:
                cursor.execute("select count(*) from messages")
            except psycopg2.errors.UndefinedTable:
                time.sleep(0.1)
            else:
                # They come in their order, so it is the first ones that are there.
                there = int(cursor.fetchone()[0])
                came += [time.monotonic()] * (there - len(came))
                if there and not thread.ident:  # all is running
                    thread.start()
            if job.poll() is not None:
                raise RuntimeError("the job ended")
            time.sleep(0.005)
        thread.join()
        job.terminate()
        job.wait()
        connection.close()
    warm = int(_RATE * _WARM)
    return [end - begin for begin, end in zip(sent[warm:], came[warm:], strict=True)]
