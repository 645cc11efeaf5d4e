"""Beam's job server for Flink: a process of Java that takes the job from here to the cluster.

It has a session of its own, so signals of a terminal reach this process alone, which then cancels
the job by it; and it ends when this process does, however that ends.
"""

import contextlib
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    JobServerOptions,
    PipelineOptions,
)
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc
from apache_beam.runners.portability.flink_runner import (
    MAGIC_HOST_NAMES,
    FlinkJarJobServer,
    FlinkRunner,
)
from apache_beam.runners.portability.job_server import JobServer

from fixfeed.io.redaction import redact_text
from fixfeed.pipelines.beam_options import options_of_beam
from fixfeed.pipelines.cluster.trouble import ClusterFailed
from fixfeed.pipelines.option import UsageError
from fixfeed.transforms.nearest import did_you_mean

__all__ = ["FlinkJobServer", "OnFlink"]

# The shell ends Java when its third descriptor, a pipe from here, ends.
_WITH_US = (
    'exec 3<&0; "$@" </dev/null 3<&- & java=$!; '
    "(cat <&3 >/dev/null; kill -9 $java 2>/dev/null) & wait $java"
)
_PATIENCE = 90.0  # seconds for it to start
_LINES = 3  # of its log in an error


class FlinkJobServer(JobServer):
    """The job server of a run; its log and its files are in `folder`."""

    def __init__(self, options: PipelineOptions, given: Sequence[str], folder: Path):
        """Nothing is started. `given` are the options as they were written."""
        self._options = options
        self._given = given
        self._folder = folder
        self._log = folder / "job-server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Any = None

    def start(self) -> beam_job_api_pb2_grpc.JobServiceStub:
        """Start it and wait until it answers. Raises `ClusterFailed` if it does not.

        Raises `UsageError` for an option that neither it nor Beam knows.
        """
        command, address = self._command()
        with open(self._log, "wb") as log:
            try:
                self._process = subprocess.Popen(
                    ["sh", "-c", _WITH_US, "sh", *map(str, command)],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise ClusterFailed(f"cannot start {command[0]}: {error.strerror}") from error
        options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        self._channel = grpc.insecure_channel(address, options=options)
        stub = beam_job_api_pb2_grpc.JobServiceStub(self._channel)
        self._check_options(self._known(stub, command[0]))
        return stub

    def _known(self, stub: beam_job_api_pb2_grpc.JobServiceStub, java: str) -> set[str]:
        """Return the options that the server knows, once it answers."""
        assert self._process is not None
        until = time.monotonic() + _PATIENCE
        request = beam_job_api_pb2.DescribePipelineOptionsRequest()
        while self._process.poll() is None and time.monotonic() < until:
            with contextlib.suppress(grpc.RpcError):
                answer = stub.DescribePipelineOptions(request, timeout=1, wait_for_ready=True)
                return {f"--{one.name}" for one in answer.options}
        raise ClusterFailed(
            f"Beam's job server did not start ({java}): {self._end_of_log()}; it needs Java 11 or "
            "17, and a jar of it that fits this Flink is named with --flink_job_server_jar"
        )

    def _command(self) -> tuple[list[str], str]:
        of_server = self._options.view_as(JobServerOptions)
        if not of_server.artifacts_dir:
            of_server.artifacts_dir = str(self._folder / "artifacts")
        scratch = self._folder / "java"
        scratch.mkdir(exist_ok=True)
        of_server.job_server_jvm_properties = [
            f"-Djava.io.tmpdir={scratch}",
            *of_server.job_server_jvm_properties,
        ]
        try:
            return FlinkJarJobServer(self._options).subprocess_cmd_and_endpoint()
        except Exception as error:  # whatever finding and fetching a jar raises
            raise ClusterFailed(
                f"there is no jar of Beam's job server: {redact_text(str(error))}; name the file, "
                "or a URL of it, with --flink_job_server_jar, and Flink's version with "
                "--flink_version"
            ) from error

    def _check_options(self, of_server: set[str]) -> None:
        known = options_of_beam() | of_server
        for flag in (one.partition("=")[0] for one in self._given if one.startswith("--")):
            if flag not in known:
                raise UsageError(
                    f"unknown option {flag}: neither fixfeed nor Beam nor its job server for "
                    f"Flink has it{did_you_mean(flag, known)}"
                )

    def stop(self) -> None:
        """End it, if it was started; a job in the cluster goes on."""
        if self._channel is not None:
            self._channel.close()
        if self._process is not None:
            assert self._process.stdin
            with contextlib.suppress(OSError):
                self._process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(5)

    def _end_of_log(self) -> str:
        lines = self._log.read_text(errors="replace").split("\n") if self._log.exists() else []
        said = [line.strip() for line in lines if line.strip()]
        return redact_text(" ".join(said[-_LINES:])) or f"it said nothing within {_PATIENCE:g} s"


class OnFlink(FlinkRunner):
    """Beam's runner, with this job server in place of its own."""

    def __init__(self, server: FlinkJobServer):
        """`server` is started when the job is submitted."""
        super().__init__()
        self._server = server

    def default_job_server(self, options: PipelineOptions) -> JobServer:
        """Return the server; with --flink_submit_uber_jar there is none but Beam's."""
        of_flink = options.view_as(FlinkRunnerOptions)
        if of_flink.flink_submit_uber_jar and of_flink.flink_master not in MAGIC_HOST_NAMES:
            return super().default_job_server(options)
        of_flink.flink_master = self.add_http_scheme(of_flink.flink_master)
        return self._server
