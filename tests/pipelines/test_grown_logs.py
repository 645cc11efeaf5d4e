"""Logs that were cut when first read are stored, once grown, as if read once."""

import json
from functools import partial

import pytest

from fixfeed.io.files.find import find_files
from fixfeed.io.files.reading import read_blocks
from fixfeed.io.jsonl.ledger import JsonlLedger
from fixfeed.io.jsonl.writer import JsonlWriter
from fixfeed.io.parquet.ledger import ParquetLedger
from fixfeed.io.parquet.writer import ParquetWriter
from fixfeed.io.sql.open import open_store
from fixfeed.pipelines.plan import make_plan
from fixfeed.transforms.fix.parser import parse_block
from tests.io.parquet.test_sink import content
from tests.transforms.fix.framing.test_borders import LAYOUTS, MESSAGES

LOG = LAYOUTS["lines with a prefix"](MESSAGES[0]) + b"".join(
    map(LAYOUTS["lines of Windows"], MESSAGES)
)
CUTS = [*range(1, len(LOG), 11), *range(len(LOG) - 12, len(LOG) + 1)]
ONCE = len(CUTS)
"""The log that is whole in the first run."""


def of_sql(uri):
    store = open_store(uri)
    return store, lambda batches: store.write(batches, rules="r", replace=False)


def of_parquet(place):
    writer = ParquetWriter(str(place))
    writer.prepare()
    write = partial(writer.write, rules="r", replace=False)
    return ParquetLedger(str(place)), write


def of_jsonl(place):
    def write(batches):
        writer = JsonlWriter(str(place))
        writer.write(batches, rules="r", replace=False)
        writer.close()

    return JsonlLedger(str(place)), write


def run(folder, ledger, write):
    """Read the new parts of the logs in a folder; return the source id of each log."""
    ledger.prepare()
    found, unreadable = find_files([f"{folder}/*.log"])
    assert unreadable == []
    plan = make_plan(found, {"sink": ledger}, rules="r", reprocess=False)
    ids = plan.sources["sink"]
    batches = [
        (ids[block.source], parse_block(block, fix_json=True))
        for part in plan.ranges
        for block in read_blocks(part)
    ]
    write(batches)
    ledger.finish(dict.fromkeys(ids.values(), ""))
    ledger.close()
    return {file.name.rpartition("/")[2]: ids[file.key] for file in found}


def cut_and_grown(folder, sink):
    folder.mkdir()
    for number, cut in enumerate([*CUTS, len(LOG)]):
        (folder / f"{number:03}.log").write_bytes(LOG[:cut])
    run(folder, *sink())
    for number in range(len(CUTS)):
        (folder / f"{number:03}.log").write_bytes(LOG)
    return run(folder, *sink())


def assert_alike(ids, rows):
    """Check that all sources have the same rows as the one read once."""
    found = {number: [] for number in ids.values()}
    for (number, position), *row in rows:
        found[number].append((position, *row))
    once = found[ids[f"{ONCE:03}.log"]]
    assert len(once) == 6
    assert [name for name, number in ids.items() if found[number] != once] == []


def of_key(key):
    return divmod(key, 1 << 40)


def test_sql_has_the_same_rows_and_counts(tmp_path, database):
    ids = cut_and_grown(tmp_path / "logs", lambda: of_sql(database))
    store = open_store(database)
    messages = store.query("select message_id, prefix, raw, defects from messages order by 1")
    failures = store.query("select failure_id, raw from failures")
    counts = store.query("select bytes, stored, filtered, failed, skipped from sources")
    progress = store.query('select start, "end", stored, failed, skipped from progress')
    store.close()
    assert_alike(ids, [(of_key(key), prefix, bytes(raw), d) for key, prefix, raw, d in messages])
    assert failures == []
    assert set(counts) == {(len(LOG), 6, 0, 0, 0)}
    assert set(progress) == {(0, len(LOG), 6, 0, 0)}


def test_a_lake_has_the_same_rows_and_counts(tmp_path):
    place = tmp_path / "lake"
    ids = cut_and_grown(tmp_path / "logs", lambda: of_parquet(place))
    messages, failures, *_ = content(place)
    assert_alike(ids, [(of_key(row[0]), *row[1:]) for row in messages])
    assert failures == []


def test_json_lines_have_the_same_messages_and_keep_the_cut_ends(tmp_path):
    place = tmp_path / "out.jsonl"
    cut_and_grown(tmp_path / "logs", lambda: of_jsonl(place))
    found: dict[str, list[int]] = {}
    for line in place.read_bytes().splitlines():
        one = json.loads(line)
        found.setdefault(one["source"], []).append(one["position"])
    assert len(found) == len(CUTS) + 1
    assert len({tuple(sorted(positions)) for positions in found.values()}) == 1
    failures = (tmp_path / "out.failures.jsonl").read_bytes().splitlines()
    assert {json.loads(line)["reason"] for line in failures} <= {"truncated", "no_begin_string"}


@pytest.mark.parametrize("end", [b"10=", b"10=1", b"10=12", b"10=123", b"10=123^"])
def test_a_file_that_never_grows_keeps_its_end_as_a_failure(tmp_path, end):
    (tmp_path / "logs").mkdir()
    whole = LOG.replace(b"\x01", b"^A")
    cut = MESSAGES[0][:-7].replace(b"\x01", b"^A") + end
    (tmp_path / "logs" / "one.log").write_bytes(whole + cut)
    uri = f"sqlite:///{tmp_path / 'fixfeed.db'}"
    for _ in range(2):
        run(tmp_path / "logs", *of_sql(uri))
    store = open_store(uri)
    failures = store.query("select reason, raw from failures")
    stored = store.query("select count(*) from messages")
    store.close()
    assert (failures, stored) == ([("truncated", cut)], [(6,)])
