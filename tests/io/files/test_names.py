"""A bad input never stops the others: it is reported and the rest is read."""

import os
import socket
import stat

import pytest

from fixfeed.io.files import globs
from fixfeed.io.files.find import find_files
from fixfeed.io.files.globs import kind_of, visible
from tests.transforms.fix.messages import encode

ORDER = encode([(35, b"D"), (49, b"A"), (56, b"B"), (11, b"C1"), (55, b"AAPL")]) + b"\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "good.log").write_bytes(ORDER)
    return tmp_path


def read(*patterns):
    """Return the names of files read, and the reasons for the rest."""
    found, unreadable = find_files([str(pattern) for pattern in patterns])
    names = [file.name.rpartition("/")[2] for file in found]
    return names, {one.path.rpartition("/")[2]: one.reason for one in unreadable}


@pytest.mark.parametrize("pattern", ["*", "**", "**/*"])
def test_broken_links_are_reported_and_the_rest_is_read(folder, pattern):
    (folder / "dangling.log").symlink_to(folder / "nothing")
    (folder / "circle.log").symlink_to(folder / "circle.log")
    assert read(folder / pattern) == (
        ["good.log"],
        {
            "dangling.log": "no such file or directory",
            "circle.log": "too many levels of symbolic links",
        },
    )


@pytest.mark.parametrize("pattern", ["*/*.log", "**/*.log", "**", "locked/*", "locked/one.log"])
def test_a_forbidden_folder_is_reported_and_the_rest_is_read(folder, monkeypatch, pattern):
    # Tests may run as root, who ignores permissions.
    locked = folder / "locked"
    locked.mkdir()
    (locked / "one.log").write_bytes(ORDER)
    (folder / "open").mkdir()
    (folder / "open" / "two.log").write_bytes(ORDER + ORDER)
    scandir, lstat = os.scandir, os.lstat

    def listed(path):
        if str(path) == str(locked):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    def looked_at(path, **options):
        if str(path).startswith(f"{locked}/"):
            raise PermissionError(13, "Permission denied", path)
        return lstat(path, **options)

    monkeypatch.setattr(globs.os, "scandir", listed)
    monkeypatch.setattr(globs.os, "lstat", looked_at)
    names, unreadable = read(folder / pattern, folder / "good.log")
    assert "good.log" in names
    assert ("two.log" in names) == (not pattern.startswith("locked"))
    assert list(unreadable.values()) == ["permission denied"]


@pytest.mark.parametrize(
    "name",
    [
        b"caf\xe9.log",
        b"two\nlines.log",
        b"-leading.log",
        b"a[1].log",
        b"\x1b[31mred.log",
        b"blank .log",
        "übung.log".encode(),
    ],
)
def test_a_file_of_any_name_is_read_and_shown_by_a_printable_name(folder, name):
    path = os.fsdecode(os.fsencode(folder) + b"/" + name)
    with open(path, "wb") as file:
        file.write(ORDER + ORDER)
    for pattern in (path, folder / "*.log"):
        names, unreadable = read(pattern)
        assert unreadable == {}
        assert visible(os.fsdecode(name)) in names
        assert all(name.isprintable() and name.encode() for name in names)


def test_unprintable_and_non_utf_8_names_are_escaped():
    name = os.fsdecode(b"a\xff\n\x1b[0m\xc2\x85b\xe2\x80\xae.log")
    assert visible(name) == r"a\xff\n\x1b[0m\x85b\u202e.log"


def test_a_name_cannot_forge_a_log_line(folder):
    forged = folder / "x\nfixfeed: all is well\x1b]2J"
    found, unreadable = find_files([str(forged)])
    assert found == []
    assert unreadable[0].path.endswith(r"x\nfixfeed: all is well\x1b]2J")
    assert unreadable[0].reason == "does not exist"


def test_a_literal_path_with_brackets_wins_over_the_same_pattern(folder):
    (folder / "a[1].log").write_bytes(ORDER * 2)
    (folder / "a1.log").write_bytes(ORDER * 3)
    (folder / "[x]").mkdir()
    (folder / "[x]" / "b.log").write_bytes(ORDER * 4)
    assert read(folder / "a[1].log") == (["a[1].log"], {})
    assert read(folder / "a[[]1].log") == (["a[1].log"], {})
    assert read(folder / "a[0-9].log") == (["a1.log"], {})
    assert read(folder / "[x]" / "*.log") == (["b.log"], {})


@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
def test_a_pipe_socket_or_device_is_refused_without_waiting(folder, kind, monkeypatch):
    place = folder / "special.log"
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "socket":
        monkeypatch.chdir(folder)
        with socket.socket(socket.AF_UNIX) as one:
            one.bind("special.log")
    else:
        place.symlink_to("/dev/zero")
    expected = {
        "special.log": f"is a {kind}, not a file; what a program writes is read with --input -"
    }
    assert read(folder / "*.log") == (["good.log"], expected)
    assert read(place, folder / "good.log") == (["good.log"], expected)


def test_every_kind_of_file_has_a_name():
    kinds = (stat.S_IFREG, stat.S_IFDIR, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFBLK)
    words = ["", "a folder", "a pipe", "a socket", "a device", "a device"]
    assert [kind_of(mode) for mode in kinds] == words


def test_a_file_gone_between_listing_and_opening_is_reported(folder, monkeypatch):
    (folder / "gone.log").write_bytes(ORDER * 2)
    isdir = os.path.isdir

    def and_goes(path):
        there = isdir(path)
        if str(path).endswith("gone.log"):
            os.unlink(path)
        return there

    monkeypatch.setattr(globs.os.path, "isdir", and_goes)
    assert read(folder / "*.log") == (["good.log"], {"gone.log": "no such file or directory"})


def test_empty_names_folders_and_patterns_without_matches_are_reported(folder):
    names, unreadable = read("", folder, folder / "*.nothing", folder / "good.log", folder / "no\0")
    assert names == ["good.log"]
    assert unreadable[""] == "an empty name names no file"
    assert unreadable["*.nothing"] == "matches no file"
    assert unreadable[folder.name].startswith("is a folder; name its files, as in '")
    assert unreadable[r"no\x00"].startswith("cannot be looked up: embedded null byte")


def test_a_folder_linked_from_inside_itself_is_entered_once(folder):
    (folder / "inner").mkdir()
    (folder / "inner" / "two.log").write_bytes(ORDER * 2)
    (folder / "inner" / "up").symlink_to(folder)
    assert read(folder / "**" / "*.log") == (["good.log", "two.log"], {})


def test_a_file_of_a_tebibyte_is_refused_with_advice(folder):
    with open(folder / "sparse.log", "wb") as file:
        file.write(ORDER)
        file.truncate(1 << 40)
    assert read(folder / "*.log") == (
        ["good.log"],
        {
            "sparse.log": "holds 1 TiB or more, and positions in a source end there; "
            "split it into several files"
        },
    )
