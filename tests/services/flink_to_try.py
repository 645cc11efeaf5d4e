"""A Flink cluster on the loopback with what a job on it may read, write and be watched by.

python -m tests.services.flink_to_try     # prints what to type, runs until Ctrl-C
"""

import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path

from confluent_kafka import Producer

from tests.services import flink_server, kafka_server, postgresql_server
from tests.services.prometheus_server import prometheus

_TOPIC, _PARTITIONS = "fix.raw", 4
_MESSAGE = re.compile(rb"8=FIX.*?\x0110=\d{3}\x01", re.DOTALL)


def main() -> None:
    """Start all, say what can be done, and wait."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with suppress(KeyboardInterrupt), ExitStack() as running:
        print("a Flink cluster, Kafka, PostgreSQL and Prometheus are being started", flush=True)
        folder = running.enter_context(tempfile.TemporaryDirectory(prefix="fixfeed-logs-"))
        sample = [sys.executable, "-m", "fixfeed", "sample", "--output", folder]
        subprocess.run(sample, check=True, stdout=subprocess.DEVNULL)
        flink = running.enter_context(flink_server.cluster())
        kafka = running.enter_context(kafka_server.server())
        database = running.enter_context(postgresql_server.server(durable=True))
        watching = running.enter_context(prometheus())
        for number, address in enumerate(flink.metrics):
            name = f"taskmanager-{number - 1}" if number else "jobmanager"
            watching.scrape(name, f"http://{address}/metrics")
        sent = _send(kafka, Path(folder) / "plain.log")
        options = shlex.join(flink.options)
        print(f"Flink       http://{flink.master}   2 TaskManagers with 2 slots each")
        print(f"Kafka       {kafka.plain}   topic {_TOPIC}: {sent:,} messages")
        print(f"PostgreSQL  {database}")
        print(f"Prometheus  http://{watching.address}")
        print("\nlogs of a day, into PostgreSQL:\n")
        fixfeed = os.path.relpath(Path(sys.executable).parent / "fixfeed")
        command = f"  {fixfeed} {options} --parallelism 4 --output '{database}'"
        print(f"{command} --input '{folder}/*.log*'")
        print("\nwhat comes to the topic, until Ctrl-C:\n")
        topic = f"kafka://{kafka.plain}/{_TOPIC}?group=fixfeed"
        print(f"{command} --input '{topic}'")
        print("\nCtrl-C ends all of it, and removes it", flush=True)
        signal.pause()


def _send(kafka: kafka_server.Server, log: Path) -> int:
    """Send the messages of a log to the topic; return how many."""
    kafka.make_topic(_TOPIC, _PARTITIONS)
    producer = Producer({"bootstrap.servers": kafka.plain})
    messages = _MESSAGE.findall(log.read_bytes())
    for number, message in enumerate(messages):
        producer.produce(_TOPIC, message, partition=number % _PARTITIONS)
    producer.flush()
    return len(messages)


if __name__ == "__main__":
    main()
