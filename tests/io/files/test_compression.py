"""UTF-16 and zip archives are read as the text they hold; damage is reported."""

import codecs
import gzip
import io
import random
import zipfile

import pytest

from fixfeed.io.files.compression import compression_of
from fixfeed.io.files.find import cut_ranges, find_files
from fixfeed.io.files.reading import read_blocks
from tests.transforms.fix.messages import encode, random_log

ORDER = encode([(35, b"D"), (49, b"A"), (56, b"B"), (55, "Zürich 東京".encode())])


def log(seed=1, delimiter=b"|", messages=40):
    text = random_log(random.Random(seed), messages, mutated=0.0, delimiter=delimiter)
    return ORDER + b"\r\n" + text.decode("utf-8", "replace").encode() + b"\n"


def written(path, data):
    path.write_bytes(data)
    (file,), unreadable = find_files([str(path)])
    assert unreadable == []
    return file


def read(file, done=()):
    blocks = [block for part in cut_ranges(file, done) for block in read_blocks(part)]
    return b"".join(block.data for block in blocks), blocks[-1].error if blocks else None


def zipped(members, **options):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return target.getvalue()


@pytest.mark.parametrize("mark", [True, False])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_utf_16_is_read_as_utf_8_with_or_without_a_byte_order_mark(tmp_path, pack, encoding, mark):
    text = log().decode()
    data = (("\ufeff" if mark else "") + text).encode(encoding)
    file = written(tmp_path / "day.log", pack(data))
    assert read(file) == (text.encode(), None)
    assert file.compression == ("" if pack is bytes else "gz ") + encoding
    assert file.content.known == written(tmp_path / "plain.log", text.encode()).content.known
    assert file.framing.layout == b"|"


def test_utf_16_that_has_grown_is_read_from_its_old_end(tmp_path):
    before, after = log(1), log(2)
    first = written(tmp_path / "day.log", codecs.BOM_UTF16_LE + before.decode().encode("utf-16-le"))
    grown = written(
        tmp_path / "day.log", codecs.BOM_UTF16_LE + (before + after).decode().encode("utf-16-le")
    )
    assert first.content.begins(grown.content)
    assert read(grown, [(0, len(before))]) == (after, None)


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF16_LE])
@pytest.mark.parametrize("messages", [1, 40, 4000])
def test_text_of_8_bits_appended_to_utf_16_is_reported(tmp_path, mark, messages):
    before, after = log(), log(2, messages=messages)
    file = written(tmp_path / "day.log", mark + before.decode().encode("utf-16-le") + after)
    data, error = read(file)
    assert data == before
    assert "its UTF-16 text is followed by text of 8 bits" in error


def test_utf_16_appended_to_text_of_8_bits_is_kept_as_it_is(tmp_path):
    data = log() + log(2).decode().encode("utf-16-le")
    file = written(tmp_path / "day.log", data)
    assert file.compression == ""
    assert read(file) == (data, None)


def test_utf_16_ending_inside_a_character_is_reported_and_the_rest_is_read(tmp_path):
    data = log().decode().encode("utf-16-be")
    file = written(tmp_path / "day.log", data + b"\0")
    found, error = read(file)
    assert found == log()
    assert "its UTF-16 text ends inside a character" in error


def test_text_with_some_nul_bytes_is_not_taken_for_utf_16():
    assert compression_of(b"x" + log().replace(b"A", b"\0"), b"8=FIX") == ""
    assert compression_of(codecs.BOM_UTF32_LE + "8=FIX.4.4".encode("utf-32-le"), b"8=FIX") == ""


def test_the_files_of_a_zip_archive_are_read_one_after_the_other(tmp_path):
    utf_16 = codecs.BOM_UTF16_LE + log(3).decode().encode("utf-16-le")
    members = {
        "logs/a.log": log(1),
        "logs/b.log": log(2, b"\x01").rstrip(b"\r\n"),
        "c.log.gz": gzip.compress(log(4)),
        "d.log": utf_16,
        "empty/": b"",
        "empty.log": b"",
        "__MACOSX/._a.log": b"\0\5\x16\7",
    }
    file = written(tmp_path / "day.zip", zipped(members))
    expected = log(1) + log(2, b"\x01").rstrip(b"\r\n") + b"\n" + log(4) + log(3)
    assert read(file) == (expected, None)
    assert file.compression == "zip"


def test_a_log_is_recognised_in_a_zip_archive(tmp_path):
    plain = written(tmp_path / "day.log", log())
    packed = written(tmp_path / "day.zip", zipped({"day.log": log()}))
    assert packed.content.begins(plain.content)
    assert plain.content.begins(packed.content)


def test_an_archive_without_files_holds_nothing(tmp_path):
    assert read(written(tmp_path / "day.zip", zipped({}))) == (b"", None)


def test_a_bad_member_is_reported_and_the_members_before_it_are_read(tmp_path):
    data = zipped({"a.log": log(1), "b.log": log(2)})
    at = data.index(b"b.log") + 200
    broken = data[:at] + b"\xff" * 40 + data[at + 40 :]
    found, error = read(written(tmp_path / "day.zip", broken))
    assert found.startswith(log(1))
    assert "its member 'b.log' cannot be read" in error
    encrypted = bytearray(data)
    encrypted[data.index(b"PK\1\2", data.index(b"PK\1\2") + 1) + 8] |= 1
    encrypted[data.index(b"PK\3\4", 4) + 6] |= 1
    found, error = read(written(tmp_path / "other.zip", bytes(encrypted)))
    assert found == log(1)
    assert "'b.log' cannot be read" in error
    assert "encrypted" in error


def test_a_truncated_archive_is_unreadable(tmp_path):
    data = zipped({"a.log": log(1), "b.log": log(2)})
    (tmp_path / "day.zip").write_bytes(data[:-30])
    files, (unreadable,) = find_files([str(tmp_path / "day.zip")])
    assert files == []
    assert "zip data is damaged" in unreadable.reason
