"""A job on a cluster is watched: it is cancelled when the run is to stop, and given up if lost."""

import pickle
import threading

import grpc
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from fixfeed.io.ledger.ledger import SinkFailed, SinkRefused
from fixfeed.pipelines.cluster import job_there, submission
from fixfeed.pipelines.cluster.flink import FlinkJob
from fixfeed.pipelines.cluster.job_server import FlinkJobServer
from fixfeed.pipelines.cluster.refusals import NameRefusals
from fixfeed.pipelines.cluster.trouble import ClusterFailed
from fixfeed.pipelines.endings import UNWRITTEN, USAGE, Ending
from fixfeed.pipelines.settings import Settings


class Flink:
    """A cluster that tells of the job as often as it is told to, and then no more.

    An answer is a state, or how often the job was restarted, and why.
    """

    master = "http://h:8081"

    def __init__(self, answers):
        self.answers = [
            FlinkJob("1", one) if isinstance(one, str) else FlinkJob("1", "RESTARTING", *one)
            for one in answers
        ]
        self.cancelled = []
        self.begun_anew = False

    def job(self, _name, _since):
        return self.answers.pop(0) if self.answers else None

    def has_lost(self, _name):
        return self.begun_anew

    def cancel(self, job):
        self.cancelled.append(job)

    def cause(self, _job):
        return self.trace

    def wait_until_over(self, *_):
        assert self.cancelled


class Result:
    """What Beam returns of a job: its state, each time it is asked."""

    def __init__(self, *states):
        self.states = list(states)
        self.cancelled = False

    @property
    def state(self):
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(state, Exception):
            raise state
        return state

    def cancel(self):
        self.cancelled = True
        self.states = ["CANCELLED"]


@pytest.fixture
def watched(tmp_path, monkeypatch):
    """Return what watches a job, on a cluster that tells of it so often; and the cluster."""
    monkeypatch.setattr(submission, "_STEP", 0.0)
    for name in ("_ASKED", "_LOST"):
        monkeypatch.setattr(job_there, name, 0.0)

    def make(*answers, is_stream=False):
        settings = Settings(runner="FlinkRunner", beam=("--flink_master=h:8081",))
        flink = Flink(answers)
        monkeypatch.setattr(submission, "Flink", lambda _: flink)
        return submission.Cluster(settings, tmp_path, is_stream=is_stream), flink

    return make


def test_a_job_that_the_cluster_tells_nothing_of_any_more_is_given_up(watched):
    cluster, _ = watched("RUNNING", "RUNNING")
    with pytest.raises(ClusterFailed, match="cluster at http://h:8081 has not answered for 0 sec"):
        cluster._watched(Result("RUNNING"), lambda: False)


def test_a_job_that_a_new_job_manager_does_not_have_is_given_up_at_once(watched, monkeypatch):
    monkeypatch.setattr(job_there, "_LOST", 1000.0)
    cluster, flink = watched("RUNNING", "RUNNING")
    flink.begun_anew = True
    with pytest.raises(ClusterFailed, match=r"not have the job fixfeed-.* any more: its JobMan"):
        cluster._watched(Result("RUNNING"), lambda: False)


def test_a_job_that_is_not_there_yet_is_waited_for(watched):
    cluster, _ = watched()
    assert cluster._watched(Result("RUNNING", "RUNNING", "DONE"), lambda: False) == "DONE"


def test_a_job_is_cancelled_by_the_cluster_too_as_the_job_server_is_told_before_it(watched):
    cluster, flink = watched(*["RUNNING"] * 5)
    result = Result("RUNNING")
    assert cluster._watched(result, lambda: True) == "CANCELLED"
    assert result.cancelled
    assert flink.cancelled == ["1"]


class SlowServer(FlinkJobServer):
    """A job server that does not answer until it is killed."""

    def __init__(self, folder):
        super().__init__(PipelineOptions([]), [], folder)
        self.killed = threading.Event()

    def _kill(self):
        self.killed.set()

    def run_pipeline(self, *_):
        assert self.killed.wait(60)
        raise grpc.RpcError("Socket closed")


@pytest.mark.parametrize("answers", [["RUNNING"] * 3, []])
def test_a_submission_ends_when_the_run_is_to_stop_and_leaves_no_job(
    watched, answers, monkeypatch, tmp_path
):
    monkeypatch.setattr(submission, "_AFTER_CANCEL", 0.5)
    cluster, flink = watched(*answers)
    server = SlowServer(tmp_path)
    monkeypatch.setattr(cluster, "_server", server)
    monkeypatch.setattr(cluster, "_runner", lambda: "DirectRunner")
    monkeypatch.setattr(submission.beam.Pipeline, "run", server.run_pipeline)
    asked = iter([False])
    cluster.execute(lambda _: None, lambda: next(asked, True))
    assert set(flink.cancelled) == ({"1"} if answers else set())


def test_a_submission_that_fails_by_itself_is_told(watched, monkeypatch):
    cluster, _ = watched()
    monkeypatch.setattr(cluster, "_runner", lambda: "DirectRunner")

    def run(*_):
        raise grpc.RpcError("Socket closed")

    monkeypatch.setattr(submission.beam.Pipeline, "run", run)
    with pytest.raises(ClusterFailed, match="job server does not answer any more: Socket closed"):
        cluster.execute(lambda _: None, lambda: False)


def test_a_job_server_that_is_killed_while_options_are_tried_is_told(watched, monkeypatch):
    def killed(*_):
        raise grpc.RpcError("Socket closed")

    cluster, _ = watched()
    monkeypatch.setattr(submission.FlinkJobServer, "start", lambda _: None)
    monkeypatch.setattr(submission, "rehearse", killed)
    with pytest.raises(ClusterFailed, match="job server does not answer any more: Socket closed"):
        cluster._start_server(lambda: False)
    cluster._start_server(lambda: True)


def test_the_job_of_a_job_server_that_is_gone_is_cancelled(watched):
    cluster, flink = watched("RUNNING")
    gone = grpc.RpcError("Socket closed")
    with pytest.raises(
        ClusterFailed, match=r"any more: Socket.* was RUNNING there, and has been c"
    ):
        cluster._watched(Result(gone), lambda: False)
    assert flink.cancelled == ["1"]


REFUSED, GONE, WRONG = "SinkRefused: no right", "SinkFailed: db is gone", "SchemaError: version 3"


@pytest.mark.parametrize(
    ("answers", "is_stream", "code"),
    [
        ([(1, REFUSED), (2, REFUSED), (3, REFUSED)], False, UNWRITTEN),
        ([(4, REFUSED), (5, REFUSED)], False, None),
        ([(1, REFUSED), (2, GONE), (3, REFUSED)], False, None),
        ([(1, REFUSED), (2, REFUSED), (9, REFUSED)], True, None),
        ([(1, WRONG), (2, WRONG), (3, WRONG)], True, USAGE),
        ([(number, GONE) for number in range(9)], False, None),
    ],
)
def test_a_job_whose_sink_refuses_again_and_again_is_ended_with_its_sentence(
    watched, answers, is_stream, code
):
    cluster, flink = watched(*answers, *["RUNNING"] * 3, is_stream=is_stream)
    why = answers[-1][1]
    flink.trace = f"java.lang.Exception\nTraceback\nfixfeed.io.ledger.ledger.{why}"
    result = Result(*["RUNNING"] * len(answers), "DONE")
    if code is None:
        assert cluster._watched(result, lambda: False) == "DONE"
        return
    with pytest.raises(ClusterFailed) as error:
        cluster._watched(result, lambda: False)
    assert (result.cancelled, flink.cancelled) == (True, ["1"])
    assert Ending([], {}).error(error.value) == code


def test_why_a_job_has_failed_is_said_once(watched, capsys):
    cluster, _ = watched((1, GONE), (2, GONE), (3, "OSError: disk"), *["RUNNING"] * 2)
    cluster._watched(Result(*["RUNNING"] * 4, "DONE"), lambda: False)
    starts = "fixfeed: the job has failed, and Flink starts it again: "
    assert capsys.readouterr().err == f"{starts}{GONE}\n{starts}OSError: disk\n"


BEGINS = (
    "x.FileNotFoundException: Cannot find '/a'\n\tat org.y.CheckpointCoordinator.restoreSavepoint("
)


@pytest.mark.parametrize(
    ("restarts", "trace", "text"),
    [
        (
            0,
            BEGINS,
            "cannot begin from --savepoint_path s3://b/a: Cannot find '/a'; name the place",
        ),
        (
            0,
            f"{BEGINS}\nx.IllegalStateException: operator 1 is not available in the new program.",
            "cannot begin from --savepoint_path s3://b/a: the job that was stopped had other parts,"
            " as one on a single slot has and one on several; take as many slots as that had, or"
            " several again, or leave the option",
        ),
        (1, BEGINS, "failed in the cluster: Cannot find '/a'; what was committed is stored"),
        (0, "x.Oops: no", "failed in the cluster: Cannot find '/a'; what was committed is stored"),
    ],
)
def test_a_job_that_cannot_begin_from_its_savepoint_says_what_flink_says_of_it(
    restarts, trace, text, tmp_path, monkeypatch
):
    flags = ("--flink_master=h:8081", "--job_name=j", "--savepoint_path", "s3://b/a")
    flink = Flink([(restarts, "Cannot find '/a'")])
    flink.trace = trace
    monkeypatch.setattr(submission, "Flink", lambda _: flink)
    settings = Settings(runner="FlinkRunner", beam=flags)
    cluster = submission.Cluster(settings, tmp_path, is_stream=True)
    assert str(cluster._failed(Result("FAILED"), "FAILED")).startswith(f"the job j {text}")


def test_a_worker_names_what_waiting_does_not_mend():
    def raised(error):
        def work():
            raise error

        with pytest.raises(SinkFailed) as found:
            NameRefusals().until_it_works(work)
        return type(found.value)

    assert NameRefusals().until_it_works(lambda: 7) == 7
    assert raised(SinkFailed("no right")) is SinkRefused
    assert raised(SinkFailed("gone", away=True)) is SinkFailed
    assert raised(SinkFailed("replaced", lost=True)) is SinkFailed
    assert pickle.loads(pickle.dumps(NameRefusals())).until_it_works(list) == []
