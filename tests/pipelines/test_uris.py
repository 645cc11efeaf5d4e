"""A URI names a place and parameters, which are typed, checked and named in errors."""

import doctest
import json
import subprocess

import pytest

from fixfeed.pipelines import uris
from fixfeed.pipelines.option import Option
from fixfeed.pipelines.sinks import SINKS, sink_of
from fixfeed.pipelines.uris import UnknownPlace, split_uri
from fixfeed.transforms import nearest
from fixfeed.transforms.fix.protocol import FIX
from tests.pipelines.jobs import FIXFEED
from tests.transforms.fix.messages import encode


def summary_of(folder, *outputs):
    """Run a job into these outputs; return its summary."""
    (folder / "day.log").write_bytes(encode([(35, b"D"), (49, b"A"), (56, b"B"), (55, b"X")]))
    words = [word for uri in outputs for word in ("--output", uri)]
    done = subprocess.run(
        [*FIXFEED, "--json", "--quiet", "--input", "day.log", *words],
        cwd=folder,
        capture_output=True,
    )
    return json.loads(done.stdout)


KNOWN = [
    Option(name="by", help="columns", kind="list", metavar="COLUMN"),
    Option(name="wait", help="seconds", kind="number", least=1),
    Option(name="once", help="or again", kind="flag"),
    Option(name="name", help="a name", metavar="NAME"),
]


@pytest.mark.parametrize("module", [uris, nearest])
def test_the_examples_are_true(module):
    assert doctest.testmod(module).attempted > 0
    assert doctest.testmod(module).failed == 0


def test_parameters_have_the_types_of_their_options():
    assert split_uri("x:place?by=a,b%2Cc&wait=3&once=true&name=one%26two", KNOWN) == (
        "x:place",
        {"by": ("a", "b,c"), "wait": 3, "once": True, "name": "one&two"},
    )


@pytest.mark.parametrize("uri", ["x:place", "x:wh?t.jsonl", "x:place?", "x:a?/b", "x:a?b c=d/"])
def test_a_question_mark_without_a_parameter_is_part_of_the_place(uri):
    assert split_uri(uri, KNOWN) == (uri, {})


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("x:a?nam=b", "'x:a?nam=b': x has no parameter 'nam'; did you mean name?"),
        ("x:a?nothing=b", "x has no parameter 'nothing', expected by or wait or once or name"),
        ("x:a?name=b&name=c", "name is given twice"),
        ("x:a?name", "name is empty, expected NAME: "),
        ("x:a?by=a,,b", "by is empty, expected COLUMN"),
        ("x:a?wait=0", "wait is '0', expected a whole number, 1 or more"),
        ("x:a?once=maybe", "once is 'maybe', expected true or false"),
    ],
)
def test_a_wrong_parameter_is_answered_with_the_right_one(uri, text):
    with pytest.raises(UnknownPlace) as error:
        split_uri(uri, KNOWN)
    assert text in str(error.value)


def test_a_lake_may_have_its_own_partitioning_and_the_flag_is_for_the_others():
    by_uri = sink_of("parquet:lake/?partition-by=date,session")
    assert (by_uri.name, by_uri.partition_by) == ("parquet:lake/", ("date", "session"))
    by_flag = sink_of("parquet:lake/", partition_by=("date", "session"))
    assert (by_flag.name, by_flag.partition_by) == (by_uri.name, by_uri.partition_by)
    both = sink_of("parquet:lake/?partition-by=date", partition_by=("date",))
    assert both.partition_by == ("date",)
    assert sink_of("parquet:lake/").partition_by == ("date", "msg_type")


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("parquet:lake/?partition=date", "no parameter 'partition'; did you mean partition-by?"),
        ("parquet:lake/?partition-by=dat", "cannot partition by 'dat': expected date, hour"),
        ("sqlite:///a.db?mode=ro", "sqlite has no parameters, found 'mode'"),
        ("jsonl:out.jsonl?a=b", "jsonl has no parameters, found 'a'"),
    ],
)
def test_an_error_in_a_uri_is_answered_by_its_sink(uri, text):
    with pytest.raises(UnknownPlace) as error:
        sink_of(uri)
    assert text in str(error.value)


def test_a_flag_for_all_lakes_that_contradicts_a_uri_is_refused():
    text = "contradicts --partition-by, which says hour,symbol for all outputs; leave out one"
    with pytest.raises(UnknownPlace, match=text):
        sink_of("parquet:lake/?partition-by=date", partition_by=("hour", "symbol"))


def test_parameters_of_a_postgresql_uri_are_for_its_driver():
    uri = "postgresql://user@host/db?sslmode=require&application_name=x"
    assert sink_of(uri).name == uri
    assert SINKS["postgresql"].parameters is None


def test_two_lakes_of_one_run_have_separate_folders(tmp_path):
    summary = summary_of(tmp_path, "parquet:one/?partition-by=symbol", "parquet:two/")
    assert {name: one["stored"] for name, one in summary["sinks"].items()} == {
        "parquet:one/": 1,
        "parquet:two/": 1,
    }
    folders = [[one.name for one in (tmp_path / p / "messages").iterdir()] for p in ("one", "two")]
    assert folders == [["by_symbol=is-X"], ["date=0001-01-01"]]


def test_a_place_given_twice_is_refused_with_any_parameters(tmp_path):
    summary = summary_of(tmp_path, "parquet:lake/?partition-by=date", "parquet:lake/")
    assert summary["exit_code"] == 2
    assert "output parquet:lake/ is named twice" in summary["error"]


@pytest.mark.parametrize(
    "uri",
    [
        "parquet:lake/?&partition-by=date",
        "parquet:lake/? partition-by=date",
        "parquet:lake/?partition-by = date",
        "parquet:lake?partition-by=date?partition-by=session",
        "parquet:lake/?partition-by=date,date",
    ],
)
def test_near_misses_of_parameters_are_no_names_of_folders(uri):
    with pytest.raises(UnknownPlace):
        sink_of(uri, protocol=FIX)
