"""The kind of an --input is looked up in a table; a new kind is an entry in it."""

import orjson
import pytest

from fixfeed.io.files.find import file_at
from fixfeed.pipelines.option import Option
from fixfeed.pipelines.run import main
from fixfeed.pipelines.source import Source, SourceKind
from fixfeed.pipelines.sources import SOURCES, sources_of
from fixfeed.pipelines.uris import UnknownPlace
from fixfeed.transforms.fix.protocol import FIX
from tests.transforms.fix.messages import encode

MESSAGE = encode([(35, b"D"), (49, b"A"), (56, b"B"), (55, b"X")])


def _canned(named):
    def find(protocol, folder, _stop):
        files = []
        for one in named:
            path = folder / f"{one.text.removeprefix('canned:')}.log"
            path.write_bytes(MESSAGE * one.given["messages"])
            files.append(file_at(str(path), one.text, protocol))
        return files, []

    return Source(lambda _protocol: ([], []), find)


@pytest.fixture
def canned(monkeypatch):
    """A kind of source that makes its messages itself."""
    option = Option(name="messages", help="how many", kind="number")
    monkeypatch.setitem(SOURCES, "canned", SourceKind(_canned, "canned:day?messages=2", [option]))


def test_the_unchanged_job_reads_a_new_kind_of_source(canned, tmp_path, capfd):
    (tmp_path / "day.log").write_bytes(MESSAGE)
    inputs = ["--input", "canned:one?messages=2", "--input", str(tmp_path / "day.log")]
    inputs += ["--input", "canned:two?messages=3"]
    output = f"sqlite:///{tmp_path / 'x.db'}"
    assert main([*inputs, "--output", output, "--json", "--quiet"]) == 0
    summary = orjson.loads(capfd.readouterr().out)
    assert summary["files"] == 3
    assert summary["sinks"][output]["stored"] == 6


def test_a_wrong_parameter_of_a_source_is_answered_with_the_right_one(canned):
    with pytest.raises(UnknownPlace, match=r"no parameter 'message'; did you mean messages\?"):
        sources_of(["canned:one?message=2"])


def test_a_path_with_a_question_mark_is_a_pattern(tmp_path):
    for name in ("a1.log", "a2.log", "a?b=c.log"):
        (tmp_path / name).write_bytes(MESSAGE + name.encode())

    def names(text):
        (source,) = sources_of([str(tmp_path / text)])
        files, unreadable = source.look(FIX)
        assert unreadable == []
        return [file.name.rpartition("/")[2] for file in files]

    assert names("a?.log") == ["a1.log", "a2.log"]
    assert names("a?b=c.log") == ["a?b=c.log"]


def test_all_patterns_are_one_source_so_each_file_is_read_once(tmp_path):
    (tmp_path / "a.log").write_bytes(MESSAGE)
    texts = [str(tmp_path / "*.log"), "-", str(tmp_path / "a.log")]
    files, standard_input = sources_of(texts)
    found, unreadable = files.look(FIX)
    assert ([file.path for file in found], unreadable) == ([str(tmp_path / "a.log")], [])
    assert standard_input.look(FIX) == ([], [])
