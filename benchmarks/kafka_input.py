"""Kafka as input against the same without it: parsing from memory, and files into PostgreSQL."""

import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from confluent_kafka import Producer

from benchmarks.bench_log import write_bench_log
from benchmarks.into_postgresql import into_postgresql
from fixfeed.io.kafka.address import read_uri
from fixfeed.io.kafka.topics import OURS, KafkaTopics
from fixfeed.transforms.batch import FLUSH, Block
from fixfeed.transforms.fix.protocol import FIX
from fixfeed.transforms.pieces import parsed
from tests.services import kafka_server

__all__ = ["kafka_input"]

_PARTITIONS = 4
_ROUNDS = 5
_TURNS = 3
_BLOCK = 1 << 20


class _Nothing:
    """Stored sources of a sink that is new."""

    remember = True

    def done(self, sources):
        return {one.key: () for one in sources}

    stored = done

    def each(self, sources):
        return [self.stored(sources)]


def kafka_input(folder: Path, messages: int) -> list[str]:
    """Return the rows of the table: rates with Kafka, without it, and their ratio.

    One message is a record, in four partitions.
    """
    rows = [
        "| from Kafka | messages/s | compared to | messages/s | ratio |",
        "|---|--:|---|--:|--:|",
    ]
    log = folder / "kafka.log"
    with kafka_server.server() as broker:
        for share, what in ((0.0, ""), (0.01, ", one record in a hundred damaged")):
            write_bench_log(log, messages, malformed=share)
            lines = log.read_bytes().splitlines(keepends=True)
            topic = broker.topic(partitions=_PARTITIONS)
            _send(broker.plain, topic, [line.removesuffix(b"\n") for line in lines])
            ours, memory = [], []
            for _ in range(_ROUNDS):
                ours.append(_timed(partial(_from_topic, broker.plain, topic, len(lines))))
                memory.append(_timed(partial(_from_memory, lines)))
            for number, how in enumerate(("elapsed", "this thread's processor time")):
                rates = [
                    messages / statistics.median(one[number] for one in times)
                    for times in (ours, memory)
                ]
                rows.append(
                    _row(f"parsed and dropped{what}: {how}", rates[0], "from memory", rates[1])
                )
        uri = f"kafka://{broker.plain}/{topic}"
        runs = ((uri, 1), (str(log), 1), (f"follow:{log}", 1), (str(log), 2))
        rates = [
            [
                into_postgresql(["--workers", str(workers), "--input", source], messages)
                for source, workers in runs
            ]
            for _ in range(_TURNS)
        ]
        from_kafka, *others = map(statistics.median, zip(*rates, strict=True))
        names = ("the file, one worker", "follow: the file", "the file, two workers")
        for name, rate in zip(names, others, strict=True):
            rows.append(_row("PostgreSQL", from_kafka, name, rate))
    return rows


def _row(name: str, ours: float, other: str, theirs: float) -> str:
    return f"| {name} | {ours:,.0f} | {other} | {theirs:,.0f} | {ours / theirs:.2f} |"


def _send(address: str, topic: str, records: Sequence[bytes]) -> None:
    producer = Producer({"bootstrap.servers": address, "enable.idempotence": True, "linger.ms": 20})
    for number, record in enumerate(records):
        while True:
            with suppress(BufferError):
                producer.produce(topic, record, partition=number % _PARTITIONS)
                break
            producer.poll(0.1)
    if producer.flush(60):
        raise RuntimeError("the broker did not take all")


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds that passed, and those of this thread's processor time."""
    begin, used = time.perf_counter(), time.thread_time()
    work()
    return time.perf_counter() - begin, time.thread_time() - used


def _from_topic(address: str, topic: str, count: int) -> None:
    uri = read_uri(f"kafka://{address}/{topic}", own=["group", "from"], ours=OURS)
    feed = KafkaTopics(
        uri, FIX, _Nothing(), stop=lambda: False, say=print, away=print, longest=1 << 20
    )
    while count > 0:
        block = feed.next(0.1)
        if block not in (None, FLUSH):
            batch = parsed(FIX, block)
            count -= batch.read + batch.skipped
    feed.close()


def _from_memory(lines: Sequence[bytes]) -> None:
    at = 0
    while at < len(lines):
        some, size = [], 0
        while at < len(lines) and size < _BLOCK:
            some.append(lines[at])
            size += len(lines[at])
            at += 1
        FIX.parse(Block("memory", 0, b"".join(some), layout=b"\x01"))
