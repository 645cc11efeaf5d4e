"""Runs the graph of a job on a cluster: submits it, watches it, cancels it if that is asked."""

import contextlib
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import grpc
from apache_beam.options.pipeline_options import (
    DebugOptions,
    FlinkRunnerOptions,
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
    StandardOptions,
)
from apache_beam.runners.portability.flink_runner import MAGIC_HOST_NAMES
from apache_beam.runners.runner import PipelineState

from fixfeed.io.redaction import redact, redact_text
from fixfeed.pipelines.cluster.flink import RUNNING, Flink, FlinkJob
from fixfeed.pipelines.cluster.flink_options import (
    check_flink_options,
    check_flink_version,
    fill_in_flink_options,
)
from fixfeed.pipelines.cluster.free_slots import check_free_slots
from fixfeed.pipelines.cluster.job_server import FlinkJobServer, OnFlink
from fixfeed.pipelines.cluster.job_there import JobThere, failed_job
from fixfeed.pipelines.cluster.refusals import Refusals
from fixfeed.pipelines.cluster.rehearsal import rehearse
from fixfeed.pipelines.cluster.savepoint import check_savepoint, savepoint_of
from fixfeed.pipelines.cluster.trouble import ClusterFailed
from fixfeed.pipelines.log import say
from fixfeed.pipelines.settings import Settings
from fixfeed.pipelines.waiting import waiting_told
from fixfeed.pipelines.worker_pool.addresses import pool_addresses
from fixfeed.pipelines.worker_pool.run_of_job import experiment
from fixfeed.pipelines.worker_pool.versions import check_pools

__all__ = ["Cluster"]

_FLINK = "FlinkRunner"
_CHECKPOINTS, _EVERY = "--checkpointing_interval", 10_000  # milliseconds
_BUNDLES = "--max_bundle_time_mills"
# Beam's runner keeps what a bundle gives that a checkpoint ends, and hands it on when more comes or
# the job is started again. After the readers of a stream nothing more comes, so those that a
# checkpoint met on their way would never begin to read (measured).
_WHOLE_BUNDLES = "--finish_bundle_before_checkpointing"
_STEP = 0.2  # seconds between two looks at the job
_AFTER_CANCEL = 4.0  # seconds for the job to be gone


@contextlib.contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    """Have temporary files made there meanwhile: Beam leaves what it submits where they are."""
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before


class Cluster:
    """The cluster of a run, and its job there.

    `run` names the run, for the counts that sinks keep of it.
    """

    def __init__(self, settings: Settings, folder: Path, *, is_stream: bool = False):
        """`folder` is the run's, for the job server; nothing is asked or started.

        A stream is checkpointed each ten seconds, and its bundles end as often as messages are to
        be committed, unless told otherwise; and before each checkpoint.
        """
        self.run = uuid.uuid4().hex[:12]
        self._given = [one.partition("=")[0] for one in settings.beam]
        flags = list(settings.beam)
        if is_stream and settings.runner == _FLINK:
            commit = max(1, round(settings.commit_after * 1000))
            for flag, value in ((_CHECKPOINTS, _EVERY), (_BUNDLES, commit)):
                if flag not in self._given:
                    flags.append(f"{flag}={value}")
            flags.append(_WHOLE_BUNDLES)
        self.options = PipelineOptions(flags)
        if is_stream:
            self.options.view_as(StandardOptions).streaming = True
        self.options.view_as(DebugOptions).add_experiment(experiment(self.run))
        named = self.options.view_as(GoogleCloudOptions)
        named.job_name = named.job_name or f"fixfeed-{self.run}"
        self.name: str = named.job_name
        self._is_stream = is_stream
        self._savepoint = savepoint_of(settings.beam)
        self._settings = settings
        self._folder = folder
        self._server: FlinkJobServer | None = None
        self._flink: Flink | None = None
        self._there: JobThere | None = None
        self._doing = ""
        self._refusals = Refusals(is_stream=is_stream)
        if settings.runner == _FLINK:
            master = self.options.view_as(FlinkRunnerOptions).flink_master
            if master not in MAGIC_HOST_NAMES:
                self._flink = Flink(master)
                self._there = JobThere(self._flink, self.name, lambda: self.slots)

    @property
    def _place(self) -> str:
        return f" on the cluster at {redact(self._flink.master)}" if self._flink else ""

    @property
    def about(self) -> dict[str, str]:
        """What a later run needs to find the job, if this process does not see its end."""
        return {
            "run": self.run,
            "master": redact(self._flink.master) if self._flink else "",
            "job": self.name,
        }

    @property
    def slots(self) -> int:
        """How many parts of the job run at once, as far as that is known."""
        return max(1, self.options.view_as(FlinkRunnerOptions).parallelism)

    def check(self, stop: Callable[[], bool]) -> None:
        """Raise `ClusterFailed` if the cluster does not answer, and fill in what it has.

        Raises `UsageError` if its workers are not there, or are of other versions than this, and
        for options that no job there can have. Beam's job server runs then (`close`); `stop` ends
        it early.

        Unless told otherwise, the job takes all free slots, with a process for each, and workers
        are those of the pool on each TaskManager's machine.
        """
        if self._flink is None:
            return
        if not self._settings.quiet:
            say(f"looking at the cluster at {redact(self._flink.master)}", event="progress")
        check_flink_options(self.options)
        if self._savepoint:
            check_savepoint(self._savepoint, self._flink, is_stream=self._is_stream)
        there = self._flink.overview()
        version, given = there["flink-version"], "--flink_version" in self._given
        check_flink_version(self.options, version, given=given)
        fill_in_flink_options(self.options, there, self._given)
        portable = self.options.view_as(PortableOptions)
        if portable.environment_type == "EXTERNAL":
            check_pools(*pool_addresses(self._flink.master, portable.environment_config))
        # Those who bring a job server, or none, have it looked at when the job is submitted.
        uber_jar = self.options.view_as(FlinkRunnerOptions).flink_submit_uber_jar
        if not (uber_jar or portable.job_endpoint):
            self._start_server(stop)

    def _start_server(self, stop: Callable[[], bool]) -> None:
        server = FlinkJobServer(self.options, self._settings.beam, self._folder)
        self._server = server
        with contextlib.ExitStack() as stack:
            stack.enter_context(_temporary_files_in(self._folder))
            quiet = self._settings.quiet
            stack.enter_context(waiting_told(lambda: "waiting for Beam's job server", quiet=quiet))
            stack.enter_context(server.ended_by(stop))
            try:
                server.start()
                given = self._settings.beam
                self._told(lambda: rehearse(server, self.options, given, stop))
            except ClusterFailed:
                if not stop():
                    raise

    def close(self) -> None:
        """End Beam's job server."""
        if self._server is not None:
            self._server.stop()

    def execute(self, build: Callable[[beam.Pipeline], None], stop: Callable[[], bool]) -> None:
        """Run the graph that `build` makes, until it is done or `stop` returns true.

        Then the job is cancelled. Raises `ClusterFailed` if the cluster does not do it to its end.
        """
        if stop():
            return
        self._doing = "submitting the job"
        say(f"run {self.run} is the job {self.name}{self._place}")
        try:
            result = self._submitted(build, stop)
            if result is None:
                return
            self._doing = ""
            state = self._watched(result, stop)
        finally:
            self.close()
        if state == PipelineState.DONE or (state == PipelineState.CANCELLED and stop()):
            return
        raise self._failed(result, state)

    def _submitted(
        self, build: Callable[[beam.Pipeline], None], stop: Callable[[], bool]
    ) -> Any | None:
        """Submit the job, and return what Beam has of it; None if `stop` returns true meanwhile."""
        with _temporary_files_in(self._folder):
            pipeline = beam.Pipeline(runner=self._runner(), options=self.options)
            build(pipeline)
            ended = self._server.ended_by(stop) if self._server else contextlib.nullcontext()
            try:
                with ended:
                    return self._told(pipeline.run)
            except Exception:  # whatever Beam raises when its job server is killed
                if not stop():
                    raise
        self._withdraw()
        return None

    def _withdraw(self) -> None:
        """Cancel the job if the cluster has got it, or gets it in these seconds."""
        until = time.monotonic() + _AFTER_CANCEL
        while self._there is not None and time.monotonic() < until:
            if self._there.cancel():
                self._there.wait_until_over(_AFTER_CANCEL)
                return
            time.sleep(_STEP)

    def _runner(self) -> Any:
        if self._settings.runner != _FLINK:
            return self._settings.runner
        if self._server is None:  # there was no cluster to check
            self._server = FlinkJobServer(self.options, self._settings.beam, self._folder)
        return OnFlink(self._server)

    def _told(self, work: Callable[[], Any]) -> Any:
        """Return the result of `work`; raise trouble with the job server as `ClusterFailed`."""
        try:
            return work()
        except grpc.RpcError as error:
            said = redact_text(error.details() if isinstance(error, grpc.Call) else str(error))
            left = ""
            # Nobody would see it any more, and it would hold its slots.
            job = self._there.cancel() if self._there else None
            if self._there and job and job.state in RUNNING:
                self._there.wait_until_over(_AFTER_CANCEL)
                left = f"; {self.name} was {job.state} there, and has been cancelled"
            raise ClusterFailed(
                f"Beam's job server does not answer any more: {said}{left}; what was committed is "
                "stored, and the same command goes on"
            ) from error

    def _watched(self, result: Any, stop: Callable[[], bool]) -> str:
        """Return the last state of the job, which is cancelled once `stop` returns true."""
        cancelled = False
        while True:
            state: str = self._told(lambda: result.state)
            if PipelineState.is_terminal(state):
                break
            time.sleep(_STEP)
            if stop() and not cancelled:
                cancelled = True
                self._doing = "cancelling the job"
                with contextlib.suppress(grpc.RpcError):
                    result.cancel()
            if self._there is not None:
                if (job := self._there.look()) is None:
                    self._there.check_not_lost()
                    continue
                self._there.tell_why(job)
                if self._refusals.last(job) and not cancelled:
                    with contextlib.suppress(grpc.RpcError):
                        result.cancel()
                    self._end_there()
                    raise self._failed(result, PipelineState.FAILED)
        if cancelled:
            self._end_there()
        return state

    def _end_there(self) -> None:
        """Cancel the job in the cluster, and wait a little until that has done so."""
        if self._there is not None:
            # The job server says so before the cluster has heard of it.
            self._there.cancel()
            self._there.wait_until_over(_AFTER_CANCEL)

    def abandon(self) -> None:
        """Cancel the job by the cluster's own interface: this process is about to end."""
        if self._there is not None:
            self._there.cancel()

    def is_over(self, about: Mapping[str, str]) -> bool:
        """Return whether the job of another run (`about`) is known not to be running any more.

        Only this cluster is asked.
        """
        if self._flink is None or about["master"] != self.about["master"]:
            return False
        return not self.running(about)

    def running(self, about: Mapping[str, str]) -> list[FlinkJob]:
        """Return the jobs of another run (`about`) that still run on this cluster."""
        # Its address may be spelt in another way, but a name that we gave is nobody else's.
        is_here = about["master"] == self.about["master"] or about["run"] in about["job"]
        if self._flink is None or not is_here:
            return []
        return [one for one in self._flink.running() if one.name == about["job"]]

    def check_slots(self, others: Sequence[FlinkJob], say: Callable[[str], None]) -> None:
        """Say what slots the job has to wait for; see `check_free_slots`."""
        if self._flink is not None:
            check_free_slots(self._flink, self.slots, others, say)

    def job(self) -> FlinkJob | None:
        """Return the job as Flink sees it, None if it does not know it or does not answer."""
        return self._there.look() if self._there else None

    @property
    def state(self) -> str:
        """What the cluster is doing with the job, for people."""
        return self._doing or (self._there.state if self._there else "the job runs")

    def _failed(self, result: Any, state: str) -> ClusterFailed:
        said = FlinkJobServer.said_of(result)
        if self._there is None:
            return failed_job(self.name, state, said, said)
        return self._there.failed(said, state, self._savepoint)
