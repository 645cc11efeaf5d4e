"""Kills jobs into Kafka, or its broker, and counts what is in topic and database afterwards.

python -m tests.pipelines.kafka_output_kills [KILLS]     # what docs/connectors.md shows
"""

import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import orjson

from tests.io.kafka.destinations import destination, records
from tests.pipelines.jobs import FIXFEED
from tests.services.kafka_server import Server, server
from tests.transforms.fix.messages import encode

_PAUSE = 0.02  # seconds between two pieces of the log
_LINES = 20  # in each of them


class Outcome(NamedTuple):
    """How many messages were written to the log, are in the database, and are in the topic.

    `distinct` are those in the topic that differ by source and position; `kills` were made.
    """

    kills: int
    written: int
    stored: int
    sent: int
    distinct: int


class _Log:
    """A log that grows while jobs follow it: a message a line."""

    def __init__(self, path: Path):
        self.path, self.lines = path, 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._grow)

    def _grow(self) -> None:
        with open(self.path, "ab") as file:
            while not self._over.wait(_PAUSE):
                for _ in range(_LINES):
                    self.lines += 1
                    fields = [(35, b"D"), (34, b"%d" % self.lines), (49, b"A"), (56, b"B")]
                    file.write(encode([*fields, (11, b"C%d" % self.lines)]) + b"\n")
                file.flush()

    @contextmanager
    def growing(self) -> Iterator[None]:
        """Grow while the work inside goes on."""
        self._thread.start()
        try:
            yield
        finally:
            self._over.set()
            self._thread.join()


def killed(
    broker: Server,
    folder: Path,
    kill: Callable[[subprocess.Popen], bool],
    *,
    kills: int,
    transactions: bool,
    properties: str = "",
) -> Outcome:
    """Follow a growing log into SQLite and Kafka, and kill something some times.

    `kill(job)` kills and returns whether the job is still there.
    """
    topic = f"test-{uuid.uuid4().hex[:12]}"
    to = destination(broker, topic)
    log, base = _Log(folder / "day.log"), folder / "fixfeed.db"
    words = f"create=true&partitions=3&transactions={str(transactions).lower()}{properties}"
    command = [
        *FIXFEED, "--quiet", "--json", "--input", "follow:day.log",
        "--output", "sqlite:///fixfeed.db", "--output", f"{to.place}?{words}",
    ]  # fmt: skip

    def start() -> subprocess.Popen:
        with open(folder / "errors", "ab") as errors:
            return subprocess.Popen(command, cwd=folder, stdout=errors, stderr=errors)

    job = start()
    with log.growing():
        for _ in range(kills):
            before = _stored(base)
            _wait(lambda before=before: _stored(base) > before, job, folder)
            if not kill(job):
                job.wait()
                job = start()
    _wait(lambda: _stored(base) == log.lines, job, folder)
    _wait(lambda: len(_identities(to)) >= log.lines, job, folder)
    job.send_signal(signal.SIGTERM)
    assert job.wait(150) == 0, (folder / "errors").read_text()
    sent = _identities(to)
    return Outcome(kills, log.lines, _stored(base), sum(sent.values()), len(sent))


def _wait(until: Callable[[], bool], job: subprocess.Popen, folder: Path) -> None:
    deadline = time.monotonic() + 120
    while not until():
        assert job.poll() is None, (folder / "errors").read_text()
        assert time.monotonic() < deadline, (folder / "errors").read_text()
        time.sleep(0.1)


def _stored(base: Path) -> int:
    if not base.exists():
        return 0
    with closing(sqlite3.connect(base, timeout=10)) as connection:
        try:
            return connection.execute("select count(*) from messages").fetchone()[0]
        except sqlite3.OperationalError:
            return 0  # it has no tables yet


def _identities(to) -> Counter:
    found = (orjson.loads(record.value()) for record in records(to))
    return Counter((one["source"], one["position"]) for one in found)


def job_killer(seed: int) -> Callable[[subprocess.Popen], bool]:
    """Return what kills a job at a random moment."""
    rng = random.Random(seed)

    def kill(job: subprocess.Popen) -> bool:
        time.sleep(rng.random() / 2)
        job.kill()
        return False

    return kill


def broker_killer(broker: Server, seconds: float) -> Callable[[subprocess.Popen], bool]:
    """Return what kills a broker and starts it again after so many seconds."""

    def kill(_job: subprocess.Popen) -> bool:
        broker.stop(signal.SIGKILL)
        time.sleep(seconds)
        broker.start()
        return True

    return kill


def main() -> None:
    """Kill jobs and the broker, and print a table."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    print("| killed | | log | SQLite | topic | of these differ |\n|---|---|--:|--:|--:|--:|")
    with server() as broker:
        for transactions in (False, True):
            how = "transactions=true" if transactions else ""
            for what, times, killer in (
                (f"the job, {kills} times", kills, job_killer(1)),
                ("the broker, for 20 s", 1, broker_killer(broker, 20)),
            ):
                with tempfile.TemporaryDirectory() as folder:
                    found = killed(
                        broker, Path(folder), killer, kills=times, transactions=transactions
                    )
                counts = " | ".join(f"{count:,}" for count in found[1:])
                print(f"| {what} | {how} | {counts} |", flush=True)


if __name__ == "__main__":
    main()
