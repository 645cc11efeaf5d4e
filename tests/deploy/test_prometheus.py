"""A real Prometheus scrapes jobs whose processes are killed, and its numbers are the database's."""

import json
import os
import random
import signal
import socket
import sqlite3
from contextlib import closing

import psycopg2
import pytest

from tests.deploy.jobs import METRICS, stream, url_of
from tests.pipelines.jobs import children
from tests.pipelines.peers import Process
from tests.pipelines.test_follow import wait_until
from tests.services.prometheus_server import RULES, prometheus, promtool
from tests.transforms.fix.messages import random_log

GRAFANA = RULES.parent / "grafana"


@pytest.fixture(scope="module")
def watching():
    with prometheus() as running:
        yield running


@pytest.fixture(scope="module")
def running(watching, tmp_path_factory):
    """A stream that Prometheus scrapes, and the file of its database."""
    folder = tmp_path_factory.mktemp("stream")
    with stream(folder, f"sqlite:///{folder}/fixfeed.db", watching) as job:
        yield job, folder / "fixfeed.db"


def counts(cursor):
    """Return what a database has: messages, and how many of them by defect, failures by reason."""
    cursor.execute("select count(*) from messages")
    ((messages,),) = cursor.fetchall()
    cursor.execute("select defects from messages where defects is not null")
    kinds = [kind for (kinds,) in cursor.fetchall() for kind in kinds.split(",")]
    cursor.execute("select reason, count(*) from failures group by reason")
    failures = {(reason,): float(count) for reason, count in cursor.fetchall()}
    return float(messages), {(kind,): float(kinds.count(kind)) for kind in kinds}, failures


def scraped(watching, instance):
    """Return the same as Prometheus has it, also of a job that has ended."""

    def found(metric, by):
        last = f'last_over_time(fixfeed_{metric}_total{{instance="{instance}"}}[10m])'
        return watching.query(f"sum by ({by}) ({last} > 0)")

    (messages,) = found("messages_stored", "instance").values()
    return messages, found("defects", "kind"), found("failures", "reason")


def test_rules_and_alerts_are_right_and_fire_where_they_should():
    assert "SUCCESS" in promtool("check", "config", RULES / "prometheus.yml")
    assert "SUCCESS" in promtool("test", "rules", RULES / "tests.yml")


def test_the_numbers_of_a_stream_whose_gateway_was_killed_are_those_of_its_database(
    watching, running
):
    _, file = running
    watching.until('fixfeed_messages_read_total{instance="stream"} == 119')
    with closing(sqlite3.connect(file)) as connection:
        assert scraped(watching, "stream") == counts(connection.cursor())
    assert watching.query('sum(fixfeed_gateway_accepted_connections_total{instance="stream"})') == {
        (): 3.0
    }


def test_connections_of_a_gateway_that_was_killed_are_not_open_any_more(watching, running):
    job, _ = running
    (gateway,) = children(job.process.pid)
    with socket.create_connection(("127.0.0.1", job.port())):
        watching.until('sum(fixfeed_gateway_connections{instance="stream"}) == 1')
        before = len(job.ports)
        os.kill(gateway, signal.SIGKILL)
        wait_until(lambda: len(job.ports) > before)
        watching.until('sum(fixfeed_gateway_connections{instance="stream"}) == 0')


def test_sessions_have_the_time_of_their_newest_message(watching, running):
    now = watching.query("time() - fixfeed_session_last_received_timestamp_seconds > -5")
    assert set(now) == {(f"FIX.4.4:{one}->US",) for one in "ABC"}
    assert all(seconds < 300 for seconds in now.values())


def test_gaps_are_those_that_the_sessions_have(watching, running):
    watching.until("fixfeed_sequence_gaps")
    expected = {(f"FIX.4.4:{one}->US",): float(one == "B") for one in "ABC"}
    assert watching.query("fixfeed_sequence_gaps") == expected
    assert watching.query("fixfeed_missing_sequence_numbers > 0") == {("FIX.4.4:B->US",): 2.0}


def test_every_query_of_every_panel_has_an_answer(watching, running):
    """Series that are counted since the job was killed at last have two values by then."""
    queries = [
        target["expr"]
        for file in GRAFANA.glob("*.json")
        for panel in json.loads(file.read_text())["panels"]
        for target in panel.get("targets", [])
    ]
    assert len(queries) > 30
    for query in queries:
        named = query.replace("$instance", ".*").replace("$__rate_interval", "10s")
        assert "$" not in named
        watching.until(named, seconds=20)


def test_every_rule_has_been_recorded(watching, running):
    groups = watching.asked("rules", type="record")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) == 5
    assert all(rule["health"] == "ok" and watching.until(rule["name"]) for rule in rules)


def test_the_numbers_of_a_run_whose_worker_was_killed_are_those_of_its_database(
    watching, postgresql, tmp_path
):
    # A commit takes 10 MB, so there are some of them.
    numbers = random.Random(1)
    log = random_log(numbers, 300, mutated=0.1, delimiter=b"|")
    for number in range(2):
        long = b"8=FIX.4.4|9=5|35=B|58=%s|10=000|\n" % numbers.randbytes(2000).hex().encode()
        (tmp_path / f"{number}.log").write_bytes(log + long * 3000 + log)
    words = ["--input", f"{tmp_path}/*.log", "--output", postgresql, "--quiet", "--json"]
    words += ["--workers", "2", "--no-derive", *METRICS, "--metrics-wait", "1m"]
    with (
        closing(psycopg2.connect(postgresql)) as holder,
        closing(psycopg2.connect(postgresql)) as other,
    ):
        other.autocommit = True
        look = other.cursor()

        def asked(query):
            look.execute(query)
            return look.fetchone()[0]

        job = Process(*words)
        watching.scrape("killed", url_of(job))
        wait_until(lambda: asked("select to_regclass('messages')"))
        wait_until(lambda: asked("select count(*) from messages") or job.process.poll())
        # Who waits for the lock has counted what it has committed.
        holder.cursor().execute("lock table messages in exclusive mode")
        waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
        wait_until(lambda: asked(waiting) == 2 or job.process.poll())
        workers = children(job.process.pid)
        assert len(workers) == 2, job.lines
        os.kill(workers[0], signal.SIGKILL)
        assert job.process.wait(60) == 1
        found = counts(look)
        assert found[0] > 0
        watching.until('last_over_time(fixfeed_worker_processes{instance="killed"}[10m]) == 0')
        assert scraped(watching, "killed") == found
        holder.rollback()
        again = Process(*words, "--workers", "1")
        watching.scrape("again", url_of(again))
        assert again.process.wait(120) == 0, again.lines
        whole = counts(look)
    rest = scraped(watching, "again")
    assert found[0] + rest[0] == whole[0]
    assert all(found[2].get(one, 0) + rest[2].get(one, 0) == whole[2][one] for one in whole[2])
