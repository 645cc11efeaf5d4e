"""Derived tables in a pipeline, session pair by session pair, and of a log as a table."""

import random

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.util import assert_that

import fixfeed
from fixfeed import Block, Derive, ParseFix
from fixfeed.transforms.fix.protocol import FIX
from tests.transforms.fix.orders.odd_days import made

NAMES = [name for one in FIX.table.derived for name in one.tables]


def log_of(seed=5):
    return made(seed, orders=25)


def content(tables, without=("message_id", "source", "position")):
    """The rows of tables, sorted, but for where their messages are."""
    return {
        name: sorted(
            str({key: value for key, value in row.items() if key not in without})
            for row in table.to_pylist()
        )
        for name, table in tables.items()
    }


def test_the_tables_of_all_pairs_are_those_of_all_messages_however_batches_are_cut():
    log = log_of()
    expected = content(fixfeed.derived(fixfeed.parse(b"".join(log))))
    random.Random(1).shuffle(log)
    blocks = [Block.of(b"".join(log[at : at + 9]), f"part{at}") for at in range(0, len(log), 9)]

    def check(found):
        assert len(found) == len({pair for pair, _ in found}) == 3
        whole = {name: pa.concat_tables([one[name] for _, one in found]) for name in NAMES}
        assert content(whole) == expected
        for pair, tables in found:
            assert set(tables["orders"]["session_pair"].to_pylist()) == {pair}
        reports = whole["executions"].select(["source", "position", "exec_id"]).to_pylist()
        assert reports
        texts = {block.source: block.data for block in blocks}
        for row in reports:
            message = texts[row["source"]][row["position"] :].partition(b"\n")[0]
            assert b"\x0117=%s\x01" % row["exec_id"].encode() in message

    with TestPipeline() as pipeline:
        assert_that(pipeline | beam.Create(blocks) | ParseFix() | Derive(), check)


def test_only_the_tables_that_are_wanted_are_made_by_the_rules_that_are_given(tmp_path):
    (tmp_path / "rules.yaml").write_text("slow_acknowledgement: {severity: info}")
    block = Block.of(b"".join(log_of()), "log")

    def check(found):
        assert {tuple(tables) for _, tables in found} == {("anomalies", "orders")}
        rows = [row for _, tables in found for row in tables["anomalies"].to_pylist()]
        assert {row["severity"] for row in rows if row["rule"] == "slow_acknowledgement"} == {
            "info"
        }

    with TestPipeline() as pipeline:
        derived = Derive("anomalies", "orders", rules=tmp_path / "rules.yaml")
        assert_that(pipeline | beam.Create([block]) | ParseFix() | derived, check)


def test_each_function_gives_the_table_of_its_name():
    log = fixfeed.parse(b"".join(log_of()))
    tables = fixfeed.derived(log)
    assert list(tables) == NAMES
    for name in ("orders", "executions", "sequences", "session_days", "latencies", "anomalies"):
        assert getattr(fixfeed, name)(log).equals(tables[name])
        assert tables[name].num_rows > 0
    some = fixfeed.derived(log, "latencies", "executions")
    assert list(some) == ["latencies", "executions"]
    assert some["executions"].equals(tables["executions"])
    reports = log.take(tables["executions"]["message_id"])
    assert reports["exec_id"].to_pylist() == tables["executions"]["exec_id"].to_pylist()


def test_floats_give_the_same_orders_and_ids_are_kept():
    data = b"".join(log_of())
    exact, floats = fixfeed.parse(data), fixfeed.parse(data, floats=True)
    assert fixfeed.orders(exact).equals(fixfeed.orders(floats))
    ids = pa.array(range(1000, 1000 + exact.num_rows), pa.int64())
    named = fixfeed.executions(exact.append_column("message_id", ids))
    expected = [1000 + one for one in fixfeed.executions(exact)["message_id"].to_pylist()]
    assert named["message_id"].to_pylist() == expected


def test_what_is_missing_or_mistyped_is_told(tmp_path):
    log = fixfeed.parse(b"".join(log_of()))
    with pytest.raises(ValueError, match="no column 'fields', which this table is made from"):
        fixfeed.orders(log.drop_columns("fields"))
    with pytest.raises(ValueError, match=r"no derived table .order.; did you mean orders"):
        fixfeed.derived(log, "order")
    with pytest.raises(ValueError, match="no derived table 'fils'; expected some of orders, "):
        Derive("fils")
    (tmp_path / "rules.yaml").write_text("overfilled: 5")
    with pytest.raises(ValueError, match=r"rules.yaml: overfilled: found 5, expected its settings"):
        fixfeed.anomalies(log, rules=tmp_path / "rules.yaml")


def test_a_log_without_messages_has_tables_without_rows():
    empty = fixfeed.parse(b"")
    tables = fixfeed.derived(empty)
    assert {name: table.num_rows for name, table in tables.items()} == dict.fromkeys(NAMES, 0)
