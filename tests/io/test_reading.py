"""The file that was planned is the file that is read, though it is rotated meanwhile."""

import gzip
import itertools
import os
import random

import pytest

from fixio.files import cut_ranges, find_files
from fixio.ranges import with_logons
from fixio.reading import read_blocks
from fixio.witness import EXACT
from tests.fix.messages import random_log
from tests.io.known_sources import file_witness

SIZE = 900  # bytes of a block


def log(messages, seed):
    return random_log(random.Random(seed), messages, mutated=0, delimiter=b"|")


@pytest.fixture
def day(tmp_path):
    path = tmp_path / "day.log"
    path.write_bytes(log(200, 1))
    return path


def planned(path, size=1 << 20):
    (file,), unreadable = find_files([str(path)])
    assert unreadable == []
    return cut_ranges(file, (), size=size)


def text_of(blocks):
    blocks = list(blocks)
    assert all(one.end == other.start for one, other in itertools.pairwise(blocks))
    return b"".join(block.data for block in blocks)


def rename(path):
    path.rename(path.with_name("day.log.1"))
    path.write_bytes(log(300, 2))


def copy_and_truncate(path):
    path.with_name("day.log.1").write_bytes(path.read_bytes())
    with open(path, "r+b") as file:
        file.truncate()
        file.write(log(300, 2))


ROTATIONS = {"renamed": rename, "copied and truncated": copy_and_truncate}


@pytest.mark.parametrize("rotate", ROTATIONS.values(), ids=ROTATIONS)
@pytest.mark.parametrize("after", [0, 1, 5])
def test_a_log_that_is_rotated_is_read_on_where_it_went(day, rotate, after):
    data = day.read_bytes()
    (part,) = planned(day)
    blocks = read_blocks(part, block_size=SIZE)
    read = list(itertools.islice(blocks, after))
    rotate(day)
    assert text_of([*read, *blocks]) == data


@pytest.mark.parametrize("rotate", ROTATIONS.values(), ids=ROTATIONS)
def test_ranges_that_are_opened_before_and_after_a_rotation_are_of_one_file(day, rotate):
    data = day.read_bytes()
    parts = planned(day, size=5000)
    assert len(parts) > 4
    first = [block for part in parts[:2] for block in read_blocks(part, block_size=SIZE)]
    rotate(day)
    rest = [block for part in parts[2:] for block in read_blocks(part, block_size=SIZE)]
    assert text_of([*first, *rest]) == data


def test_a_log_that_has_grown_before_it_was_rotated_is_read_to_its_new_end(day):
    data = day.read_bytes() + log(50, 3)
    (part,) = planned(day)
    day.write_bytes(data)
    rename(day)
    assert text_of(read_blocks(part, block_size=SIZE)) == data


def test_logons_are_looked_for_in_the_log_that_was_planned(day):
    day.write_bytes(day.read_bytes().replace(b"FIX.4.4", b"FIXT.1.1"))
    parts = planned(day, size=5000)
    before = with_logons(parts)
    rename(day)
    assert with_logons(parts) == before


@pytest.mark.parametrize("after", [0, 1, 5])
def test_what_is_not_found_any_more_is_one_failure_where_reading_ended(day, tmp_path, after):
    data = day.read_bytes()
    (part,) = planned(day)
    blocks = read_blocks(part, block_size=SIZE)
    read = list(itertools.islice(blocks, after))
    with open(day, "r+b") as file:
        file.truncate()
        file.write(log(300, 2))
    (last,) = blocks
    at = read[-1].end if read else 0
    assert text_of(read) == data[:at]
    assert (last.start, last.data, last.provisional) == (at, b"", True)
    assert last.error == (
        f"{day}: its content has been replaced while the job ran, and what it held is not found in "
        f"its folder; it was read up to byte {at}. Give the file that has the rest of it now as "
        "--input"
    )


def test_a_log_that_becomes_shorter_while_it_is_read_is_named(day):
    (part,) = planned(day)
    blocks = read_blocks(part, block_size=SIZE)
    first = next(blocks)
    os.truncate(day, first.end + 100)
    (last,) = blocks
    assert (last.start, last.data) == (first.end, b"")
    assert "it has become shorter than the " in last.error


@pytest.mark.parametrize("rotate", ["renamed", "gone", "replaced"])
def test_a_compressed_log_that_goes_is_read_on_or_named(tmp_path, rotate):
    data = log(300, 1)
    path = tmp_path / "day.log.gz"
    path.write_bytes(gzip.compress(data))
    (part,) = planned(path)
    blocks = read_blocks(part, block_size=SIZE)
    first = next(blocks)
    if rotate == "renamed":
        path.rename(tmp_path / "old.gz")
    elif rotate == "gone":
        path.unlink()  # Who has opened it reads on.
    else:
        path.write_bytes(gzip.compress(log(300, 2)))
        (last,) = blocks
        assert (last.start, last.data, last.provisional) == (first.end, b"", True)
        return
    assert text_of([first, *blocks]) == data


def test_each_block_has_the_witness_of_its_end(tmp_path):
    path = tmp_path / "long.log"
    path.write_bytes(log(12_000, 1))
    assert path.stat().st_size > 2 * EXACT
    packed = tmp_path / "long.log.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    for one, size in ((path, 300_000), (path, 1 << 30), (packed, 1 << 30)):
        for part in planned(one, size=size):
            for block in read_blocks(part, block_size=200_000):
                assert block.witness == file_witness(path, block.end)
