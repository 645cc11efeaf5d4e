"""A message becomes a record of a topic: at least once, with transactions exactly once."""

import dataclasses
import json
import random
import time
import uuid
from contextlib import closing
from functools import partial

import orjson
import pyarrow as pa
import pytest
from confluent_kafka.admin import ResourceType

from fixfeed.io.commit import SetAside
from fixfeed.io.kafka.destination import Accepts
from fixfeed.io.kafka.failures import read_failures
from fixfeed.io.kafka.ledger import KafkaLedger
from fixfeed.io.kafka.producer import Records, Sender
from fixfeed.io.kafka.writer import KafkaWriter
from fixfeed.io.ledger.ledger import SchemaError, SinkError, SinkFailed
from fixfeed.io.ledger.source import Source
from fixfeed.transforms.batch import NO_KEY, TOO_LARGE, TRUNCATED
from tests.io.jsonl.test_sink import BATCHES, BORDERS, LOG, batch, expected
from tests.io.kafka.destinations import destination, lines, records, written
from tests.io.ledger.known_sources import check_known_by_what_was_read
from tests.pipelines.test_follow import wait_until
from tests.services.kafka_server import PASSWORD

MESSAGES, FAILURES, [PROGRESS] = expected()
SOURCE = Source("file:key", "file", "day.log")


@pytest.fixture
def topic():
    """The name of a topic that is not there."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture(params=["at least once", "transactions"])
def to(request, kafka, topic):
    return destination(kafka, topic, transactions=request.param == "transactions")


def content(to):
    """Return all messages and failures, and the progress."""
    with closing(KafkaLedger(to)) as ledger:
        ledger.prepare()
        known = ledger.register([SOURCE], rules="r")["file:key"]
        progress = ledger.done(known.source_id)
    return lines(to), lines(to, to.failures), progress


def test_a_log_becomes_the_lines_of_a_file_of_json_lines_and_one_stretch(to):
    assert written(to, batch(0, len(LOG))) == [len(MESSAGES)]
    assert content(to) == (MESSAGES, FAILURES, [PROGRESS])


def test_messages_of_a_session_are_in_order_in_one_partition_under_its_name(to):
    written(to, *BATCHES)
    found = records(to)
    assert {one.key() for one in found} == {b"FIX.4.4:A->B"}
    assert len({one.partition() for one in found}) == 1
    positions = [orjson.loads(one.value())["position"] for one in found]
    assert positions == sorted(positions)
    assert {one.key() for one in records(to, to.failures)} == {b"day.log"}


@pytest.mark.parametrize("seed", range(2))
def test_blocks_cut_differently_in_any_order_are_sent_once(to, seed):
    rng = random.Random(seed)
    for _ in range(4):
        start, end = sorted(rng.sample(BORDERS, 2))
        written(to, *rng.sample([batch(start, end), *rng.sample(BATCHES, 3)], 4))
    written(to, batch(0, len(LOG)))
    sent, failed, progress = content(to)
    assert (sent, failed) == (MESSAGES, FAILURES)
    covered = sorted((row[1], row[2]) for row in progress)
    assert (covered[0][0], covered[-1][1]) == (0, len(LOG))
    assert sum(row[3] for row in progress) == len(MESSAGES)


def test_an_unfinished_end_is_sent_once_as_it_is(to):
    first = BORDERS[20]
    half = batch(first, first + 20, provisional=True)
    written(to, batch(0, first), half)
    written(to, half)
    written(to, batch(first, first + 30, provisional=True))
    written(to, batch(first, len(LOG)), half)
    sent, failed, progress = content(to)
    assert (sent, progress) == (MESSAGES, [PROGRESS])
    ends = [one for one in map(orjson.loads, failed) if one["reason"] == TRUNCATED]
    assert [one["raw"] for one in ends] == [
        LOG[first : first + length].decode() for length in (20, 30)
    ]
    assert len(failed) == len(FAILURES) + 2


def test_messages_may_go_as_they_came_with_their_identity_in_headers(kafka, topic):
    to = destination(kafka, topic, raw=True)
    written(to, *BATCHES)
    found = {(record.value(), *(value for _, value in record.headers())) for record in records(to)}
    assert found == {
        (row["raw"], b"day.log", b"%d" % row["position"])
        for one in BATCHES
        for row in one.messages.to_pylist()
    }
    assert [name for name, _ in records(to)[0].headers()] == ["source", "position"]
    assert lines(to, to.failures) == FAILURES


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("cl_ord_id", {b"C%d" % n for n in range(40) if n % 7}),
        ("msg_seq_num", {b"%d" % n for n in range(40) if n % 7}),
        ("symbol", {None}),
        ("", {b"day.log"}),
    ],
)
def test_any_column_is_the_key_and_without_a_value_there_is_none(kafka, topic, key, expected):
    to = destination(kafka, topic, key=key)
    written(to, *BATCHES)
    assert {record.key() for record in records(to)} == expected


def with_a_large_one(one, raw):
    """Return a batch whose fifth message has a line of 3000 bytes, and these bytes."""
    texts, raws = one.messages["fix_json"].to_pylist(), one.messages["raw"].to_pylist()
    texts[4], raws[4] = json.dumps({"Text": "x" * 3000}), raw
    messages = one.messages
    for name, values in (("fix_json", texts), ("raw", raws)):
        place = messages.schema.get_field_index(name)
        messages = messages.set_column(place, name, pa.array(values, messages[name].type))
    return dataclasses.replace(one, messages=messages)


def test_what_brokers_refuse_fails_the_commit_and_nothing_of_it_counts_as_sent(to, kafka):
    kafka.make_topic(to.topic, max_message_bytes="2000")
    plain = "compression.type=none"
    to = destination(kafka, to.topic, properties=plain, transactions=to.transactions)
    with closing(KafkaWriter(to)) as writer:
        writer.prepare()
        known = writer.register([SOURCE], rules="r")["file:key"]
        # The topic was changed meanwhile.
        writer._connection.accepts = dict.fromkeys(writer.accepts, Accepts(1_000_000))
        one = with_a_large_one(batch(0, BORDERS[9]), random.Random(1).randbytes(3000))
        with pytest.raises(SinkFailed, match=f"{to.topic} takes smaller records") as told:
            writer.write([(known.source_id, one)], rules="r", replace=False)
    assert to.address.shown in str(told.value)
    with closing(KafkaLedger(to)) as ledger:
        assert ledger.look_up([SOURCE], rules="r")["file:key"].done == ()


def test_what_is_larger_than_its_topic_takes_is_a_failure_and_the_rest_goes_on(to, kafka):
    kafka.make_topic(to.topic, max_message_bytes="2000")
    kafka.make_topic(to.failures, max_message_bytes="1200")
    raw = bytes(range(256)) * 12
    large = with_a_large_one(batch(0, BORDERS[9]), raw)
    large = dataclasses.replace(large, filtered_positions=pa.array([3]), read=large.read + 1)
    position = large.messages["position"][4].as_py()

    with pytest.raises(SetAside) as told:
        written(to, large, BATCHES[9])
    first, second = told.value.batches
    assert second == BATCHES[9]
    assert first.messages.num_rows + first.failures.num_rows + first.filtered == first.read
    assert first.filtered_positions == large.filtered_positions
    (failure,) = [row for row in first.failures.to_pylist() if row["reason"] == TOO_LARGE]
    assert (failure["position"], failure["raw"]) == (position, raw)
    assert failure["detail"].endswith(f" bytes, more than {to.topic} takes")
    assert lines(to, partitions=1) == []

    assert written(to, first, second) == [first.messages.num_rows, second.messages.num_rows]
    assert len(lines(to, partitions=1)) == first.messages.num_rows + second.messages.num_rows
    pieces = [one for one in read_failures(to) if one["reason"] == TOO_LARGE]
    assert b"".join(one["raw"] for one in pieces) == raw
    offset = 0
    for number, one in enumerate(pieces, 1):
        assert one["position"] == position + offset
        assert one["detail"].endswith(f" (part {number} of {len(pieces)})")
        offset += len(one["raw"])


def test_a_message_without_a_key_is_a_failure_if_its_topic_is_compacted(kafka, topic):
    to = destination(kafka, topic, key="cl_ord_id")
    kafka.make_topic(topic, cleanup_policy="delete,compact")
    whole = batch(0, BORDERS[9])
    place = whole.messages.schema.get_field_index("cl_ord_id")
    keys = whole.messages["cl_ord_id"].to_pylist()
    keys[1] = keys[3] = None
    messages = whole.messages.set_column(place, "cl_ord_id", pa.array(keys, pa.string()))
    with pytest.raises(SetAside) as told:
        written(to, dataclasses.replace(whole, messages=messages))
    (left,) = told.value.batches
    raws = messages["raw"].to_pylist()
    detail = f"{topic} is compacted, and takes no record without a key"
    assert [
        (row["raw"], row["detail"]) for row in left.failures.to_pylist() if row["reason"] == NO_KEY
    ] == [(raws[1], detail), (raws[3], detail)]
    assert left.messages["raw"].to_pylist() == [raws[0], raws[2], *raws[4:]]
    assert left.messages.num_rows + left.failures.num_rows == left.read
    assert written(to, left) == [left.messages.num_rows]


def test_what_a_topic_refuses_for_no_reason_that_is_known_is_told_with_the_usual_ones(kafka, topic):
    to = destination(kafka, topic)
    kafka.make_topic(topic, message_timestamp_before_max_ms="0")
    with pytest.raises(SinkFailed, match=f"the topic {topic} refuses a record: it may be comp"):
        written(to, *BATCHES)


@pytest.mark.parametrize(
    ("properties", "transactions", "told"),
    [
        ("max.in.flight=100", False, "`max.in.flight` must be set <= 5"),
        ("transaction.timeout.ms=100000000", True, "allow no transactions as long as transaction"),
    ],
)
def test_a_property_that_no_producer_may_have_is_no_trouble_that_waiting_mends(
    kafka, topic, properties, transactions, told
):
    to = destination(kafka, topic, properties=properties, transactions=transactions)
    with pytest.raises(SinkError, match=told) as wrong:
        written(to, *BATCHES)
    assert not isinstance(wrong.value, SinkFailed)


def test_topics_that_are_missing_are_named_with_what_makes_them(kafka, topic):
    to = destination(kafka, topic, create=False)
    kafka.make_topic(to.failures)
    with pytest.raises(SinkError) as told:
        KafkaLedger(to).prepare()
    assert not isinstance(told.value, SinkFailed)
    command = f"kafka-topics.sh --bootstrap-server {to.address.servers} --create --topic"
    assert str(told.value) == (
        f"cannot write to {to.place}: there is no topic {topic} and none {topic}.progress; add "
        f"create=true to its parameters, or make them: {command} {topic}; "
        f"{command} {topic}.progress --partitions 1 "
        "--config cleanup.policy=compact --config segment.bytes=16777216"
    )
    # A job that has begun waits for it.
    with pytest.raises(SinkFailed, match="there is no topic"):
        written(to, *BATCHES)


@pytest.mark.parametrize("create", [True, False])
def test_a_topic_that_is_gone_with_what_its_ledger_remembers_is_not_made_anew(kafka, topic, create):
    to = destination(kafka, topic)
    KafkaLedger(to).prepare()
    admin = kafka.admin()

    def delete():
        admin.delete_topics([topic])[topic].result(30)
        wait_until(lambda: topic not in admin.list_topics().topics)

    delete()
    KafkaLedger(to).prepare()  # nothing was sent yet
    written(to, *BATCHES)
    delete()
    to = destination(kafka, topic, create=create)
    for look in (KafkaLedger(to).check, KafkaLedger(to).prepare):
        with pytest.raises(SinkError, match=f"delete {topic}.progress too; to go on without it"):
            look()
    kafka.make_topic(topic)
    assert KafkaLedger(to).check()


def test_a_look_makes_no_topics(kafka, topic):
    assert not KafkaLedger(destination(kafka, topic)).check()
    with pytest.raises(SinkError, match="there is no topic"):
        KafkaLedger(destination(kafka, topic, create=False)).check()


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ({"cleanup_policy": "delete"}, "would forget what was sent, as its cleanup.policy is dele"),
        ({"partitions": 2, "cleanup_policy": "compact"}, "has 2 partitions, and what was sent is"),
        (
            {"max_message_bytes": "100", "cleanup_policy": "compact"},
            "takes records of 100 bytes at most, and has to take 32,768",
        ),
    ],
)
def test_a_topic_that_cannot_remember_is_refused(kafka, topic, made, told):
    to = destination(kafka, topic)
    kafka.make_topic(to.progress, **made)
    with pytest.raises(SinkError, match=told):
        written(to, *BATCHES)


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ({"max_message_bytes": "100"}, "takes records of 100 bytes at most, and has to take 1,000"),
        ({"cleanup_policy": "compact"}, "would forget all failures of a source but the last"),
    ],
)
def test_a_topic_that_cannot_keep_failures_is_refused(kafka, topic, made, told):
    to = destination(kafka, topic)
    kafka.make_topic(to.failures, **made)
    with pytest.raises(SinkError, match=told):
        written(to, *BATCHES)


def test_a_record_of_the_ledger_by_a_newer_version_is_refused(kafka, topic):
    to = destination(kafka, topic)
    written(to, *BATCHES)
    with closing(Sender(to, 1000, transactions=False)) as sender:
        sender.commit([Records(to.progress, [b"orders/1"], [b"{}"])], ())
    with pytest.raises(SchemaError, match=r"b'orders/1', which this fixfeed does not know"):
        written(to, *BATCHES)


def test_brokers_that_are_away_hold_up_no_end_that_has_nothing_to_tell_them():
    with closing(KafkaLedger(destination(None, "fix", "127.0.0.1:9"))) as ledger:
        assert ledger.finish({1: "", 2: ""}) == {1: (), 2: ()}


def test_a_source_that_another_ledger_has_registered_since_is_sent(to):
    with closing(KafkaWriter(to)) as writer, closing(KafkaLedger(to)) as ledger:
        writer.prepare()
        ledger.prepare()
        known = ledger.register([SOURCE], rules="r")["file:key"]
        pairs = [(known.source_id, one) for one in BATCHES]
        assert sum(writer.write(pairs, rules="r", replace=False)) == len(MESSAGES)
    assert lines(to) == sorted(MESSAGES)


def held(call):
    """Call until nothing is held up any more; return the result."""
    while True:
        try:
            return call()
        except SinkFailed as error:
            if not error.held:
                raise


def test_a_commit_that_brokers_hold_up_goes_on_and_nothing_is_sent_twice(to, kafka):
    with closing(KafkaWriter(to, patience=0.5)) as writer:
        held(writer.prepare)
        ids = held(lambda: writer.register([SOURCE], rules="r"))
        pairs = [(ids["file:key"].source_id, one) for one in BATCHES]
        write = partial(writer.write, rules="r", replace=False)
        held(lambda: write(pairs[:1]))
        kafka.pause()
        try:
            for _ in range(2):
                with pytest.raises(SinkFailed) as error:
                    write(pairs[1:])
                assert error.value.held
        finally:
            kafka.go_on()
        stored = held(lambda: write(pairs[1:]))
        assert stored == [one.messages.num_rows for one in BATCHES[1:]]
    assert content(to) == (MESSAGES, FAILURES, [PROGRESS])


def test_a_source_whose_registering_brokers_hold_up_is_registered_once(kafka, topic):
    to = destination(kafka, topic)
    with closing(KafkaWriter(to, patience=0.5)) as writer:
        held(writer.prepare)
        kafka.pause()
        try:
            with pytest.raises(SinkFailed) as error:
                writer.register([SOURCE], rules="r")
            assert error.value.held
        finally:
            kafka.go_on()
        ids = held(lambda: writer.register([SOURCE], rules="r"))
        batches = [(ids["file:key"].source_id, one) for one in BATCHES]
        held(lambda: writer.write(batches, rules="r", replace=False))
    assert content(to) == (MESSAGES, FAILURES, [PROGRESS])


def test_what_was_sent_cannot_be_replaced(to):
    written(to, *BATCHES[:5])
    with closing(KafkaLedger(to)) as ledger:
        ledger.prepare()
        known = ledger.register([SOURCE], rules="new")["file:key"]
        with pytest.raises(SinkError, match=r"has messages of day\.log already.*--reprocess"):
            ledger.restart([known.source_id], rules="new")
    with pytest.raises(SinkError, match="cannot be replaced"):
        written(to, *BATCHES, rules="new", replace=True)
    assert len(lines(to)) == sum(one.messages.num_rows for one in BATCHES[:5])


def test_a_file_is_known_by_what_was_read_of_it(kafka, topic, tmp_path):
    to = destination(kafka, topic)
    with closing(KafkaWriter(to)) as ledger:
        ledger.prepare()

        def write(source_id, one):
            ledger.write([(source_id, one)], rules="r", replace=False)

        check_known_by_what_was_read(tmp_path, ledger, write, LOG, batch(0, len(LOG)))


def test_a_source_keeps_the_name_that_its_readers_know(to):
    written(to, *BATCHES[:20])
    written(to, *BATCHES, name="renamed.log")
    assert content(to) == (MESSAGES, FAILURES, [PROGRESS])


def test_two_processes_give_a_new_source_the_same_number(kafka, topic):
    to = destination(kafka, topic)
    with closing(KafkaLedger(to)) as one, closing(KafkaLedger(to)) as other:
        one.prepare()
        other.prepare()
        other.catch_up = lambda: None  # it looked just before
        assert one.register([SOURCE], rules="r") == other.register([SOURCE], rules="r")


def test_a_ledger_that_was_closed_is_opened_by_its_next_use(kafka, topic):
    to = destination(kafka, topic)
    written(to, *BATCHES)
    ledger = KafkaLedger(to)
    ledger.prepare()
    before = ledger.register([SOURCE], rules="r")
    ledger.close()
    assert ledger.look_up([SOURCE], rules="r") == before
    ledger.close()
    other = Source("file:other", "file", "other.log")
    found = ledger.register([SOURCE, other], rules="r")
    assert found["file:key"] == before["file:key"]
    ledger.close()
    assert ledger.look_up([other], rules="r") == {"file:other": found["file:other"]}


def by_password(kafka, topic, **options):
    """Return a destination that is written by a user with a password."""
    properties = {**kafka.by_password, "sasl.password": PASSWORD}
    words = "&".join(f"{name}={value}" for name, value in properties.items())
    return destination(kafka, topic, kafka.sasl, words, **options)


def test_no_right_on_a_group_is_needed(kafka, topic):
    to = by_password(kafka, topic)
    take_away = kafka.allow("fixfeed", "alice", "READ", ResourceType.GROUP)
    try:
        assert written(to, *BATCHES) == [one.messages.num_rows for one in BATCHES]
        assert written(to, *BATCHES) == [0] * len(BATCHES)
    finally:
        take_away()


@pytest.mark.parametrize("transactions", [False, True])
def test_a_right_to_write_that_is_taken_away_is_told_and_closing_is_no_error(
    kafka, topic, transactions
):
    to = by_password(kafka, topic, transactions=transactions)
    with closing(KafkaWriter(to)) as writer:
        writer.prepare()
        known = writer.register([SOURCE], rules="r")["file:key"]
        one, other = [batch for batch in BATCHES if batch.messages.num_rows][:2]
        assert writer.write([(known.source_id, one)], rules="r", replace=False) != [0]
        kafka.allow(topic, "alice", "WRITE")
        which = (
            f"one of the topics {', '.join(to.topics)}" if transactions else f"the topic {topic}"
        )
        told = f"user bob may not write {which}; have the right WRITE granted on it"
        with pytest.raises(SinkFailed, match=told):
            writer.write([(known.source_id, other)], rules="r", replace=False)


def test_a_ledger_that_can_be_seen_no_more_is_told_with_the_rights_that_are_missing(kafka, topic):
    to = by_password(kafka, topic, transactions=True)
    with closing(KafkaLedger(to, transactions=True, patience=1)) as ledger:
        held(ledger.prepare)
        take_away = kafka.allow(to.progress, "alice", "WRITE")
        missing = f"user bob may not see the topic {to.progress}; have the rights READ and WRITE gr"
        with pytest.raises(SinkFailed, match=missing):
            held(ledger.catch_up)
        ledger.close()
        with pytest.raises(SinkError, match=missing) as told:
            held(ledger.prepare)
        assert not isinstance(told.value, SinkFailed)
        take_away()
        held(ledger.prepare)
        admin = kafka.admin()
        admin.delete_topics([to.progress])[to.progress].result(30)
        with pytest.raises(SinkFailed, match=f"topic {to.progress} cannot be read: it is gone"):
            held(ledger.catch_up)


class Killed(Exception):
    """Stands for the end of the process."""


def killed_before_the_ledger(to, one):
    """Write a batch, and die when its messages are sent and the ledger is not written yet."""
    writer = KafkaWriter(to)
    writer.prepare()
    known = writer.register([SOURCE], rules="r")["file:key"]
    sender = writer._connection.sender()
    send = sender._send

    def dies(many):
        records = list(many)
        if any(one.topic == to.progress for one in records):
            yield from sender._wait()
            raise Killed
        yield from send(records)

    sender._send = dies
    with pytest.raises(Killed):
        writer.write([(known.source_id, one)], rules="r", replace=False)


def test_what_a_killed_job_has_sent_is_sent_again_and_with_transactions_is_not_there_before(to):
    killed_before_the_ledger(to, batch(0, len(LOG)))
    written(to, *BATCHES)
    sent = lines(to)
    assert sent == sorted(MESSAGES if to.transactions else MESSAGES * 2)
    assert content(to)[2] == [PROGRESS]


def test_a_second_job_with_transactions_stops_the_first_and_goes_on_after_it(kafka, topic):
    to = destination(kafka, topic, transactions=True)
    first = KafkaWriter(to)
    first.prepare()
    known = first.register([SOURCE], rules="r")["file:key"]
    first.write([(known.source_id, BATCHES[0])], rules="r", replace=False)
    written(to, *BATCHES[:10])
    with pytest.raises(SinkError, match="another job has begun to write to") as told:
        first.write([(known.source_id, BATCHES[1])], rules="r", replace=False)
    assert not isinstance(told.value, SinkFailed)
    first.close()
    written(to, *BATCHES)
    assert content(to) == (MESSAGES, FAILURES, [PROGRESS])


def test_a_transaction_that_lasted_too_long_is_begun_anew_and_no_other_job_is_blamed(kafka, topic):
    short = "transaction.timeout.ms=1000&delivery.timeout.ms=1000"
    to = destination(kafka, topic, transactions=True, properties=short)
    with closing(KafkaWriter(to)) as writer:
        writer.prepare()
        known = writer.register([SOURCE], rules="r")["file:key"]
        sender = writer._connection.sender()
        send = sender._send

        def sent_and_stopped(many):
            sender._send = send
            yield from send(many)
            assert sender._producer.flush(10) == 0
            time.sleep(3)

        sender._send = sent_and_stopped
        pairs = [(known.source_id, one) for one in BATCHES]
        with pytest.raises(SinkFailed, match="undone a transaction that lasted longer") as told:
            writer.write(pairs, rules="r", replace=False)
    assert told.value.away
    assert written(to, *BATCHES) == [one.messages.num_rows for one in BATCHES]
    assert lines(to) == MESSAGES


def test_more_than_the_queue_holds_is_sent_all_the_same(kafka, topic):
    to = destination(kafka, topic, properties="queue.buffering.max.messages=3")
    written(to, batch(0, len(LOG)))
    raw = destination(kafka, f"{topic}-raw", raw=True, properties="queue.buffering.max.messages=3")
    written(raw, batch(0, len(LOG)))
    assert lines(to) == MESSAGES
    assert len(lines(raw)) == len(MESSAGES)
