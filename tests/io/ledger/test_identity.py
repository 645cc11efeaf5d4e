"""A file is a stored source only if it still has all that was read of it."""

import gzip
import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixfeed.io.files.content import Content, look_at
from fixfeed.io.files.planned import Planned, Replaced
from fixfeed.io.ledger.identity import Match, StoredSource, identify, stored_source
from fixfeed.io.ledger.source import Source
from fixfeed.io.ledger.witness import EXACT, TAIL, Trail, note, noted, notes_joined, witnesses
from tests.io.ledger.known_sources import content_of, file_source

BANNER = b"# log of the FIX engine, version 1\n" * 150
assert 4096 < len(BANNER) < 8192


def read_up_to(path, extent, source_id=1):
    """The source that a ledger has after reading a file up to `extent`."""
    content = content_of(path)
    progress = [("r", 0, extent, 1, 0, 0, 0, note(extent, content.witnesses([extent])[extent]))]
    known = " ".join(f"{at}:{digest}" for at, digest in content.known.items())
    row = (source_id, "file", str(path), content.planned.file_id, content.fingerprint, known)
    return stored_source(row, progress if extent else [])


def found(*paths, stored):
    matches = identify([file_source(path) for path in paths], stored)
    return {
        key.rpartition("/")[2]: (match.stored.source_id, match.copy)
        for key, match in matches.items()
    }


@pytest.fixture
def day(tmp_path):
    path = tmp_path / "day.log"
    path.write_bytes(BANNER + random.Random(1).randbytes(20_000))
    return path


def test_grown_renamed_and_compressed_files_are_the_same_source(day, tmp_path):
    stored = [read_up_to(day, day.stat().st_size)]
    day.write_bytes(day.read_bytes() + b"more")
    assert found(day, stored=stored) == {"day.log": (1, False)}
    renamed = day.rename(tmp_path / "day.log.1")
    assert found(renamed, stored=stored) == {"day.log.1": (1, False)}
    packed = tmp_path / "day.log.1.gz"
    packed.write_bytes(gzip.compress(renamed.read_bytes()))
    renamed.unlink()
    assert found(packed, stored=stored) == {"day.log.1.gz": (1, False)}


def test_a_file_of_which_nothing_was_read_is_known_by_its_content(day, tmp_path):
    stored = [read_up_to(day, 0)]
    packed = tmp_path / "day.log.1.gz"
    packed.write_bytes(gzip.compress(day.read_bytes()))
    day.write_bytes(random.Random(2).randbytes(30_000))
    assert found(day, stored=stored) == {}
    assert found(day, packed, stored=stored) == {"day.log.1.gz": (1, False)}
    (tmp_path / "short").write_bytes(b"8=FIX.4.4")
    short = [read_up_to(tmp_path / "short", 0)]
    (tmp_path / "short").write_bytes(b"8=FIX.4.4|9=5|")
    assert found(tmp_path / "short", stored=short) == {"short": (1, False)}
    (tmp_path / "short").write_bytes(b"9=5|8=FIX.4.4|")
    assert found(tmp_path / "short", stored=short) == {}


def test_a_file_shorter_than_its_stored_part_is_a_new_source(day):
    stored = [read_up_to(day, day.stat().st_size)]
    day.write_bytes(day.read_bytes()[:-1])
    assert found(day, stored=stored) == {}


@pytest.mark.parametrize("place", [0, 4095, 4096, 12_345, -1])
def test_a_file_with_one_changed_byte_is_a_new_source(day, place):
    data = bytearray(day.read_bytes())
    stored = [read_up_to(day, len(data))]
    data[place] ^= 1
    day.write_bytes(data)
    assert found(day, stored=stored) == {}


def test_beyond_one_mebibyte_the_beginning_and_the_bytes_before_each_end_count(tmp_path):
    path = tmp_path / "long.log"
    data = bytearray(random.Random(1).randbytes(3 * EXACT))
    path.write_bytes(data)
    stored = [read_up_to(path, len(data))]
    for place, same in ((EXACT - 1, False), (len(data) - TAIL, False), (2 * EXACT, True)):
        changed = bytearray(data)
        changed[place] ^= 1
        path.write_bytes(changed)
        assert (found(path, stored=stored) == {"long.log": (1, False)}) == same


def test_files_with_one_banner_are_told_apart_while_both_exist(tmp_path):
    a, b = tmp_path / "a.log", tmp_path / "b.log"
    a.write_bytes(BANNER)
    stored = [read_up_to(a, len(BANNER))]
    a.write_bytes(BANNER + b"of a")
    b.write_bytes(BANNER + b"of b")
    assert found(a, b, stored=stored) == {"a.log": (1, False)}
    assert found(b, stored=stored) == {}


def test_a_short_file_is_known_by_its_path_and_then_by_its_inode(tmp_path):
    a = tmp_path / "a.log"
    a.write_bytes(b"# banner\n")
    stored = [read_up_to(a, 9)]
    a.write_bytes(b"# banner\nof a")
    assert found(a, stored=stored) == {"a.log": (1, False)}
    renamed = a.rename(tmp_path / "a.log.1")
    assert found(renamed, stored=stored) == {"a.log.1": (1, False)}
    other = tmp_path / "other.log"
    other.write_bytes(b"# banner\nof b")
    renamed.unlink()
    assert found(other, stored=stored) == {}


def test_of_two_files_that_continue_a_source_the_one_at_its_path_wins(tmp_path):
    day = tmp_path / "day.log"
    day.write_bytes(BANNER)
    stored = [read_up_to(day, len(BANNER))]
    rotated = day.rename(tmp_path / "day.log.1")
    rotated.write_bytes(BANNER + b"yesterday")
    day.write_bytes(BANNER + b"today")
    assert found(rotated, day, stored=stored) == {"day.log": (1, False)}


def test_logs_rotated_by_number_keep_their_sources(tmp_path):
    names = ["day.log.2", "day.log.1", "day.log"]
    paths = [tmp_path / name for name in names]
    for number, path in enumerate(paths):
        path.write_bytes(BANNER + b"%d" % number * 100)
    stored = [read_up_to(path, path.stat().st_size, n) for n, path in enumerate(paths, 1)]
    (tmp_path / "day.log.2").rename(tmp_path / "day.log.3")
    (tmp_path / "day.log.1").rename(tmp_path / "day.log.2")
    (tmp_path / "day.log").rename(tmp_path / "day.log.1")
    (tmp_path / "day.log").write_bytes(BANNER + b"new")
    assert found(*tmp_path.iterdir(), stored=stored) == {
        "day.log.3": (1, False),
        "day.log.2": (2, False),
        "day.log.1": (3, False),
    }


def test_a_copy_does_not_displace_the_original_source(day, tmp_path):
    stored = [read_up_to(day, 10_000)]
    copy = tmp_path / "copy.log"
    copy.write_bytes(day.read_bytes()[:15_000])
    assert found(copy, day, stored=stored) == {"day.log": (1, False), "copy.log": (1, True)}
    copy.write_bytes(day.read_bytes() + b"more than the other has")
    assert found(copy, day, stored=stored) == {"day.log": (1, False)}


def test_a_file_continues_the_source_of_which_most_was_read(day, tmp_path):
    stored = [read_up_to(day, 5_000, 1), read_up_to(day, 15_000, 2), read_up_to(day, 9_000, 3)]
    assert found(day, stored=stored) == {"day.log": (2, False)}


def test_a_source_read_in_parts_is_checked_at_the_end_of_each_part(day):
    content = content_of(day)
    ends = content.witnesses([6_000, 9_000])
    progress = [
        ("r", 0, 6_000, 1, 0, 0, 0, note(6_000, ends[6_000])),
        ("r", 7_000, 9_000, 1, 0, 0, 0, note(9_000, ends[9_000])),
    ]
    row = (1, "file", str(day), "", content.fingerprint, "")
    assert found(day, stored=[stored_source(row, progress)]) == {"day.log": (1, False)}
    data = bytearray(day.read_bytes())
    data[5_999] ^= 1
    day.write_bytes(data)
    assert found(day, stored=[stored_source(row, progress)]) == {}


def test_a_source_without_content_is_known_by_its_key_alone(day):
    source = Source("mine:1", "mine", "mine:1")
    assert identify([source], [read_up_to(day, 10)]) == {}
    stored = StoredSource(7, "mine", "", "", "key:ffc2e03b0f2cfa32ce5b8b2e2ea2a9bb", "")
    assert identify([source], [stored]) == {}
    same = StoredSource(7, "mine", "", "", _fingerprint("mine:1"), "")
    assert identify([source], [same]) == {"mine:1": Match(same)}


def _fingerprint(key):
    from fixfeed.io.ledger.identity import place_of

    return place_of(Source(key, "mine", key))[2]


@given(
    data=st.binary(min_size=1, max_size=200),
    cuts=st.lists(st.integers(1, 100), max_size=8),
    exact=st.integers(1, 120),
)
def test_a_trail_gives_the_same_witnesses_as_a_look_at_the_file(data, cuts, exact):
    from fixfeed.io.ledger import witness

    before, witness.EXACT = witness.EXACT, exact
    try:
        trail, seen = Trail(), {}
        for start, end in itertools.pairwise([0, *sorted({c for c in cuts if c < len(data)})]):
            trail.add(data[start:end])
            seen[end] = trail.witness()
        at = 0

        def read(size):
            nonlocal at
            at += size
            return data[at - size : at]

        assert witnesses(read, seen) == seen
    finally:
        witness.EXACT = before


def test_a_file_that_was_renamed_or_copied_and_cut_is_found_again(day, tmp_path):
    planned = content_of(day).planned
    assert planned.found_again().path == str(day)
    renamed = day.rename(tmp_path / "elsewhere")
    assert planned.found_again().path == str(renamed)
    copy = tmp_path / "day.log.1"
    copy.write_bytes(renamed.read_bytes())
    renamed.write_bytes(b"new content")
    assert planned.found_again().path == str(copy)
    copy.unlink()
    assert planned.found_again() is None


def test_a_planned_file_may_grow_but_not_change(day):
    planned = content_of(day).planned
    assert isinstance(planned, Planned)
    with open(day, "ab") as file:
        file.write(b"more")
    with open(day, "rb") as file:
        planned.check(file)
        day.write_bytes(b"x" * 100)
        with pytest.raises(Replaced, match="shorter than the 25,"):
            planned.check(file)
        day.write_bytes(b"x" * 100_000)
        with pytest.raises(Replaced, match="content has been replaced"):
            planned.check(file)


def test_an_unreadable_file_has_no_content(tmp_path):
    assert look_at(str(tmp_path / "missing"), b"") is None
    assert look_at("-", b"") is None
    assert look_at(str(tmp_path), b"") is None
    (tmp_path / "empty").write_bytes(b"")
    assert isinstance(look_at(str(tmp_path / "empty"), b""), Content)


def test_one_witness_is_kept_for_each_mebibyte_and_later_for_each_sixteen():
    notes, ends = "", [*range(1 << 18, 24 << 20, 1 << 18), 100 << 20, 101 << 20]
    for end in ends:
        notes = notes_joined(notes, note(end, f"{end:032x}"))
    last = [(at << 20) - (1 << 18) for at in (*range(1, 17), 24)]
    assert list(noted(notes)) == [*last, 101 << 20]
    assert all(digest == f"{at:032x}" for at, digest in noted(notes).items())


@pytest.mark.parametrize("size", [4 * EXACT, 40 * EXACT])
def test_a_file_with_another_middle_is_a_new_source(tmp_path, size):
    rng = random.Random(1)
    begin, middle, end = rng.randbytes(EXACT), rng.randbytes(size), rng.randbytes(TAIL)
    path = tmp_path / "day.log"
    path.write_bytes(begin + middle + end)
    content = content_of(path)
    ends = [*range(EXACT, size, 5 << 18), path.stat().st_size]
    notes = ""
    for at, witness in content.witnesses(ends).items():
        notes = notes_joined(notes, note(at, witness))
    row = (1, "file", str(path), content.planned.file_id, content.fingerprint, "")
    stored = [stored_source(row, [("r", 0, ends[-1], 1, 0, 0, 0, notes)])]
    assert found(path, stored=stored) == {"day.log": (1, False)}
    path.write_bytes(begin + middle[::-1] + end)
    assert found(path, stored=stored) == {}
