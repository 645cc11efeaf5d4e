"""Filtering keeps the requested messages, and counts the rest."""

import dataclasses

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.testing import test_pipeline
from apache_beam.testing.util import assert_that

import fixfeed.transforms.coders  # noqa: F401
from fixfeed.transforms.batch import Block
from fixfeed.transforms.filter import Filter
from fixfeed.transforms.fix.parser import parse_block
from fixfeed.transforms.fix.rules.language import RuleError, parse_rule
from fixfeed.transforms.keep import filter_batch
from tests.transforms.fix.messages import encode

DATA = (
    encode([(35, b"D"), (49, b"A"), (56, b"B"), (55, b"AAPL")])
    + encode([(35, b"8"), (49, b"B"), (56, b"A"), (55, b"MSFT")])
    + encode([(35, b"0"), (49, b"A"), (56, b"B")])
    + encode([(49, b"A"), (56, b"B")])
    + encode([(35, b"A"), (49, b"A"), (56, b"B")])
)
BATCH = dataclasses.replace(
    parse_block(Block("file:1:00", 500, DATA)), filtered_positions=pa.array([7, 8, 9]), read=8
)


def kept(*, include=(), exclude=(), admin=True):
    return filter_batch(
        BATCH,
        include=[parse_rule(rule) for rule in include],
        exclude=[parse_rule(rule) for rule in exclude],
        admin=admin,
    )


@pytest.mark.parametrize(
    ("asked", "rows"),
    [
        ({"admin": False}, [0, 1]),
        ({"include": ["Symbol = AAPL", "MsgType = A"]}, [0, 3]),
        ({"include": ["Symbol = AAPL", "MsgType = A"], "admin": False}, [0]),
        ({"exclude": ["Symbol = AAPL", "MsgType = A"]}, [1, 2]),
        ({"include": ["SenderCompID = A"], "exclude": ["Symbol exists"]}, [2, 3]),
        ({"include": ["Symbol = IBM"]}, []),
    ],
)
def test_unwanted_messages_are_filtered_at_their_positions(asked, rows):
    positions = BATCH.messages["position"].to_pylist()
    others = [one for row, one in enumerate(positions) if row not in rows]
    batch = kept(**asked)
    assert batch == dataclasses.replace(
        BATCH,
        messages=BATCH.messages.take(pa.array(rows, pa.int64())),
        filtered_positions=pa.array([7, 8, 9, *others]),
    )
    assert batch.filtered == 3 + 4 - len(rows)


def test_a_condition_that_is_null_is_not_true():
    keep = pa.array([True, None, False, None])
    batch = BATCH.only(keep)
    assert batch.messages["position"].to_pylist() == BATCH.messages["position"][:1].to_pylist()
    assert batch.filtered_positions[3:].equals(BATCH.messages["position"][1:])


def test_a_batch_without_losses_is_the_same_batch():
    assert kept() is BATCH
    assert kept(include=["MsgType exists"], exclude=["Symbol = IBM"]) is BATCH


def test_the_transform_filters_in_a_pipeline_and_counts():
    pipeline = test_pipeline.TestPipeline()
    batches = pipeline | beam.Create([BATCH]) | Filter(include=["SenderCompID = A"], admin=False)

    def check(found):
        assert found == [kept(include=["SenderCompID = A"], admin=False)]

    assert_that(batches, check)
    result = pipeline.run()
    result.wait_until_finish()
    counters = result.metrics().query()["counters"]
    found = {
        counter.key.metric.name: counter.committed
        for counter in counters
        if counter.key.metric.namespace.endswith("Filter")
    }
    assert found == {"filtered": 3}


def test_an_invalid_rule_stops_the_pipeline_before_it_runs():
    with pytest.raises(RuleError, match="the nearest is Symbol"):
        Filter(exclude=["Symbl = A"])
