"""Runs the graph of a job on a cluster: submits it, watches it, cancels it if that is asked."""

import contextlib
import tempfile
import threading
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
from fixfeed.pipelines.cluster.free_slots import check_free_slots, why_no_slots
from fixfeed.pipelines.cluster.job_server import FlinkJobServer, OnFlink
from fixfeed.pipelines.cluster.refusals import Refusals
from fixfeed.pipelines.cluster.savepoint import check_savepoint, savepoint_of
from fixfeed.pipelines.cluster.trouble import ClusterFailed
from fixfeed.pipelines.log import say
from fixfeed.pipelines.settings import Settings
from fixfeed.pipelines.worker_pool.addresses import pool_addresses
from fixfeed.pipelines.worker_pool.run_of_job import experiment
from fixfeed.pipelines.worker_pool.versions import check_pools

__all__ = ["Cluster"]

_FLINK = "FlinkRunner"
_CHECKPOINTS, _EVERY = "--checkpointing_interval", 10_000  # milliseconds
_BUNDLES = "--max_bundle_time_mills"
_STEP = 0.2  # seconds between two looks at the job
_LOST = 60.0  # seconds without the job after which it is given up
_AFTER_CANCEL = 4.0  # seconds for the job to be gone
_NO_SLOTS = "NoResourceAvailableException"
_OF_SAVEPOINT = ".restoreSavepoint("  # of Flink, in the trace of a job that never began
_BRIEF = 5.0  # seconds without slots that are nothing to speak of
_ASKED = 1.0  # seconds for which an answer of the cluster about the job holds


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
        be committed, unless told otherwise.
        """
        self.run = uuid.uuid4().hex[:12]
        self._given = [one.partition("=")[0] for one in settings.beam]
        flags = list(settings.beam)
        if is_stream and settings.runner == _FLINK:
            commit = max(1, round(settings.commit_after * 1000))
            for flag, value in ((_CHECKPOINTS, _EVERY), (_BUNDLES, commit)):
                if flag not in self._given:
                    flags.append(f"{flag}={value}")
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
        self._began = time.time()
        self._doing = ""
        self._asked: tuple[float, FlinkJob | None] = (0.0, None)
        self._was_there = False
        self._why = ""
        self._refusals = Refusals(is_stream=is_stream)
        self._has_slots = time.monotonic()
        self._lock = threading.Lock()
        if settings.runner == _FLINK:
            master = self.options.view_as(FlinkRunnerOptions).flink_master
            if master not in MAGIC_HOST_NAMES:
                self._flink = Flink(master)

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

    def check(self) -> None:
        """Raise `ClusterFailed` if the cluster does not answer, and fill in what it has.

        Raises `UsageError` if its workers are not there, or are of other versions than this, and
        for options that no job there can have.

        Unless told otherwise, the job takes all free slots, with a process for each, and workers
        are those of the pool on each TaskManager's machine.
        """
        if self._flink is None:
            return
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

    def execute(self, build: Callable[[beam.Pipeline], None], stop: Callable[[], bool]) -> None:
        """Run the graph that `build` makes, until it is done or `stop` returns true.

        Then the job is cancelled. Raises `ClusterFailed` if the cluster does not do it to its end.
        """
        self._doing = "submitting the job"
        say(f"run {self.run} is the job {self.name}{self._place}")
        try:
            result = self._submitted(build, stop)
            if result is None:
                return
            self._doing = ""
            state = self._watched(result, stop)
        finally:
            if self._server is not None:
                self._server.stop()
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
        while self._flink is not None and time.monotonic() < until:
            job = self._flink.job(self.name, self._began)
            if job is not None:
                self._flink.cancel(job.id)
                self._flink.wait_until_over(self.name, self._began, _AFTER_CANCEL)
                return
            time.sleep(_STEP)

    def _runner(self) -> Any:
        if self._settings.runner != _FLINK:
            return self._settings.runner
        self._server = FlinkJobServer(self.options, self._settings.beam, self._folder)
        return OnFlink(self._server)

    def _told(self, work: Callable[[], Any]) -> Any:
        """Return the result of `work`; raise trouble with the job server as `ClusterFailed`."""
        try:
            return work()
        except grpc.RpcError as error:
            said = redact_text(error.details() if isinstance(error, grpc.Call) else str(error))
            job, left = self.job(), ""
            if self._flink is not None and job is not None and job.state in RUNNING:
                # Nobody would see it any more, and it would hold its slots.
                self._flink.cancel(job.id)
                self._flink.wait_until_over(self.name, self._began, _AFTER_CANCEL)
                left = f"; {self.name} was {job.state} there, and has been cancelled"
            raise ClusterFailed(
                f"Beam's job server does not answer any more: {said}{left}; what was committed is "
                "stored, and the same command goes on"
            ) from error

    def _watched(self, result: Any, stop: Callable[[], bool]) -> str:
        """Return the last state of the job, which is cancelled once `stop` returns true."""
        cancelled, answered = False, time.monotonic()
        while True:
            state: str = self._told(lambda: result.state)
            if PipelineState.is_terminal(state):
                break
            if stop() and not cancelled:
                cancelled = True
                self._doing = "cancelling the job"
                with contextlib.suppress(grpc.RpcError):
                    result.cancel()
            if self._flink is not None:
                if (job := self.job()) is not None:
                    answered = time.monotonic()
                    self._tell_why(job)
                    if self._refusals.last(job) and not cancelled:
                        with contextlib.suppress(grpc.RpcError):
                            result.cancel()
                        self._end_there()
                        raise self._failed(result, PipelineState.FAILED)
                elif self._was_there and self._flink.has_lost(self.name):
                    raise ClusterFailed(
                        f"the cluster at {redact(self._flink.master)} does not have the job "
                        f"{self.name} any more: its JobManager has begun anew without it, as one "
                        "without high availability does; what was committed is stored, and the "
                        "same command goes on"
                    )
                elif self._was_there and time.monotonic() - answered > _LOST:
                    raise ClusterFailed(
                        f"the cluster at {redact(self._flink.master)} has not answered for "
                        f"{_LOST:.0f} seconds: its JobManager is gone; what was committed is "
                        "stored, and the same command goes on once the cluster is there"
                    )
            time.sleep(_STEP)
        if cancelled:
            self._end_there()
        return state

    def _tell_why(self, job: FlinkJob) -> None:
        """Say why the job has failed, and starts again; the same reason is said once."""
        if job.why != self._why and job.state in RUNNING:
            self._why = job.why
            if job.why:
                say(
                    f"the job has failed, and Flink starts it again: {job.why}",
                    event="away",
                    level="warning",
                )

    def _end_there(self) -> None:
        """Cancel the job in the cluster, and wait a little until that has done so."""
        if self._flink is not None:
            # The job server says so before the cluster has heard of it.
            self.abandon()
            self._flink.wait_until_over(self.name, self._began, _AFTER_CANCEL)

    def abandon(self) -> None:
        """Cancel the job by the cluster's own interface: this process is about to end."""
        job = self.job()
        if self._flink is not None and job is not None:
            self._flink.cancel(job.id)

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
        if self._flink is None:
            return None
        with self._lock:
            when, job = self._asked
            if time.monotonic() - when > _ASKED:
                job = self._flink.job(self.name, self._began)
                self._asked = (time.monotonic(), job)
                self._was_there = self._was_there or job is not None
                if job is None or not job.waits:
                    self._has_slots = time.monotonic()
            return job

    @property
    def state(self) -> str:
        """What the cluster is doing with the job, for people."""
        if self._doing or self._flink is None:
            return self._doing or "the job runs"
        job = self.job()
        if job is None:
            if self._flink.slots() is None:
                return "the cluster does not answer"
            if self._was_there:
                return "the cluster does not have the job any more"
            return "Beam's job server takes the job to the cluster"
        # While they are being given to it, it seems to wait, too.
        if job.waits and time.monotonic() - self._has_slots >= _BRIEF:
            there = self._flink.slots()
            if there and not there.free:
                slots = f"it asks for {self.slots}, and the cluster has {there}"
                return f"{job.text}, and waits for slots: {slots}"
        return job.text

    def _failed(self, result: Any, state: str) -> ClusterFailed:
        job = self.job()
        said = ""
        with contextlib.suppress(Exception):  # the job server may be gone
            said = result._last_error_message()
        cause = said
        if self._flink is not None and job is not None:
            cause += "\n" + self._flink.cause(job.id)
        why = job.why if job and job.why else said.partition("\n")[0]
        if self._flink is not None and _NO_SLOTS in cause:
            why = why_no_slots(self._flink, self.slots)
        word = {PipelineState.CANCELLED: "was cancelled"}.get(state, "failed")
        name = f"the job {self.name}"
        if self._savepoint and _OF_SAVEPOINT in cause and not (job and job.restarts):
            return ClusterFailed(
                f"{name} cannot begin from --savepoint_path {redact(self._savepoint)}: "
                f"{redact_text(why)}; name the place that Flink has answered, or leave the option "
                "out: the job goes on where its outputs end",
                cause,
            )
        return ClusterFailed(
            f"{name} {word} in the cluster{f': {redact_text(why)}' if why else ''}; what was "
            "committed is stored, and the same command goes on; the logs of the TaskManagers and "
            "of fixfeed worker-pool say more",
            cause,
        )
