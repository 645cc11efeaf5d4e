"""Runs bring the derived tables of their databases up to date, or leave that to another one."""

from fixfeed.pipelines.fixfeed import main
from tests.transforms.fix.messages import encode

ORDER = encode([(35, b"D"), (49, b"A"), (56, b"B"), (11, b"C1"), (55, b"AAPL"), (54, b"1")])


def test_what_a_run_leaves_to_be_derived_the_next_run_derives(tmp_path, database, select):
    log = tmp_path / "day.log"
    log.write_bytes(ORDER + b"\n")
    words = ["--input", str(log), "--output", database, "--quiet"]
    assert main([*words, "--no-derive"]) == 0
    assert select(database, "select cl_ord_id from messages") == [("C1",)]
    assert select(database, "select count(*) from orders") == [(0,)]
    assert main(words) == 0
    assert select(database, "select id from order_ids") == [("C1",)]
    assert select(database, "select count(*) from derive_stretches") == [(0,)]
