"""The whole job with Kafka as output: every message, whatever is killed."""

import random
import re
import subprocess
import time
import uuid
from contextlib import closing

import orjson
import pytest

from fixfeed.io.commit import Run
from fixfeed.io.kafka.failures import read_failures
from fixfeed.io.ledger.ledger import SinkError, SinkFailed
from fixfeed.pipelines.sinks import sink_of
from fixfeed.pipelines.uris import UnknownPlace
from tests.io.kafka.destinations import destination, lines
from tests.pipelines.jobs import FIXFEED
from tests.pipelines.kafka_output_kills import broker_killer, job_killer, killed
from tests.pipelines.test_follow import wait_until
from tests.pipelines.test_health import Job, asked
from tests.services.kafka_server import PASSWORD, USER
from tests.transforms.fix.messages import random_log

LOG = random_log(random.Random(7), 300, mutated=0.1, delimiter=b"|")
CLEAN_LINES = random_log(random.Random(9), 300, mutated=0, delimiter=b"|").splitlines(keepends=True)
CLEAN = random_log(random.Random(8), 300, mutated=0, delimiter=b"|")


@pytest.fixture
def topic():
    return f"test-{uuid.uuid4().hex[:12]}"


def fixfeed(*arguments, cwd):
    """Run the job; return its summary."""
    command = [*FIXFEED, "--json", "--quiet", *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return orjson.loads(done.stdout)


def test_topics_get_what_files_of_json_lines_get_by_rules_and_once(kafka, topic, tmp_path):
    (tmp_path / "day.log").write_bytes(LOG)
    (tmp_path / "rules").write_text(
        f"# executions have their own\nMsgType = 8 -> {topic}.8\n\nMsgType in D,F -> none\n"
    )
    to = destination(kafka, topic)
    uri = f"{to.place}?create=true&partitions=3"
    job = ("--input", "day.log", "--output", "jsonl:out.jsonl")
    summary = fixfeed(*job, "--output", uri, cwd=tmp_path)
    whole = (tmp_path / "out.jsonl").read_bytes().splitlines(keepends=True)
    failed = (tmp_path / "out.failures.jsonl").read_bytes().splitlines(keepends=True)
    assert lines(to) == sorted(whole)
    assert lines(to, to.failures) == sorted(failed)
    assert summary["sinks"][to.place] == summary["sinks"]["jsonl:out.jsonl"]
    assert len(list(read_failures(to))) == len(failed) > 0
    for failures_of, told in (
        (
            f"{to.place}.failures",
            f"there is no topic {topic}.failures.failures; name the topic of messages: {to.place}",
        ),
        (f"{to.place}?failures=f", "there is no topic f; if the run had failures=NAME, give it"),
        (f"{to.place}x", f"there is no topic {topic}x; did you mean"),
    ):
        with pytest.raises(SinkError, match=re.escape(told)):
            list(sink_of(failures_of).failures())

    (tmp_path / "clean.log").write_bytes(CLEAN)
    by_rules = destination(kafka, f"{topic}.rest")
    uri = f"{by_rules.place}?create=true&partitions=3&topics=rules&failures={to.failures}"
    summary = fixfeed("--input", "clean.log", "--output", uri, cwd=tmp_path)
    counts = summary["sinks"][by_rules.place]
    kinds = {
        one: [orjson.loads(line)["message"]["Header"]["MsgType"] for line in lines(to, one)]
        for one in (by_rules.topic, f"{topic}.8")
    }
    assert set(kinds[f"{topic}.8"]) == {"8"}
    assert "8" not in kinds[by_rules.topic]
    assert counts["filtered"] > 0
    assert counts["stored"] == sum(map(len, kinds.values()))
    assert counts["stored"] + counts["filtered"] == 300

    again = fixfeed("--input", "clean.log", "--output", uri, cwd=tmp_path)
    assert again["finished"] == ["clean.log"]
    assert sum(len(lines(to, one)) for one in kinds) == counts["stored"]


_OF_THE_WAY = ("message_id", "source_id", "captured_at", "ingested_at", "prefix", "direction")
"""Columns that tell where a message came from, and when."""


def test_files_through_kafka_into_a_database_are_what_files_into_it_are(
    kafka, topic, tmp_path, select
):
    (tmp_path / "day.log").write_bytes(CLEAN)
    to = destination(kafka, topic)
    made = f"{to.place}?create=true&partitions=3&format=raw"
    outputs = ("--output", "sqlite:///direct.db", "--output", made)
    fixfeed("--input", "day.log", *outputs, cwd=tmp_path)
    job = ("--input", f"{to.place}?from=earliest", "--for", "5s")
    fixfeed(*job, "--output", "sqlite:///through.db", cwd=tmp_path)
    direct, through = f"sqlite:///{tmp_path}/direct.db", f"sqlite:///{tmp_path}/through.db"
    names = [name for (name,) in select(direct, "select name from pragma_table_info('messages')")]
    kept = ", ".join(name for name in names if name not in _OF_THE_WAY)
    one, other = (
        sorted(select(uri, f"select {kept} from messages"), key=repr) for uri in (direct, through)
    )
    assert len(one) == 300
    assert other == one


@pytest.mark.parametrize("transactions", [False, True])
def test_a_killed_job_loses_nothing_and_sends_nothing_twice_with_transactions(
    kafka, tmp_path, transactions
):
    found = killed(kafka, tmp_path, job_killer(3), kills=1, transactions=transactions)
    assert found.stored == found.distinct == found.written > 0
    assert not transactions or found.sent == found.written


def test_a_stream_whose_commits_fail_while_the_broker_is_away_says_so_and_tries_again(
    kafka, tmp_path
):
    killer, soon = broker_killer(kafka, 4), "&delivery.timeout.ms=1500"
    found = killed(kafka, tmp_path, killer, kills=1, transactions=False, properties=soon)
    assert found.stored == found.distinct == found.written > 0
    told = (tmp_path / "errors").read_text()
    assert f"cannot write to kafka://{kafka.plain}/" in told
    assert "meanwhile it is tried again and again, and nothing is lost" in told
    assert "it goes on: what had failed has worked" in told


def test_a_stream_tells_that_its_output_is_away_and_stops_at_once_and_nothing_is_lost(
    kafka, topic, tmp_path
):
    (tmp_path / "a.log").write_bytes(b"".join(CLEAN_LINES[:100]))
    to = destination(kafka, topic)
    uri = f"{to.place}?create=true&transactions=true&partitions=3"
    words = [f"follow:{tmp_path}/a.log", uri, "--health-port", "127.0.0.1:0"]
    job = Job(*words)
    try:
        address = job.address()
        wait_until(lambda: asked(address)[1]["last_commit"][to.place])
        kafka.pause()
        with open(tmp_path / "a.log", "ab") as log:
            log.writelines(CLEAN_LINES[100:])
        wait_until(lambda: asked(address)[1]["away"])
        status, found = asked(address)
        assert (status, found["ready"]) == (503, False)
        assert found["why"][0].startswith(f"cannot write to {to.place}: ")
        code, summary = job.end()
    finally:
        job.process.kill()
        kafka.go_on()
    # 6: the output could not be written; a job that is ended by force has 5.
    assert (code, summary["exit_code"]) == (6, 6)
    job = Job(*words)
    address = job.address()
    wait_until(lambda: asked(address)[1]["last_commit"][to.place])
    assert job.end()[0] == 0
    found = [orjson.loads(line) for line in lines(to)]
    assert len(found) == len({(one["source"], one["position"]) for one in found}) == 300


def prepared(uri):
    with closing(sink_of(uri).ledger()) as ledger:
        ledger.prepare()


@pytest.mark.parametrize(
    ("properties", "told"),
    [
        ("sasl.password=wrong-one", "does not accept user bob with this password"),
        ("sasl.password={password}&ssl.ca.location={other}", "the broker is not trusted"),
        ("sasl.password={password}", "user bob may not write the topic {topic}"),
    ],
)
def test_what_keeps_a_job_from_writing_is_told_within_ten_seconds(kafka, topic, properties, told):
    kafka.make_topic(topic)
    kafka.make_topic(f"{topic}.failures")
    kafka.make_topic(f"{topic}.progress", cleanup_policy="compact")
    kafka.allow(topic, USER, "DESCRIBE")
    usual = "&".join(f"{word}={value}" for word, value in kafka.by_password.items())
    given = properties.format(password=PASSWORD, other=kafka.other_ca)
    if "ca.location" in given:
        usual = usual.replace(f"ssl.ca.location={kafka.ca}&", "")
    begin = time.monotonic()
    with pytest.raises(SinkError) as error:
        prepared(f"kafka://{kafka.sasl}/{topic}?{usual}&{given}")
    assert time.monotonic() - begin < 20
    assert told.format(topic=topic) in str(error.value)
    assert "wrong-one" not in str(error.value)
    assert PASSWORD not in str(error.value)


def test_a_ledger_that_may_not_be_read_is_told_with_the_right_that_is_missing(kafka, topic):
    kafka.make_topic(topic)
    kafka.make_topic(f"{topic}.failures")
    kafka.make_topic(f"{topic}.progress", cleanup_policy="compact")
    kafka.allow(f"{topic}.progress", USER, "WRITE")
    usual = "&".join(f"{word}={value}" for word, value in kafka.by_password.items())
    told = f"user bob may not read the topic {topic}.progress; have the right READ granted on it"
    with pytest.raises(SinkError, match=told) as error:
        prepared(f"kafka://{kafka.sasl}/{topic}?{usual}&sasl.password={PASSWORD}")
    assert not isinstance(error.value, SinkFailed)  # waiting does not mend it


def test_a_broker_that_is_not_there_is_told_within_ten_seconds():
    begin = time.monotonic()
    with pytest.raises(SinkFailed, match="nobody listens there"):
        prepared("kafka://127.0.0.1:9/fix")
    assert time.monotonic() - begin < 20


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("kafka://h/fix?key=clordid", r"kafka://h/fix: key is 'clordid'.*did you mean cl_ord_id\?"),
        ("kafka://h/fix?key=ClOrdID", r"key is 'ClOrdID'.*did you mean cl_ord_id\?"),
        ("kafka://h/fix?format=avro", "format is 'avro', expected json or raw"),
        ("kafka://h/fix,other", "an output has one topic"),
        ("kafka://h/fix?partitions=3", "add create=true"),
        ("kafka://h/fix?failures=a+b", "no name of a topic"),
        ("kafka://h/fix?failures=fix.progress", "the topic fix.progress has the name of a ledger"),
        ("kafka://h/other.progress", "the topic other.progress has the name of a ledger"),
        ("kafka://h/fix?failures=fix", "messages and failures would both go to fix"),
        ("kafka://h/a/b?create=true", "'a/b' is no name of a topic"),
        ("kafka://h/fix?create=perhaps", "create is 'perhaps', expected true or false"),
        ("kafka://h/fix?acks=1", "kafka has no parameter 'acks'"),
        ("kafka://h/fix?enable.idempotence=false", "fixfeed sets enable.idempotence itself"),
        ("kafka://h/fix?topics=missing", "topics missing: No such file or directory"),
        ("kafka://h/fix?topics={rules}.16", r"rules\.16 is no text in UTF-8; save it as such"),
        ("kafka://h/fix?topics={rules}", r"(?s)rules, line 2: .*`Symbl`.*nearest is Symbol"),
    ],
)
def test_a_uri_that_cannot_be_understood_says_what_was_meant(tmp_path, uri, told):
    rules = tmp_path / "rules"
    text = "MsgType = 8 -> fix.8\nSymbl = A -> fix.a\n"
    rules.write_text(text, "utf-8-sig")  # as some editors do
    (tmp_path / "rules.16").write_text(text, "utf-16")
    with pytest.raises(UnknownPlace, match=told):
        sink_of(uri.format(rules=rules))


def test_no_password_is_shown_anywhere(kafka, topic, tmp_path):
    (tmp_path / "day.log").write_bytes(CLEAN)
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    usual = "&".join(f"{word}={value}" for word, value in kafka.by_password.items())
    uri = f"kafka://{kafka.sasl}/{topic}?create=true&{usual}&sasl.password={PASSWORD}"
    job = ("--input", "day.log", "--output", "sqlite:///fixfeed.db", "--output", uri)
    summary = fixfeed(*job, cwd=tmp_path)
    assert summary["sinks"][f"kafka://{kafka.sasl}/{topic}"]["stored"] == 300
    assert PASSWORD not in str(summary)
    assert PASSWORD.encode() not in (tmp_path / "fixfeed.db").read_bytes()
    for mistyped, advice in (
        (uri.replace("create=true", "kye=1"), "did you mean key"),
        (f"{uri}&kye=1", "write & as %26"),
    ):
        with pytest.raises(UnknownPlace, match=advice) as told:
            sink_of(mistyped)
        assert PASSWORD not in str(told.value)
    write = sink_of(uri).write(Run())
    assert PASSWORD not in f"{write.display_data()} {write._destination!r}"
