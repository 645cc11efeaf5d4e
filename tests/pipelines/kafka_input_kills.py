"""Kills jobs that read from Kafka, or its broker, and counts what is in the databases afterwards.

python -m tests.pipelines.kafka_input_kills [KILLS]     # what docs/connectors.md shows
"""

import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import psycopg2
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import NewPartitions

from tests.pipelines.jobs import FIXFEED
from tests.services.kafka_server import Server, server
from tests.services.postgresql_server import server as postgresql
from tests.transforms.fix.messages import encode

PARTITIONS, ADDED = 3, 5
_PAUSE = 0.02  # seconds between two sendings
_RECORDS = 10  # in each; every fifth of them holds two messages, every seventh is cut


class Outcome(NamedTuple):
    """How many messages were sent whole, are in each database, and differ there; failures too."""

    kills: int
    sent: int
    stored: tuple[int, ...]
    distinct: tuple[int, ...]
    cut: int
    failures: tuple[int, ...]
    lag: int


class Traffic:
    """Records of one message or two, and some that are cut, sent until it is over."""

    def __init__(self, broker: Server, topic: str):
        """Begin with the partitions that there are now."""
        self.whole, self.cut, self.added = 0, 0, 0
        self.partitions = PARTITIONS
        self._topic, self._over = topic, threading.Event()
        self._producer = Producer(
            {
                "bootstrap.servers": broker.plain,
                "enable.idempotence": True,
                "topic.metadata.refresh.interval.ms": 500,
            }
        )
        self._thread = threading.Thread(target=self._send)
        self._thread.start()

    def _message(self) -> bytes:
        self.whole += 1
        return encode([(35, b"D"), (34, b"%d" % self.whole), (11, b"C%d" % self.whole)])

    def _send(self) -> None:
        count = 0
        while not self._over.wait(_PAUSE):
            for _ in range(_RECORDS):
                count += 1
                value = self._message()
                if count % 5 == 0:
                    value += self._message()
                if count % 7 == 0:
                    self.cut += 1
                    value += encode([(35, b"D"), (34, b"0"), (11, b"never whole")])[:-9]
                try:
                    self._producer.produce(self._topic, value, partition=count % self.partitions)
                    self.added += count % self.partitions >= PARTITIONS
                except KafkaException:  # it does not know the new partitions yet
                    self._producer.produce(self._topic, value, partition=count % PARTITIONS)
            self._producer.poll(0)

    def end(self) -> None:
        """Send no more, and wait until the broker has all."""
        self._over.set()
        self._thread.join()
        assert self._producer.flush(120) == 0


def killed(
    broker: Server,
    databases: list[str],
    folder: Path,
    *,
    kills: int,
    away: float = 0.0,
    seed: int = 1,
) -> Outcome:
    """Send to a topic, read it into databases, kill the job some times, and count.

    With `away` the broker is killed too, for so many seconds. Partitions are added half way. The
    last job is of another group, as one that takes over.
    """
    rng = random.Random(seed)
    topic = broker.topic(partitions=PARTITIONS)
    outputs = [word for uri in databases for word in ("--output", uri)]

    def start(group: str) -> subprocess.Popen:
        uri = f"kafka://{broker.plain}/{topic}?group={group}&reconnect.backoff.max.ms=500"
        command = [*FIXFEED, "--quiet", "--json", "--input", uri, *outputs]
        with open(folder / "errors", "ab") as errors:
            return subprocess.Popen(command, cwd=folder, stdout=errors, stderr=errors)

    job = start(topic)
    traffic = Traffic(broker, topic)
    try:
        for number in range(1, kills + 1):
            before = len(_numbers(databases[-1]))
            _wait(lambda before=before: len(_numbers(databases[-1])) > before, job, folder)
            time.sleep(rng.random() / 2)
            job.kill()
            job.wait()
            if number == -(-kills // 2):
                admin = broker.admin()
                admin.create_partitions([NewPartitions(topic, ADDED)])[topic].result()
                traffic.partitions = ADDED
            job = start(topic)
        _wait(lambda: traffic.added > 0, job, folder)
        before = len(_numbers(databases[-1]))
        _wait(lambda: len(_numbers(databases[-1])) > before, job, folder)
        if away:
            broker.stop(signal.SIGKILL)
            time.sleep(away)
            broker.start()
            before = len(_numbers(databases[-1]))
            _wait(lambda: len(_numbers(databases[-1])) > before, job, folder)
    finally:
        traffic.end()
        job.kill()
        job.wait()
    last = f"{topic}-2"
    job = start(last)
    for uri in databases:
        _wait(lambda uri=uri: len(_numbers(uri)) >= traffic.whole, job, folder)
        _wait(lambda uri=uri: _count(uri, "failures") >= traffic.cut, job, folder)
    job.send_signal(signal.SIGTERM)
    assert job.wait(60) == 0, (folder / "errors").read_text()
    numbers = [_numbers(uri) for uri in databases]
    return Outcome(
        kills,
        traffic.whole,
        tuple(one.total() for one in numbers),
        tuple(map(len, numbers)),
        traffic.cut,
        tuple(_count(uri, "failures") for uri in databases),
        _lag(broker, last, topic),
    )


def _lag(broker: Server, group: str, topic: str) -> int:
    consumer = Consumer({"bootstrap.servers": broker.plain, "group.id": group})
    places = [TopicPartition(topic, number) for number in range(ADDED)]
    lag = 0
    for one in consumer.committed(places, timeout=10):
        lag += consumer.get_watermark_offsets(one, timeout=10)[1] - max(0, one.offset)
    consumer.close()
    return lag


def _wait(until: Callable[[], bool], job: subprocess.Popen, folder: Path) -> None:
    deadline = time.monotonic() + 180
    while not until():
        assert job.poll() is None, (folder / "errors").read_text()
        assert time.monotonic() < deadline, (folder / "errors").read_text()
        time.sleep(0.1)


def _numbers(uri: str) -> Counter:
    return Counter(number for (number,) in _rows(uri, "select msg_seq_num from messages"))


def _count(uri: str, table: str) -> int:
    return sum(count for (count,) in _rows(uri, f"select count(*) from {table}"))


def _rows(uri: str, query: str) -> list:
    file = uri.removeprefix("sqlite:///")
    if file == uri:
        connection, missing = psycopg2.connect(uri), psycopg2.errors.UndefinedTable
    else:
        connection, missing = sqlite3.connect(file, timeout=10), sqlite3.OperationalError
    with closing(connection):
        cursor = connection.cursor()
        try:
            cursor.execute(query)
        except missing:
            return []  # it has no tables yet
        return cursor.fetchall()


def main() -> None:
    """Kill jobs and the broker, and print a table."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    print(
        "| job killed | broker killed | sent whole | into | stored | of these differ | sent cut "
        "| failures | lag of the group |\n|--:|---|--:|---|--:|--:|--:|--:|--:|"
    )
    with (
        server() as broker,
        postgresql(durable=True) as base,
        tempfile.TemporaryDirectory() as name,
    ):
        folder = Path(name)
        databases = [f"sqlite:///{folder}/fixfeed.db", base]
        found = killed(broker, databases, folder, kills=kills, away=20)
        for place, kind in enumerate(("SQLite", "PostgreSQL")):
            print(
                f"| {kills} times | for 20 s | {found.sent:,} | {kind} | {found.stored[place]:,} "
                f"| {found.distinct[place]:,} | {found.cut:,} | {found.failures[place]:,} "
                f"| {found.lag} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
