"""The broker of the tests is a real one, with security, that keeps its data when it is killed."""

import re
import signal
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from tests.services.kafka_server import PASSWORD, server, to_try


@pytest.fixture(scope="module")
def broker():
    with server() as running:
        yield running


def written(address, topic, value, **config):
    producer = Producer({"bootstrap.servers": address, **config})
    producer.produce(topic, value)
    assert producer.flush(20) == 0


def read(broker, topic):
    consumer = Consumer({"bootstrap.servers": broker.plain, "group.id": "x"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    found = consumer.poll(20)
    consumer.close()
    return found.value()


def test_clients_come_with_certificates_or_passwords_and_a_kill_loses_nothing(broker):
    a, b, c = broker.topic(), broker.topic(), broker.topic()
    written(broker.plain, a, b"a")
    written(broker.tls, b, b"b", **broker.by_certificate)
    written(broker.sasl, c, b"c", **broker.by_password, **{"sasl.password": PASSWORD})
    broker.stop(signal.SIGKILL)
    broker.start()
    assert [read(broker, topic) for topic in (a, b, c)] == [b"a", b"b", b"c"]


def test_what_it_says_to_try_names_files_of_properties_that_let_clients_in(broker):
    files = re.findall(r"^(tls|sasl) .* properties=(\S+)$", to_try(broker), re.MULTILINE)
    assert [name for name, _ in files] == ["tls", "sasl"]
    for name, path in files:
        lines = Path(path).read_text().splitlines()
        topic = broker.topic()
        written(getattr(broker, name), topic, b"a", **dict(one.split("=", 1) for one in lines))
        assert read(broker, topic) == b"a"
