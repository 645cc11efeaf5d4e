"""A savepoint that a job cannot begin from is told before it is submitted, where that is seen."""

import pytest

from fixfeed.pipelines.cluster.savepoint import check_savepoint, savepoint_of
from fixfeed.pipelines.option import UsageError
from tests.pipelines.cluster.rest import Answers


@pytest.fixture
def places(tmp_path):
    """Return a folder with a savepoint, and one with another file."""
    (tmp_path / "savepoint-1").mkdir()
    (tmp_path / "savepoint-1" / "_metadata").write_bytes(b"")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "metadata").write_bytes(b"")
    return tmp_path


def said(place, folder, *, is_stream=True):
    """Return what is said of a place, by a cluster whose JobManager has a folder."""
    try:
        check_savepoint(place, Answers(configuration={"web.tmpdir": folder}), is_stream=is_stream)
    except UsageError as error:
        return str(error)
    return ""


def test_a_place_without_a_savepoint_is_refused_on_the_machine_of_the_job_manager(places):
    here = str(places)
    assert said(f"{places}/none", here) == (
        f"--savepoint_path {places}/none: expected the place that Flink answers when it has "
        "stopped a job with a savepoint, a folder with the file _metadata, and there is none; "
        "without the option the job goes on where its outputs end"
    )
    for place in (f"file:{places}/other", f"file://{places}/other", f"{places}/other/metadata"):
        assert "and there is none" in said(place, here)
    for place in ("savepoint-1", f"file:{places}/savepoint-1", f"{places}/savepoint-1/_metadata"):
        assert said(place if "/" in place else f"{places}/{place}", here) == ""


def test_what_only_the_cluster_can_see_is_left_to_it(places):
    assert said("/none", f"{places}/of-another-machine") == ""
    assert said("/none", "") == ""
    assert said("s3://bucket/savepoint-1", str(places)) == ""


def test_a_place_that_is_none_on_any_machine_is_refused():
    assert "a whole path, or a URL such as s3://" in said("savepoint-1", "")


def test_a_job_that_reads_to_the_end_begins_from_no_savepoint():
    assert said("s3://bucket/savepoint-1", "", is_stream=False) == (
        "--savepoint_path s3://bucket/savepoint-1: only a stream begins from a savepoint; leave it "
        "out: what is stored already is not read again"
    )


@pytest.mark.parametrize("given", [["--savepoint_path=/a"], ["--savepoint_path", "/a"]])
def test_the_place_is_found_among_the_options_of_beam(given):
    assert savepoint_of(["--parallelism=2", *given]) == "/a"
    assert savepoint_of(["--parallelism=2"]) == ""
