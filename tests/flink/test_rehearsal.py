"""What Beam or Flink refuse of a job's options is found before its run begins, with no cluster."""

import pytest
from apache_beam.options.pipeline_options import FlinkRunnerOptions, PipelineOptions

from fixfeed.pipelines.cluster.job_server import FlinkJobServer
from fixfeed.pipelines.cluster.rehearsal import rehearse
from fixfeed.pipelines.option import UsageError
from tests.services.flink_server import installed

MASTER = "nobody.invalid:8081"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Return a running job server of Beam; it takes some seconds to start."""
    given = [f"--flink_master={MASTER}", f"--flink_job_server_jar={installed()}/job-server.jar"]
    server = FlinkJobServer(PipelineOptions(given), given, tmp_path_factory.mktemp("server"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


def rehearsed(server, *given):
    """Rehearse a stream with these options; return them as they are afterwards."""
    options = PipelineOptions(
        [
            f"--flink_master={MASTER}",
            "--environment_type=EXTERNAL",
            "--environment_config=localhost:50000",
            *given,
        ]
    )
    rehearse(server, options, given, lambda: False)
    return options


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("--checkpointing_interval=5", "Checkpoint interval must be larger than or equal to 10 ms"),
        ("--checkpointing_mode=foo", "No enum constant org.apache.flink.streaming.api.Checkpoin"),
        ("--state_backend=rocksdb", "State backend was set to 'rocksdb' but no storage path was"),
        ("--state_backend_factory=a.b.C", "ClassNotFoundException: a.b.C"),
        ("--setup_file=/none.py", "The file /none.py cannot be found. It was specified in the"),
        ("--max_cache_memory_usage_percent=a", "Cannot deserialize value of type `float` from"),
        ("--resource_hints=foo", "Unknown resource hint: foo."),
    ],
)
def test_what_only_flink_or_beam_know_of_a_value_is_told_with_the_options(server, given, why):
    with pytest.raises(UsageError) as error:
        rehearsed(server, "--streaming", "--checkpointing_interval=1000", given)
    start = "no job on Flink can have these options --streaming --checkpointing_interval=1000"
    assert str(error.value).startswith(f"{start} {given}: ")
    assert why in str(error.value)


@pytest.mark.parametrize("streaming", [(), ("--streaming", "--checkpointing_interval=1000")])
def test_options_that_a_job_can_have_are_left_as_they_are(server, streaming):
    options = rehearsed(server, *streaming, "--max_bundle_time_mills=100", "--object_reuse")
    assert options.view_as(FlinkRunnerOptions).flink_master == MASTER


def test_a_job_server_that_is_short_of_something_is_no_matter_of_options(server, monkeypatch):
    wrong = ("--streaming", "--checkpointing_interval=5")
    monkeypatch.setattr(server, "said_of", lambda _: "OutOfMemoryError: Java heap space")
    rehearsed(server, *wrong)
    monkeypatch.undo()
    with pytest.raises(UsageError):
        rehearsed(server, *wrong)
