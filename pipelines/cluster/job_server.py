"""Beam's job server for Flink: a process of Java that takes the job from here to the cluster.

It has a session of its own, so signals of a terminal reach this process alone, which then cancels
the job by it; and it ends when this process does, however that ends.
"""

import contextlib
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
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
from apache_beam.version import __version__ as beam_version

from fixfeed.io.redaction import redact, redact_text
from fixfeed.pipelines.beam_options import OptionParser, options_of_beam
from fixfeed.pipelines.cluster.trouble import ClusterFailed
from fixfeed.pipelines.meanwhile import meanwhile
from fixfeed.pipelines.option import UsageError
from fixfeed.transforms.nearest import did_you_mean

__all__ = ["FlinkJobServer", "OnFlink"]

# The shell ends Java when its third descriptor, a pipe from here, ends.
_WITH_US = (
    'exec 3<&0; "$@" </dev/null 3<&- & java=$!; '
    "(cat <&3 >/dev/null; kill -9 $java 2>/dev/null) & wait $java"
)
_PATIENCE = 90.0  # seconds for it to start
_QUICK = "-XX:TieredStopAtLevel=1"  # it is there with half the work: 6 s of a core in place of 13
_STEP = 0.2  # seconds between two looks whether to end it
_LAST_WORDS = 3.0  # seconds for what it says of a job that has failed
_LINES = 3  # of its log in an error
_ERROR = beam_job_api_pb2.JobMessage.JOB_MESSAGE_ERROR
_EXCEPTION = re.compile(r"(Caused by: )?([a-z]\w*\.)+\w+(Exception|Error)\b")
_PACKAGE = re.compile(r"^(?:[a-z]\w*\.)+(?=[A-Z])")


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
        self._stub: beam_job_api_pb2_grpc.JobServiceStub | None = None

    def start(self) -> beam_job_api_pb2_grpc.JobServiceStub:
        """Start it, unless it is, and wait until it answers. Raises `ClusterFailed` if it does not.

        Raises `UsageError` for an option that neither it nor Beam knows, or a value that is none.
        """
        if self._stub is not None:
            return self._stub
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
        self._check_options(self._described(stub, command[0]))
        self._stub = stub
        return stub

    def _described(
        self, stub: beam_job_api_pb2_grpc.JobServiceStub, java: str
    ) -> Sequence[beam_job_api_pb2.PipelineOptionDescriptor]:
        """Return the options that the server knows, once it answers."""
        assert self._process is not None
        until = time.monotonic() + _PATIENCE
        request = beam_job_api_pb2.DescribePipelineOptionsRequest()
        while self._process.poll() is None and time.monotonic() < until:
            with contextlib.suppress(grpc.RpcError):
                answer = stub.DescribePipelineOptions(request, timeout=1, wait_for_ready=True)
                return list(answer.options)
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
            _QUICK,
            *of_server.job_server_jvm_properties,
        ]
        of_flink = self._options.view_as(FlinkRunnerOptions)
        jar = of_flink.flink_job_server_jar
        if jar and "://" not in jar and not os.path.exists(jar):
            raise UsageError(f"--flink_job_server_jar names {jar}, and there is no such file")
        try:
            return FlinkJarJobServer(self._options).subprocess_cmd_and_endpoint()
        except Exception as error:  # whatever finding and fetching a jar raises
            place = jar or (
                f"Maven Central, which has those of some versions: this is Beam {beam_version} "
                f"for Flink {of_flink.flink_version}"
            )
            raise ClusterFailed(
                f"no jar of Beam's job server comes from {redact(place)} ({_first(error)}); name "
                "the file, or a URL of it, with --flink_job_server_jar; docs/flink.md shows how to "
                "make one"
            ) from error

    def _check_options(
        self, of_server: Sequence[beam_job_api_pb2.PipelineOptionDescriptor]
    ) -> None:
        known = options_of_beam() | {f"--{one.name}" for one in of_server}
        for flag in (one.partition("=")[0] for one in self._given if one.startswith("--")):
            if flag not in known:
                raise UsageError(
                    f"unknown option {flag}: neither fixfeed nor Beam nor its job server for "
                    f"Flink has it{did_you_mean(flag, known)}"
                )
        _check_values(of_server, self._given)

    @contextlib.contextmanager
    def ended_by(self, stop: Callable[[], bool]) -> Iterator[None]:
        """Kill it once `stop` returns true while the body runs, which may wait for its answer."""

        def watch(over: threading.Event) -> None:
            while not over.wait(_STEP):
                if stop():
                    self._kill()

        with meanwhile(watch):
            yield

    def _kill(self) -> None:
        """End its process, if there is one: whoever waits for its answer gets an error at once."""
        if self._process is not None:
            assert self._process.stdin
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def stop(self) -> None:
        """End it, if it was started; a job in the cluster goes on."""
        self._stub = None
        if self._channel is not None:
            self._channel.close()
        self._kill()
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(5)

    @staticmethod
    def said_of(result: Any) -> str:
        """Return why a job has failed (`result` is Beam's), as the server has told it; `` if not.

        Beam itself reads that only while it waits for the end.
        """
        said = []

        def read() -> None:
            with contextlib.suppress(Exception):  # the server may be gone
                for one in result._message_stream:  # it ends with the job
                    if one.message_response.importance >= _ERROR:
                        said.append(one.message_response.message_text)

        reading = threading.Thread(target=read, daemon=True)
        reading.start()
        reading.join(_LAST_WORDS)
        return _PACKAGE.sub("", said[-1]) if said else ""

    def last_error(self) -> str:
        """Return the innermost cause of what its log has last; an answer may come without any."""
        causes = [one for one in self._said() if _EXCEPTION.match(one)]
        found = causes[-1] if causes else self._end_of_log()
        return _PACKAGE.sub("", found.removeprefix("Caused by: "))

    def _said(self) -> list[str]:
        lines = self._log.read_text(errors="replace").split("\n") if self._log.exists() else []
        return [line.strip() for line in lines if line.strip()]

    def _end_of_log(self) -> str:
        said = " ".join(self._said()[-_LINES:])
        return redact_text(said) or f"it said nothing within {_PATIENCE:g} s"


def _check_values(
    of_server: Sequence[beam_job_api_pb2.PipelineOptionDescriptor], given: Sequence[str]
) -> None:
    """Raise `UsageError` for values that Beam does not take, which would print its own usage.

    The options of the server are those that Beam makes of them (`JobServiceHandle`).
    """
    parser, kinds, ours = OptionParser(), beam_job_api_pb2.PipelineOptionType, options_of_beam()
    turns: dict[str, str] = {}
    for name, one in {one.name: one for one in of_server}.items():
        flag = f"--{name}"
        if one.type == kinds.INTEGER:
            parser.add_argument(flag, type=int)
        elif one.type == kinds.BOOLEAN and flag not in ours:
            parser.add_argument(flag, action="store_true")
            turns[flag] = "off" if one.default_value == "true" else "on"
        else:
            parser.add_argument(flag)
    before = ""
    for text in given:
        flag, has_value, _ = text.partition("=")
        name = before if not text.startswith("--") else flag
        if name in turns and (has_value or name == before):
            raise UsageError(
                f"{name} takes no value: the option alone turns it {turns[name]}; leave out "
                f"{text.removeprefix(f'{name}=')}"
            )
        before = flag if text.startswith("--") and not has_value else ""
    parser.parse_known_args(list(given))


def _first(error: BaseException) -> str:
    """Return in a line what the network said first: Beam tells of all places it has tried."""
    found, one = error, error.__context__
    while one is not None:
        found = one if isinstance(one, OSError) else found
        one = one.__context__
    reason = getattr(found, "reason", None) or found
    return redact_text(getattr(reason, "strerror", None) or str(reason)).partition("\n")[0]


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
