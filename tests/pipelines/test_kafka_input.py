"""The job with Kafka as input: each message once, whatever is killed; errors in a sentence."""

import json
import os
import signal
import subprocess
import time

import pytest
from confluent_kafka import Producer, TopicPartition

from fixfeed.io.kafka.address import read_uri
from fixfeed.pipelines.fixfeed import main
from fixfeed.pipelines.option import UsageError
from fixfeed.pipelines.options import read_settings
from tests.pipelines.jobs import FIXFEED
from tests.pipelines.kafka_input_kills import killed
from tests.pipelines.test_follow import wait_until
from tests.pipelines.test_health import Job, asked
from tests.services.kafka_server import PASSWORD
from tests.transforms.fix.messages import encode


def message(number):
    return encode([(35, b"D"), (34, b"%d" % number), (11, b"a"), (554, b"hunter2")])


def send(broker, topic, *values):
    producer = Producer({"bootstrap.servers": broker.plain})
    for value in values:
        producer.produce(topic, value, key=b"k")
    assert producer.flush(20) == 0


def fixfeed(*words, cwd, **environment):
    return subprocess.run(
        [*FIXFEED, "--quiet", *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        env=os.environ | environment,
    )


def test_killed_at_any_moment_a_job_goes_on_and_each_message_is_stored_once(
    kafka, postgresql, tmp_path
):
    found = killed(kafka, [f"sqlite:///{tmp_path}/a.db", postgresql], tmp_path, kills=2)
    assert found.sent > 0
    assert found.cut > 0
    assert found.stored == found.distinct == (found.sent, found.sent)
    assert found.failures == (found.cut, found.cut)
    assert found.lag == 0


def test_a_job_waits_for_its_brokers_tells_so_and_stops_at_once_meanwhile(kafka, tmp_path):
    topic = kafka.topic()
    send(kafka, topic, message(1))
    kafka.stop()
    place = f"kafka://{kafka.plain}/{topic}"
    job = Job(place, f"sqlite:///{tmp_path}/a.db", "--health-port", "127.0.0.1:0")
    try:
        address = job.address()
        wait_until(lambda: asked(address)[1]["away"])
        status, found = asked(address)
        (away,) = found["away"]
        assert (status, found["ready"]) == (503, False)
        assert away["error"].startswith(f"{place}: nobody listens there")
        kafka.start()
        wait_until(lambda: asked(address)[0] == 200)
        wait_until(lambda: asked(address)[1]["last_commit"][f"sqlite:///{tmp_path}/a.db"])
        kafka.stop(signal.SIGKILL)
        wait_until(lambda: asked(address)[1]["away"])
        (away,) = asked(address)[1]["away"]
        assert away["error"] == f"{place}: no broker answers; it goes on once one does"
        begin = time.monotonic()
        code, summary = job.end()
        assert time.monotonic() - begin < 8
    finally:
        job.process.kill()
        kafka.start()
    assert (code, summary["ended"], summary["exit_code"]) == (0, "done", 0)
    assert [one["stored"] for one in summary["sinks"].values()] == [1]
    assert [
        line.split(": ", 1)[1] for line in job.said.splitlines()[1:] if "stopping" not in line
    ] == [
        f"note: {place}: nobody listens there: check host and port, and that the broker runs; it "
        "goes on once one does",
        "note: brokers answer again, and it goes on",
        f"note: {place}: no broker answers; it goes on once one does",
    ]


def test_a_secure_broker_is_used_by_the_options_alone_and_no_password_is_stored(
    kafka, tmp_path, select
):
    topic, other = kafka.topic(), kafka.topic()
    sent = [message(1), encode([(35, b"0"), (34, b"2")]), message(3)]
    send(kafka, topic, *sent)
    properties = [f"{name}={value}" for name, value in kafka.by_password.items()]
    properties += ["sasl.password=${env:KAFKA_PASSWORD}", "isolation.level=read_uncommitted"]
    (tmp_path / "fixfeed.yaml").write_text(
        f"input: kafka://{kafka.sasl}/{topic}\n"
        f"output: ['sqlite:///a.db', 'kafka://{kafka.sasl}/{other}?create=true']\n"
        "kafka-property:\n"
        + "".join(f"  - {text}\n" for text in properties)
        + f"kafka-topic:\n  - MsgType in 0,1 -> none\n  - MsgSeqNum = 3 -> {other}.3\n"
    )
    kafka.make_topic(f"{other}.3")
    job = subprocess.Popen(
        [*FIXFEED, "--config", "fixfeed.yaml", "--json", "--quiet"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        env=os.environ | {"KAFKA_PASSWORD": PASSWORD},
    )
    wait_until(lambda: kafka.ends(f"{other}.3") == [1] or job.poll() is not None)
    job.send_signal(signal.SIGTERM)
    counts = json.loads(job.communicate()[0])["sinks"].values()
    assert job.returncode == 0
    assert [(one["read"], one["stored"], one["filtered"]) for one in counts] == [
        (3, 3, 0),
        (3, 2, 1),
    ]
    assert {one["bytes"] for one in counts} == {sum(map(len, sent))}
    assert PASSWORD.encode() not in (tmp_path / "a.db").read_bytes()
    rows = select(f"sqlite:///{tmp_path}/a.db", "select prefix, raw from messages")
    assert [prefix for prefix, _ in rows] == ['{"key":"k"}'] * 3
    assert all(b"hunter2" not in raw for _, raw in rows)
    ((stored,),) = select(f"sqlite:///{tmp_path}/a.db", "select configuration from runs")
    shown = json.loads(stored)["kafka_property"]
    assert shown == [*properties[:-2], "sasl.password=***", properties[-1]]


def test_properties_in_the_file_of_options_are_words_or_a_list(tmp_path):
    expected = ("security.protocol=SSL", "enable.ssl.certificate.verification=false", "linger.ms=5")
    file = tmp_path / "fixfeed.yaml"
    for text in (
        "{security.protocol: SSL, enable.ssl.certificate.verification: false, linger.ms: 5}",
        f"[{', '.join(expected)}]",
    ):
        file.write_text(f"kafka-property: {text}\n")
        assert read_settings(["--config", str(file)], {}).kafka_property == expected
    file.write_text("kafka-property: {a.b: [1]}\n")
    with pytest.raises(UsageError, match=r"line 1: kafka-property, a\.b has a list or words"):
        read_settings(["--config", str(file)], {})


def test_a_file_of_properties_counts_more_than_the_options_and_the_uri_still_more(tmp_path):
    (tmp_path / "conf").write_text("client.id=of-file\nlinger.ms=7\n")
    for_all = ["client.id=of-all", "linger.ms=5", "socket.timeout.ms=9000"]
    uri = f"kafka://a/t?properties={tmp_path}/conf&client.id=of-uri"
    found = read_uri(uri, own=(), ours={}, properties=for_all).client
    assert found == {
        "bootstrap.servers": "a",
        "client.id": "of-uri",
        "linger.ms": "7",
        "socket.timeout.ms": "9000",
    }


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--kafka-property", "hunter2"], "number 1 of kafka-property is no NAME=VALUE"),
        (["--kafka-property", "sasl.password:hun=ter2"], "number 1 of kafka-property is no NAME"),
        (["--kafka-property", "a.b=1", "--kafka-property", "a.b=hunter2"], "has a.b twice"),
        (["--kafka-property", "group.id=x"], "fixfeed sets group.id itself; write group=NAME"),
        (["--kafka-property", "sasl.pasword=hunter2"], "did you mean sasl.password?"),
        (
            ["--kafka-topic", "Symbl = A -> x", "--output", "kafka://b/t"],
            "kafka-topic, line 1: cannot read the rule",
        ),
        (
            ["--kafka-topic", "Symbol = A -> t.progress", "--output", "kafka://b/t"],
            "the topic t.progress has the name of a ledger",
        ),
        (
            ["--kafka-topic", "Symbol = A -> x", "--output", "kafka://b/t?topics=file"],
            "topics=FILE contradicts kafka-topic",
        ),
        (["--kafka-topc", "x"], "did you mean --kafka-topic?"),
    ],
)
def test_wrong_options_for_kafka_are_answered_and_show_no_value(words, told, tmp_path, capsys):
    output = [] if "--output" in words else ["--output", f"sqlite:///{tmp_path}/a.db"]
    assert main(["--input", "kafka://127.0.0.1:9/fix", *output, *words]) == 2
    errors = capsys.readouterr().err
    assert told in errors
    assert "hunter2" not in errors


def test_two_names_of_one_cluster_do_not_hide_a_loop(kafka, tmp_path):
    topic = kafka.topic()
    port = kafka.plain.rpartition(":")[2]
    write = f"kafka://localhost:{port}/{topic}?create=true"
    done = fixfeed(
        "--input", f"kafka://{kafka.plain}/{topic}", "--output", write, "--for", "20s", cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (
        2,
        f"fixfeed: the job would read what it writes: kafka://{kafka.plain}/{topic} reads the "
        f"topic {topic}, to which an output writes; name another topic there, or fewer here\n",
    )
    assert kafka.ends(topic) == [0]


def test_a_wrong_password_and_a_topic_that_is_not_there_end_it_with_a_sentence(kafka, tmp_path):
    topic = kafka.topic()
    words = "&".join(f"{name}={value}" for name, value in kafka.by_password.items())
    uri = f"kafka://{kafka.sasl}/{topic}?{words}&sasl.password=hunter2"
    done = fixfeed("--input", uri, cwd=tmp_path)
    place = f"kafka://{kafka.sasl}/{topic}"
    assert (done.returncode, done.stderr) == (
        2,
        f"fixfeed: {place}: the broker does not accept user bob with this password: check "
        "sasl.username, sasl.password and sasl.mechanism\n",
    )
    done = fixfeed("--input", f"kafka://{kafka.plain}/{topic}x", "--dry-run", cwd=tmp_path)
    assert done.returncode == 3
    assert f"there is no topic {topic}x; did you mean {topic}?" in done.stdout


def test_standard_output_gets_what_the_group_has_not_committed(kafka, tmp_path):
    topic = kafka.topic()
    send(kafka, topic, message(1), message(2))
    words = ("--input", f"kafka://{kafka.plain}/{topic}", "--output", "jsonl:-", "--for", "4s")
    first = fixfeed(*words, cwd=tmp_path)
    send(kafka, topic, message(3))
    second = fixfeed(*words, cwd=tmp_path)
    numbers = [
        [json.loads(line)["message"]["Header"]["MsgSeqNum"] for line in one.stdout.splitlines()]
        for one in (first, second)
    ]
    assert numbers == [["1", "2"], ["3"]]
    assert "reading begins where group fixfeed has committed" in first.stderr


@pytest.mark.parametrize(
    ("source", "output", "topic"),
    [
        ("kafka://a:9092/fix.raw", "kafka://a/fix.raw", "fix.raw"),
        ("kafka://b,a/x,fix.out.failures", "kafka://a:9092/fix.out", "fix.out.failures"),
        (r"kafka://a/^fix\..*", "kafka://a/fix.messages?format=raw", "fix.messages"),
    ],
)
def test_a_job_that_would_read_what_it_writes_is_refused(source, output, topic, capsys):
    assert main(["--input", source, "--output", output]) == 2
    assert f"reads the topic {topic}, to which an output writes" in capsys.readouterr().err


def test_a_time_that_is_yet_to_come_is_refused_as_all_would_count_as_done(capsys):
    assert main(["--input", "kafka://a/t?from=2999-01-01", "--output", "jsonl:-"]) == 2
    assert "from is '2999-01-01', which is yet to come" in capsys.readouterr().err


def test_a_dry_run_tells_of_a_topic_that_is_not_there(kafka, tmp_path, capsys):
    uri = f"kafka://{kafka.plain}/{kafka.topic()}x"
    words = ["--input", uri, "--output", f"sqlite:///{tmp_path}/a.db", "--dry-run", "--json"]
    assert main(words) == 3
    (told,) = json.loads(capsys.readouterr().out)["unreadable"]
    assert told.startswith(f"{uri}: there is no topic ")


def told_by_a_dry_run(capsys, *words):
    code = main([*words, "--dry-run", "--json"])
    out, err = capsys.readouterr()
    assert err == ""
    return code, json.loads(out)


def test_a_dry_run_tells_what_is_in_topics_what_sinks_have_and_where_reading_begins(
    kafka, tmp_path, capsys
):
    topic = kafka.topic()
    send(kafka, topic, message(1), message(2))
    uri = f"kafka://{kafka.plain}/{topic},^{topic}-more.*"
    old, new = (f"sqlite:///{tmp_path}/{name}.db" for name in ("old", "new"))
    assert fixfeed("--input", uri, "--output", old, "--for", "4s", cwd=tmp_path).returncode == 0
    send(kafka, topic, message(3))
    outputs = ("--output", old, "--output", new)

    code, found = told_by_a_dry_run(capsys, "--input", uri, "--output", old)
    partition = {"topic": topic, "partition": 0, "first_offset": 0, "end_offset": 3}
    has_two = {old: {"offsets": 2, "deleted": 0}}
    assert (code, found["partitions"]) == (0, [partition | {"begins_at": 2, "sinks": has_two}])
    assert found["warnings"] == [
        f"kafka://{kafka.plain}/{topic},^{topic}-more.*: no topic matches ^{topic}-more.* yet"
    ]
    code, found = told_by_a_dry_run(capsys, "--input", uri, *outputs)
    sinks = has_two | {new: {"offsets": 0, "deleted": 0}}
    assert found["partitions"] == [partition | {"begins_at": 0, "sinks": sinks}]
    assert not (tmp_path / "new.db").exists()
    code, found = told_by_a_dry_run(capsys, "--input", f"{uri}?from=latest", "--output", new)
    assert [one["begins_at"] for one in found["partitions"]] == [2]  # where the group was told
    code, found = told_by_a_dry_run(capsys, "--input", uri, "--output", "jsonl:-")
    assert found["partitions"] == [partition | {"begins_at": 2, "sinks": {}}]

    assert main(["--input", uri, *outputs, "--dry-run"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[1:5] == [
        f"  topic {topic} (1 partition, 3 offsets to read)",
        "    partition 0: offsets 0 to 3, from 0 on",
        f"    {old}: is done with 2 of the 3 offsets that are there",
        f"    {new}: is done with 0 of the 3 offsets that are there",
    ]

    send(kafka, topic, message(4))
    admin = kafka.admin()
    place = TopicPartition(topic, 0, 3)
    admin.delete_records([place])[place].result()
    assert main(["--input", uri, *outputs, "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines()[1:5] == [
        f"  topic {topic} (1 partition, 1 offsets to read)",
        "    partition 0: offsets 3 to 4, from 2 on; 1 before them were deleted (retention)",
        f"    {old}: is done with 0 of the 1 offsets that are there, and lacks 1 that were "
        "deleted (retention)",
        f"    {new}: is done with 0 of the 1 offsets that are there",
    ]
