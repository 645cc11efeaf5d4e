"""What is wrong with a Kafka that cannot be read is said in a sentence, within ten seconds."""

import random
import subprocess
import sys
import time
from concurrent.futures import Future
from dataclasses import replace

import orjson
import pytest
from confluent_kafka import Producer, TopicPartition

from fixfeed.io.kafka import client
from fixfeed.io.kafka.address import about_property, read_uri
from fixfeed.io.kafka.client import (
    Cluster,
    KafkaError,
    KafkaException,
    KafkaTrouble,
    consumer_of,
)
from tests.services.kafka_server import PASSWORD


def found(uri, **properties):
    """Return the topics that the URI names, or the sentence about what is wrong."""
    words = "&".join(f"{name.replace('_', '.')}={value}" for name, value in properties.items())
    begin = time.monotonic()
    try:
        address = read_uri(f"{uri}?{words}" if words else uri, own=[], ours={})
        cluster = Cluster(address)
        cluster.identity()
        topics = cluster.topics(address.topics)
    except KafkaTrouble as trouble:
        assert time.monotonic() - begin < 20
        return str(trouble)
    return [str(one) if isinstance(one, KafkaTrouble) else one.name for one in topics.values()]


USER = {"security_protocol": "SASL_PLAINTEXT", "sasl_username": "a", "sasl_password": "b"}


def sasl(broker, **others):
    given = {name.replace(".", "_"): value for name, value in broker.by_password.items()}
    return given | {"sasl_password": PASSWORD} | others


def test_clients_with_a_certificate_or_a_password_see_their_topics(kafka):
    topic = kafka.topic()
    tls = {name.replace(".", "_"): value for name, value in kafka.by_certificate.items()}
    assert found(f"kafka://{kafka.plain}/{topic}") == [topic]
    assert found(f"kafka://{kafka.tls}/{topic}", **tls) == [topic]
    assert found(f"kafka://{kafka.sasl}/{topic}", **sasl(kafka)) == [topic]


def test_it_says_which_it_is(kafka):
    topic, closed = kafka.topic(), kafka.topic()
    kafka.allow(closed, "alice", "READ")
    secure = f"kafka://{kafka.sasl}/{topic}"
    assert found(secure, **sasl(kafka, sasl_password="wrong")) == (
        f"{secure}: the broker does not accept user bob with this password: check sasl.username, "
        "sasl.password and sasl.mechanism"
    )
    assert found(secure, **sasl(kafka, ssl_ca_location=kafka.other_ca)) == (
        f"{secure}: the certificate of the broker is not trusted: name the file with the "
        "certificate of who signed it, as in ssl.ca.location=ca.pem"
    )
    assert found(f"kafka://{kafka.sasl}/{topic},{closed}", **sasl(kafka)) == [
        topic,
        f"kafka://{kafka.sasl}/{topic},{closed}: user bob may not see the topic {closed}; have "
        "the right READ granted on it (kafka-acls --add)",
    ]
    assert found(f"kafka://{kafka.plain}/{topic}x") == [
        f"kafka://{kafka.plain}/{topic}x: there is no topic {topic}x; did you mean {topic}?"
    ]
    kafka.make_topic("lonely.topic.of.one.progress")
    (gone,) = found(f"kafka://{kafka.plain}/lonely.topic.of.one")
    assert gone.endswith("there is no topic lonely.topic.of.one")
    assert "there is no such host" in found("kafka://no-such-host.invalid:9092/t")
    assert "did you mean security.protocol?" in found(secure, secuirty_protocol="SSL")
    assert "sasl.mechanism=SCRAM" in found(secure, security_protocol="SASL_SSL")


def test_topics_that_nobody_can_be_asked_about_say_why(kafka, monkeypatch):
    monkeypatch.setattr(client, "_PATIENCE", 2.0)
    topic = kafka.topic()
    address = read_uri(
        f"kafka://{kafka.sasl}/{topic}?"
        + "&".join(f"{name}={value}" for name, value in kafka.by_password.items())
        + "&sasl.password=wrong",
        own=[],
        ours={},
    )
    with pytest.raises(KafkaTrouble, match="does not accept user bob with this password") as told:
        Cluster(address).topics([topic])
    assert told.value.lasting


class WaitingForOneThatIsGone:
    """A client that waits for a broker that is away, as for the controller it knew of."""

    def __init__(self, error):
        self._error = error

    def describe_topics(self, _topics, **_):
        future = Future()
        future.set_exception(self._error)
        return dict.fromkeys(["any"], future)

    def poll(self, _seconds):
        return 0


TOO_LATE = [KafkaException(KafkaError(KafkaError._TIMED_OUT)), TimeoutError()]


@pytest.mark.parametrize("error", TOO_LATE, ids=["told", "after the process stood still"])
def test_a_client_that_waits_for_a_broker_that_is_away_does_not_hide_the_others(
    kafka, error, monkeypatch
):
    topic = kafka.topic(partitions=2)
    cluster = Cluster(read_uri(f"kafka://{kafka.plain}/{topic}", own=[], ours={}))
    cluster._admin = WaitingForOneThatIsGone(error)
    assert cluster.topics([topic])[topic].partitions == 2
    cluster._admin = WaitingForOneThatIsGone(error)
    monkeypatch.setattr(cluster, "_connect", lambda: None)
    with pytest.raises(KafkaTrouble, match=r"there is no answer|do not answer in time"):
        cluster.topics([topic])


@pytest.mark.parametrize(
    ("port", "properties", "expected"),
    [
        ("none", {}, "nobody listens there: check host and port, and that the broker runs"),
        ("sasl", {}, "perhaps it wants TLS or a password"),
        ("tls", USER | {"sasl_mechanism": "PLAIN"}, "perhaps it wants TLS"),
        ("tls", USER | {"sasl_mechanism": "SCRAM-SHA512"}, "did you mean SCRAM-SHA-512?"),
        ("tls", USER | {"sasl_mechanism": "NTLM"}, "expected one of PLAIN, SCRAM-SHA-256, SCRAM-"),
        ("plain", {"security_protocol": "SSL"}, "the broker speaks no TLS at this port"),
        ("tls", {"security_protocol": "SSL", "ssl_ca_location": ""}, "wants a certificate"),
    ],
)
def test_a_wrong_port_is_told_from_a_wrong_protocol(kafka, port, properties, expected):
    server = "127.0.0.1:1" if port == "none" else getattr(kafka, port)
    if "ssl_ca_location" in properties:
        properties = properties | {"ssl_ca_location": kafka.ca}
    assert expected in found(f"kafka://{server}/t", **properties)


def test_passwords_come_from_the_environment_and_from_files_and_are_never_shown(
    tmp_path, monkeypatch
):
    (tmp_path / "secret").write_text("from a file\n")
    (tmp_path / "kafka.conf").write_text(
        "# for kcat as well\nbootstrap.servers=b:9092\n"
        f"sasl.password=${{file:{tmp_path}/secret}}\nsasl.username=al\n"
    )
    monkeypatch.setenv("KEY_PASSWORD", "from outside")
    uri = (
        f"kafka://b:9092/t?properties={tmp_path}/kafka.conf&ssl.key.password=${{env:KEY_PASSWORD}}"
    )
    address = read_uri(uri + "&sasl.username=bob", own=[], ours={})
    assert address.client == {
        "client.id": "fixfeed",
        "bootstrap.servers": "b:9092",
        "sasl.password": "from a file",
        "sasl.username": "bob",
        "ssl.key.password": "from outside",
    }
    assert "from" not in repr(address)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("kafka:fix.raw", "names no brokers: write them as in kafka://host:9092/topic"),
        ("kafka://bob:hunter2@b:9092/t", "and the user with sasl.username=USER"),
        ("kafka://b:99999/t", "names no brokers"),
        ("kafka://b:9092", "names no topic: write kafka://b:9092/TOPIC"),
        ("kafka://b/t?gruop=a", "kafka has no parameter 'gruop'; did you mean group?"),
        ("kafka://b/t?group=a&group=b", "group is given twice"),
        ("kafka://b/t?group=", "group has no value"),
        ("kafka://b/t?group=g&sasl.password:hunter2", "parameter 2 is no NAME=VALUE"),
        ("kafka://b/t?sasl.password:hun=ter2", "parameter 1 is no NAME=VALUE"),
        ("kafka://b/t?sasl.password=x&hunter2", "what comes after sasl.password is no parameter"),
        ("kafka://b/t?sasl.password=x&hunter2=a", "write & as %26"),
        ("kafka://b/t?sasl.password=x&hunter2.a", "as in sasl.password=${env:NAME}"),
        ("kafka://b/t%20u", "'t u' is no name of a topic"),
        ("kafka://b/t.*", "digits, '.', '_' and '-' alone; a pattern begins with ^, as in ^t.*"),
        ("kafka://b/t?create=true", "create is a parameter of outputs, and this is an input"),
        ("kafka://b/t?sasl.password=${file:/no}", "sasl.password is in a file that cannot be read"),
        ("kafka://b/a,..", "'..' is no name of a topic"),
        ("kafka://b/^a{1,9}", "commas part names and patterns, write %2C for one within a pattern"),
        (f"kafka://b/{'t' * 250}", "the name of a topic has 249 characters at most"),
        ("kafka://b/t?group.id=a", "fixfeed sets group.id itself; write group=NAME"),
        ("kafka://b/t?metadata.broker.list=c", "metadata.broker.list names other brokers than"),
        ("kafka://b/t?sasl.password=${env:N_NOT}", "sasl.password is in N_NOT, which the env"),
        ("kafka://b/t?ssl.ca.location=/no/ca", "ssl.ca.location is no file that can be read '/no/"),
        ("kafka://b/t?ssl.key.location=-----BEGIN KEY-----hunter2", "be read: No such file"),
        ("kafka://b/t?properties=/no/file&sasl.password=hunter2", "/no/file: No such file"),
    ],
)
def test_a_uri_that_cannot_be_read_is_answered_with_what_to_write(uri, expected):
    with pytest.raises(ValueError, match="kafka") as error:
        read_uri(uri, own=["group"], ours={"group.id": "write group=NAME"}, others=["create"])
    assert expected in str(error.value)
    assert "hunter2" not in str(error.value)


def test_a_pattern_may_have_a_question_mark_and_commas_separate_topics():
    address = read_uri(r"kafka://b/^fix\.(a|b)?$,other?group=g", own=["group"], ours={})
    assert address.topics == (r"^fix\.(a|b)?$", "other")
    assert address.own == {"group": "g"}


def test_without_the_library_it_says_what_to_install():
    code = (
        "import sys; sys.modules['confluent_kafka'] = None\n"
        "import fixfeed.io.kafka.client"
    )  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install 'fixfeed[kafka]'" in done.stderr.splitlines()[-1]


def test_the_rest_of_a_password_that_looks_like_a_property_is_not_shown():
    text = 'No such configuration property: "{}"'
    address = read_uri("kafka://b/t?a.b=1&sasl.password=x&hunter2.a=1", own=[], ours={})
    assert "hunter2" not in about_property(text.format("hunter2.a"), address.doubtful)
    with pytest.raises(KafkaTrouble, match="what comes after a password is no parameter"):
        consumer_of(replace(address, properties={"hunter2.a": "1"}), {"group.id": "g"})
    assert "sasl.mechansim" in about_property(text.format("sasl.mechansim"), address.doubtful)


def test_what_is_read_ahead_is_bounded_although_it_is_compressed(kafka):
    count, times = 20, 20
    topic = kafka.topic(partitions=count)
    sender = Producer({"bootstrap.servers": kafka.plain, "compression.type": "zstd"})
    value = random.Random(1).randbytes(45_000) * times
    for number in range(10 * count):
        sender.produce(topic, value, partition=number % count)
    assert sender.flush(60) == 0
    held = []

    def count_held(text):
        partitions = orjson.loads(text)["topics"].get(topic, {}).get("partitions", {})
        # They have one queue, and each tells what all of it holds.
        held.append(max((one["fetchq_size"] for one in partitions.values()), default=0))

    address = read_uri(f"kafka://{kafka.plain}/{topic}", own=[], ours={})
    settings = {"group.id": topic, "stats_cb": count_held, "statistics.interval.ms": 100}
    consumer = consumer_of(address, settings)
    consumer.assign([TopicPartition(topic, number, 0) for number in range(count)])
    assert consumer.poll(20) is not None
    for _ in range(8):  # it reads ahead all the time, and tells how much when it is asked
        time.sleep(0.25)
        consumer.poll(0.1)
    consumer.close()
    assert 0 < max(held) <= (64 << 20) + times * (2 << 20) < len(value) * 10 * count
