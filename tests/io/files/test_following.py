"""Files that grow, move and are replaced are read once, as they are written."""

import gzip
import os
import random
import shutil
import time
from collections import Counter
from contextlib import closing

import pytest

from fixfeed.io.files import following
from fixfeed.io.files.changes import is_remote
from fixfeed.io.files.find import cut_ranges
from fixfeed.io.files.following import FollowedFiles
from fixfeed.transforms.batch import FLUSH
from fixfeed.transforms.fix.protocol import FIX
from tests.io.ledger.known_sources import file_witness
from tests.transforms.fix.messages import encode

ROTATED = 0.4  # seconds, in place of five


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Let what waits for seconds wait for less."""
    monkeypatch.setattr(following, "_ENDED", ROTATED)
    monkeypatch.setattr(following, "_QUIET", 0.2)
    monkeypatch.setattr(following, "_POLL", 0.1)


def messages(count, seed):
    return [
        encode([(35, b"0"), (34, b"%d" % number), (112, b"test of seed %d" % seed)], delimiter=b"|")
        + b"\n"
        for number in range(1, count + 1)
    ]


class Known:
    """Ledgers that have these stretches of all files, and a part of these files."""

    def __init__(self, done, names):
        self._done, self._names = done, names

    def known(self, files):
        return {file.key for file in files if os.path.basename(file.path) in self._names}

    def lacking(self, files):
        return [part for file in files for part in cut_ranges(file, self._done, size=1 << 40)]


class Followed:
    """What is read of followed files."""

    def __init__(self, *patterns, done=(), known=()):
        self.said = []
        self.stopped = False
        self.blocks = []
        self._feed = FollowedFiles(
            [str(pattern) for pattern in patterns],
            FIX,
            Known(done, known),
            stop=lambda: self.stopped,
            say=self.said.append,
        )
        self.close = self._feed.close

    def read(self, seconds=0.6, size=None):
        """Read until nothing has come for so long, or `size` bytes have; return what came."""
        before = len(self.blocks)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if size == sum(len(block.data) for block in self.blocks[before:]):
                return self.blocks[before:]
            block = self._feed.next(seconds)
            if block is None:
                return self.blocks[before:]
            if block is not FLUSH:
                self.blocks.append(block)
        raise AssertionError("it does not end")

    @property
    def lines(self):
        """The lines read, and those kept as failures, without line ends."""
        data = b"".join(block.data.rstrip(b"\n") + b"\n" for block in self.blocks)
        return Counter(data.splitlines())


def of(lines):
    return Counter(line.rstrip(b"\n") for line in lines)


def append(path, *lines):
    with open(path, "ab") as file:
        file.writelines(lines)


def test_lines_are_read_as_they_are_written(tmp_path):
    lines = messages(30, 1)
    path = tmp_path / "day.log"
    with closing(Followed(tmp_path / "*.log")) as followed:
        assert followed.read() == []
        for line in lines:
            append(path, line)
            blocks = followed.read(size=len(line))
            assert b"".join(block.data for block in blocks) == line
        assert followed.read() == []
    assert [block.start for block in followed.blocks] == [
        sum(map(len, lines[:number])) for number in range(30)
    ]
    for block in followed.blocks:
        assert block.witness == file_witness(path, block.end)


def test_what_matches_nothing_at_the_beginning_is_told_once(tmp_path):
    append(tmp_path / "pipe.log", b"")
    patterns = [tmp_path / "pipe.lg", tmp_path / "new" / "*.log", tmp_path, tmp_path / "*.log"]
    with closing(Followed(*patterns)) as followed:
        followed.read()
        followed.read()
    assert sorted(followed.said) == [
        f"{tmp_path}/new/*.log: matches no file yet, and is waited for",
        f"{tmp_path}/pipe.lg: does not exist yet, and is waited for; there is"
        f" '{tmp_path}/pipe.log'",
        f"{tmp_path}: is a folder, and is not followed; name its files: {tmp_path}/*",
    ]


def test_messages_after_one_with_a_wrong_length_are_read_soon(tmp_path):
    wrong, after = messages(2, 2)
    wrong = wrong.replace(b"|35=", b"9|35=")
    path = tmp_path / "day.log"
    with closing(Followed(path)) as followed:
        append(path, wrong, after)
        followed.read(4 * ROTATED)
    assert followed.lines == of([wrong, after])
    assert not any(block.provisional for block in followed.blocks)


def test_a_half_written_message_waits(tmp_path):
    line, after = messages(2, 2)
    path = tmp_path / "day.log"
    with closing(Followed(path)) as followed:
        for at in range(len(line)):
            append(path, line[at : at + 1])
            if at % 7 == 0 and at < len(line) - 2:
                assert followed.read(0.02) == []
        append(path, after)
        followed.read()
    assert followed.lines == of([line, after])
    assert not any(block.provisional for block in followed.blocks)


@pytest.mark.parametrize("before", [0, 3])
def test_files_that_appear_later_are_found_in_folders_that_appear_later(tmp_path, before):
    lines = messages(5, 3)
    with closing(Followed(tmp_path / "new" / "**" / "*.log")) as followed:
        assert followed.read(0.2) == []
        (tmp_path / "new" / "deep").mkdir(parents=True)
        followed.read(0.2)
        append(tmp_path / "new" / "deep" / "a.log", *lines[:before])
        followed.read()
        append(tmp_path / "new" / "deep" / "a.log", *lines[before:])
        followed.read()
    assert followed.lines == of(lines)


def renamed(path):
    os.rename(path, f"{path}.1")


def renamed_and_compressed(path):
    os.rename(path, f"{path}.1")
    compress(f"{path}.1")


def compress(path):
    with open(path, "rb") as plain, gzip.open(f"{path}.gz", "wb") as packed:
        shutil.copyfileobj(plain, packed)
    os.unlink(path)


def copied_and_truncated(path):
    shutil.copyfile(path, f"{path}.1")
    os.truncate(path, 0)


def copied_truncated_and_compressed(path):
    copied_and_truncated(path)
    compress(f"{path}.1")


ROTATIONS = (
    renamed,
    renamed_and_compressed,
    copied_and_truncated,
    copied_truncated_and_compressed,
)


@pytest.mark.parametrize("pattern", ["day.log", "day.log*"])
@pytest.mark.parametrize("rotate", ROTATIONS)
def test_a_rotated_log_is_read_to_its_end_and_the_next_one_from_its_beginning(
    tmp_path, rotate, pattern
):
    lines = messages(60, 4)
    path = tmp_path / "day.log"
    with closing(Followed(tmp_path / pattern)) as followed:
        for number in range(3):
            begin = 20 * number
            append(path, *lines[begin : begin + 10])
            followed.read(0.3)
            # These are not read before the rotation.
            append(path, *lines[begin + 10 : begin + 20])
            rotate(path)
            for old in (1, 2):
                for end in ("", ".gz"):
                    if os.path.exists(f"{path}.{old}{end}"):
                        os.rename(f"{path}.{old}{end}", f"{path}.{old}{number}{end}")
            append(path, *lines[begin + 20 : begin + 21])
            followed.read(0.3)
        followed.read(1.0)
    assert set(followed.lines) == set(of(lines))
    if pattern == "day.log":
        assert followed.lines == of([*lines, lines[20], lines[40]])


@pytest.mark.parametrize("rotate", ROTATIONS)
def test_a_message_may_be_cut_by_a_rotation_at_any_byte(tmp_path, rotate):
    logs = {}
    for seed in range(1000, 1000 + len(messages(1, 1000)[0]) - 6):
        first, cut, after = messages(3, seed)
        path = tmp_path / str(seed) / "day.log"
        path.parent.mkdir()
        logs[path] = first, cut[: seed - 999], after
        append(path, first, logs[path][1])
    with closing(Followed(tmp_path / "*" / "day.log")) as followed:
        followed.read()
        for path, (_, _, after) in logs.items():
            rotate(path)
            append(path, after)
        followed.read(3 * ROTATED)
    assert followed.lines == of(line for lines in logs.values() for line in lines)
    failures = [(block.data, block.error) for block in followed.blocks if block.provisional]
    assert sorted(failures) == sorted((cut, None) for _, cut, _ in logs.values())


def test_a_renamed_log_is_read_on_while_it_is_written(tmp_path):
    lines = messages(10, 6)
    path = tmp_path / "day.log"
    append(path, *lines[:3])
    with closing(Followed(path)) as followed, open(path, "ab", buffering=0) as writer:
        followed.read(0.2)
        renamed(path)
        for line in lines[3:7]:
            writer.write(line[:20])
            followed.read(0.1)
            writer.write(line[20:])
            followed.read(0.1)
        append(path, *lines[7:])
        followed.read(ROTATED + 0.5)
    assert followed.lines == of(lines)
    assert not any(block.provisional for block in followed.blocks)


def test_a_log_that_was_moved_elsewhere_is_read_while_it_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(following, "_LOOK_AGAIN", 0.3)
    lines = messages(6, 26)
    (tmp_path / "logs").mkdir()
    path, elsewhere = tmp_path / "logs" / "day.log", tmp_path / "archive.log"
    append(path, *lines[:3])
    with closing(Followed(tmp_path / "logs" / "*.log")) as followed:
        followed.read(0.2)
        os.rename(path, elsewhere)
        for line in lines[3:]:
            followed.read(2 * ROTATED)
            append(elsewhere, line)
        followed.read(1.0)
        assert followed._feed.state == "following 1 file"
        os.unlink(elsewhere)
        followed.read(3 * ROTATED)
        assert followed._feed.state == "following 0 files"
    assert followed.lines == of(lines)


def test_a_file_written_anew_in_place_is_another_source(tmp_path):
    old, new = messages(30, 7), messages(40, 8)
    path = tmp_path / "day.log"
    append(path, *old)
    with closing(Followed(path)) as followed:
        followed.read(0.2)
        path.write_bytes(b"".join(new))
        followed.read()
    assert followed.lines == of([*old, *new])
    assert len({block.source for block in followed.blocks}) == 2


def test_a_file_replaced_by_one_with_the_same_beginning_is_another_source(tmp_path):
    banner = messages(60, 9)
    old, new = messages(5, 10), messages(9, 11)
    path = tmp_path / "day.log"
    append(path, *banner, *old)
    other = tmp_path / "other"
    append(other, *banner, *new)
    with closing(Followed(path)) as followed:
        followed.read(0.2)
        os.replace(other, path)
        followed.read()
    assert followed.lines == of([*banner, *banner, *old, *new])


def test_what_is_stored_is_not_read_again(tmp_path):
    lines = messages(50, 12)
    path = tmp_path / "day.log"
    append(path, *lines)
    size = path.stat().st_size
    done = [(0, len(lines[0])), (sum(map(len, lines[:5])), sum(map(len, lines[:20])))]
    with closing(Followed(path, done=done)) as followed:
        followed.read()
        append(path, lines[0])
        followed.read()
    assert followed.lines == of([*lines[1:5], *lines[20:], lines[0]])
    assert max(block.end for block in followed.blocks) == size + len(lines[0])


def test_logs_that_were_renamed_since_the_last_run_are_read(tmp_path):
    lines = messages(6, 17)
    names = ("day.log.4", "day.log.3", "day.log.2", "day.log.1", "day.log", "other.log.1")
    for number, (name, line) in enumerate(zip(names, lines, strict=True)):
        append(tmp_path / name, line)
        os.utime(tmp_path / name, (number, number))
    with closing(Followed(tmp_path / "*.log", known=["day.log.3"])) as followed:
        followed.read()
    assert followed.lines == of(lines[1:5])
    with closing(Followed(tmp_path / "*.log")) as followed:
        followed.read()
    assert followed.lines == of(lines[4:5])


@pytest.mark.parametrize("name", ["day.log", "day.log.1"])
def test_what_is_left_of_a_log_is_read_by_the_logon_before_it(tmp_path, name):
    fields = [[(35, b"A"), (1137, b"7")], [(35, b"0")], [(35, b"0")], [(35, b"0")]]
    lines = [
        encode([(49, b"A"), (56, b"B"), *one], version="FIXT.1.1", delimiter=b"|") + b"\n"
        for one in fields
    ]
    append(tmp_path / name, *lines)
    if name != "day.log":
        os.utime(tmp_path / name, (1, 1))
        append(tmp_path / "day.log", *lines[:1])
    sizes = [sum(map(len, lines[:number])) for number in range(5)]
    done = ((0, sizes[1]), (sizes[2], sizes[3]))
    with closing(Followed(tmp_path / "*.log", done=done, known=[name])) as followed:
        followed.read()
    versions = [FIX.parse(one).messages["appl_ver_id"].to_pylist() for one in followed.blocks]
    assert versions == [["7"], ["7"]]


def test_compressed_files_are_read_once_when_they_are_quiet(tmp_path):
    lines = messages(400, 13)
    packed = gzip.compress(b"".join(lines))
    path = tmp_path / "day.log.gz"
    with closing(Followed(tmp_path / "*")) as followed:
        for at in range(0, len(packed), 1 + len(packed) // 5):
            append(path, packed[at : at + 1 + len(packed) // 5])
            followed.read(0.1)
        followed.read()
        followed.read()
    assert followed.lines == of(lines)


def test_one_bad_file_stops_no_other(tmp_path):
    lines = messages(5, 14)
    (tmp_path / "folder.log").mkdir()
    os.mkfifo(tmp_path / "pipe.log")
    (tmp_path / "bad.log").write_bytes(b"\x1f\x8b\x08broken")
    (tmp_path / "closed.log").write_bytes(b"x")
    append(tmp_path / "good.log", *lines)
    with closing(Followed(tmp_path / "*.log")) as followed:
        followed.read()
        followed.read()
    good = [block for block in followed.blocks if block.source.endswith("good.log")]
    assert b"".join(block.data for block in good) == b"".join(lines)
    assert len(followed.said) == len(set(followed.said))
    assert any("pipe.log: is a pipe" in text for text in followed.said)


def test_reading_ends_when_it_is_told_to(tmp_path):
    append(tmp_path / "day.log", *messages(5, 15))
    with closing(Followed(tmp_path / "*.log")) as followed:
        followed.stopped = True
        assert followed.read() == []
        assert followed._feed.ended


def test_many_files_are_followed_at_once(tmp_path):
    lines = messages(40, 16)
    paths = [tmp_path / f"{number}.log" for number in range(300)]
    for path in paths:
        append(path, lines[0])
    with closing(Followed(tmp_path / "*.log")) as followed:
        followed.read()
        random.Random(1).shuffle(paths)
        for line in lines[1:]:
            append(paths.pop(), line)
        followed.read()
    assert followed.lines == of([*[lines[0]] * 300, *lines[1:]])


def test_more_files_are_followed_than_may_be_open(tmp_path, monkeypatch):
    monkeypatch.setattr(following, "most_open", lambda: 20)
    lines = messages(120, 19)
    paths = [tmp_path / f"{number}.log" for number in range(60)]
    with closing(Followed(tmp_path / "*.log")) as followed:
        for path, line in zip(paths, lines, strict=False):
            append(path, line)
        followed.read()
        assert int(followed._feed.state.split()[1]) <= 20
        for path, line in zip(paths, lines[60:], strict=True):
            append(path, line)
        followed.read()
    # What the ledgers have is left out in a run; here they have nothing.
    assert set(followed.lines) == set(of(lines))


def test_a_log_that_was_rotated_twice_while_nobody_looked_is_read(tmp_path):
    lines = messages(6, 20)
    path = tmp_path / "day.log"
    append(path, *lines[:2])
    with closing(Followed(tmp_path / "*.log", known=["day.log.2"])) as followed:
        followed.read(0.2)
        append(path, lines[2])
        os.rename(path, tmp_path / "day.log.2")
        append(path, lines[3])
        os.rename(path, tmp_path / "day.log.1")
        append(path, *lines[4:])
        followed.read()
    assert followed.lines == of(lines)


def test_a_folder_that_is_made_again_is_watched_again(tmp_path):
    lines = messages(4, 21)
    folder = tmp_path / "logs"
    folder.mkdir()
    append(folder / "a.log", lines[0])
    with closing(Followed(folder / "*.log")) as followed:
        followed.read(0.3)
        shutil.rmtree(folder)
        followed.read(0.3)
        folder.mkdir()
        append(folder / "b.log", lines[1])
        followed.read(1.0)
        for line in lines[2:]:
            append(folder / "b.log", line)
            assert followed.read(0.4)
    assert followed.lines == of(lines)


def test_a_file_that_may_be_read_later_is_read_then(tmp_path, monkeypatch):
    (line,) = messages(1, 22)
    path = tmp_path / "day.log"
    append(path, line)
    found = following.file_at
    refused = [OSError(13, "Permission denied")]

    def file_at(*arguments):
        if refused:
            raise refused.pop()
        return found(*arguments)

    monkeypatch.setattr(following, "file_at", file_at)
    with closing(Followed(path)) as followed:
        assert followed.read(0.3) == []
        path.chmod(0o600)
        followed.read(3.0)
    assert (followed.lines, followed.said) == (of([line]), [f"{path}: permission denied"])


def test_the_kinds_of_file_systems_are_told_apart(tmp_path):
    assert not is_remote(str(tmp_path))


def test_files_are_looked_at_again_only_where_changes_are_not_told(tmp_path, monkeypatch):
    looks = []
    look = FollowedFiles._look
    monkeypatch.setattr(FollowedFiles, "_look", lambda self: (looks.append(1), look(self)))
    append(tmp_path / "day.log", *messages(2, 18))
    with closing(Followed(tmp_path / "*.log")) as followed:
        followed.read(1.0)
    assert len(looks) == 1
    other = tmp_path / "links"
    other.mkdir()
    (other / "folder").symlink_to(tmp_path)
    looks.clear()
    with closing(Followed(other / "*" / "*.log")) as followed:
        followed.read(1.0)
    assert len(looks) > 2
