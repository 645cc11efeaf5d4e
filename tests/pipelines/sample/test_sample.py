"""The sample matches its manifest, and its orders make sense."""

from collections import Counter, defaultdict
from pathlib import Path

import orjson
import pyarrow as pa
import pytest

from benchmarks.bench_log import write_bench_log
from fixfeed.io.files.find import cut_ranges, find_files
from fixfeed.io.files.reading import read_blocks
from fixfeed.pipelines.sample import command as sample
from fixfeed.pipelines.sample.layouts import LAYOUTS
from fixfeed.transforms.fix.defects import DICTIONARY, NAMES, defect_text
from fixfeed.transforms.fix.framing.leftovers import REASONS
from fixfeed.transforms.fix.parser import parse_block

COUNTED = ("messages", "by_msg_type", "defects", "failures", "skipped")


def write(folder, *arguments):
    assert sample.main(["--output", str(folder), *arguments]) == 0
    return orjson.loads((folder / "manifest.json").read_bytes())


def parsed(path, size=16 << 20, block_size=1 << 20, **options):
    (file,), unreadable = find_files([str(path)])
    assert unreadable == []
    return [
        parse_block(block, **options)
        for part in cut_ranges(file, ())
        for block in read_blocks(part)
    ]


def counted(batches):
    kinds, defects, reasons = Counter(), Counter(), Counter()
    for batch in batches:
        assert batch.error is None
        kinds.update(batch.messages["msg_type"].to_pylist())
        reasons.update(batch.failures["reason"].to_pylist())
        for text in batch.messages["defects"].drop_null().to_pylist():
            defects.update(text.split(","))
    return {
        "messages": kinds.total(),
        "by_msg_type": dict(sorted(kinds.items())),
        "defects": dict(sorted(defects.items())),
        "failures": dict(sorted(reasons.items())),
        "skipped": sum(batch.skipped for batch in batches),
    }


def contents(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def rows(folder):
    tables = [
        pa.Table.from_batches([batch.messages for batch in parsed(path)])
        for path in sorted(folder.glob("*.log*"))
    ]
    return pa.concat_tables(tables).to_pylist()


@pytest.mark.parametrize("seed", [42, 1, 2])
def test_the_parser_finds_what_the_manifest_lists(tmp_path, seed):
    manifest = write(tmp_path, "--seed", str(seed))
    names = {path.name for path in tmp_path.glob("*.log*")}
    assert set(manifest["files"]) == names
    for name, file in manifest["files"].items():
        truth = {key: file[key] for key in COUNTED}
        assert counted(parsed(tmp_path / name, vectorised=True)) == truth, name
        assert counted(parsed(tmp_path / name, vectorised=False)) == truth, name
    total = manifest["total"]
    for key in ("messages", "skipped"):
        assert total[key] == sum(file[key] for file in manifest["files"].values())
    for key in ("by_msg_type", "defects", "failures"):
        summed = sum((Counter(file[key]) for file in manifest["files"].values()), Counter())
        assert total[key] == summed


def test_the_default_sample_has_every_layout_defect_reason_and_kind_of_message(tmp_path):
    manifest = write(tmp_path)
    total = manifest["total"]
    assert {file["layout"] for file in manifest["files"].values()} == set(LAYOUTS)
    by_dictionary = set((defect_text(DICTIONARY) or "").split(","))
    # All sessions of the sample have known versions, and ids of a usual length.
    not_there = {"unknown_version", "text_too_long"}
    assert set(total["defects"]) == set(NAMES) - by_dictionary - not_there
    of_sources_and_sinks = {"unreadable", "too_long", "repeated_byte", "too_large", "no_key"}
    assert set(total["failures"]) == set(REASONS) - of_sources_and_sinks
    assert set(total["by_msg_type"]) == {*"012345A89BDFGHJPVWXj", "AE"}
    assert 19_500 < total["messages"] < 20_000
    assert sorted(path.suffix for path in tmp_path.glob("*.log.*")) == [".gz", ".zst"]


def test_equal_seeds_give_equal_bytes_and_other_seeds_give_others(tmp_path):
    for folder, seed in (("one", "5"), ("two", "5"), ("three", "6")):
        write(tmp_path / folder, "--messages", "500", "--seed", seed)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert contents(tmp_path / "one")["pipe.log"] != contents(tmp_path / "three")["pipe.log"]


def test_an_earlier_sample_in_the_folder_is_replaced_and_other_files_are_kept(tmp_path):
    write(tmp_path, "--messages", "500", "--layout", "plain", "pipe")
    (tmp_path / "mine.log").write_text("mine")
    write(tmp_path, "--messages", "500", "--layout", "pipe", "--compress", "xz")
    assert set(contents(tmp_path)) == {"mine.log", "pipe.log.xz", "manifest.json"}


def reports_by_order(folder):
    """Return the execution reports of each order in their order, and the orders' own ids."""
    sent = [row for row in rows(folder) if row["defects"] is None and not row["poss_dup_flag"]]
    asked = {row["cl_ord_id"] for row in sent if row["msg_type"] in "DGF"}
    orders = defaultdict(list)
    for row in sent:
        if row["msg_type"] == "8":
            orders[row["session"], row["order_id"]].append(row)
    return orders, asked


def test_reports_add_up_and_order_ids_form_chains(tmp_path):
    write(tmp_path)
    orders, asked = reports_by_order(tmp_path)
    reports = [row for life in orders.values() for row in life]
    assert len(reports) > 5000
    for row in reports:
        left = row["order_qty"] - row["cum_qty"]
        closed = row["ord_status"] in "48"
        expected = None if row["begin_string"] == "FIX.4.0" else 0 if closed else left
        assert row["leaves_qty"] == expected, row
    chained = 0
    for life in orders.values():
        ids = [row["cl_ord_id"] for row in life]
        for row in life:
            if row["orig_cl_ord_id"] in ids:
                chained += 1
                assert ids.index(row["orig_cl_ord_id"]) < ids.index(row["cl_ord_id"])
    assert chained > 300
    # A request itself may be damaged.
    known = sum(row["cl_ord_id"] in asked for row in reports)
    assert known > 0.95 * len(reports)


def test_the_last_report_of_an_order_has_the_fills_that_the_manifest_counts(tmp_path):
    manifest = write(tmp_path)
    last = {}
    for row in rows(tmp_path):
        # Only reports that change no fill are damaged so that they do not say all of it.
        whole = row["symbol"] and row["session"] and None not in (row["cum_qty"], row["avg_px"])
        if row["msg_type"] == "8" and whole and not row["poss_dup_flag"]:
            session = frozenset(row["session"].partition(":")[2].split("->"))
            last[session, row["order_id"]] = row
    found = defaultdict(lambda: [0, 0.0])
    for (session, _), row in last.items():
        found[session, row["symbol"]][0] += row["cum_qty"]
        found[session, row["symbol"]][1] += float(row["cum_qty"] * row["avg_px"])
    for file in manifest["files"].values():
        assert file["fills"]
        for symbol, truth in file["fills"].items():
            sides = frozenset(file["session"].partition(":")[2].split("->"))
            quantity, notional = found[sides, symbol]
            assert quantity == truth["quantity"]
            assert notional == pytest.approx(truth["notional"], rel=1e-6)


def kinds_of_report(row):
    return row["begin_string"], row["exec_trans_type"], row["exec_type"]


def test_every_version_busts_and_corrects_in_its_own_way(tmp_path):
    write(tmp_path)
    amended = [row for row in rows(tmp_path) if row["exec_ref_id"]]
    ways = {kinds_of_report(row) for row in amended}
    assert {way[1:] for way in ways if way[0] in ("FIX.4.4", "FIXT.1.1")} == {
        (None, "H"),
        (None, "G"),
    }
    assert {way[1] for way in ways if way[0] == "FIX.4.2"} == {"1", "2"}
    assert {way[1:] for way in ways if way[0] == "FIX.4.0"} == {("1", None), ("2", None)}
    replaced = {(row["session"], row["exec_id"]) for row in amended}
    assert any((row["session"], row["exec_ref_id"]) in replaced for row in amended)


def test_the_drop_copy_has_the_executions_of_another_session_and_is_not_in_the_total(tmp_path):
    files = (manifest := write(tmp_path))["files"]
    copy, original = files["tab.log"], files["quickfix.log"]
    assert copy["drop_copy_of"] == original["session"]
    assert copy["fills"] == original["fills"]
    summed = Counter()
    for name, file in files.items():
        if name != "tab.log":
            for symbol, filled in file["fills"].items():
                summed.update({(symbol, key): value for key, value in filled.items()})
    for symbol, filled in manifest["total"]["fills"].items():
        assert filled == pytest.approx({key: summed[symbol, key] for key in filled})
    reports = [row for row in rows(tmp_path) if row["session"] == copy["session"]]
    assert {row["msg_type"] for row in reports} == {"0", "8", "A", "5"}
    # Other sessions have the same ExecIDs for executions of their own.
    ids = {
        session: {row["exec_id"] for row in rows(tmp_path) if row["session"] == session}
        for session in (files["log4j.log.gz"]["session"], files["pipe.log"]["session"])
    }
    assert len(set.intersection(*ids.values())) > 100


def test_sequence_numbers_rise_by_one_in_each_direction_and_resends_repeat_them(tmp_path):
    write(tmp_path)
    numbers, dups = defaultdict(list), defaultdict(list)
    for row in rows(tmp_path):
        # A message without BeginString has its own session: none.
        if row["msg_seq_num"] is not None and row["session"] is not None:
            kept = dups if row["poss_dup_flag"] else numbers
            kept[row["session"]].append(row["msg_seq_num"])
    assert len(numbers) == 2 * len(LAYOUTS)
    for session, found in numbers.items():
        assert found == sorted(set(found)), session
        assert len(found) > 0.97 * found[-1]
        assert set(dups[session]) <= set(range(1, found[-1] + 2))
    assert sum(map(len, dups.values())) > 20


def test_times_cover_the_trading_day_and_both_directions_are_captured(tmp_path):
    write(tmp_path, "--layout", "log4j", "iso")
    found = rows(tmp_path)
    assert {row["direction"] for row in found} == {"in", "out"}
    days = {row["captured_at"].date().isoformat() for row in found}
    hours = {row["captured_at"].hour for row in found}
    assert days == {"2025-01-02"}
    assert hours >= set(range(8, 17))


def test_too_few_messages_are_refused_with_the_required_number(tmp_path, capsys):
    assert sample.main(["--output", str(tmp_path), "--messages", "50"]) == 2
    assert "give at least 200" in capsys.readouterr().err
    assert contents(tmp_path) == {}


def test_a_benchmark_log_has_the_reported_counts_and_no_defects_beyond_the_damage(tmp_path):
    path = tmp_path / "bench.log"
    said = write_bench_log(path, 30_000)
    batches = parsed(path)
    found = counted(batches)
    assert sum(said) == 30_000
    assert found["messages"] == said.messages
    assert found["failures"] == {"no_msg_type": said.failures}
    assert found["skipped"] == said.skipped
    assert set(found["defects"]) >= {"check_sum", "body_length", "truncated", "bad_field"}
    defective = sum(len(batch.messages["defects"].drop_null()) for batch in batches)
    assert 0 < defective < 0.01 * 30_000
    rows = pa.Table.from_batches([batch.messages for batch in batches]).to_pylist()
    assert len({row["msg_seq_num"] for row in rows}) == len(rows)
    ids = [row["cl_ord_id"] for row in rows if row["cl_ord_id"]]
    assert len(set(ids)) == len(ids)
    assert 240 < path.stat().st_size / 30_000 < 260
    shares = {kind: count / said.messages for kind, count in found["by_msg_type"].items()}
    expected = {"8": 0.41, "D": 0.22, "W": 0.15, "G": 0.08, "F": 0.08, "0": 0.05}
    assert {kind: round(shares[kind], 2) for kind in expected} == pytest.approx(expected, abs=0.02)


def test_a_benchmark_log_without_damage_has_no_defects(tmp_path):
    path = tmp_path / "bench.log"
    assert write_bench_log(path, 5000, seed=7, malformed=0) == (5000, 0, 0)
    found = counted(parsed(path))
    assert (found["messages"], found["defects"], found["failures"]) == (5000, {}, {})


def test_a_folder_with_foreign_logs_is_left_as_it_is(tmp_path, capsys):
    own = tmp_path / "plain.log"
    own.write_bytes(b"mine")
    (tmp_path / "manifest.json").write_text('{"a": 1}')
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert sample.main(["--output", str(tmp_path)]) == 2
    assert "that fixfeed sample did not write; name another folder" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
