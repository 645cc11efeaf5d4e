"""Files are read whole, once, and in any cut; unreadable ones are reported."""

import bz2
import dataclasses
import gzip
import itertools
import lzma
import random

import pytest
import zstandard

from fixfeed.io.files import ranges
from fixfeed.io.files.find import cut_ranges, find_files, without_copies
from fixfeed.io.files.reading import read_blocks
from fixfeed.transforms.fix.parser import parse_block
from tests.transforms.fix.messages import encode, random_log

COMPRESS = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.ZstdCompressor(write_checksum=True).compress,
}


def log(messages=40, seed=1, **options):
    options = {"mutated": 0.0, "delimiter": b"|"} | options
    return random_log(random.Random(seed), messages, **options)


def one_file(path):
    found, unreadable = find_files([str(path)])
    assert unreadable == []
    return found[0]


def read(parts, block_size=1 << 20):
    return [block for part in parts for block in read_blocks(part, block_size=block_size)]


def assert_tiles(blocks, data):
    at = 0
    for block in blocks:
        assert block.start == at
        assert block.data == data[at : block.end]
        at = block.end
    assert at == len(data)


@pytest.mark.parametrize("seed", range(12))
def test_ranges_of_any_size_tile_the_file(tmp_path, monkeypatch, seed):
    monkeypatch.setattr(ranges, "LOOK_BACK", 4096)
    data = log(60, seed, mutated=0.3)
    path = tmp_path / "day.log"
    path.write_bytes(data)
    file = one_file(path)
    whole = read(cut_ranges(file, ()), block_size=700)
    assert_tiles(whole, data)
    for size in (97, 331, 1009, 5000):
        blocks = read(
            cut_ranges(file, (), size=size), block_size=random.Random(size).randint(1, 3000)
        )
        assert_tiles(blocks, data)


def test_a_cut_at_any_byte_gives_two_halves_that_hold_every_message_once(tmp_path):
    data = log(12)
    path = tmp_path / "day.log"
    path.write_bytes(data)
    file = one_file(path)
    whole = dataclasses.replace(cut_ranges(file, ())[0])
    for cut in range(1, len(data)):
        left = dataclasses.replace(whole, stop=cut, sync_stop=True)
        right = dataclasses.replace(whole, start=cut, sync_start=True)
        blocks = read([left, right])
        assert_tiles(blocks, data)
        for block in blocks[1:]:
            before = data[: block.start]
            assert before[-1:] == b"\n" or block.data.startswith((b"8=FIX", b"2025")), cut


@pytest.mark.parametrize("compression", COMPRESS)
def test_a_compressed_file_is_the_same_source_with_the_same_content(tmp_path, compression):
    data = log(300)
    (tmp_path / "plain").write_bytes(data)
    packed = COMPRESS[compression]
    (tmp_path / "packed").write_bytes(packed(data[:5000]) + packed(data[5000:]))
    plain, other = one_file(tmp_path / "plain"), one_file(tmp_path / "packed")
    assert (other.compression, other.content.known) == (compression, plain.content.known)
    assert other.content.begins(plain.content)
    assert plain.content.begins(other.content)
    assert_tiles(read(cut_ranges(other, ()), block_size=1000), data)


@pytest.mark.parametrize("compression", COMPRESS)
def test_a_damaged_compressed_file_is_read_up_to_the_damage_and_the_place_reported(
    tmp_path, compression
):
    parts = [log(300, seed) for seed in range(20)]
    data, packed = b"".join(parts), b"".join(map(COMPRESS[compression], parts))
    path = tmp_path / "day.log"
    rng = random.Random(5)
    for cut in [len(packed) - 1, len(packed) // 2, len(packed) // 3]:
        path.write_bytes(packed[:cut])
        *good, last = read(cut_ranges(one_file(path), ()), block_size=50_000)
        assert_tiles([*good, last], data[: last.end])
        assert last.provisional
        assert str(path) in last.error
        assert f"up to byte {last.end}" in last.error
    flipped = bytearray(packed)
    flipped[len(packed) // 2 + rng.randrange(500)] ^= 0xFF
    path.write_bytes(flipped)
    blocks = read(cut_ranges(one_file(path), ()), block_size=50_000)
    assert blocks[-1].provisional
    assert blocks[-1].error


def test_a_message_cut_at_the_end_of_a_file_is_provisional_until_the_file_has_grown(tmp_path):
    data = log(20, seed=3)
    path = tmp_path / "day.log"
    path.write_bytes(data[:-30])
    blocks = read(cut_ranges(one_file(path), ()))
    assert [block.provisional for block in blocks] == [False, True]
    path.write_bytes(data)
    file = one_file(path)
    rest = read(cut_ranges(file, [(0, blocks[0].end)]))
    assert_tiles([blocks[0], *rest], data)
    assert not rest[0].provisional
    assert read(cut_ranges(file, [(0, len(data))])) == []


@pytest.mark.parametrize("compression", ["", "gz"])
def test_finished_stretches_are_not_read_again(tmp_path, compression):
    data = log(50)
    path = tmp_path / "day.log"
    path.write_bytes(COMPRESS[compression](data) if compression else data)
    file = one_file(path)
    blocks = read(cut_ranges(file, ()), block_size=900)
    done = [(block.start, block.end) for block in blocks[::2]]
    again = read(cut_ranges(file, done), block_size=10**6)
    assert_tiles(sorted([*blocks[::2], *again], key=lambda block: block.start), data)


def test_files_that_begin_alike_are_told_apart_and_copies_are_skipped(tmp_path):
    head = log(30, seed=1)
    assert 4096 < len(head) < 8192
    (tmp_path / "a").write_bytes(head + log(50, seed=2))
    (tmp_path / "b").write_bytes(head + log(50, seed=3))
    (tmp_path / "c").write_bytes(gzip.compress(head + log(50, seed=2)))
    (tmp_path / "d").write_bytes((head + log(50, seed=2))[:9000])
    (tmp_path / "e").write_bytes(head[:4000])
    (tmp_path / "f").write_bytes(head[:4000])
    (tmp_path / "g").hardlink_to(tmp_path / "f")
    (tmp_path / "h").symlink_to("f")
    found, _ = find_files([str(tmp_path / "*")])
    left, copies = without_copies(found)
    assert [one.path[-1] for one in left] == ["a", "b", "e", "f"]
    assert sorted(one.path[-1] for one in copies) == ["c", "d"]


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress])
def test_a_log_that_is_being_compressed_is_not_read_twice(tmp_path, compress):
    data = log(4000, seed=1)
    (tmp_path / "day.log.1").write_bytes(data)
    packed = compress(data)
    (tmp_path / "day.log.1.packed").write_bytes(packed[: len(packed) * 2 // 3])
    found, (unfinished,) = find_files([str(tmp_path / "*")])
    assert [file.name for file in found] == [str(tmp_path / "day.log.1")]
    assert unfinished.path == str(tmp_path / "day.log.1.packed")
    assert unfinished.reason.endswith(
        f"; all that can be read of it is in {tmp_path}/day.log.1 as well, as while a log is being "
        "compressed; read it again when it is whole"
    )
    (tmp_path / "day.log.1.packed").write_bytes(packed)
    found, unreadable = find_files([str(tmp_path / "*")])
    assert unreadable == []
    assert [file.name for file in without_copies(found)[0]] == [str(tmp_path / "day.log.1")]


def test_a_missing_file_is_named_with_a_suggestion(tmp_path):
    (tmp_path / "orders.log").write_bytes(log(1))
    (tmp_path / "empty.log").write_bytes(b"")
    missing = str(tmp_path / "order.log")
    found, unreadable = find_files(
        [missing, str(tmp_path / "*.nothing"), str(tmp_path), str(tmp_path / "*.log")]
    )
    assert [file.path.rpartition("/")[2] for file in found] == ["empty.log", "orders.log"]
    assert [(one.path, one.reason) for one in unreadable] == [
        (missing, f"does not exist; there is {str(tmp_path / 'orders.log')!r}"),
        (str(tmp_path / "*.nothing"), "matches no file"),
        (str(tmp_path), f"is a folder; name its files, as in {str(tmp_path / '*')!r}"),
    ]


def test_two_stars_match_folders_to_any_depth(tmp_path):
    for folder in ("a", "a/b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.fix").write_bytes(log(1))
    found, _ = find_files([str(tmp_path / "**" / "*.fix")])
    assert [file.path.removeprefix(str(tmp_path)) for file in found] == ["/a/b/x.fix", "/a/x.fix"]


def test_a_line_longer_than_the_longest_record_comes_in_pieces(tmp_path):
    data = log(5) + b"x" * 35_000 + b"\n" + log(5, seed=2)
    path = tmp_path / "long.log"
    path.write_bytes(data)
    blocks = read(cut_ranges(one_file(path), (), longest=10_000), block_size=1000)
    assert_tiles(blocks, data)
    pieces = [block for block in blocks if block.too_long]
    assert b"".join(block.data for block in pieces) == b"x" * 35_000 + b"\n"


def test_binary_content_is_read_whole(tmp_path):
    data = random.Random(1).randbytes(300_000)
    path = tmp_path / "noise.bin"
    path.write_bytes(data)
    assert_tiles(read(cut_ranges(one_file(path), (), size=50_000), block_size=10_000), data)


def test_a_message_longer_than_the_window_with_lines_inside_is_not_cut(tmp_path):
    xml = b"".join(b"<line number='%d'/>\n" % number for number in range(20_000))
    body = b"35=n\x01212=%d\x01213=%s\x01" % (len(xml), xml)
    message = b"8=FIX.4.4\x019=%d\x01" % len(body) + body
    message += b"10=%03d\x01\n" % (sum(message) % 256)
    data = log(10, delimiter=b"\x01") + message + log(10, delimiter=b"\x01", seed=2)
    path = tmp_path / "xml.log"
    path.write_bytes(data)
    for block_size in (100_000, 200_000, 300_000):
        blocks = read(cut_ranges(one_file(path), ()), block_size=block_size)
        assert_tiles(blocks, data)
        assert any(message in block.data for block in blocks)
    assert all(a.end == b.start for a, b in itertools.pairwise(blocks))


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_text_after_the_last_message_is_not_a_separate_line(tmp_path, end):
    path = tmp_path / "day.csv"
    path.write_bytes(b"\n".join([encode([(35, b"0")]) + b",2025-01-02,7"] * 3) + end)
    batches = [parse_block(block) for block in read(cut_ranges(one_file(path), ()))]
    assert [sum(batch.read for batch in batches), sum(batch.skipped for batch in batches)] == [3, 0]


@pytest.mark.parametrize("end", [b"\r", b"\r\n", b",2025-01-02 09:30:00,7\n", b")\r", b""])
@pytest.mark.parametrize("delimiter", [b"\x01", b"\\u0001", b"<SOH>", b"\t", b" | "])
def test_ranges_of_any_size_give_the_same_rows_for_any_ends_of_lines_and_fields(
    tmp_path, monkeypatch, end, delimiter
):
    monkeypatch.setattr(ranges, "LOOK_BACK", 4096)
    messages = [encode([(35, b"0"), (34, b"%d" % n)], delimiter=delimiter) for n in range(60)]
    path = tmp_path / "day.log"
    path.write_bytes(b"started" + end + b"".join(one + end for one in messages) + b"ended" + end)
    file = one_file(path)

    def rows(**size):
        batches = [parse_block(block) for block in read(cut_ranges(file, (), **size))]
        raws = [raw for batch in batches for raw in batch.messages["raw"].to_pylist()]
        failures = sum(batch.failures.num_rows for batch in batches)
        lines = [at for batch in batches for at in batch.skipped_positions.to_pylist()]
        return raws, failures, lines

    assert rows()[:2] == (messages, 0)
    for size in (61, 97, 331, 1009):
        assert rows(size=size) == rows()
