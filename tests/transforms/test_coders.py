"""A batch is unchanged by its coder and by a shuffle."""

import dataclasses
import datetime
import random

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam import coders
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.testing.util import assert_that

from fixfeed.transforms.batch import Batch, Block
from fixfeed.transforms.coders import BatchCoder
from fixfeed.transforms.enrich import enrich_batch
from fixfeed.transforms.fix.parser import parse_block
from tests.transforms.fix.messages import random_log

PARSED = parse_block(
    Block("file:9:ab", 7, random_log(random.Random(3), 40, mutated=0.3, delimiter=b"|"), b"|", True)
)
NOW = datetime.datetime(2025, 1, 2, 9, 30, tzinfo=datetime.UTC)
BATCHES = {
    "parsed": PARSED,
    "empty": Batch("file:0:", 0, 0, PARSED.messages.slice(0, 0)),
    "slice": dataclasses.replace(
        PARSED,
        messages=PARSED.messages.slice(5, 9),
        filtered_positions=PARSED.messages["position"].slice(0, 5),
    ),
    "extra columns": enrich_batch(PARSED, ingested_at=NOW, names=True),
    "every field": dataclasses.replace(
        PARSED,
        filtered_positions=pa.array([7]),
        skipped_positions=pa.array([8, 1 << 39]),
        read=3,
        last=True,
        provisional=True,
        error="caf\udce9",
    ),
}


@pytest.mark.parametrize("name", BATCHES)
def test_a_coder_keeps_a_batch_unchanged(name):
    batch = BATCHES[name]
    again = BatchCoder().decode(BatchCoder().encode(batch))
    assert again == batch
    assert again.messages.schema.equals(batch.messages.schema)


def test_a_slice_carries_its_own_rows_alone():
    coder = BatchCoder()
    assert len(coder.encode(BATCHES["slice"])) < len(coder.encode(PARSED)) / 2


def test_batches_have_this_coder():
    assert coders.registry.get_coder(Batch) == BatchCoder()


def test_a_shuffle_leaves_batches_unchanged():
    expected = list(BATCHES.values())

    def check(found):
        assert len(found) == len(expected)
        assert all(batch in found for batch in expected)

    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        batches = pipeline | beam.Create(range(len(expected)))
        batches |= beam.Map(expected.__getitem__).with_output_types(Batch)
        batches |= beam.Reshuffle()
        assert batches.element_type is Batch
        assert_that(batches, check)
