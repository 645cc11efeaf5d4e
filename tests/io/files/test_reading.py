"""The planned file is the file that is read, even if it is rotated meanwhile."""

import gzip
import itertools
import os
import random

import pytest

from fixfeed.io.files import content
from fixfeed.io.files import planned as planned_files
from fixfeed.io.files.find import cut_ranges, find_files
from fixfeed.io.files.ranges import with_context
from fixfeed.io.files.reading import read_blocks
from fixfeed.io.ledger.witness import EXACT
from tests.io.ledger.known_sources import file_witness
from tests.transforms.fix.messages import random_log
from tests.transforms.fix.session_logs import heard, heard_in, logon, random_session_log

SIZE = 900  # bytes in a block


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


def written(path, data):
    path.write_bytes(data)
    return path


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
def test_a_rotated_log_is_read_on_under_its_new_name(day, rotate, after):
    data = day.read_bytes()
    (part,) = planned(day)
    blocks = read_blocks(part, block_size=SIZE)
    read = list(itertools.islice(blocks, after))
    rotate(day)
    assert text_of([*read, *blocks]) == data


@pytest.mark.parametrize("rotate", ROTATIONS.values(), ids=ROTATIONS)
def test_ranges_opened_before_and_after_a_rotation_are_of_one_file(day, rotate):
    data = day.read_bytes()
    parts = planned(day, size=5000)
    assert len(parts) > 4
    first = [block for part in parts[:2] for block in read_blocks(part, block_size=SIZE)]
    rotate(day)
    rest = [block for part in parts[2:] for block in read_blocks(part, block_size=SIZE)]
    assert text_of([*first, *rest]) == data


def test_a_log_that_grew_before_its_rotation_is_read_to_its_new_end(day):
    data = day.read_bytes() + log(50, 3)
    (part,) = planned(day)
    day.write_bytes(data)
    rename(day)
    assert text_of(read_blocks(part, block_size=SIZE)) == data


class Moments:
    """Acts right before the nth time that a file is opened, read or looked at."""

    def __init__(self, monkeypatch, nth, act):
        self.left, self.act = nth, act
        self.opening = planned_files.open_file
        for module in (planned_files, content):
            monkeypatch.setattr(module, "open_file", self.open)
        for name in ("_size_of", "_digest_of"):
            looking = getattr(planned_files, name)
            monkeypatch.setattr(planned_files, name, self.after_one_more(looking))

    def after_one_more(self, function):
        def passing(*arguments):
            self.left -= 1
            if self.left == 0:
                self.act()
            return function(*arguments)

        return passing

    def open(self, path):
        file = self.after_one_more(self.opening)(path)
        return Watched(file, self.after_one_more(file.read))


class Watched:
    """A file that reports each read."""

    def __init__(self, file, read):
        self.file, self.read = file, read

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()


def at_every_moment(tmp_path, monkeypatch, data, function, rotate):
    """Yield the results of a function for a log rotated at its first moment, its second, ..."""
    for nth in itertools.count(1):
        folder = tmp_path / str(nth)
        folder.mkdir()
        path = folder / "day.log"
        path.write_bytes(data)
        given = planned(path, size=3000)
        with monkeypatch.context() as patch:
            moments = Moments(patch, nth, lambda path=path: rotate(path))
            found = function(given)
        yield found
        if moments.left > 0:
            assert nth > 5
            return


def empty(path):
    path.with_name("day.log.1").write_bytes(path.read_bytes())
    os.truncate(path, 0)


EVERY_ROTATION = ROTATIONS | {"copied and emptied": empty}


@pytest.mark.parametrize("rotate", EVERY_ROTATION.values(), ids=EVERY_ROTATION)
def test_a_log_rotated_at_any_moment_is_read_whole(tmp_path, monkeypatch, rotate):
    def read(parts):
        return text_of(block for part in parts for block in read_blocks(part, block_size=SIZE))

    data = log(40, 1)
    for found in at_every_moment(tmp_path, monkeypatch, data, read, rotate):
        assert found == data


def test_a_log_replaced_at_any_moment_is_read_whole_or_reported(tmp_path, monkeypatch):
    def read(parts):
        return [block for part in parts for block in read_blocks(part, block_size=SIZE)]

    data = log(40, 1)
    for blocks in at_every_moment(
        tmp_path, monkeypatch, data, read, lambda path: path.write_bytes(log(300, 2))
    ):
        assert all(data.startswith(block.data, block.start) for block in blocks)
        if not any(block.error for block in blocks):
            assert text_of(blocks) == data


@pytest.mark.parametrize("rotate", EVERY_ROTATION.values(), ids=EVERY_ROTATION)
def test_logons_are_found_in_a_log_rotated_at_any_moment(tmp_path, monkeypatch, rotate):
    data = logon() + b"\n" + random_session_log(random.Random(1), 30, b"\x01", mutated=0)

    def read(parts):
        return [block for part in with_context(parts) for block in read_blocks(part)]

    for blocks in at_every_moment(tmp_path, monkeypatch, data, read, rotate):
        assert text_of(blocks) == data
        assert heard_in(blocks) == heard(data, b"\x01")


@pytest.mark.parametrize("rotate", EVERY_ROTATION.values(), ids=EVERY_ROTATION)
def test_a_log_rotated_while_it_is_looked_at_is_seen_as_one_file(tmp_path, monkeypatch, rotate):
    def look(parts):
        return content.look(parts[0].path, parts[0].path, b"8=FIX")[0].known

    data = log(40, 1)
    seen = list(at_every_moment(tmp_path, monkeypatch, data, look, rotate))
    new = tmp_path / "1" / "day.log"
    one_file = [
        content.look(str(file), str(file), b"8=FIX")[0].known
        for file in (written(tmp_path / "old", data), new)
    ]
    assert all(one in one_file for one in seen)
    assert all(one in seen for one in one_file)


@pytest.mark.parametrize("rotate", EVERY_ROTATION.values(), ids=EVERY_ROTATION)
def test_a_log_rotated_at_any_moment_is_recognised_by_its_content(tmp_path, monkeypatch, rotate):
    data = log(40, 1)
    place = len(data) - 100
    wanted = {place: file_witness(written(tmp_path / "old", data), place)}

    def holds(parts):
        return parts[0].origin.content.holds(wanted)

    assert all(at_every_moment(tmp_path, monkeypatch, data, holds, rotate))


@pytest.mark.parametrize("rotate", EVERY_ROTATION.values(), ids=EVERY_ROTATION)
def test_a_log_is_not_taken_for_a_copy_because_it_is_rotated(tmp_path, monkeypatch, rotate):
    other = tmp_path / "other.log"
    data = log(40, 1)
    other.write_bytes(data[:-1] + log(60, 2))
    (longer,), _ = find_files([str(other)])

    def compare(parts):
        return parts[0].origin.content.begins(longer.content)

    assert not any(at_every_moment(tmp_path, monkeypatch, data, compare, rotate))


def test_logons_that_are_gone_are_not_guessed(tmp_path):
    data = logon() + b"\n" + random_session_log(random.Random(1), 60, b"\x01", mutated=0)
    (tmp_path / "logs").mkdir()
    path = written(tmp_path / "logs" / "day.log", data)
    first, *rest = planned(path, size=4000)
    path.rename(tmp_path / "elsewhere")
    first_again, *marked = with_context([first, *rest])
    (tmp_path / "elsewhere").rename(path)
    assert marked
    assert first_again == first
    for part in marked:
        (block,) = read_blocks(part)
        assert (block.start, block.data, block.provisional) == (part.start, b"", True)
        assert block.error.startswith(f"{path}: what comes before this place, and tells how to")


def test_logons_are_looked_for_in_the_planned_log(day):
    day.write_bytes(day.read_bytes().replace(b"FIX.4.4", b"FIXT.1.1"))
    parts = planned(day, size=5000)
    before = with_context(parts)
    rename(day)
    assert with_context(parts) == before


@pytest.mark.parametrize("after", [0, 1, 5])
def test_a_lost_file_is_one_failure_where_reading_ended(day, tmp_path, after):
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


def test_a_log_that_shrinks_while_it_is_read_is_reported(day):
    (part,) = planned(day)
    blocks = read_blocks(part, block_size=SIZE)
    first = next(blocks)
    os.truncate(day, first.end + 100)
    (last,) = blocks
    assert (last.start, last.data) == (first.end, b"")
    assert "it has become shorter than the " in last.error


@pytest.mark.parametrize("rotate", ["renamed", "gone", "replaced"])
def test_a_lost_compressed_log_is_read_on_or_reported(tmp_path, rotate):
    data = log(300, 1)
    path = tmp_path / "day.log.gz"
    path.write_bytes(gzip.compress(data))
    (part,) = planned(path)
    blocks = read_blocks(part, block_size=SIZE)
    first = next(blocks)
    if rotate == "renamed":
        path.rename(tmp_path / "old.gz")
    elif rotate == "gone":
        path.unlink()  # Open files stay readable.
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
