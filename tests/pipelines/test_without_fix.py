"""A run that reads nothing as FIX reports it, names a flag that may help, and exits with 7."""

import random

import orjson
import pytest

from fixfeed.pipelines.endings import NOTHING_READ
from fixfeed.pipelines.run import main
from tests.transforms.fix.messages import random_log

TEXT = b"started\nwaiting for orders\nended\n"
ODD = b"8 = FIX.4.4 ~ 35 = 0 ~ 49 = A ~ 56 = B\n"


def log(seed=1, delimiter=b"|"):
    return random_log(random.Random(seed), 30, mutated=0.0, delimiter=delimiter)


def run(tmp_path, capfd, *more, **files):
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    inputs = [part for name in files for part in ("--input", str(tmp_path / name))]
    output = ["--output", f"sqlite:///{tmp_path / 'x.db'}", "--json", "--quiet"]
    code = main([*inputs, *output, *more])
    summary = orjson.loads(capfd.readouterr().out)
    assert summary["exit_code"] == code
    return code, summary["warnings"], [name.rsplit("/")[-1] for name in summary["without_fix"]]


def test_an_unknown_delimiter_is_reported_and_the_flag_reads_the_file(tmp_path, capfd):
    code, (words,), names = run(tmp_path, capfd, "--delimiter", "!", odd=log(delimiter=b"~~"))
    assert (code, names) == (NOTHING_READ, ["odd"]) == (7, ["odd"])
    assert "nothing in" in words
    assert "--delimiter" in words
    assert "--reprocess" in words
    again = run(tmp_path, capfd, "--delimiter", "~~", "--reprocess", odd=log(delimiter=b"~~"))
    assert again == (0, [], [])


FIELDS = b"9=13|35=D|49=A|56=B|34=1|\n"


@pytest.mark.parametrize(
    ("data", "seen"),
    [
        (b"8?FIX.4.4|" + FIELDS + b"|" + FIELDS, "'|' separates fields, but 8=FIX"),
        (ODD.replace(b" ~ ", b"|"), "there are blanks beside '='"),
        (b"BeginString=FIX.4.4|MsgType=D|SenderCompID=A\n", "there are names where FIX has"),
        (b"8=FIX.4.4\n9=13\n35=D\n49=A\n", "one field alone on its line"),
        (b"8=FIX.4.4\09=13\035=D\049=A\0\n", "--delimiter cannot name it"),
    ],
)
def test_where_no_delimiter_helps_the_note_shows_the_cause_and_names_no_flag(
    tmp_path, capfd, data, seen
):
    code, (words,), _ = run(tmp_path, capfd, odd=data)
    assert code == NOTHING_READ
    assert seen in words
    assert "name it with" not in words
    assert "--reprocess" not in words
    assert "\\x01" not in words


def test_the_note_shows_the_most_frequent_early_failure(tmp_path, capfd):
    _, (words,), _ = run(tmp_path, capfd, odd=b"11=X\n" + ODD * 3 + b"12=X\n")
    assert "there are blanks beside" in words
    assert "5 failures" in words


def test_almost_nothing_counts_as_nothing(tmp_path, capfd):
    code, (words,), _ = run(tmp_path, capfd, day=ODD * 30 + log()[:400])
    assert code == NOTHING_READ
    assert words.startswith("almost nothing in ")


def test_text_alone_counts_as_nothing(tmp_path, capfd):
    code, (words,), names = run(tmp_path, capfd, notes=TEXT)
    assert (code, names) == (NOTHING_READ, ["notes"])
    assert "looks like FIX" in words
    assert "--input" in words


@pytest.mark.parametrize("other", [TEXT, ODD * 3, b"", b"\n\n"])
def test_a_file_without_fix_beside_a_log_is_only_named(tmp_path, capfd, other):
    code, words, names = run(tmp_path, capfd, day=log(), other=other)
    assert code == 0
    assert names == (["other"] if other.strip() else [])
    assert len(words) == len(names)


@pytest.mark.parametrize("empty", [b"", b"\n\r\n"])
def test_an_empty_file_is_fine(tmp_path, capfd, empty):
    assert run(tmp_path, capfd, empty=empty) == (0, [], [])


def test_known_content_is_fine_and_so_is_new_text_beside_it(tmp_path, capfd):
    assert run(tmp_path, capfd, day=log())[0] == 0
    assert run(tmp_path, capfd, day=log()) == (0, [], [])
    assert run(tmp_path, capfd, day=log() + b"ended\n") == (0, [], [])
    assert run(tmp_path, capfd, day=log() + b"ended\n", notes=TEXT)[0] == 0
    assert run(tmp_path, capfd, day=log() + b"ended\n", odd=ODD)[0] == NOTHING_READ


def test_a_filtered_message_counts_as_read(tmp_path, capfd):
    code, (told,), names = run(tmp_path, capfd, "--include", "Symbol = NONE", day=log())
    assert (code, names) == (0, [])
    assert told.startswith("the rules left out every message")


def test_a_log_that_ends_in_its_first_message_is_fine(tmp_path, capfd):
    assert run(tmp_path, capfd, day=log()[:40]) == (0, [], [])
