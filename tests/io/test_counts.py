"""What is filtered and skipped of a source adds up in every sink, however its blocks are cut."""

import random
import uuid

import pytest

from fixfeed.io.jsonl.writer import JsonlWriter
from fixfeed.io.kafka.writer import KafkaWriter
from fixfeed.io.ledger.ledger import settled, totals
from fixfeed.io.ledger.source import Source
from fixfeed.io.parquet.writer import ParquetWriter
from fixfeed.io.sql.open import open_store
from fixfeed.io.sql.progress import progress_of
from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.parser import parse_block
from fixfeed.transforms.fix.rules.language import parse_rule
from fixfeed.transforms.keep import filter_batch
from tests.io.kafka.destinations import destination
from tests.transforms.fix.messages import encode

LINES = [
    b"a line without FIX\n"
    if number % 5 == 2
    else encode([(35, b"D8"[number % 2 :][:1]), (34, b"%d" % number), (49, b"A"), (56, b"B")])
    + b"\n"
    for number in range(50)
]
BORDERS = [sum(map(len, LINES[:n])) for n in range(len(LINES) + 1)]
RULE = parse_rule("MsgType = D")
REPLACING = ["sqlite", "postgresql", "parquet"]


def batch(first, stop):
    block = Block("file:key", BORDERS[first], b"".join(LINES[first:stop]))
    return filter_batch(parse_block(block, fix_json=True), include=[RULE])


@pytest.fixture
def jobs(request, tmp_path):
    """The sinks of two jobs with one output; one job alone where only one may write at a time."""
    place = str(tmp_path / request.param)
    if request.param == "parquet":
        found = [ParquetWriter(place) for _ in range(2)]
    elif request.param == "jsonl":
        found = [JsonlWriter(place)]
    elif request.param == "kafka":
        to = destination(request.getfixturevalue("kafka"), f"test-{uuid.uuid4().hex[:12]}")
        found = [KafkaWriter(to)]
    else:
        own = request.param == "postgresql"
        uri = request.getfixturevalue("postgresql") if own else f"sqlite:///{place}"
        found = [open_store(uri) for _ in range(2)]
    yield found
    for one in found:
        one.close()


def progress(sink, number):
    if isinstance(sink, ParquetWriter):
        return [row[1:] for row in sink.progress(sink.load())]
    if isinstance(sink, KafkaWriter):
        return sink.done(number)
    return progress_of(sink.query, [number])[number]


def registered(jobs):
    """Make the sinks ready; return the id of the source of batches."""
    for one in jobs:
        one.prepare()
        (known,) = one.register([Source("file:key", "file", "day.log")], rules="r").values()
    return known.source_id


@pytest.mark.parametrize("jobs", [*REPLACING, "jsonl", "kafka"], indirect=True)
def test_blocks_cut_in_any_way_are_counted_once(jobs):
    rng, number = random.Random(7), registered(jobs)
    for _ in range(12):
        first = rng.randrange(len(LINES))
        part = batch(first, rng.randint(first + 1, min(first + 12, len(LINES))))
        rng.choice(jobs).write([(number, part)], rules="r", replace=False)
    jobs[-1].write([(number, batch(0, len(LINES)))], rules="r", replace=False)
    assert totals(progress(jobs[0], number)) == [BORDERS[-1], 20, 20, 0, 10]


@pytest.mark.parametrize("jobs", REPLACING, indirect=True)
def test_a_part_that_is_stored_anew_takes_its_own_counts_from_the_rest(jobs):
    sink, number = jobs[0], registered(jobs)
    sink.write([(number, batch(0, 50))], rules="old", replace=False)
    sink.restart([number], rules="new")
    for first, stop in ((0, 20), (10, 30)):
        sink.write([(number, batch(first, stop))], rules="new", replace=True)
    found = {tuple(row[:-1]) for row in settled(progress(sink, number))}
    assert found == {
        ("new", 0, BORDERS[30], 12, 12, 0, 6),
        ("old", BORDERS[30], BORDERS[50], 8, 8, 0, 4),
    }
