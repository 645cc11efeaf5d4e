"""Blocks of bytes that come from no file."""

import apache_beam as beam
import pytest
from apache_beam.testing.test_pipeline import TestPipeline

from fixfeed import Block, ParseFix, WriteToSql
from fixfeed.transforms.batch import LARGEST_SOURCE
from fixfeed.transforms.fix.protocol import FIX
from tests.transforms.fix.messages import encode

MESSAGE = encode([(35, b"D"), (55, b"AAPL")], delimiter=b"|")
TOPIC = "kafka:orders/0"


def positions(block):
    return FIX.parse(block).messages["position"].to_pylist()


def test_bytes_of_a_source_are_at_their_position():
    block = Block.of(MESSAGE * 2, "http://host/day.log", start=500)
    assert (block.source, block.start, block.end) == (
        "http://host/day.log",
        500,
        500 + 2 * len(MESSAGE),
    )
    assert positions(block) == [500, 500 + len(MESSAGE)]


def test_the_messages_of_records_have_positions_of_their_own():
    found = []
    for offset in (0, 1, 7, 16_777_215):
        block = Block.of(MESSAGE * 3, TOPIC, offset=offset)
        assert (block.start, block.end) == (offset << 16, (offset + 1) << 16)
        again = Block.of(MESSAGE * 3, TOPIC, offset=offset)
        assert positions(again) == positions(block)
        found += positions(block)
    assert len(set(found)) == 12
    assert max(found) < LARGEST_SOURCE


def test_the_delimiter_of_a_block_is_found_in_it():
    for delimiter in (b"\x01", b"|", b"^A"):
        data = encode([(35, b"D"), (55, b"AAPL")], delimiter=delimiter)
        (row,) = FIX.parse(Block.of(data, TOPIC, offset=3)).messages.to_pylist()
        assert (row["symbol"], row["defects"]) == ("AAPL", None)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ({"offset": 16_777_216}, "offset 16,777,216, with room for 65,536 bytes a record"),
        ({"offset": 2**70}, "no offset"),
        ({"offset": -1}, "no offset -1"),
        ({"offset": 2**28, "room": 4096}, "no offset 268,435,456"),
        ({"start": LARGEST_SOURCE}, "no position 1,099,511,627,776"),
        ({"start": -5}, "no position -5"),
        ({"offset": 1, "room": 20}, "there is room for 20; give all records"),
    ],
)
def test_what_does_not_fit_is_refused_and_never_wrapped(place, said):
    with pytest.raises(ValueError, match=said):
        Block.of(MESSAGE, TOPIC, **place)
    last = Block.of(MESSAGE, TOPIC, offset=2**28 - 1, room=4096)
    assert last.end == LARGEST_SOURCE


def test_records_that_come_again_are_stored_once(database, select):
    records = [(offset, MESSAGE * (1 + offset % 2)) for offset in range(100, 140)]

    def load(some):
        with TestPipeline() as pipeline:
            _ = (
                pipeline
                | beam.Create(some)
                | beam.MapTuple(lambda offset, value: Block.of(value, TOPIC, offset=offset))
                | ParseFix()
                | WriteToSql(database)
            )

    load(records[:25])
    load(records[10:])
    assert select(database, "select count(*), count(distinct message_id) from messages") == [
        (60, 60)
    ]
    # Records whose offsets follow each other are one stretch.
    stretches = select(database, 'select start, "end" from progress')
    assert stretches == [(100 << 16, 140 << 16)]
