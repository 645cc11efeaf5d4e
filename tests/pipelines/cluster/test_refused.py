"""What a cluster cannot do, or is not there for, is told before anything is stored."""

import pytest
from apache_beam.options.pipeline_options import FlinkRunnerOptions, PipelineOptions
from apache_beam.portability.api import beam_job_api_pb2

from fixfeed.pipelines.cluster import submission
from fixfeed.pipelines.cluster.fits import check_fits
from fixfeed.pipelines.cluster.flink import Flink, FlinkJob
from fixfeed.pipelines.cluster.flink_options import check_flink_version
from fixfeed.pipelines.cluster.job_server import FlinkJobServer
from fixfeed.pipelines.cluster.submission import Cluster
from fixfeed.pipelines.cluster.trouble import ClusterFailed
from fixfeed.pipelines.endings import CLUSTER, UNWRITTEN, Ending
from fixfeed.pipelines.option import UsageError
from fixfeed.pipelines.options import read_settings
from fixfeed.pipelines.settings import Settings
from tests.pipelines.cluster.rest import Answers, job
from tests.services.ports import free_port

DATABASE = "postgresql://u@h/db"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"input": ("-",)}, "standard input is read by this machine alone: write it to a file"),
        ({"input": ("logs/*.log",)}, "write {folder}/logs/*.log if that is a path that is the"),
        ({"input": ("tcp://0.0.0.0:9876",)}, "have a job there send it to Kafka, as in fixfeed"),
        ({"input": ("follow:/logs/*.log",)}, "give the cluster --input kafka://host:9092/fix.raw"),
        ({"input": ("replay:/l/day.log?speed=9",)}, "read it at once with --input /l/day.log"),
        ({"output": ("sqlite:////data/a.db",)}, "sqlite:////data/a.db is a file of one machine"),
        ({"output": ("jsonl:/data/a.jsonl",)}, "write to postgresql://user@host/db, which all"),
        ({"output": ("parquet:lake/",)}, "write parquet:{folder}/lake if that is a path"),
        ({"lookup": ("symbols.csv:symbol",)}, "write {folder}/symbols.csv if that is a path"),
        ({"workers": 2}, "how many a cluster has says --parallelism"),
    ],
)
def test_what_workers_elsewhere_cannot_use_is_refused_with_what_to_do(
    options, text, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    settings = Settings(**{"input": ("/logs/a.log",), "output": (DATABASE,), **options})
    with pytest.raises(UsageError) as error:
        check_fits(settings)
    assert text.format(folder=tmp_path) in str(error.value)


def test_servers_object_stores_and_whole_paths_fit():
    for text in ("/logs/*.log", "s3://b/2026-*/*.log", "kafka://h:9092/fix.raw"):
        for uri in (DATABASE, "parquet:/lake", "parquet:s3://b/lake", "kafka://h/fix"):
            check_fits(Settings(input=(text,), output=(uri,), lookup=("/s.csv:symbol",)))


def test_a_cluster_that_is_not_there_is_told_with_its_address():
    master = f"127.0.0.1:{free_port()}"
    with pytest.raises(ClusterFailed, match=f"not answer at http://{master}: Connection refused"):
        Flink(master).overview()
    assert Flink(master).job("fixfeed-1", 0.0) is None


def test_a_job_server_that_is_not_there_or_does_not_start_is_told(tmp_path):
    def started(*flags):
        given = ["--flink_master=127.0.0.1:1", *flags]
        server = FlinkJobServer(PipelineOptions(given), given, tmp_path)
        try:
            server.start()
        finally:
            server.stop()

    with pytest.raises(UsageError, match=r"^--flink_job_server_jar names /none.jar, and there is"):
        started("--flink_job_server_jar=/none.jar")
    nobody = f"http://127.0.0.1:{free_port()}/a.jar"
    with pytest.raises(ClusterFailed, match=rf"comes from {nobody} \(Connection refused\); name"):
        started(f"--flink_job_server_jar={nobody}")
    (tmp_path / "no.jar").write_bytes(b"no jar")
    with pytest.raises(ClusterFailed, match=r"did not start \(java\): .*corrupt"):
        started(f"--flink_job_server_jar={tmp_path}/no.jar")


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        ("--parallelism=0", "--parallelism 0: expected a number from 1 to 32,768; without"),
        ("--parallelism=-4", "--parallelism -4: expected a number from 1 to"),
        ("--max_parallelism=40000", "--max_parallelism 40000: expected a number from 1"),
        ("--sdk_worker_parallelism=two", "--sdk_worker_parallelism two: expected how many"),
        ("--environment_type=LOOPBACK", "LOOPBACK has this process do the work of all"),
        ("--environment_type=EXTERNL", "expected one of EXTERNAL, PROCESS, DOCKER; did you mean E"),
        (
            "--environment_type=PROCESS --environment_config=localhost:5",
            "PROCESS does not go with --environment_config localhost:5: it is no JSON (Expec",
        ),
        ("--environment_type=PROCESS", "PROCESS does not go with no --environment_config: "),
        ("--environment_type=EXTERNAL --environment_config={}", "_config {}: no 'url'; leave out"),
        ("--flink_version=2.0", "the cluster is of Flink 1.19.3, and --flink_version names 2.0"),
    ],
)
def test_options_of_beam_that_no_job_can_have_are_refused_before_it_is_submitted(
    flags, text, tmp_path, monkeypatch
):
    monkeypatch.setattr(submission, "Flink", lambda _: Answers())
    given = ("--flink_master=h:8081", *flags.split())
    cluster = Cluster(Settings(runner="FlinkRunner", beam=given), tmp_path)
    with pytest.raises(UsageError) as error:
        cluster.check(lambda: False)
    assert text in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_the_job_server_is_of_the_version_of_the_cluster_unless_it_is_named():
    def version(*flags, there="1.19.3", given=False):
        options = PipelineOptions(list(flags))
        check_flink_version(options, there, given=given)
        return options.view_as(FlinkRunnerOptions).flink_version

    assert version() == version("--flink_version=1.19", given=True) == "1.19"
    assert version("--flink_job_server_jar=/a.jar", there="1.5.0") == "2.2"
    with pytest.raises(UsageError, match=r"Flink 1.5.0, and Beam has job servers for 1.19, .*jar"):
        version(there="1.5.0")


def test_a_value_that_an_option_of_beam_or_of_its_job_server_cannot_have_is_told_in_a_line(
    tmp_path,
):
    with pytest.raises(UsageError, match=r"^--parallelism: invalid int value: 'two'$"):
        read_settings(["--parallelism=two"], {})
    kinds = beam_job_api_pb2.PipelineOptionType
    described = [
        beam_job_api_pb2.PipelineOptionDescriptor(name=name, type=kind, default_value=default)
        for name, kind, default in [
            ("checkpointing_interval", kinds.INTEGER, "-1"),
            ("object_reuse", kinds.BOOLEAN, "false"),
            ("operator_chaining", kinds.BOOLEAN, "true"),
            ("checkpointing_mode", kinds.STRING, ""),
        ]
    ] * 2

    def checked(*given):
        FlinkJobServer(PipelineOptions([]), given, tmp_path)._check_options(described)

    with pytest.raises(UsageError, match=r"^--checkpointing_interval: invalid int value: 'often'$"):
        checked("--checkpointing_interval", "often")
    with pytest.raises(UsageError, match=r"^--object_reuse takes no .* turns it on; leave out fal"):
        checked("--object_reuse", "false", "--checkpointing_mode", "EXACTLY_ONCE")
    with pytest.raises(UsageError, match=r"^--operator_chaining .* turns it off; leave out true$"):
        checked("--operator_chaining=true")
    checked("--object_reuse", "--checkpointing_mode", "x", "--checkpointing_interval=5000")


@pytest.mark.parametrize(
    ("cause", "code", "text"),
    [
        ("java.lang.Exception: No slots", CLUSTER, "the job failed"),
        (
            "java.lang.RuntimeException: Error received from SDK harness\n"
            'Traceback (most recent call last):\n  File "x.py", line 1\n'
            "fixfeed.io.ledger.ledger.SinkFailed: cannot write to postgresql://h/db: gone"
            " [while running 'Write1/Write-ptransform-21']\n\n\tat org.apache.beam.Bundle\n"
            "Caused by: java.lang.Exception: x",
            UNWRITTEN,
            "cannot write to postgresql://h/db: gone",
        ),
    ],
)
def test_a_failed_job_ends_with_the_code_of_its_cause(cause, code, text, capsys):
    assert Ending([], {}).error(ClusterFailed("the job failed", cause)) == code
    assert capsys.readouterr().err == f"fixfeed: {text}\n"


def test_the_state_of_a_job_is_told_with_how_often_it_was_restarted():
    assert FlinkJob("1", "RUNNING").text == "the job is RUNNING"
    assert FlinkJob("1", "RESTARTING", 1, "OSError: disk").text.endswith(
        "RESTARTING, restarted once"
    )
    assert FlinkJob("1", "RESTARTING", 2).text == "the job is RESTARTING, restarted 2 times"


@pytest.mark.parametrize(
    ("trace", "why"),
    [
        (
            "org.apache.UncheckedExecutionException: UNAVAILABLE: io exception\n"
            "\tat org.apache.beam.model.fnexecution.BeamFnExternalWorkerPoolGrpc.startWorker(x)\n"
            "Caused by: org.netty.AbstractChannel$AnnotatedConnectException: finishConnect(..) "
            "failed: Connection refused: localhost/127.0.0.1:50000\n"
            "Caused by: java.net.ConnectException: finishConnect(..) failed: Connection refused\n",
            "no worker pool answers at 127.0.0.1:50000 of a TaskManager's machine (Connection "
            "refused); start fixfeed worker-pool there",
        ),
        (
            "java.lang.Exception: x\nTraceback (most recent call last):\n  File\n"
            "fixfeed.io.ledger.ledger.SinkFailed: db is gone [while running 'Write1']\n",
            "SinkFailed: db is gone",
        ),
        ("java.lang.Exception: x\nCaused by: java.io.IOException: y", "IOException: y"),
        (
            "java.lang.RuntimeException: Failed to finish remote bundle\n"
            "Caused by: x.y.io.grpc.StatusRuntimeException: CANCELLED: client cancelled\n\tat x",
            "a worker process has ended; the log of fixfeed worker-pool says more",
        ),
    ],
)
def test_the_reason_of_a_failure_is_a_sentence(trace, why):
    flink = Answers(job(1))
    flink._failures = lambda _: [trace]
    assert flink.job("fixfeed-1", 0.0).why == why
