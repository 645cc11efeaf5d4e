"""Topics as a feed: every record once, whatever happens to topics, rights and brokers."""

import signal
import threading
import time
from dataclasses import replace

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import (
    NewPartitions,
    ResourceType,
)

from fixfeed.io.kafka import assignment, group, looking, topics
from fixfeed.io.kafka.address import read_uri
from fixfeed.io.kafka.beginning import read_from
from fixfeed.io.kafka.client import Cluster, KafkaTrouble
from fixfeed.io.kafka.records import ROOM
from fixfeed.io.kafka.sharded import TopicsElsewhere
from fixfeed.io.kafka.standing import standings
from fixfeed.io.kafka.topics import OURS, KafkaTopics
from fixfeed.io.ledger.ledger import SinkFailed, everywhere
from fixfeed.transforms.batch import FLUSH
from fixfeed.transforms.fix.protocol import FIX
from fixfeed.transforms.pieces import parsed
from tests.services.kafka_server import PASSWORD, server
from tests.transforms.fix.messages import encode


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(looking, "_LOOK", 0.2)
    monkeypatch.setattr(group, "_COMMIT", 0.2)
    monkeypatch.setattr(topics, "_PASS", 0.2)


@pytest.fixture(scope="module")
def broker():
    """A broker of this module, whose data may be damaged."""
    with server() as running:
        yield running


class Sink:
    """What a ledger remembers, and what came: numbers of messages, and failures."""

    def __init__(self, *, remember=True):
        self.remember = remember
        self.stretches = {}
        self.numbers = []
        self.ids = set()
        self.failures = []
        self.rows = []

    def done(self, sources):
        return {one.key: sorted(self.stretches.get(one.key, ())) for one in sources}

    stored = done

    def each(self, sources):
        return [self.stored(sources)]

    def store(self, block):
        batch = parsed(FIX, block)
        self.stretches.setdefault(batch.source, []).append((batch.start, batch.end))
        self.rows += batch.messages.to_pylist()
        self.numbers += batch.messages["msg_seq_num"].to_pylist()
        self.ids |= {(batch.source, at) for at in batch.messages["position"].to_pylist()}
        self.failures += batch.failures.to_pylist()


class Reading:
    """A feed that is read into a sink."""

    def __init__(
        self, broker, names, sink=None, *, address=None, stop_after=None, told=None, **parameters
    ):
        self.sink = sink or Sink()
        self.told = [] if told is None else told
        self.away = []
        end = time.monotonic() + (stop_after or 1e9)
        self.stopped = False
        parameters = {"reconnect.backoff.max.ms": "500"} | parameters
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        uri = f"kafka://{address or broker.plain}/{names}?{query}"
        self.feed = KafkaTopics(
            read_uri(uri, own=["group", "from"], ours=OURS),
            FIX,
            self.sink,
            stop=lambda: self.stopped or time.monotonic() > end,
            say=self.told.append,
            away=self.away.append,
            longest=1 << 20,
        )

    @classmethod
    def of(cls, feed, sink):
        reading = cls.__new__(cls)
        reading.feed, reading.sink, reading.told = feed, sink, []
        return reading

    def until(self, true, seconds=40):
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, (self.sink.numbers, self.told, self.feed.state)
            block = self.feed.next(0.05)
            if block not in (None, FLUSH):
                self.sink.store(block)
        return self

    def numbers(self, *expected):
        """Read until the messages with these numbers have come, each once."""
        self.until(lambda: len(self.sink.numbers) >= len(expected))
        assert sorted(self.sink.numbers) == sorted(expected)
        assert len(self.sink.ids) == len(expected)
        return self

    def says(self, text):
        self.until(lambda: any(text in one for one in self.told))
        return self

    def until_begun(self):
        """Read until it is stored that reading has begun with `from=latest`."""
        return self.until(lambda: any("/latest/" in key for key in self.sink.stretches))

    def until_ended(self):
        return self.until(lambda: self.feed.ended)

    def stop(self):
        self.stopped = True
        self.until(lambda: self.feed.ended)
        self.feed.close()


def message(number):
    return encode([(35, b"D"), (34, b"%d" % number), (11, b"a")])


def send(broker, topic, *numbers, partition=0, **more):
    producer = Producer({"bootstrap.servers": broker.plain})
    for number in numbers:
        value = number if isinstance(number, bytes) else message(number)
        producer.produce(topic, value, partition=partition, **more)
    assert producer.flush(20) == 0


def committed(broker, group, topic, partition=0):
    consumer = Consumer({"bootstrap.servers": broker.plain, "group.id": group})
    (found,) = consumer.committed([TopicPartition(topic, partition)], timeout=10)
    consumer.close()
    return found.offset


def test_all_partitions_are_read_once_over_runs_and_the_group_is_told_what_is_stored(kafka):
    topic, group = kafka.topic(partitions=3), kafka.topic()
    for partition in range(3):
        send(kafka, topic, *range(partition * 10, partition * 10 + 10), partition=partition)
    reading = Reading(kafka, topic, group=group).numbers(*range(30))
    assert reading.feed.state == f"reading 3 partitions of {topic}"
    reading.stop()
    assert [committed(kafka, group, topic, one) for one in range(3)] == [10, 10, 10]
    send(kafka, topic, 30, 31, partition=1)
    again = Reading(kafka, topic, reading.sink, group=group).numbers(*range(32))
    again.stop()
    assert again.told == []


def test_nothing_is_told_to_the_group_before_the_sinks_have_it(kafka):
    topic, group = kafka.topic(), kafka.topic()
    send(kafka, topic, *range(5))
    reading = Reading(kafka, topic, group=group)
    reading.sink.store = lambda block: None
    deadline = time.monotonic() + 2
    reading.until(lambda: time.monotonic() > deadline)
    reading.stop()
    assert committed(kafka, group, topic) < 0


def test_key_headers_and_time_of_records_are_kept(kafka):
    topic = kafka.topic()
    headers = [("desk", b"NY"), ("desk", b"LN"), ("raw", b"\xff")]
    send(kafka, topic, 1, key=b"order 1", headers=headers, timestamp=1_700_000_000_123)
    send(kafka, topic, 2)
    reading = Reading(kafka, topic).numbers(1, 2)
    reading.stop()
    first, second = reading.sink.rows
    assert first["prefix"] == ('{"key":"order 1","headers":{"desk":["NY","LN"],"raw":"\\\\xff"}}')
    assert first["captured_at"].isoformat() == "2023-11-14T22:13:20.123000+00:00"
    assert second["prefix"] is None
    assert second["captured_at"] is not None


def test_latest_begins_at_the_end_and_what_comes_between_runs_is_read(kafka):
    topic, group = kafka.topic(partitions=2), kafka.topic()
    send(kafka, topic, 1, 2, 3)
    reading = Reading(kafka, topic, group=group, **{"from": "latest"})
    reading.until(lambda: reading.sink.stretches).stop()
    send(kafka, topic, 4)
    send(kafka, topic, 5, partition=1)
    again = Reading(kafka, topic, reading.sink, group=group, **{"from": "latest"}).numbers(4, 5)
    again.stop()


@pytest.mark.parametrize("remember", [True, False])
@pytest.mark.parametrize("before", [[], [1, 2]])
def test_latest_leaves_out_nothing_that_comes_after_a_run_that_read_nothing(
    kafka, before, remember
):
    topic, group = kafka.topic(partitions=2), kafka.topic()
    send(kafka, topic, *before)
    sink = Sink(remember=remember)
    reading = Reading(kafka, topic, sink, group=group, **{"from": "latest"})
    reading.until(lambda: committed(kafka, group, topic) == len(before))
    reading.stop()
    send(kafka, topic, 3)
    send(kafka, topic, 4, partition=1)
    Reading(kafka, topic, sink, group=group, **{"from": "latest"}).numbers(3, 4).stop()


LATEST = {"from": "latest"}


@pytest.mark.parametrize("remember", [True, False])
def test_latest_leaves_out_nothing_of_partitions_that_are_added_between_runs(kafka, remember):
    topic, group, sink = kafka.topic(), kafka.topic(), Sink(remember=remember)
    send(kafka, topic, 1, 2)
    reading = Reading(kafka, topic, sink, group=group, **LATEST)
    while committed(kafka, group, topic) != 2:  # nothing is stored yet
        time.sleep(0.05)
    reading.feed.close()
    admin = kafka.admin()
    admin.create_partitions([NewPartitions(topic, 2)])[topic].result()
    time.sleep(0.5)
    send(kafka, topic, 3)
    send(kafka, topic, 4, partition=1)
    Reading(kafka, topic, sink, group=group, **LATEST).numbers(3, 4).stop()


class Away(Sink):
    """A sink that does not answer until the run is to stop."""

    def each(self, sources):
        raise SinkFailed("the run is to stop")


def begin_while_outputs_are_away(kafka, names, group):
    """Begin to read; return what is told."""
    told = []
    with pytest.raises(SinkFailed):
        Reading(kafka, names, Away(), group=group, told=told, **LATEST)
    return told


class Several(Sink):
    """Sinks of one run."""

    def __init__(self, *sinks):
        super().__init__()
        self.sinks = sinks

    def stored(self, sources):
        found = self.each(sources)
        return {key: everywhere([one[key] for one in found]) for key in found[0]}

    done = stored

    def each(self, sources):
        return [one.stored(sources) for one in self.sinks]

    def store(self, block):
        super().store(block)
        for one in self.sinks:
            one.store(block)


def test_latest_reads_on_after_what_an_output_has_though_another_one_is_new(kafka):
    topic = kafka.topic()
    send(kafka, topic, 1)
    first, second = Sink(), Sink()
    for number, outputs in ((2, [first]), (3, [first, second]), (4, [second, first])):
        # Each in a group of its own: none tells where reading began.
        sink = Several(*outputs)
        reading = Reading(kafka, topic, sink, group=kafka.topic(), **LATEST)
        if number == 2:
            reading.until(lambda: first.stretches)
            send(kafka, topic, 2)
            reading.numbers(2).stop()
            send(kafka, topic, 3)
        else:
            reading.numbers(number).stop()
            send(kafka, topic, number + 1)
    assert (sorted(set(first.numbers)), sorted(set(second.numbers))) == ([2, 3, 4], [3, 4])


@pytest.mark.parametrize("since", [LATEST, {"from": "2023-11-14T22:16:40"}])
def test_a_kill_while_it_is_stored_what_is_left_out_brings_nothing_of_it(kafka, since):
    topic, group, sink = kafka.topic(partitions=3), kafka.topic(), Sink()
    old = 1_700_000_000_000
    for partition in range(3):
        send(kafka, topic, 1, partition=partition, timestamp=old)
    reading = Reading(kafka, topic, sink, group=group, **since)
    reading.until(lambda: sink.stretches)
    reading.feed.close()
    assert len(sink.stretches) == 1
    send(kafka, topic, 2, partition=2)
    Reading(kafka, topic, sink, group=group, **since).numbers(2).stop()


def test_latest_is_read_beside_a_consumer_that_is_a_member_of_its_group_which_is_told(kafka):
    topic, group = kafka.topic(), kafka.topic()
    member = Consumer({"bootstrap.servers": kafka.plain, "group.id": group})
    assigned = []
    member.subscribe([topic], on_assign=lambda *one: assigned.append(one))
    while not assigned:
        member.poll(0.1)
    refused = f"the offsets of group {group} cannot be committed: Broker: Unknown member; "
    what_to_do = "; check the right READ on the group, and that no other consumer is a member of it"
    alone = (
        f"{refused}with from=latest it alone knows where reading began until each output has "
        "stored it: if the job ends before that is mended, the next one begins at the end, and "
        f"what comes in between is not read{what_to_do}"
    )
    assert begin_while_outputs_are_away(kafka, topic, group) == [alone]
    address = read_uri(
        f"kafka://{kafka.plain}/{topic}?group={group}&from=latest", own=["group", "from"], ours=OURS
    )
    told = []
    TopicsElsewhere(address, FIX, Sink(), 1 << 20).at_start(told.append)
    assert told == [alone]
    reading = Reading(kafka, topic, group=group, **LATEST)
    assert reading.told == [alone]
    reading.says("nothing is lost")  # though nothing comes
    send(kafka, topic, 1)
    reading.numbers(1).stop()
    only_lag = "nothing is lost, only tools that show its lag are wrong"
    assert reading.told == [alone, f"{refused}{only_lag}{what_to_do}"]
    member.close()


class Behind(Several):
    """Sinks of a run that is killed when only the first one has stored anything."""

    def store(self, block):
        self.sinks[0].store(block)


@pytest.mark.parametrize("since", [LATEST, {"from": "2023-11-14T22:16:40"}])
def test_what_one_of_two_outputs_lacks_after_kills_comes_to_it(kafka, since):
    topic, group = kafka.topic(), kafka.topic()
    quick, slow = Sink(), Sink()
    admin = kafka.admin()

    def killed(*numbers):
        reading = Reading(kafka, topic, Behind(quick, slow), group=group, **since)
        if not quick.numbers:
            reading.until(lambda: quick.stretches)
        for number in numbers:
            send(kafka, topic, number, partition=number // 3)
        reading.until(lambda: set(numbers) <= set(quick.numbers))
        reading.feed.close()

    def whole(*numbers):
        reading = Reading(kafka, topic, Several(quick, slow), group=group, **since)
        reading.until(lambda: sorted(slow.numbers) == sorted(numbers))
        reading.stop()

    send(kafka, topic, 1, timestamp=1_700_000_100_000)
    killed(2)
    admin.create_partitions([NewPartitions(topic, 2)])[topic].result()
    time.sleep(0.5)
    killed(3)
    whole(2, 3)
    admin.create_partitions([NewPartitions(topic, 3)])[topic].result()
    time.sleep(0.5)
    killed(6)
    whole(2, 3, 6)


def test_latest_begins_at_the_end_of_partitions_beside_one_that_another_consumer_has_read(kafka):
    topic, group = kafka.topic(partitions=2), kafka.topic()
    send(kafka, topic, 1, 2)
    send(kafka, topic, 3, partition=1)
    consumer = Consumer({"bootstrap.servers": kafka.plain, "group.id": group})
    consumer.commit(offsets=[TopicPartition(topic, 1, 1)], asynchronous=False)
    consumer.close()
    reading = Reading(kafka, topic, group=group, **LATEST)
    send(kafka, topic, 4)
    send(kafka, topic, 5, partition=1)
    reading.numbers(4, 5).stop()


@pytest.mark.parametrize("names", ["^{}[.].*", "{0}.a,^{0}[.].*", "^{0}[.]a.*,^{0}[.][1-9]"])
def test_latest_leaves_out_nothing_of_topics_that_came_before_an_output_had_anything(kafka, names):
    name, group = kafka.topic(), kafka.topic()
    kafka.make_topic(f"{name}.a")
    send(kafka, f"{name}.a", 1)
    names = names.format(name)
    for number in (2, 3):
        begin_while_outputs_are_away(kafka, names, group)
        kafka.make_topic(f"{name}.{number}")
        send(kafka, f"{name}.{number}", number)
    Reading(kafka, names, group=group, **LATEST).numbers(2, 3).stop()


def test_latest_tells_of_records_that_were_deleted_before_an_output_had_anything(kafka):
    topic, group = kafka.topic(), kafka.topic()
    send(kafka, topic, 1)
    begin_while_outputs_are_away(kafka, topic, group)
    send(kafka, topic, 2, 3)
    admin = kafka.admin()
    place = TopicPartition(topic, 0, 2)
    admin.delete_records([place])[place].result()
    reading = Reading(kafka, topic, group=group, **LATEST).numbers(3)
    reading.stop()
    told = f"partition 0 of {topic}: 1 records from offset 1 on were deleted (retention) before"
    assert [failure["reason"] for failure in reading.sink.failures] == ["unreadable"]
    note, missed = reading.told
    assert note == (
        f"an output that has nothing of a topic yet begins where group {group} is, 2 records "
        "before the end; to begin at the end, name a group that nothing has used, as in group=NAME"
    )
    assert missed.startswith(told)


@pytest.mark.parametrize("since", [LATEST, {"from": "2023-11-14T22:16:40"}])
def test_what_was_deleted_of_partitions_that_were_empty_or_came_later_is_told(kafka, since):
    topic, group = kafka.topic(), kafka.topic()
    reading = Reading(kafka, topic, group=group, **since).until_begun()
    reading.stop()
    admin = kafka.admin()
    admin.create_partitions([NewPartitions(topic, 2)])[topic].result()
    time.sleep(0.5)
    for partition in range(2):
        send(kafka, topic, 1, 2 + partition, partition=partition)
        place = TopicPartition(topic, partition, 1)
        admin.delete_records([place])[place].result()
    ahead = Sink()  # which has what is there
    if since == LATEST:
        Reading(kafka, topic, ahead, group=kafka.topic()).numbers(2, 3).stop()
    sinks = Several(reading.sink, ahead)
    again = Reading(kafka, topic, sinks, group=group, **since)
    again.until(lambda: len(reading.sink.failures) == 2).until(
        lambda: set(reading.sink.numbers) == {2, 3}
    )
    again.stop()
    assert sorted(again.told) == [
        f"partition {number} of {topic}: 1 records from offset 0 on were deleted (retention) "
        "before they were read"
        for number in range(2)
    ]


def test_latest_leaves_out_nothing_that_comes_while_the_outputs_are_away(kafka):
    topic, group = kafka.topic(), kafka.topic()
    send(kafka, topic, 1)
    begin_while_outputs_are_away(kafka, topic, group)
    send(kafka, topic, 2)
    Reading(kafka, topic, group=group, **LATEST).numbers(2).stop()


@pytest.mark.parametrize(("remember", "before"), [(True, True), (True, False), (False, True)])
def test_latest_leaves_out_nothing_of_topics_that_a_pattern_matches_later(kafka, remember, before):
    name, group, sink = kafka.topic(), kafka.topic(), Sink(remember=remember)
    pattern = f"^{name}[.].*"
    if before:
        kafka.make_topic(f"{name}.a")
        send(kafka, f"{name}.a", 1, 2)
    reading = Reading(kafka, pattern, sink, group=group, **LATEST)
    if remember:
        reading.until_begun()
    reading.stop()
    kafka.make_topic(f"{name}.b")
    send(kafka, f"{name}.b", 3, 4)
    Reading(kafka, pattern, sink, group=group, **LATEST).numbers(3, 4).stop()


def test_latest_leaves_out_nothing_of_a_topic_that_is_made_again_between_runs(kafka):
    topic, group = kafka.topic(), kafka.topic()
    send(kafka, topic, 1, 2)
    reading = Reading(kafka, topic, group=group, **LATEST)
    reading.until_begun().stop()
    admin = kafka.admin()
    admin.delete_topics([topic])[topic].result()
    while topic in admin.list_topics(timeout=10).topics:
        time.sleep(0.1)
    kafka.make_topic(topic)
    send(kafka, topic, 3, 4, 5)
    consumer = Consumer({"bootstrap.servers": kafka.plain, "group.id": group})
    # As of a run that was killed before it knew that the topic is another one.
    consumer.commit(offsets=[TopicPartition(topic, 0, 2)], asynchronous=False)
    consumer.close()
    Reading(kafka, topic, reading.sink, group=group, **LATEST).numbers(3, 4, 5).stop()


def test_latest_on_a_cluster_begins_where_partitions_end_when_the_job_is_submitted(kafka):
    topic, group, sink = kafka.topic(partitions=2), kafka.topic(), Sink()
    send(kafka, topic, 1, 2)
    uri = f"kafka://{kafka.plain}/{topic}?group={group}&from=latest"
    address = read_uri(uri, own=["group", "from"], ours=OURS)
    told = []
    job, count = TopicsElsewhere(address, FIX, sink, 1 << 20).at_start(told.append)
    assert (count, committed(kafka, group, topic)) == (2, 2)
    send(kafka, topic, 3)
    send(kafka, topic, 4, partition=1)
    Reading.of(job.read(0, 1), sink).numbers(3, 4).feed.close()
    admin = kafka.admin()
    admin.create_partitions([NewPartitions(topic, 3)])[topic].result()
    time.sleep(0.5)
    send(kafka, topic, 5, partition=2)
    again, count = TopicsElsewhere(address, FIX, sink, 1 << 20).at_start(told.append)
    assert count == 3
    for shard in range(2):
        reading = Reading.of(again.read(shard, 2), sink)
        deadline = time.monotonic() + 3
        reading.until(lambda end=deadline: time.monotonic() > end)
        reading.feed.close()
    reading.numbers(3, 4, 5)
    assert told == []


def test_how_many_records_outputs_lack_is_asked_without_reading_them(kafka):
    topic, sink = kafka.topic(partitions=2), Sink()
    send(kafka, topic, 1, 2, 3)
    send(kafka, topic, 4, partition=1)

    def lag(**since):
        query = "&".join(f"{name}={value}" for name, value in {"group": topic, **since}.items())
        uri = f"kafka://{kafka.plain}/{topic},gone?{query}"
        address = read_uri(uri, own=["group", "from"], ours=OURS)
        found, (trouble,) = TopicsElsewhere(address, FIX, sink, 1 << 20).lag()
        assert str(trouble).startswith(f"{address.shown}: there is no topic gone")
        return str(found)

    assert (lag(), lag(**LATEST)) == ("4 records behind", "")
    Reading(kafka, topic, sink).numbers(1, 2, 3, 4).stop()
    assert lag() == ""
    send(kafka, topic, 5, 6, partition=1)
    assert (lag(), lag(**LATEST)) == ("2 records behind", "2 records behind")
    Reading(kafka, topic, sink).numbers(1, 2, 3, 4, 5, 6).stop()
    assert lag() == ""


def test_latest_begins_at_the_end_of_a_topic_that_is_named_later(kafka):
    first, second, group = kafka.topic(), kafka.topic(), kafka.topic()
    send(kafka, second, 1)
    sink = Sink()
    Reading(kafka, first, sink, group=group, **LATEST).until_begun().stop()
    reading = Reading(kafka, f"{first},{second}", sink, group=group, **LATEST)
    send(kafka, second, 2)
    reading.numbers(2).stop()


def test_a_time_begins_with_the_first_record_of_that_time_or_later(kafka):
    topic = kafka.topic()
    for number, second in enumerate((100, 200, 300)):
        send(kafka, topic, number, timestamp=1_700_000_000_000 + second * 1000)
    since = {"from": "2023-11-14T22:16:40"}
    reading = Reading(kafka, topic, **since).numbers(1, 2)
    reading.stop()
    assert reading.told == [
        "1 records are left out as they are before 2023-11-14T22:16:40, and count as done"
    ]
    send(kafka, topic, 3)
    again = Reading(kafka, topic, reading.sink, **since).numbers(1, 2, 3)
    again.stop()
    assert again.told == []


def test_what_was_stored_and_not_told_to_the_group_is_told_by_the_next_run(kafka):
    topic, group = kafka.topic(), kafka.topic()
    send(kafka, topic, 1, 2)
    reading = Reading(kafka, topic).numbers(1, 2)
    reading.feed.close()
    again = Reading(kafka, topic, reading.sink, group=group)
    again.until(lambda: committed(kafka, group, topic) == 2).stop()


def test_patterns_find_topics_that_are_made_later_and_names_are_matched_whole(kafka):
    first = kafka.topic()
    send(kafka, first, 1)
    kafka.make_topic(f"x{first}")
    send(kafka, f"x{first}", 9)
    reading = Reading(kafka, f"^{first}(\\.b)?").numbers(1)
    kafka.make_topic(f"{first}.b")
    send(kafka, f"{first}.b", 2)
    reading.numbers(1, 2).stop()


def test_partitions_that_are_added_are_read_from_their_beginning(kafka):
    topic = kafka.topic()
    send(kafka, topic, 1)
    reading = Reading(kafka, topic, **{"from": "latest"})
    reading.until(lambda: reading.sink.stretches)
    admin = kafka.admin()
    admin.create_partitions([NewPartitions(topic, 3)])[topic].result()
    time.sleep(0.5)
    send(kafka, topic, 2, partition=2)
    reading.numbers(2).stop()


def test_a_topic_that_is_deleted_and_made_again_is_another_source(kafka):
    topic = kafka.topic()
    send(kafka, topic, 1, 2)
    reading = Reading(kafka, topic).numbers(1, 2)
    admin = kafka.admin()
    admin.delete_topics([topic])[topic].result()
    reading.says("there is no topic")
    kafka.make_topic(topic)
    send(kafka, topic, 3)
    reading.numbers(1, 2, 3).stop()
    assert len(reading.sink.stretches) == 2
    kept = Reading(kafka, topic, reading.sink).numbers(1, 2, 3)
    kept.stop()


@pytest.mark.parametrize("then", [[3], [3, 4, 5, 6]])
@pytest.mark.parametrize("remember", [True, False])
def test_a_topic_made_again_is_read_anew_whether_it_ends_before_what_was_read_or_after(
    kafka, monkeypatch, remember, then
):
    monkeypatch.setattr(looking, "_LOOK", 60)  # the consumer finds out first
    topic = kafka.topic()
    send(kafka, topic, 1, 2)
    reading = Reading(kafka, topic, Sink(remember=remember)).numbers(1, 2)
    admin = kafka.admin()
    admin.delete_topics([topic])[topic].result()
    kafka.make_topic(topic)
    send(kafka, topic, *then)
    reading.numbers(1, 2, *then).stop()
    assert reading.sink.numbers == [1, 2, *then]
    assert len(reading.sink.stretches) == 2


def sent_and_undone(kafka, topic):
    producer = Producer({"bootstrap.servers": kafka.plain, "transactional.id": topic})
    producer.init_transactions()
    producer.begin_transaction()
    producer.produce(topic, message(9))
    producer.flush()
    producer.abort_transaction()


def without_value(kafka, topic):
    producer = Producer({"bootstrap.servers": kafka.plain})
    producer.produce(topic, None, key=b"k")
    producer.produce(topic, b"", key=b"k")
    producer.flush()


@pytest.mark.parametrize("stopped", [True, False])
@pytest.mark.parametrize("end_with", [sent_and_undone, without_value])
def test_what_is_no_message_is_not_missed_when_it_is_deleted(kafka, end_with, stopped):
    topic = kafka.topic()
    send(kafka, topic, 1)
    end_with(kafka, topic)
    sink = Sink()
    reading = Reading(kafka, topic, sink).numbers(1)
    reading.until(lambda: reading.feed.lag.amount == 0)
    if stopped:
        reading.stop()
    else:
        (key,) = sink.stretches
        reading.until(lambda: sink.stretches[key][-1][1] == 3 * ROOM)
        reading.feed.close()
    admin = kafka.admin()
    place = TopicPartition(topic, 0, 3)
    admin.delete_records([place])[place].result()
    send(kafka, topic, 2)
    again = Reading(kafka, topic, sink).numbers(1, 2)
    again.stop()
    assert (again.told, sink.failures) == ([], [])


@pytest.mark.parametrize(
    ("beside", "missed"),
    [([], [(2, 3)]), ([[]], [(2, 3)]), ([[(0, 4)]], [(2, 2), (4, 1)]), ([[(0, 6)]], [(2, 3)])],
    ids=["alone", "beside a new output", "beside one that is ahead", "beside one that has all"],
)
def test_records_deleted_before_they_were_read_are_told_with_their_number(kafka, beside, missed):
    topic, group = kafka.topic(), kafka.topic()
    send(kafka, topic, 1, 2)
    reading = Reading(kafka, topic, group=group).numbers(1, 2)
    reading.stop()
    (key,) = reading.sink.stretches
    others = [Sink() for _ in beside]
    for other, has in zip(others, beside, strict=True):
        other.stretches = {key: [(begin * ROOM, end * ROOM) for begin, end in has]}
    send(kafka, topic, 3, 4, 5, 6)
    admin = kafka.admin()
    place = TopicPartition(topic, 0, 5)
    admin.delete_records([place])[place].result()
    sinks = Several(reading.sink, *others)
    again = Reading(kafka, topic, sinks, group=group).numbers(6)
    sentences = [
        f"partition 0 of {topic}: {count} records from offset {offset} on were deleted "
        "(retention) before they were read"
        for offset, count in missed
    ]
    assert again.told == sentences
    again.stop()
    # An output that has the position of a failure leaves it out.
    assert again.sink.failures == [
        {"position": offset * ROOM, "reason": "unreadable", "detail": sentence, "raw": b""}
        for (offset, _), sentence in zip(missed, sentences, strict=True)
    ]
    last = Reading(kafka, topic, Several(*sinks.sinks), group=group)
    last.until(lambda: last.feed.next(0.2) is None).stop()
    assert last.told == []


@pytest.mark.parametrize("behind", [1, 5], ids=["before the end", "after the end"])
def test_a_partition_that_has_lost_what_is_stored_is_told_as_unreadable_and_others_go_on(
    kafka, behind, monkeypatch
):
    monkeypatch.setattr(looking, "_LOOK", 60.0)  # it is told at once
    topic = kafka.topic(partitions=2)
    send(kafka, topic, 1)
    reading = Reading(kafka, topic).numbers(1)
    reading.stop()
    send(kafka, topic, 3)
    # As if the brokers had had seven records, all of which one of two outputs has.
    ((key, stretches),) = reading.sink.stretches.items()
    stretches[:] = [(0, behind * ROOM)]
    ahead = Sink()
    ahead.stretches = {key: [(0, 7 * ROOM)]}
    send(kafka, topic, 2, partition=1)
    sinks = Several(reading.sink, ahead)
    again = Reading(kafka, topic, sinks).says("the brokers have lost records")
    again.until(lambda: len(again.sink.failures) == 2).numbers(2)
    monkeypatch.setattr(looking, "_LOOK", 0.2)
    again.feed._looking.soon()
    admin = kafka.admin()
    admin.create_partitions([NewPartitions(topic, 3)])[topic].result()
    time.sleep(0.5)
    send(kafka, topic, 4, partition=2)
    again.numbers(2, 4)
    again.stop()
    (why,) = again.told
    assert again.away == [why]
    assert why.startswith(f"partition 0 of {topic} now ends at offset 2, and was read up to 7: ")
    assert again.sink.failures == [
        {"position": at * ROOM, "reason": "unreadable", "detail": why, "raw": b""}
        for at in (behind, 7)
    ]
    ends = [(behind * ROOM, behind * ROOM), (7 * ROOM, 7 * ROOM)]
    assert again.sink.stretches[key] == ends
    partitions, troubles = standings(
        read_uri(f"kafka://{kafka.plain}/{topic}", own=["group"], ours=OURS),
        sinks,
        {"a": reading.sink, "b": ahead},
    )
    assert len(partitions) == 3
    assert [str(one) for one in troubles] == [f"kafka://{kafka.plain}/{topic}: {why}"]


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_damaged_records_are_told_as_unreadable_and_read_once_they_are_mended(broker, compression):
    topic = broker.topic(partitions=2)
    producer = Producer({"bootstrap.servers": broker.plain, "compression.type": compression})
    for numbers in ([1, 2], [3, 4, 5], [6]):  # a batch each
        for number in numbers:
            producer.produce(topic, message(number), partition=0)
        assert producer.flush(20) == 0
    send(broker, topic, 7, partition=1)
    mend = broker.damage(topic, batch=1)
    reading = Reading(broker, topic).says("damaged records").numbers(1, 2, 7)
    why = next(one for one in reading.told if "damaged" in one)
    assert why.startswith(f"partition 0 of {topic} cannot be read on from offset 2, as the brok")
    tries = time.monotonic() + 1
    reading.until(lambda: time.monotonic() > tries)
    assert reading.told == reading.away == [why]
    assert reading.sink.failures == [
        {"position": 2 * ROOM, "reason": "unreadable", "detail": why, "raw": b""}
    ]
    mend()
    reading.numbers(1, 2, 3, 4, 5, 6, 7).says(f"partition 0 of {topic} is read again").stop()
    assert reading.away[-1] == ""


def test_damaged_records_that_are_deleted_are_missed_and_what_follows_is_read(broker):
    topic = broker.topic()
    for number in (1, 2, 3):
        send(broker, topic, number)
    broker.damage(topic, batch=1)
    reading = Reading(broker, topic).says("damaged records").numbers(1)
    place, admin = TopicPartition(topic, 0, 2), broker.admin()
    admin.delete_records([place])[place].result(20)
    reading.numbers(1, 3).says("1 records from offset 1 on were deleted").stop()
    assert reading.away[-1] == ""


def test_transactions_are_read_once_committed_and_leave_no_lag(kafka):
    topic, group = kafka.topic(), kafka.topic()
    producer = Producer({"bootstrap.servers": kafka.plain, "transactional.id": topic})
    producer.init_transactions(20)
    for number, end in ((1, "commit"), (2, "abort"), (3, "commit")):
        producer.begin_transaction()
        producer.produce(topic, message(number), partition=0)
        producer.flush(10)
        getattr(producer, f"{end}_transaction")(20)
    reading = Reading(kafka, topic, group=group).numbers(1, 3)
    reading.stop()
    (stretches,) = reading.sink.stretches.values()
    assert (min(stretches)[0], max(stretches)[1]) == (0, 5 * ROOM)
    assert committed(kafka, group, topic) == 6


def test_a_compacted_topic_is_read_over_its_holes(kafka):
    topic = kafka.topic(
        cleanup_policy="compact",
        segment_ms="100",
        min_cleanable_dirty_ratio="0.01",
        delete_retention_ms="0",
        max_compaction_lag_ms="100",
    )
    send(kafka, topic, *range(20), key=b"one key")
    producer = Producer({"bootstrap.servers": kafka.plain})
    time.sleep(0.3)
    producer.produce(topic, None, key=b"other", partition=0)
    producer.flush()
    send(kafka, topic, 20, key=b"last")
    deadline = time.monotonic() + 60
    while len(there := plain(kafka, topic)) == 22:
        assert time.monotonic() < deadline
    expected = [offset if offset < 20 else 20 for offset, value in there if value]
    assert 1 <= len(expected) < 20
    reading = Reading(kafka, topic).numbers(*expected)
    reading.stop()
    assert reading.told == []


def plain(broker, topic):
    """Return offset and value of all that a plain consumer finds in partition 0."""
    consumer = Consumer(
        {"bootstrap.servers": broker.plain, "group.id": "x", "enable.partition.eof": True}
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    found = []
    while (one := consumer.poll(10)) is not None and one.error() is None:
        found.append((one.offset(), one.value()))
    consumer.close()
    return found


def test_odd_records_of_several_partitions_are_stored_with_their_failures(kafka):
    topic = kafka.topic(partitions=2)
    cut = message(2)[:-9]
    send(kafka, topic, message(1) + cut, b"no FIX at all", message(3), b"")
    send(kafka, topic, b'{"fix": "' + message(4).replace(b"\x01", b"\\u0001") + b'"}', partition=1)
    reading = Reading(kafka, topic).numbers(1, 3, 4)
    reading.stop()
    (failure,) = reading.sink.failures
    assert (failure["reason"], failure["position"]) == ("truncated", len(message(1)))
    assert failure["raw"] == cut


def test_a_stop_commits_nothing_that_was_read_ahead_and_not_handed_on(kafka):
    topic, group = kafka.topic(partitions=4), kafka.topic()
    for number in range(4):
        send(kafka, topic, number, partition=number)
    reading = Reading(kafka, topic, Sink(remember=False), group=group)
    time.sleep(2)  # the client reads ahead meanwhile
    reading.until(lambda: reading.sink.numbers)
    assert len(reading.feed._blocks) > 0
    reading.stop()
    stored = reading.sink.numbers
    offsets = [committed(kafka, group, topic, number) for number in range(4)]
    assert [number for number in range(4) if offsets[number] == 1] == sorted(stored)
    rest = set(range(4)) - set(stored)
    Reading(kafka, topic, Sink(remember=False), group=group).numbers(*rest).stop()


def test_where_nothing_is_remembered_the_group_says_where_reading_begins(kafka):
    topic, group = kafka.topic(), kafka.topic()
    send(kafka, topic, 1, 2)
    reading = Reading(kafka, topic, Sink(remember=False), group=group).numbers(1, 2)
    reading.stop()
    assert reading.told == [
        f"no output remembers what it has of a topic, so reading begins where group {group} has "
        "committed, and some messages may come twice"
    ]
    send(kafka, topic, 3)
    Reading(kafka, topic, Sink(remember=False), group=group).numbers(3).stop()


class Nobody(Sink):
    """Sinks that leave out themselves what they have (`fixfeed.ReadFromKafka` without ledgers)."""

    def each(self, sources):
        return []


def test_where_no_output_is_asked_everything_is_read(kafka):
    topic = kafka.topic()
    send(kafka, topic, 1, 2)
    Reading(kafka, topic, Nobody()).numbers(1, 2).stop()
    Reading(kafka, topic, Nobody()).numbers(1, 2).stop()


def test_a_right_that_is_lost_and_granted_again_is_told_and_reading_goes_on(kafka):
    topic = kafka.topic()
    send(kafka, topic, 1)
    user = {**kafka.by_password, "sasl.password": PASSWORD}
    reading = Reading(kafka, topic, address=kafka.sasl, **user).numbers(1)
    kafka.allow(topic, "alice", "READ")
    reading.says(f"user bob may not see the topic {topic}")
    assert f"user bob may not see the topic {topic}" in reading.away[-1]
    send(kafka, topic, 2)
    kafka.allow(topic, "bob", "READ")
    reading.numbers(1, 2).says(f"topic {topic} is read again").stop()
    assert reading.away[-1] == ""


def test_a_right_on_its_group_is_missed_only_by_tools_that_show_lag(broker):
    topic, group = broker.topic(), broker.topic()
    send(broker, topic, 1, 2)
    broker.allow(group, "alice", "READ", ResourceType.GROUP)
    user = broker.by_password | {"sasl.password": PASSWORD}
    reading = Reading(broker, topic, group=group, address=broker.sasl, **user).numbers(1, 2)
    reading.says(f"the right READ on group {group} is missing, so its offsets cannot be committed")
    reading.stop()
    assert len(reading.told) == 1
    forgetful = Sink(remember=False)
    with pytest.raises(KafkaTrouble, match="the group says where reading begins, and the right"):
        Reading(broker, topic, forgetful, group=group, address=broker.sasl, **user)
    with pytest.raises(KafkaTrouble, match="the group says where reading begins, and the right"):
        Reading(broker, topic, group=group, address=broker.sasl, **LATEST, **user)
    reading.feed.close()


def test_partitions_that_no_broker_leads_are_told_and_the_others_are_read(kafka, monkeypatch):
    monkeypatch.setattr(assignment, "_BRIEF", 0.3)
    monkeypatch.setattr(assignment, "_AGAIN", 0.1)
    leaderless, ask = [()], Cluster.topics

    def topics(cluster, names):
        found = ask(cluster, names)
        return {name: replace(one, leaderless=leaderless[0]) for name, one in found.items()}

    monkeypatch.setattr(Cluster, "topics", topics)
    topic = kafka.topic(partitions=3)
    reading = Reading(kafka, topic)
    leaderless[0] = (0, 2)
    why = f"no broker leads partitions 0, 2 of {topic}: the brokers that have them are away"
    reading.says(why)
    assert reading.away == [f"{why}; the others are read"]
    send(kafka, topic, 1, partition=1)
    reading.numbers(1)
    assert Reading(kafka, topic, stop_after=1).told == [f"{why}; it goes on once one does"]
    leaderless[0] = ()
    reading.says(f"all partitions of {topic} are read again")
    assert (len(reading.told), reading.away[1:]) == (2, [""])
    reading.stop()


def test_what_is_wrong_at_the_start_is_an_error(kafka):
    with pytest.raises(KafkaTrouble, match="there is no topic"):
        Reading(kafka, f"{kafka.topic()}x")
    with pytest.raises(KafkaTrouble, match="the broker speaks no TLS at this port"):
        Reading(kafka, kafka.topic(), **{"security.protocol": "SSL"})
    without = {"security.protocol": "SSL", "ssl.ca.location": kafka.ca}
    with pytest.raises(KafkaTrouble, match="the broker wants a certificate of the client"):
        Reading(kafka, kafka.topic(), address=kafka.tls, **without)
    wrong = {**kafka.by_password, "sasl.password": "wrong"}
    with pytest.raises(KafkaTrouble, match="does not accept user bob with this password"):
        Reading(kafka, kafka.topic(), address=kafka.sasl, **wrong)
    with pytest.raises(KafkaTrouble, match="did you mean security"):
        Reading(kafka, kafka.topic(), **{"secuirty.protocol": "SSL"})


def test_what_cannot_be_read_as_time_or_pattern_is_answered_with_what_can():
    with pytest.raises(ValueError, match="expected earliest, latest or a time"):
        read_from("yesterday")
    with pytest.raises(ValueError, match="is no pattern of names"):
        looking.patterns_of(["fix", "^fix("])


def test_brokers_that_are_away_are_waited_for_and_hold_up_no_stop():
    with server() as broker:
        topic, group = broker.topic(partitions=2), broker.topic()
        away = f"kafka://{broker.plain}/{topic}: no broker answers; it goes on once one does"
        send(broker, topic, 1, 2)
        reading = Reading(broker, topic, group=group).numbers(1, 2)
        broker.stop(signal.SIGKILL)
        reading.until(lambda: reading.away == [away])
        assert reading.feed.state.endswith("no broker answers")
        begun = time.monotonic()
        stopped = Reading(broker, topic, stop_after=1)
        assert stopped.feed.ended
        (told,) = stopped.told  # with the cause, if that is known by then
        assert told.endswith("; it was stopped before a broker answered, so nothing was read")
        assert time.monotonic() - begun < 6
        starting = threading.Timer(4, broker.start)
        starting.start()
        other = Reading(broker, topic)  # it begins while there is none
        assert ["nobody listens there" in one for one in other.told] == [True, False]
        starting.join()
        send(broker, topic, 3, partition=1)
        reading.numbers(1, 2, 3).says("brokers answer again")
        assert reading.told == [away, "brokers answer again, and it goes on"]
        assert reading.away == [away, ""]
        other.numbers(1, 2, 3)
        assert (len(other.told), len(other.away)) == (2, 2)
        send(broker, topic, 4)
        reading.numbers(1, 2, 3, 4)
        broker.stop(signal.SIGKILL)
        reading.feed._group.tell({})  # a commit that nobody takes
        reading.until(lambda: reading.away == [away, "", away])
        begun = time.monotonic()
        for one in (reading, other):
            one.stop()
        assert time.monotonic() - begun < 6
