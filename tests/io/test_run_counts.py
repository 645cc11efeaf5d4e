"""A run on a cluster counts each position once in its sinks, whatever of it comes again."""

import random
import uuid

import pytest

from fixfeed.io.kafka.writer import KafkaWriter
from fixfeed.io.ledger.counts import Counted
from fixfeed.io.ledger.source import Source
from fixfeed.io.parquet.writer import ParquetWriter
from fixfeed.io.sql.open import open_store
from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.parser import parse_block
from tests.io.kafka.destinations import destination
from tests.transforms.fix.messages import encode

LINES = [
    b"8=FIX.4.4|junk=1|2=3|\n"
    if number % 10 == 7
    else encode([(35, b"D"), (34, b"%d" % number), (49, b"A"), (56, b"B")]) + b"\n"
    for number in range(40)
]
LOG = b"".join(LINES)
BORDERS = [sum(map(len, LINES[:n])) for n in range(len(LINES) + 1)]


def batch(first, stop, **options):
    start, end = BORDERS[first], BORDERS[stop]
    return parse_block(Block("file:key", start, LOG[start:end], **options))


@pytest.fixture(params=["sqlite", "postgresql", "parquet", "kafka"])
def opened(request, tmp_path):
    """Return what opens the sink for a run."""
    made = []
    topic = f"test-{uuid.uuid4().hex[:12]}"

    def make(run):
        if request.param == "parquet":
            one = ParquetWriter(f"{tmp_path}/lake", counted_for=run)
        elif request.param == "kafka":
            to = destination(request.getfixturevalue("kafka"), topic, raw=True)
            one = KafkaWriter(to, counted_for=run)
        elif request.param == "sqlite":
            one = open_store(f"sqlite:///{tmp_path}/a.db", counted_for=run)
        else:
            one = open_store(request.getfixturevalue("postgresql"), counted_for=run)
        made.append(one)
        one.prepare()
        one.keep_counts()
        return one

    yield make
    for one in made:
        one.close()


def write(sink, *batches):
    known = sink.register([Source("file:key", "file", "day.log")], rules="r")
    number = known["file:key"].source_id
    return sink.write([(number, one) for one in batches], rules="r", replace=False)


def counts(sink, run):
    found = sink.counted(run)
    assert len(found) <= 1
    return next(iter(found.values()), Counted())


def test_what_comes_again_or_cut_differently_counts_once(opened):
    run = opened("one")
    write(run, batch(0, 10), batch(10, 20))
    write(run, batch(5, 25))
    write(run, batch(0, 10))
    write(run, batch(30, 40))
    write(run, batch(20, 40), batch(0, 40))
    found = counts(run, "one")
    assert (found.counts.read, found.counts.stored, found.counts.repeated) == (40, 36, 0)
    assert (found.counts.failed, found.counts.bytes) == ({"no_msg_type": 4}, len(LOG))
    assert found.counts.adds_up
    assert found.seen


def test_what_another_run_has_stored_counts_as_repeated(opened):
    write(opened(""), batch(0, 15))
    run = opened("two")
    write(run, batch(0, 20))
    write(run, batch(0, 20))
    found = counts(run, "two").counts
    assert (found.read, found.stored, found.repeated, found.failures) == (20, 4, 14, 2)
    assert counts(run, "another") == Counted()


def test_runs_are_counted_apart_and_forgotten(opened):
    one, other = opened("one"), opened("other")
    write(one, batch(0, 10))
    write(other, batch(0, 20))
    assert (counts(one, "one").counts.read, counts(one, "other").counts.read) == (10, 20)
    other.forget_counts("one")
    assert (counts(one, "one").counts.read, counts(one, "other").counts.read) == (0, 20)


def test_a_place_that_was_read_after_all_counts_as_read(opened):
    run = opened("one")
    unread = parse_block(
        Block("file:key", BORDERS[10], b"", provisional=True, error="day.log: input/output error")
    )
    write(run, batch(0, 10), unread)
    write(run, unread)
    found = counts(run, "one")
    assert (found.counts.read, found.counts.failed["unreadable"]) == (11, 1)
    assert found.problems == [(BORDERS[10], "day.log: input/output error")]
    write(run, batch(10, 20))
    found = counts(run, "one")
    assert (found.counts.read, found.counts.stored, found.problems) == (20, 18, [])
    assert "unreadable" not in found.counts.failed
    assert found.counts.adds_up


def test_what_a_worker_that_was_given_up_still_writes_counts_once(opened):
    given_up, now = opened("one"), opened("one")
    write(given_up, batch(0, 10))
    write(now, batch(10, 20))
    for first, stop in ((10, 15), (15, 25)):
        write(given_up, batch(first, stop))
        assert counts(now, "one").counts.read == max(20, stop)
    write(now, batch(20, 30))
    assert counts(given_up, "one").counts.read == 30
    write(given_up, batch(25, 28))
    assert counts(now, "one").counts.read == 30


def test_in_whatever_order_batches_come_and_come_again_the_counts_are_those_of_the_log(opened):
    chance = random.Random(7)
    run = opened("one")
    for _ in range(25):
        first = chance.randrange(40)
        write(run, batch(first, min(40, first + chance.randrange(1, 12))))
    write(run, batch(0, 40))
    found = counts(run, "one").counts
    assert (found.read, found.stored, found.repeated, found.failures) == (40, 36, 0, 4)
    assert found.bytes == len(LOG)
    assert found.defects == {}
