"""What a job has to wait for on its cluster is told before it is submitted."""

import pytest

from fixfeed.pipelines.cluster import job_there, submission
from fixfeed.pipelines.cluster.flink import FlinkJob
from fixfeed.pipelines.cluster.free_slots import check_free_slots
from fixfeed.pipelines.cluster.job_there import JobThere
from fixfeed.pipelines.cluster.submission import Cluster
from fixfeed.pipelines.cluster.trouble import ClusterFailed
from fixfeed.pipelines.settings import Settings
from tests.pipelines.cluster.rest import Answers, job

OTHER = FlinkJob("a1", "RUNNING", name="fixfeed-other")


def said(flink, asked, *others):
    """Return what is said; what is refused follows."""
    found = []
    try:
        check_free_slots(flink, asked, others, found.append)
    except ClusterFailed as error:
        found.append(str(error))
    return found


def test_slots_that_a_job_of_another_command_holds_are_not_waited_for():
    assert said(Answers(free=0), 4, OTHER) == [
        "the job asks for 4 slots, and the cluster at http://h:8081 has 4 slots, 0 of them free; "
        "fixfeed-other, the job of another command into the same database, holds slots, also if "
        "its command is gone: then end the job with "
        "`curl -X PATCH http://h:8081/jobs/a1` (or flink cancel), else wait until it ends; after "
        "that the same command goes on"
    ]
    assert "or ask for fewer slots with --parallelism" in said(Answers(free=1), 4, OTHER)[0]


def test_a_job_of_another_command_is_named_where_there_are_slots_for_both():
    assert said(Answers(free=2), 2, OTHER) == [
        "fixfeed-other, the job of another command into the same database, runs on the cluster at "
        "http://h:8081; if its command is gone, end the job with "
        "`curl -X PATCH http://h:8081/jobs/a1` (or flink cancel)"
    ]
    two = said(Answers(free=2), 2, OTHER, FlinkJob("a2", "RESTARTING", name="fixfeed-old"))[0]
    assert two.startswith("fixfeed-other and fixfeed-old, each the job of another command into the")
    assert "end the job with `curl -X PATCH http://h:8081/jobs/a1` and `curl" in two


def test_slots_that_others_hold_are_waited_for():
    assert said(Answers(job(7, running=4), free=0), 1) == [
        "the job asks for 1 slot, and the cluster at http://h:8081 has 4 slots, 0 of them free "
        "(fixfeed-7 on it): it waits for more, and Flink fails it if they do not come in time "
        "(slot.request.timeout, five minutes unless set)"
    ]
    ending = FlinkJob("a1", "CANCELLING", name="fixfeed-old")
    assert "it waits for more" in said(Answers(free=0), 4, ending)[0]


def test_a_job_that_got_no_slots_says_what_holds_them():
    flink = Answers(job(1, "FAILED"), job(7, running=4), free=0)
    flink.cause = lambda _: "x.NoResourceAvailableException: Could not acquire the min"
    failed = JobThere(flink, "fixfeed-1", lambda: 4).failed("", "FAILED", "")
    assert str(failed).startswith(
        "the job fixfeed-1 failed in the cluster: it did not get the 4 slots that it asks for; the "
        "cluster has 4 slots, 0 of them free (fixfeed-7 on it); what was committed is stored"
    )


def test_nothing_is_said_where_slots_are_free_or_are_made():
    assert said(Answers(), 4) == []
    on_demand = Answers(total=0, free=0, configuration={"execution.target": "kubernetes-session"})
    assert said(on_demand, 400) == []
    assert "if its command is gone" in said(on_demand, 400, OTHER)[0]


@pytest.mark.parametrize(
    ("jobs", "free", "text"),
    [
        ([], 4, "Beam's job server takes the job to the cluster"),
        ([job(1, scheduled=3)], 0, "the job is RUNNING, and waits for slots: it asks for 9, and"),
        ([job(1, scheduled=3)], 2, "the job is RUNNING"),
        ([job(1, running=3)], 0, "the job is RUNNING"),
    ],
)
def test_the_state_of_a_job_says_that_it_waits_for_slots(jobs, free, text, monkeypatch):
    monkeypatch.setattr(job_there, "_BRIEF", 0.0)
    there = JobThere(Answers(*jobs, free=free), "fixfeed-1", lambda: 9)
    assert there.state.startswith(text)
    assert ("waits" in text) == ("waits" in there.state)
    monkeypatch.setattr(job_there, "_BRIEF", 1000.0)
    assert "waits" not in there.state
    monkeypatch.setattr(job_there, "_ASKED", -1.0)
    there._flink = Answers(free=4)
    assert there.state == (text if not jobs else "the cluster does not have the job any more")


def test_the_jobs_of_another_run_are_found_by_their_name_however_the_cluster_is_spelt(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(submission, "Flink", lambda _: Answers(job(7), job(8, "FINISHED")))
    settings = Settings(runner="FlinkRunner", beam=("--flink_master=h:8081",))
    cluster = Cluster(settings, tmp_path)
    about = {"run": "7", "master": "http://localhost:8081", "job": "fixfeed-7"}
    assert [one.name for one in cluster.running(about)] == ["fixfeed-7"]
    assert cluster.running(about | {"run": "another"}) == []
    assert cluster.running({"run": "8", "master": "http://h:8081", "job": "fixfeed-8"}) == []
