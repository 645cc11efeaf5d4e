"""Measures how long a message takes from a peer's socket to a consumer of Kafka."""

import re
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

from benchmarks.paced import paced
from benchmarks.streams import PEERS
from tests.services import kafka_server
from tests.transforms.fix.messages import encode

__all__ = ["kafka_latency"]

_SECONDS = 15.0
_WARM = 3.0  # seconds at the beginning that do not count: broker and job have just started
_RATES = (1_000, 10_000)
_NUMBER = re.compile(rb'"MsgSeqNum":"(\d+)"')


def kafka_latency(folder: Path) -> list[str]:
    """Return the rows of the table, for each rate."""
    rows = [
        "| messages/s | socket to consumer, median | p99 | worst | with | median | p99 |",
        "|--:|--:|--:|--:|---|--:|--:|",
    ]
    with kafka_server.server() as broker:
        for rate in _RATES:
            found = [
                _quantiles(_taken(broker, folder / f"{rate}{number}", rate, words))
                for number, words in enumerate(([], ["--commit-after", "5ms"]))
            ]
            shown = [[f"{one * 1000:.1f} ms" for one in times] for times in found]
            cells = [f"{rate:,}", *shown[0], "`--commit-after 5ms`", *shown[1][:2]]
            rows.append(f"| {' | '.join(cells)} |")
    return rows


def _quantiles(taken: Sequence[float]) -> tuple[float, float, float]:
    cuts = statistics.quantiles(taken, n=100)
    return cuts[49], cuts[98], max(taken)


def _taken(
    broker: kafka_server.Server, folder: Path, rate: int, words: Sequence[str]
) -> list[float]:
    """Return the seconds until each message has come to a consumer."""
    folder.mkdir()
    topic = broker.topic()
    job = subprocess.Popen(
        [sys.executable, "-m", "fixfeed", "--quiet", "--input", "tcp://127.0.0.1:0"]
        + ["--spool", str(folder / "spool"), *words]
        + ["--output", f"kafka://{broker.plain}/{topic}?create=true"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert job.stderr
    found = re.search(rb"listening to tcp://127.0.0.1:(\d+)", job.stderr.readline())
    assert found
    peers = [socket.create_connection(("127.0.0.1", int(found[1]))) for _ in range(PEERS)]
    consumer = Consumer({"bootstrap.servers": broker.plain, "group.id": "latency"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    count = int(rate * _SECONDS)
    messages = [
        encode([(35, b"D"), (34, b"%d" % number), (11, b"order"), (55, b"AAPL"), (44, b"101.25")])
        for number in range(count)
    ]
    # The first message says that all is there.
    peers[0].sendall(messages[0])
    while consumer.poll(1.0) is None:
        assert job.poll() is None, job.stderr.read()
    sent, came = [0.0] * count, [0.0] * count

    def send(number: int) -> None:
        sent[number] = time.monotonic()
        peers[number % PEERS].sendall(messages[number])

    thread = threading.Thread(target=paced, args=(range(1, count), rate, send))
    thread.start()
    left = count - 1
    while left:
        first = consumer.poll(1.0)
        assert job.poll() is None, job.stderr.read()
        if first is not None:
            some, now = [first, *consumer.consume(10_000, 0)], time.monotonic()
            for record in some:
                number = _NUMBER.search(record.value() or b"")
                assert number
                came[int(number[1])] = now
            left -= len(some)
    thread.join()
    consumer.close()
    for one in peers:
        one.close()
    job.send_signal(signal.SIGTERM)
    job.wait()
    warm = int(rate * _WARM)
    return [end - begin for begin, end in zip(sent[warm:], came[warm:], strict=True)]
