"""On a real cluster of Flink: its machines come and go, and jobs do what they do on one machine."""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import closing

import orjson
import psycopg2
import pytest
from confluent_kafka import Producer
from pyarrow import parquet

from fixfeed.io.kafka.writer import KafkaWriter
from fixfeed.io.sql.open import open_store
from fixfeed.pipelines.fixfeed import main
from tests.io.kafka.destinations import PARTITIONS, destination, records
from tests.pipelines.jobs import FIXFEED, write_logs
from tests.services import s3_server
from tests.services.ports import free_port
from tests.transforms.fix.messages import encode


def slots(flink):
    return [one["slotsNumber"] for one in flink.ask("taskmanagers")["taskmanagers"]]


def test_a_cluster_has_its_slots_back_when_a_killed_task_manager_is_started_again(flink):
    assert slots(flink) == [2, 2]
    flink.kill_task_manager(1)
    flink.start_task_manager(1)
    assert slots(flink)[-2:] == [2, 2]  # until it is missed, the killed one is listed too


def test_prometheus_fetches_metrics_of_each_process_of_the_cluster(flink):
    for number, address in enumerate(flink.metrics):
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
            found = answer.read().decode()
        assert f"flink_{'taskmanager' if number else 'jobmanager'}_Status_JVM_CPU_Load" in found


# Jobs.


@pytest.fixture
def submitted(flink):
    """Return what submits a job by the command, in a process group of its own."""
    jobs = []

    def submit(*arguments, **options):
        job = subprocess.Popen(
            [*FIXFEED, *flink.options, "--json", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            **options,
        )
        jobs.append(job)
        return job

    yield submit
    for job in jobs:
        if job.poll() is None:
            os.killpg(job.pid, signal.SIGKILL)
            job.communicate()
    for one in flink.ask("jobs/overview")["jobs"]:
        if one["end-time"] == -1:  # of a test that has failed: the next one needs its slots
            flink.cancel(one["jid"])


def until(found, job, good=bool, seconds=300):
    """Wait until what `found` returns is `good`, while the job runs; return it.

    A busy machine takes its time, so it is given up when nothing has changed for so many seconds.
    """
    before, since = None, time.monotonic()
    while not good(seen := found()):
        assert job.poll() is None, (seen, job.communicate())
        if seen != before:
            before, since = seen, time.monotonic()
        if time.monotonic() - since > seconds:
            os.killpg(job.pid, signal.SIGKILL)
            raise AssertionError(f"{seen} for {seconds} s; the job: {job.communicate()}")
        time.sleep(0.1)
    return seen


def summary(job):
    """Return the exit code of a job and its summary."""
    out, err = job.communicate(timeout=300)
    assert out, err.decode()
    return job.returncode, json.loads(out)


def states(flink):
    """Return the jobs that have not ended: name, state, and parts by state."""
    return [
        (one["name"], one["state"], {key: number for key, number in one["tasks"].items() if number})
        for one in flink.ask("jobs/overview")["jobs"]
        if one["end-time"] == -1
    ]


def ready(port):
    """Return what a command says of its health."""
    try:
        return json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=20))
    except urllib.error.HTTPError as not_ready:
        return json.load(not_ready)


def one_column(connection, query):
    cursor = connection.cursor()
    cursor.execute(query)
    return [row[0] for row in cursor.fetchall()]


MESSAGES = "select message_id, msg_seq_num, raw, defects from messages order by message_id"
FAILURES = "select failure_id, reason, detail, raw from failures order by failure_id"


IDENTITIES = (
    "select name, message_id & 1099511627775 from messages join sources"
    " on sources.source_id = message_id >> 40"
)


def a_topic(kafka):
    """Return a destination on the broker, with its topics made, and its URI."""
    to = destination(kafka, kafka.topic(PARTITIONS))
    with closing(KafkaWriter(to)) as writer:
        writer.prepare()
    return to, f"kafka://{kafka.plain}/{to.topic}"


def identities(to):
    """Return the source and position of each message in a topic, sorted."""
    found = [orjson.loads(one.value()) for one in records(to)]
    return sorted((one["source"], one["position"]) for one in found)


def sent_whole(to):
    """Return how many messages the ledger of a topic says are sent."""
    facts = {one.key(): one.value() for one in records(to, to.progress, 1)}
    done = [orjson.loads(row) for key, row in facts.items() if key.startswith(b"done/")]
    return sum(stored for _rules, _start, _end, stored, *_ in done)


def lake(place):
    rows = parquet.read_table(f"{place}/messages")
    names = set(rows.column_names) - {"ingested_at"}
    return rows.sort_by("message_id").select(sorted(names))


def test_a_batch_job_stores_what_one_machine_does_though_a_worker_is_killed_in_a_commit(
    flink, submitted, kafka, postgresql, tmp_path, select
):
    (tmp_path / "logs").mkdir()
    logs = write_logs(tmp_path / "logs", files=8, chunks=1)
    here, there = f"sqlite:///{tmp_path}/here.db", postgresql
    local = ["--output", here, "--output", f"parquet:{tmp_path}/here"]
    assert main(["--input", logs, *local, "--json", "--quiet", "--workers", "1"]) == 0
    with closing(open_store(there)) as store:
        store.prepare()
    with closing(psycopg2.connect(there)) as lock:
        lock.cursor().execute("lock table messages in exclusive mode")
        to, topic = a_topic(kafka)
        outputs = [there, f"parquet:{tmp_path}/there", topic]
        job = submitted("--input", logs, *(f"--output={uri}" for uri in outputs))
        waiting = "select pid from pg_stat_activity where wait_event = 'relation'"
        with closing(psycopg2.connect(there)) as watch:
            watch.autocommit = True
            # Each slot that has something to read commits over a connection of its own.
            until(lambda: len(one_column(watch, waiting)) > 1, job)
            assert len(one_column(watch, waiting)) <= 4
            os.kill(flink.workers()[0], signal.SIGKILL)
            lock.rollback()
            code, found = summary(job)
    assert (code, found["ended"]) == (0, "done")
    for query in (MESSAGES, FAILURES):
        assert select(there, query) == select(here, query)
    assert lake(tmp_path / "there").equals(lake(tmp_path / "here"))
    assert sorted(set(identities(to))) == sorted(select(there, IDENTITIES))
    stored = len(select(there, MESSAGES))
    for counts in found["sinks"].values():
        assert (counts["stored"], counts["repeated"], counts["filtered"]) == (stored, 0, 0)
        assert counts["read"] == stored + sum(counts["failed"].values())
    assert select(there, "select count(*) from run_counts") == [(0,)]
    assert select(there, "select counts ->> 'stored', ended from runs") == [(str(stored), "done")]


def test_logs_and_lake_are_in_a_bucket_though_a_worker_is_killed_in_a_commit(
    flink, submitted, s3, tmp_path
):
    (tmp_path / "logs").mkdir()
    write_logs(tmp_path / "logs", files=4, chunks=1)
    for name in ("logs", "lakes"):
        s3.create_bucket(Bucket=name)
    for path in (tmp_path / "logs").iterdir():
        s3.upload_file(str(path), "logs", f"day/{path.name}")
    arguments = ["--input", "s3://logs/day/*.log", "--output"]
    here = f"parquet:{tmp_path}/here"
    assert main([*arguments, here, "--json", "--quiet", "--workers", "1"]) == 0
    job = submitted(*arguments, "parquet:s3://lakes/fix/")

    def in_a_commit():
        """Return workers that live once there is a commit, or files of one to come."""
        keys = [one["Key"] for one in s3.list_objects_v2(Bucket="lakes").get("Contents", [])]
        made = ("/inprogress/", "/commits/", "/messages/")
        return flink.workers() if any(part in key for key in keys for part in made) else []

    os.kill(until(in_a_commit, job)[0], signal.SIGKILL)
    code, found = summary(job)
    assert (code, found["ended"]) == (0, "done")
    s3_server.fetch(s3, "lakes", "fix/", tmp_path / "there")
    assert lake(tmp_path / "there").equals(lake(tmp_path / "here"))
    (counts,) = found["sinks"].values()
    stored = lake(tmp_path / "there").num_rows
    assert (counts["stored"], counts["repeated"]) == (stored, 0)
    assert counts["read"] == stored + sum(counts["failed"].values())


def sent(kafka, topic, numbers):
    """Send an order for each number, by turns to four partitions."""
    producer = Producer({"bootstrap.servers": kafka.plain})
    for number in numbers:
        producer.produce(topic, order(number), partition=number % 4)
    producer.flush()


def order(number):
    return encode([(35, b"D"), (34, b"%d" % number), (49, b"A"), (56, b"B"), (11, b"%d" % number)])


def test_a_stream_stores_each_record_once_over_kills_a_signal_and_another_parallelism(
    flink, submitted, kafka, postgresql, select, tmp_path
):
    topic = kafka.topic(4)
    to, uri = a_topic(kafka)
    job_of = ["--input", f"kafka://{kafka.plain}/{topic}", "--output", postgresql, "--output", uri]
    with closing(open_store(postgresql)) as store:
        store.prepare()
    sent(kafka, topic, range(1000))
    with closing(psycopg2.connect(postgresql)) as watch:
        watch.autocommit = True

        def there():
            """Return how many rows, different ones, and records by the ledger there are.

            How the job is in the cluster comes with it.
            """
            rows = one_column(watch, "select msg_seq_num from messages")
            return (len(rows), len(set(rows)), sent_whole(to)), states(flink)

        def until_all(number):
            """Wait until each output has so many messages; it never has more of them."""

            def good(found):
                assert max(found[0]) <= number, found
                return found[0] == (number,) * 3

            until(there, job, good)

        job = submitted(
            *job_of, "--checkpointing_interval=2000", env=os.environ | {"TMPDIR": tmp_path}
        )
        until_all(1000)
        sent(kafka, topic, range(1000, 1500))
        for worker in flink.workers():
            os.kill(worker, signal.SIGKILL)
        sent(kafka, topic, range(1500, 2000))
        until_all(2000)
        os.killpg(job.pid, signal.SIGINT)  # as Ctrl-C in a terminal
        code, first = summary(job)
        assert code == 0
        name = select(postgresql, "select configuration -> 'cluster' ->> 'job' from runs")[0][0]
        ended = {one["name"]: one["state"] for one in flink.ask("jobs/overview")["jobs"]}
        assert ended[name] == "CANCELED"
        assert list(tmp_path.iterdir()) == []
        sent(kafka, topic, range(2000, 2500))
        # Checkpoints alone end its bundles, those of the steps before its readers, too.
        by_checkpoints = ["--checkpointing_interval=1000", "--max_bundle_time_mills=600000"]
        port = free_port()
        job = submitted(*job_of, "--parallelism=1", *by_checkpoints, f"--health-port={port}")
        until_all(2500)
        frozen = flink.workers()
        for worker in frozen:
            os.kill(worker, signal.SIGSTOP)
        sent(kafka, topic, range(2500, 2507))
        until(lambda: ready(port)["behind"], job, lambda behind: behind == "7 records behind")
        for worker in frozen:
            os.kill(worker, signal.SIGCONT)
        until_all(2507)
        os.kill(job.pid, signal.SIGTERM)
        code, second = summary(job)
    assert code == 0
    for found, new in ((first, 2000), (second, 507)):
        counts = [(one["read"], one["stored"], one["repeated"]) for one in found["sinks"].values()]
        assert counts == [(new, new, 0)] * 2
    assert sorted(set(identities(to))) == sorted(select(postgresql, IDENTITIES))
    assert len(set(identities(to))) == 2507
