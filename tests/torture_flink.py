"""Kills each part of a Flink cluster while messages stream through it: `make torture-flink`.

Messages go from Kafka through two TaskManagers into PostgreSQL and another topic. When so much of
them is stored, one of the parts is killed with -9 and started again, or the job is stopped and goes
on with another parallelism. The account at the end says what is where; the exit code is 1 if a
message is not in PostgreSQL exactly once, or not in the topic, or the counts of the runs are not
those of the rows.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress

import orjson
import psycopg2
from confluent_kafka import Producer

from fixfeed.io.kafka.address import read_uri
from fixfeed.io.kafka.whole_topic import read_to_the_end
from tests.pipelines.jobs import FIXFEED
from tests.services import flink_server, kafka_server, postgresql_server
from tests.transforms.fix.messages import encode

_FROM, _TO, _PARTITIONS = "fix.raw", "fix.messages", 4
_RETRIES = ("--number_of_execution_retries=1000", "--execution_retry_delay=1000")
_LONGEST = 1800  # seconds for a step


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


class Sender(threading.Thread):
    """Sends messages with numbers from 0 on to all partitions, up to its `limit`."""

    def __init__(self, broker: str, messages: int):
        """Nothing is sent before it is started."""
        super().__init__(daemon=True)
        self._broker, self._messages = broker, messages
        self.sent = self.limit = 0

    def run(self) -> None:
        """Send all of them."""
        producer = Producer({"bootstrap.servers": self._broker, "linger.ms": 50})
        while self.sent < self._messages:
            stop = min(self.limit, self.sent + 1000)
            if stop <= self.sent:
                time.sleep(0.1)
                continue
            for number in range(self.sent, stop):
                producer.produce(_FROM, _order(number), partition=number % _PARTITIONS)
            producer.flush()
            self.sent = stop


def _order(number: int) -> bytes:
    fields = [(35, b"D"), (34, b"%d" % number), (49, b"A"), (56, b"B"), (11, b"C%d" % number)]
    return encode([*fields, (55, b"VOD.L"), (54, b"1"), (38, b"100"), (44, b"72.5"), (40, b"2")])


class Watcher(threading.Thread):
    """Looks ten times a second how many messages the ledger of the database says are stored.

    `silence` is the longest time, in seconds, without a new one while some were sent that are not
    stored, since it was set to 0.
    """

    def __init__(self, database: str, sender: Sender):
        """Nothing is asked before it is started."""
        super().__init__(daemon=True)
        self._database, self._sender = database, sender
        self.stored = 0
        self.silence = 0.0
        self.over = threading.Event()

    def run(self) -> None:
        """Look until that is over."""
        with closing(psycopg2.connect(self._database)) as connection:
            connection.autocommit = True
            cursor, since = connection.cursor(), time.monotonic()
            while not self.over.wait(0.1):
                with suppress(psycopg2.errors.UndefinedTable):  # the job has not made it yet
                    cursor.execute("select coalesce(sum(stored), 0)::bigint from progress")
                    (found,) = cursor.fetchone()
                    self.silence = max(self.silence, time.monotonic() - since)
                    if found != self.stored or found == self._sender.sent:
                        self.stored, since = found, time.monotonic()


class Torture:
    """A job on a cluster, and what is done to it."""

    def __init__(
        self,
        flink: flink_server.Cluster,
        broker: kafka_server.Server,
        database: str,
        messages: int,
    ):
        """Nothing is started yet."""
        self.flink, self.broker, self.database = flink, broker, database
        self._job: subprocess.Popen[bytes] | None = None
        self.sender = Sender(broker.plain, messages)
        self.watcher = Watcher(database, self.sender)

    def submit(self, *options: str) -> None:
        """Start the job, and wait until it runs: always the same command, but for these options."""
        self._job = subprocess.Popen(
            [
                *FIXFEED, *self.flink.options, *_RETRIES, *options,
                "--json", "--quiet", "--no-derive",
                "--input", f"kafka://{self.broker.plain}/{_FROM}",
                "--output", self.database,
                "--output", f"kafka://{self.broker.plain}/{_TO}?create=true&partitions={_PARTITIONS}",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )  # fmt: skip
        self.job()

    def until(self, stored: int) -> None:
        """Wait until so many messages are stored."""
        until = time.monotonic() + _LONGEST
        while self.watcher.stored < stored:
            self._check()
            if time.monotonic() > until:
                raise TimeoutError(f"{self.watcher.stored:,} are stored, not {stored:,}")
            time.sleep(0.1)

    def ended(self) -> int:
        """Wait until the job has ended, say what it said, and return its exit code."""
        assert self._job is not None
        out, err = self._job.communicate(timeout=300)
        code = self._job.returncode
        found = json.loads(out)
        said = err.decode().strip().splitlines()[-1:] or [found.get("ended", "")]
        say(f"    the command ended with exit code {code}: {said[0]}")
        return code

    def until_sent(self, messages: int) -> None:
        """Wait until so many records are in the topic, and no more come."""
        before, since = -1, time.monotonic()
        while (now := sum(self.broker.ends(_TO))) < messages or time.monotonic() - since < 3:
            if now != before:
                before, since = now, time.monotonic()
            if time.monotonic() - since > _LONGEST:
                raise TimeoutError(f"nothing was sent for {_LONGEST} s, {now:,} are")
            time.sleep(0.5)

    def in_topic(self) -> tuple[set[tuple[str, int]], int]:
        """Return the sources and positions in the topic, and how many records it has."""
        address = read_uri(f"kafka://{self.broker.plain}/{_TO}", own=(), ours={})
        found, records = set(), 0
        for record in read_to_the_end(address, _TO, [0] * _PARTITIONS):
            line = orjson.loads(record.value())
            found.add((sys.intern(line["source"]), line["position"]))
            records += 1
        return found, records

    def stop(self) -> None:
        """Stop the command by SIGINT, as Ctrl-C does; a busy machine may not do it in time (5)."""
        assert self._job is not None
        self._job.send_signal(signal.SIGINT)
        expect(self.ended(), {0, 5})

    def close(self) -> None:
        """End what still runs, so that the servers can end."""
        self.watcher.over.set()
        if self._job is not None and self._job.poll() is None:
            self._job.kill()
            self._job.communicate()

    def job(self) -> str:
        """Return the id of the job, once all of its tasks run."""
        until = time.monotonic() + _LONGEST
        while time.monotonic() < until:
            self._check()
            with suppress(OSError):
                for one in self.flink.ask("jobs/overview")["jobs"]:
                    tasks = one["tasks"]
                    if one["state"] == "RUNNING" and tasks["running"] == tasks["total"]:
                        return one["jid"]
            time.sleep(0.5)
        raise TimeoutError("the job does not run")

    def _check(self) -> None:
        """Raise if the command has ended by itself."""
        assert self._job is not None
        if self._job.poll() is not None:
            raise RuntimeError(f"the job ended: {self._job.communicate()}")

    # What is done to it.

    def worker(self) -> None:
        """Kill the oldest worker process."""
        os.kill(self.flink.workers()[0], signal.SIGKILL)

    def task_manager(self) -> None:
        """Kill a TaskManager, and start another one in its place."""
        self.flink.kill_task_manager(0)
        self.flink.start_task_manager(0)

    def pool(self) -> None:
        """Kill the worker pool, whose workers end with it, and start it again."""
        self.flink.kill_pool()
        self.flink.start_pool()

    def job_manager(self) -> None:
        """Kill the JobManager: the job is lost. The same command goes on."""
        self.flink.kill_job_manager()
        self.flink.start_job_manager()
        expect(self.ended(), {8})
        self.submit("--parallelism=4")

    def savepoint(self) -> None:
        """Stop the job with a savepoint, and go on from that on three slots in place of four."""
        place = self.flink.stop_job(self.job())
        expect(self.ended(), {0})
        self.submit(f"--savepoint_path={place}", "--parallelism=3")

    def anew(self) -> None:
        """Stop the command by SIGINT, and start it anew on two slots."""
        self.stop()
        self.submit("--parallelism=2")


def expect(code: int, expected: set[int]) -> None:
    """Raise if an exit code is another one than documented."""
    if code not in expected:
        raise RuntimeError(f"exit code {code}, not one of {expected}")


STEPS: list[tuple[str, Callable[[Torture], None]]] = [
    ("a worker process killed", Torture.worker),
    ("a TaskManager killed", Torture.task_manager),
    ("the worker pool killed", Torture.pool),
    ("the JobManager killed", Torture.job_manager),
    ("stopped with a savepoint, resumed on 3 slots", Torture.savepoint),
    ("stopped by SIGINT, started anew on 2 slots", Torture.anew),
]


def tortured(torture: Torture, messages: int) -> bool:
    """Do all of it, and return whether the account is right."""
    began = time.monotonic()
    torture.submit("--parallelism=4")
    watcher, sender = torture.watcher, torture.sender
    watcher.start()
    sender.start()
    # Half of what comes in a step comes meanwhile, the rest once the job is there again.
    for number, (what, do) in enumerate(STEPS):
        share = messages * number // len(STEPS), messages * (number + 1) // len(STEPS)
        watcher.silence = 0.0
        sender.limit = sum(share) // 2
        torture.until(share[0] + (sender.limit - share[0]) // 2)
        say(f"  {watcher.stored:,} stored: {what}")
        do(torture)
        sender.limit = share[1]
        torture.until(share[1])
        say(f"    at most {watcher.silence:.0f} s without a new row")
    sender.join()
    torture.until_sent(messages)
    torture.stop()
    say(f"  all is stored {time.monotonic() - began:.0f} s after the start")
    return account(torture, messages)


def account(torture: Torture, messages: int) -> bool:
    """Say what is in the database, in the topic and in the counts; return whether it is right."""
    with closing(psycopg2.connect(torture.database)) as connection:
        cursor = connection.cursor()
        cursor.execute("select msg_seq_num, name, message_id & 1099511627775 from messages"
                       " join sources on sources.source_id = message_id >> 40")  # fmt: skip
        rows = cursor.fetchall()
        cursor.execute("select ended, counts from runs order by run_id")
        runs = cursor.fetchall()
        cursor.execute("select counts from run_counts")
        late = sum(json.loads(text)["counts"]["stored"] for (text,) in cursor.fetchall())
    numbers = {number for number, _, _ in rows}
    lost = messages - len(numbers & set(range(messages)))
    say(
        f"PostgreSQL: {messages:,} sent, {len(rows):,} stored, {lost:,} lost, "
        f"{len(rows) - len(numbers):,} twice"
    )
    identities = {(source, position) for _, source, position in rows}
    sent, records = torture.in_topic()
    say(
        f"topic: {records:,} records, {len(sent):,} of them different, "
        f"{len(identities - sent):,} lost, {len(sent - identities):,} from nowhere"
    )
    counted = 0
    for ended, text in runs:
        counts = text if isinstance(text, dict) else json.loads(text or "{}")
        stored, repeated = counts.get("stored", 0), counts.get("repeated", 0)
        counted += stored
        say(f"  a run: {stored:,} stored, {repeated:,} repeated; {ended}")
    say(f"counts of {len(runs)} runs: {counted + late:,} stored, {late:,} of them to be added yet")
    return (lost, len(rows), sent, counted + late) == (0, messages, identities, messages)


def main() -> int:
    """Start all, do all, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    given = parser.parse_args()
    with (
        flink_server.cluster() as flink,
        kafka_server.server() as broker,
        postgresql_server.server(durable=True) as database,
    ):
        broker.make_topic(_FROM, _PARTITIONS)
        load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
        say(
            f"{given.messages:,} messages from Kafka into PostgreSQL and a topic, on two "
            f"TaskManagers of two slots; load of {os.cpu_count()} cores before: {load}"
        )
        torture = Torture(flink, broker, database, given.messages)
        try:
            return 0 if tortured(torture, given.messages) else 1
        finally:
            torture.close()


if __name__ == "__main__":
    sys.exit(main())
