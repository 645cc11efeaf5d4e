"""No limit loses data: long messages are kept in pieces, and numbers are not reused."""

import gzip
import random

import pytest

from fixfeed.io.files import ranges
from fixfeed.io.files.find import cut_ranges, find_files
from fixfeed.io.files.reading import read_blocks
from fixfeed.io.ledger.ledger import SinkError
from fixfeed.io.parquet.files import with_keys
from fixfeed.io.sql.tables import FAILURE_COLUMNS, keys, table_rows
from fixfeed.transforms.batch import LARGEST_SOURCE, Block
from fixfeed.transforms.fix.framing.leftovers import RUN, classify_lines
from fixfeed.transforms.fix.parser import parse_block
from tests.transforms.fix.messages import encode

ORDER = encode([(35, b"D"), (49, b"A"), (56, b"B"), (11, b"C1"), (55, b"AAPL")]) + b"\n"


def blocks_of(path, *, longest=64 << 20, block_size=1 << 20, size=16 << 20):
    (file,), unreadable = find_files([str(path)])
    assert unreadable == []
    parts = cut_ranges(file, (), longest=longest, size=size)
    return [block for part in parts for block in read_blocks(part, block_size=block_size)]


def rows(blocks):
    batches = [parse_block(block) for block in blocks]
    messages = [row["raw"] for batch in batches for row in batch.messages.to_pylist()]
    failures = [row for batch in batches for row in batch.failures.to_pylist()]
    return messages, failures


def long_message(size):
    text = b"".join(b"line %d\n" % number for number in range(size // 8))[:size]
    return encode([(35, b"n"), (212, b"%d" % len(text)), (213, text)])


def test_a_message_up_to_the_limit_is_read_whole_and_a_longer_one_kept_in_pieces(tmp_path):
    path = tmp_path / "long.log"
    long = long_message(300_000)
    path.write_bytes(ORDER + long + b"\n" + ORDER)
    for longest in (len(long) + 1, len(long) + 1000):
        messages, failures = rows(blocks_of(path, longest=longest, block_size=20_000))
        assert (messages, failures) == ([ORDER[:-1], long, ORDER[:-1]], [])
    for longest in (200_000, 20_000, len(long) - 100):
        messages, failures = rows(blocks_of(path, longest=longest, block_size=20_000))
        assert messages == [ORDER[:-1], ORDER[:-1]]
        assert {row["reason"] for row in failures} == {"too_long"}
        assert b"".join(row["raw"] for row in failures) == long


@pytest.mark.parametrize("size", [50_000, 130_000])
def test_ranges_agree_on_a_message_that_is_too_long(tmp_path, monkeypatch, size):
    monkeypatch.setattr(ranges, "LOOK_BACK", 4096)
    path = tmp_path / "long.log"
    data = ORDER + long_message(300_000) + b"\n" + ORDER * 1000
    path.write_bytes(data)
    blocks = blocks_of(path, longest=40_000, block_size=20_000, size=size)
    assert b"".join(block.data for block in blocks) == data
    messages, failures = rows(blocks)
    assert messages == [ORDER[:-1]] * 1001
    assert {row["reason"] for row in failures} <= {"too_long"}


def test_a_run_of_one_byte_is_kept_as_its_count_and_no_byte_is_unaccounted_for(tmp_path):
    path = tmp_path / "zeros.log.gz"
    data = ORDER + b"x\x02" + bytes(5_000_000) + b"y\n" + ORDER
    path.write_bytes(gzip.compress(data))
    messages, failures = rows(blocks_of(path, longest=100_000, block_size=50_000))
    assert messages == [ORDER[:-1], ORDER[:-1]]
    assert sum(len(row["raw"]) for row in failures) < 2_000
    at = len(ORDER)
    for row in failures:
        assert row["position"] == at
        count = len(row["raw"])
        if row["reason"] == "repeated_byte":
            assert row["raw"] == bytes(16)
            assert row["detail"].startswith("the byte 0x00 ")
            count = int(row["detail"].split()[3].replace(",", ""))
        at += count
    assert data[at - 2 : at] == b"y\n"


def test_a_run_inside_a_line_is_cut_out_of_it():
    line = b"\x02before" + b"z" * RUN + b"after\n"
    batch = parse_block(Block("log", 100, ORDER + line))
    found = [(row["position"], row["reason"], row["raw"]) for row in batch.failures.to_pylist()]
    at = 100 + len(ORDER)
    assert found == [
        (at, "not_text", b"\x02before"),
        (at + 7, "repeated_byte", b"z" * 16),
        (at + 7 + RUN, "not_text", b"after\n"),
    ]


def test_random_bytes_become_few_failures_that_hold_them_all():
    data = b"\x00\n" + random.Random(1).randbytes(1 << 20).replace(b"=", b"-") + b"\x00\n"
    failures, skipped = classify_lines(data, 0, len(data), b"\x01", rest=False)
    assert len(failures) < 20
    assert b"".join(one.raw for one in failures) == data
    assert skipped == []
    assert max(len(one.raw) for one in failures) < 300 << 10


def test_a_line_of_text_between_short_binary_lines_counts_as_text():
    text = b"a line of more than sixty-four bytes of text is a line without FIX\n"
    failures, skipped = classify_lines(
        b"\x00\n" + text + b"\x01\nab\n\x02\n", 0, 200, b"|", rest=False
    )
    assert [(one.position, one.raw) for one in failures] == [
        (0, b"\x00\n"),
        (2 + len(text), b"\x01\nab\n\x02\n"),
    ]
    assert skipped == [2]


def test_a_compressed_source_is_read_up_to_the_largest_position(tmp_path, monkeypatch):
    monkeypatch.setattr(ranges, "LARGEST_SOURCE", 100_000)
    path = tmp_path / "day.log.gz"
    path.write_bytes(gzip.compress(ORDER * 5000))
    *good, last = blocks_of(path, block_size=10_000)
    assert last.error.startswith(f"{path}: holds ")
    assert "split it into several files" in last.error
    assert all(block.end < 100_000 for block in good)
    assert good[-1].end > 80_000


def test_no_sink_reuses_a_number_of_another_source():
    batch = parse_block(Block("log", LARGEST_SOURCE - 10, b"\x00\n"))
    last = 2**63 - 10
    assert keys(2**23 - 1, batch.failures["position"].to_numpy()).tolist() == [last]
    beyond = parse_block(Block("log", LARGEST_SOURCE, b"\x00\n"))
    for source_id, one, said in (
        (1, beyond, "there are numbers for 1,099,511,627,776 bytes of a source"),
        (2**23, batch, "there are numbers for 8,388,607 sources"),
    ):
        with pytest.raises(SinkError, match=said):
            table_rows([(source_id, one.failures)], FAILURE_COLUMNS)
        with pytest.raises(SinkError, match=said):
            with_keys(one.failures, source_id, "failure_id")
