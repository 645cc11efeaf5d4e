"""Logons apply to the messages after them, however and in whatever parts a file is read."""

import gzip
import random

import pytest

from fixfeed.io.files import ranges
from fixfeed.io.files.find import cut_ranges, find_files
from fixfeed.io.files.ranges import with_context
from fixfeed.io.files.reading import read_blocks
from tests.transforms.fix.session_logs import heard, heard_in, logon, order, random_session_log


def one_file(path):
    (file,), unreadable = find_files([str(path)])
    assert unreadable == []
    return file


def read(parts, block_size=1 << 20):
    blocks = []
    for part in with_context(parts):
        blocks += read_blocks(part, block_size=block_size)
    return blocks


@pytest.fixture(autouse=True)
def small_steps(monkeypatch):
    monkeypatch.setattr(ranges, "LOOK_BACK", 8192)
    monkeypatch.setattr(ranges, "_PASSED", 3000)


@pytest.mark.parametrize("compression", ["", "gz"])
@pytest.mark.parametrize("seed", range(8))
def test_the_version_of_a_message_depends_on_the_file_alone(tmp_path, compression, seed):
    rng = random.Random(seed)
    data = logon() + b"\n" + random_session_log(rng, 120, b"\x01", mutated=0) + order()
    expected = heard(data, b"\x01")
    assert {"6", "7", "9"} < set(expected.values())
    path = tmp_path / "day.log"
    path.write_bytes(gzip.compress(data) if compression else data)
    file = one_file(path)
    assert file.framing.has_context
    for _ in range(12):
        block_size = rng.choice([1, 300, 1000, 5000, 1 << 20])
        size = rng.choice([500, 2000, 7000, 1 << 20])
        blocks = read(cut_ranges(file, (), size=size), block_size)
        assert b"".join(block.data for block in blocks) == data
        assert heard_in(blocks) == expected
        # Skip what another run has done with other blocks.
        done = [block for block in blocks if rng.random() < 0.5]
        rest = read(
            cut_ranges(file, [(block.start, block.end) for block in done], size=size),
            rng.choice([300, 5000]),
        )
        assert heard_in(sorted([*done, *rest], key=lambda block: block.start)) == expected


@pytest.mark.parametrize("compression", ["", "gz"])
def test_a_grown_file_is_read_by_the_logons_before_its_old_end(tmp_path, compression):
    first = logon(version=b"6") + b"\n" + order() + b"\n" + logon(version=b"9") + b"\n"
    path = tmp_path / "day.log"
    data = first + order()
    path.write_bytes(gzip.compress(data) if compression else data)
    (block,) = read(cut_ranges(one_file(path), [(0, len(first))]))
    assert (block.start, block.context) == (len(first), {"A->B": "9", "B->A": "9"})


def test_a_file_without_fixt_is_not_read_for_logons(tmp_path, monkeypatch):
    path = tmp_path / "day.log"
    path.write_bytes(b"".join(order().replace(b"FIXT.1.1", b"FIX.4.4") + b"\n" for _ in range(99)))
    parts = cut_ranges(one_file(path), (), size=1000)
    assert len(parts) > 3
    monkeypatch.setattr("fixfeed.io.files.planned.open_file", None)
    assert with_context(parts) == parts


def test_a_single_range_is_not_read_for_logons(tmp_path, monkeypatch):
    path = tmp_path / "day.log"
    path.write_bytes(logon() + order())
    parts = cut_ranges(one_file(path), ())
    monkeypatch.setattr("fixfeed.io.files.planned.open_file", None)
    assert with_context(parts) == parts


def test_a_file_that_is_gone_is_not_read_by_guessed_logons(tmp_path):
    path = tmp_path / "day.log"
    path.write_bytes(logon() + order() * 300)
    parts = cut_ranges(one_file(path), (), size=1000)
    path.unlink()
    first, second, *_ = with_context(parts)
    assert next(read_blocks(first)).error == (
        f"{path}: it went while the job ran, and what it held is not found in its folder; it was "
        "read up to byte 0. Give the file that has the rest of it now as --input"
    )
    assert next(read_blocks(second)).error == (
        f"{path}: what comes before this place, and tells how to read it, could not be read: what "
        "it held is not found in its folder. Give the file that has it now as --input"
    )


def test_a_stopped_job_reads_no_ranges(tmp_path):
    path = tmp_path / "day.log"
    path.write_bytes(logon() + order() * 300)
    parts = cut_ranges(one_file(path), (), size=1000)
    assert with_context(parts, stop=lambda: True) == ()


def test_damage_in_a_skipped_part_is_reported_once(tmp_path):
    rng = random.Random(1)
    data = logon() + b"\n" + random_session_log(rng, 2000, b"\x01", mutated=0)
    path = tmp_path / "day.log.gz"
    packed = gzip.compress(data)
    path.write_bytes(packed)
    path.write_bytes(packed[: len(packed) // 2])
    file = one_file(path)
    done = [(0, len(data) - 5000)]
    (block,) = read(cut_ranges(file, done))
    assert (block.start, block.data, block.provisional) == (len(data) - 5000, b"", True)
    prefix = f"{path}: its gz data ends too early; it was read up to byte "
    assert block.error.startswith(prefix)
    assert 0 < int(block.error.removeprefix(prefix)) < len(data)
