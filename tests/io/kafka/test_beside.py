"""What cannot be had of a record is said beside it, and the others stay."""

import ctypes

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition, cimpl

from fixfeed.io.kafka.beside import beside

BAD = '"headers_error":"\'utf-8\' codec can\'t decode byte 0xff in position 0: invalid start byte"}'


class ProducerInC:
    """librdkafka itself, as kcat has it: names of headers are bytes, which Python's never are."""

    def __init__(self, brokers):
        self.library = ctypes.CDLL(cimpl.__file__)
        for name in ("conf_new", "new", "headers_new"):
            getattr(self.library, f"rd_kafka_{name}").restype = ctypes.c_void_p
        conf = ctypes.c_void_p(self.library.rd_kafka_conf_new())
        self.library.rd_kafka_conf_set(conf, b"bootstrap.servers", brokers.encode(), None, 0)
        self.client = ctypes.c_void_p(self.library.rd_kafka_new(0, conf, None, 0))

    def send(self, topic, value, key, headers):
        size, number = ctypes.c_size_t, ctypes.c_int
        made = ctypes.c_void_p(self.library.rd_kafka_headers_new(size(len(headers))))
        for name, text in headers:
            sizes = ctypes.c_ssize_t(len(name)), ctypes.c_ssize_t(len(text))
            self.library.rd_kafka_header_add(made, name, sizes[0], text, sizes[1])
        topic_is, partition_is, value_is, key_is, headers_is, end = map(number, (1, 3, 4, 5, 10, 0))
        wrong = self.library.rd_kafka_producev(
            self.client, topic_is, topic, partition_is, number(0), value_is, value,
            size(len(value)), key_is, key, size(len(key)), headers_is, made, end,
        )  # fmt: skip
        assert not wrong

    def close(self):
        assert not self.library.rd_kafka_flush(self.client, 10_000)
        self.library.rd_kafka_destroy(self.client)


@pytest.fixture(scope="module")
def broker():
    """A broker that librdkafka plays, in this process."""
    producer = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "none"})
    (one,) = producer.list_topics(timeout=10).brokers.values()
    yield f"{one.host}:{one.port}"
    del producer


def read(broker, topic, count):
    consumer = Consumer({"bootstrap.servers": broker, "group.id": "g"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    found = [beside(consumer.poll(20)) for _ in range(count)]
    consumer.close()
    return found


def test_headers_with_a_name_that_is_no_utf_8_are_an_error_of_their_record_alone(broker):
    producer = ProducerInC(broker)
    for _ in range(40):  # as often as Python needs to call what it calls in another way
        producer.send(b"names", b"a", b"\xffk", [(b"\xff\xfebad", b"v"), (b"desk", b"NY")])
        producer.send(b"names", b"b", b"k", [(b"desk", b"NY"), (b"\xff", b"1"), (b"\xff", b"2")])
        producer.send(b"names", b"c", b"k", [(b"desk", b"NY")])
    producer.close()
    assert [said for _, said in read(broker, "names", 120)] == [
        '{"key":"\\\\xffk",' + BAD,
        '{"key":"k",' + BAD,
        '{"key":"k","headers":{"desk":"NY"}}',
    ] * 40


def test_a_timestamp_that_is_no_time_is_said_and_any_other_is_the_time(broker):
    last = 253_402_300_799_999
    producer = Producer({"bootstrap.servers": broker})
    for timestamp in (-5, last, last + 1, (1 << 63) - 1):
        producer.produce("times", b"a", partition=0, timestamp=timestamp)
    assert producer.flush(10) == 0
    assert read(broker, "times", 4) == [
        (-5000, None),
        (last * 1000, None),
        (None, '{"timestamp":253402300800000}'),
        (None, '{"timestamp":9223372036854775807}'),
    ]
