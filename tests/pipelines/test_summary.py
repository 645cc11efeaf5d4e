"""The summary counts each kind of defect and failure, and explains it."""

import dataclasses
import doctest
import io

import orjson
import pytest
from rich.console import Console

from fixfeed.io.ledger import counts as counts_module
from fixfeed.io.ledger.counts import Counts
from fixfeed.pipelines import metrics
from fixfeed.pipelines.committed import Committed
from fixfeed.pipelines.counters import start_counting
from fixfeed.pipelines.plan import Plan
from fixfeed.pipelines.summary import print_summary, summary_of
from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.defects import MEANINGS
from fixfeed.transforms.fix.parser import parse_block
from fixfeed.transforms.fix.protocol import FIX
from tests.transforms.fix.messages import encode

RIGHT = encode([(35, b"0"), (49, b"A"), (56, b"B")])
WRONG_SUM = RIGHT[:-2] + b"x\x01"
WRONG_SUM_AND_EMPTY = encode([(35, b"0"), (49, b""), (56, b"B")])[:-2] + b"x\x01"
NO_MESSAGE = b"8=FIX.4.4|junk=1|2=3|\n"


@pytest.fixture
def counters(tmp_path):
    start_counting(tmp_path)
    count = Committed("sqlite:///x.db", tmp_path)
    for data in (RIGHT * 3 + WRONG_SUM * 2 + WRONG_SUM_AND_EMPTY, WRONG_SUM + NO_MESSAGE):
        batch = parse_block(Block("file:key", 0, data))
        count([(batch, batch.messages.num_rows)])
    return metrics.totals(tmp_path)


def summary(counters, **changes):
    whole = summary_of(Plan(), counters, [], [], {}, seconds=2.0, stopped=False)
    return dataclasses.replace(whole, **changes)


def test_a_message_with_several_defects_counts_for_each(counters):
    (counts,) = counters.values()
    assert counts.defects == {"check_sum": 4, "empty_value": 1}
    assert counts.failed == {"no_msg_type": 1}
    assert (counts.read, counts.stored) == (8, 7)
    assert summary(counters).adds_up
    written = orjson.loads(orjson.dumps(summary(counters)))["sinks"]
    assert {name: Counts(**one) for name, one in written.items()} == counters


def test_counts_have_a_fixed_order_and_add_up_by_kind(counters):
    (counts,) = counters.values()
    assert orjson.dumps(counts) == (
        b'{"bytes":%d,"read":8,"stored":7,"repeated":0,"filtered":0,"skipped":0,'
        b'"failed":{"no_msg_type":1},"defects":{"check_sum":4,"empty_value":1},"joined":{}}'
        % counts.bytes
    )
    more = Counts(read=3, stored=1, failed={"truncated": 2, "no_msg_type": 0})
    both = counts + more
    assert (both.read, both.stored, both.failures) == (11, 8, 3)
    assert both.failed == {"no_msg_type": 1, "truncated": 2}
    assert both.adds_up
    assert not (both + Counts(read=1)).adds_up
    assert not dataclasses.replace(both, filtered=1).adds_up


def test_a_false_failure_is_subtracted():
    counts = Counts(read=3, stored=1, failed={"unreadable": 2}).without("unreadable", 2)
    assert counts == Counts(read=1, stored=1, failed={"unreadable": 0})


def test_the_examples_of_counts_are_true():
    assert doctest.testmod(counts_module) == doctest.TestResults(0, 4)


def test_every_kind_of_defect_is_counted(tmp_path):
    batch = parse_block(Block("file:key", 0, RIGHT))
    at = batch.messages.schema.get_field_index("defects")
    every = batch.messages.set_column(at, batch.messages.schema.field(at), [",".join(MEANINGS)])
    start_counting(tmp_path)
    count = Committed("parquet:x", tmp_path)
    count([(type(batch)("file:key", 0, 1, messages=every, read=1), 1)])
    assert metrics.totals(tmp_path)["parquet:x"].defects == dict.fromkeys(sorted(MEANINGS), 1)


def test_the_tables_explain_each_kind_with_the_most_frequent_first(counters):
    out = io.StringIO()
    print_summary(Console(file=out, width=120), summary(counters), protocol=FIX)
    lines = [" ".join(line.replace("│", " ").split()) for line in out.getvalue().splitlines()]
    first = f"check_sum 4 {MEANINGS['check_sum']}"
    assert lines.index(first) + 1 == lines.index(f"empty_value 1 {MEANINGS['empty_value']}")
    assert "no_msg_type 1" in " ".join(lines)
    assert lines[-1] == "done in 2.0 s, 4 messages/s"
