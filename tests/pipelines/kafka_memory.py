"""Measures the memory of jobs whose brokers are away while input keeps coming.

python -m tests.pipelines.kafka_memory [SECONDS]     # what docs/benchmarks.md shows
"""

import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

from confluent_kafka import KafkaException, Producer

from tests.io.kafka.destinations import destination
from tests.pipelines.jobs import FIXFEED
from tests.services.kafka_server import Server, server
from tests.services.postgresql_server import server as postgresql
from tests.transforms.fix.messages import encode

_BEFORE = 10  # seconds of a quiet run
_SLOW, _FAST = 1_000, 10_000  # messages a second, before and while the broker is away
_STEP = 0.05
_THERE, _KILLED, _FROZEN = "there", "killed", "frozen"
_PARTITIONS = 12


class Watched(NamedTuple):
    """The resident memory of a job and its children in MiB, each second, and what came."""

    before: list[float]
    meanwhile: list[float]
    after: list[float]
    messages: int


class Traffic:
    """Messages of 300 bytes that are sent to a topic, or written to a log, at a pace."""

    def __init__(self, put: Callable[[bytes], None], end: Callable[[], None]):
        self.count, self.pace = 0, _SLOW
        self._put, self._end = put, end
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send)
        self._thread.start()

    def _send(self) -> None:
        began, due = time.monotonic(), 0.0
        while not self._over.wait(_STEP):
            due += (time.monotonic() - began) * self.pace
            began = time.monotonic()
            while due >= 1:
                due -= 1
                self.count += 1
                text = b"%032x" % (self.count * 0x9E3779B97F4A7C15) * 4
                fields = [(35, b"D"), (34, b"%d" % self.count), (49, b"A"), (56, b"B")]
                fields += [(11, b"C%d" % self.count), (55, b"AAPL"), (54, b"1"), (58, text)]
                self._put(encode(fields))

    def end(self) -> None:
        """Send no more."""
        self._over.set()
        self._thread.join()
        self._end()


def sent_to(broker: Server, topic: str, _folder: Path) -> Traffic:
    """Return traffic into a topic."""
    producer = Producer(
        {"bootstrap.servers": broker.plain, "compression.type": "zstd", "linger.ms": 20}
    )

    def put(message: bytes) -> None:
        producer.produce(topic, message)
        producer.poll(0)

    def end() -> None:
        producer.flush(60)

    return Traffic(put, end)


def written_to(folder: Path) -> Traffic:
    """Return traffic into a log, `day.log` in a folder."""
    file = open(folder / "day.log", "wb", buffering=1 << 16)  # noqa: SIM115 - the traffic closes it

    def put(message: bytes) -> None:
        file.write(message + b"\n")

    return Traffic(put, file.close)


@contextmanager
def gone(broker: Server, how: str) -> Iterator[None]:
    """Have a broker killed, or frozen, or neither."""
    if how == _KILLED:
        broker.stop(signal.SIGKILL)
    elif how == _FROZEN:
        broker.pause()
    try:
        yield
    finally:
        if how == _KILLED:
            broker.start()
        elif how == _FROZEN:
            broker.go_on()


def memory(process: subprocess.Popen) -> float:
    """Return the resident memory of a job and its children, in MiB."""
    pages = 0
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for pid in (process.pid, *children):
        with suppress(OSError):
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def watched(
    broker: Server,
    how: str,
    seconds: float,
    folder: Path,
    words: list[str],
    traffic: Callable[[Path], Traffic],
) -> Watched:
    """Run a job into Kafka, take its broker away for so many seconds, and watch its memory."""
    topic = destination(broker, f"test-{uuid.uuid4().hex[:12]}")
    command = [
        *FIXFEED, "--quiet", "--json", "--no-derive", *words,
        "--output", f"{topic.place}?create=true&partitions=3",
    ]  # fmt: skip
    errors = folder / "errors"
    with open(errors, "ab") as file:
        job = subprocess.Popen(command, cwd=folder, stdout=file, stderr=file)

    def watch(until: Callable[[], bool], seconds: float = math.inf) -> list[float]:
        found, end = [], time.monotonic() + seconds
        while not until() and time.monotonic() < end:
            assert job.poll() is None, errors.read_text()
            found.append(memory(job))
            time.sleep(1)
        return found

    def sent() -> int:
        try:
            return sum(broker.ends(topic.topic))
        except (KafkaException, KeyError):
            return 0  # it is not there yet, or just back

    coming = traffic(folder)
    try:
        watch(lambda: sent() > 0)
        before = watch(lambda: False, _BEFORE)
        with gone(broker, how):
            begin, coming.pace = coming.count, _FAST
            meanwhile = watch(lambda: False, seconds)
            count = coming.count - begin
    finally:
        coming.end()
    after = watch(lambda: sent() >= coming.count, 600)
    assert sent() >= coming.count, f"{sent():,} of {coming.count:,}"
    after += watch(lambda: False, 10)
    job.send_signal(signal.SIGTERM)
    assert job.wait(60) in (0, 5), errors.read_text()
    return Watched(before, meanwhile, after, count)


def main() -> None:
    """Watch jobs, and print a table."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    print("| job | broker of the output | messages meanwhile | before | meanwhile | after |")
    print("|---|---|--:|--:|--:|--:|", flush=True)
    with server() as source, server() as broker, postgresql() as database:
        for how in sys.argv[2:] or (_THERE, _KILLED, _FROZEN):
            topic = source.topic(partitions=_PARTITIONS)
            several = [
                "--input", f"kafka://{source.plain}/{topic}?group={topic}",
                "--output", "sqlite:///fixfeed.db", "--output", database,
            ]  # fmt: skip
            for name, words, traffic in (
                ("Kafka to SQLite, PostgreSQL, Kafka", several, partial(sent_to, source, topic)),
                ("a log that is followed to Kafka", ["--input", "follow:day.log"], written_to),
            ):
                with tempfile.TemporaryDirectory() as text:
                    found = watched(broker, how, seconds, Path(text), words, traffic)
                print(
                    f"| {name} | {how} | {found.messages:,} | {median(found.before):.0f} | "
                    f"{max(found.meanwhile):.0f} | {max(found.after):.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
