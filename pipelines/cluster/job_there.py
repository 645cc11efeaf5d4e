"""The job of a run as its cluster tells of it: whether it is there, how it is, why it failed."""

import threading
import time
from collections.abc import Callable

from apache_beam.runners.runner import PipelineState

from fixfeed.io.redaction import redact, redact_text
from fixfeed.pipelines.cluster.flink import RUNNING, Flink, FlinkJob
from fixfeed.pipelines.cluster.free_slots import why_no_slots
from fixfeed.pipelines.cluster.trouble import ClusterFailed
from fixfeed.pipelines.log import say

__all__ = ["JobThere", "failed_job"]

_LOST = 60.0  # seconds without the job after which it is given up
_NO_SLOTS = "NoResourceAvailableException"
_OF_SAVEPOINT = ".restoreSavepoint("  # of Flink, in the trace of a job that never began
_OTHER_PARTS = "is not available in the new program"  # the same, of what runs on one slot alone
_BRIEF = 5.0  # seconds without slots that are nothing to speak of
_ASKED = 1.0  # seconds for which an answer of the cluster about the job holds


class JobThere:
    """The job of this name on a cluster of Flink, submitted from now on."""

    def __init__(self, flink: Flink, name: str, slots: Callable[[], int]):
        """Nothing is asked; `slots` returns how many slots the job asks for."""
        self._slots = slots
        self._flink = flink
        self._name = name
        self._began = time.time()
        self._asked: tuple[float, FlinkJob | None] = (0.0, None)
        self._was_there = False
        self._answered = time.monotonic()
        self._has_slots = time.monotonic()
        self._why = ""
        self._lock = threading.Lock()

    def look(self) -> FlinkJob | None:
        """Return the job as Flink sees it, None if it does not know it or does not answer."""
        with self._lock:
            when, job = self._asked
            if time.monotonic() - when > _ASKED:
                job = self._flink.job(self._name, self._began)
                self._asked = (time.monotonic(), job)
                self._was_there = self._was_there or job is not None
                if job is not None:
                    self._answered = time.monotonic()
                if job is None or not job.waits:
                    self._has_slots = time.monotonic()
            return job

    def cancel(self) -> FlinkJob | None:
        """Have Flink cancel it, and return what it was; None if Flink tells of no such job."""
        job = self.look()
        if job is not None:
            self._flink.cancel(job.id)
        return job

    def wait_until_over(self, seconds: float) -> None:
        """Wait until it does not run any more, for so long at most."""
        self._flink.wait_until_over(self._name, self._began, seconds)

    def check_not_lost(self) -> None:
        """Raise `ClusterFailed` if the cluster has lost it, or is gone itself.

        `look` has just returned none. One that was never there is on its way.
        """
        if not self._was_there:
            return
        master = redact(self._flink.master)
        if self._flink.has_lost(self._name):
            raise ClusterFailed(
                f"the cluster at {master} does not have the job {self._name} any more: its "
                "JobManager has begun anew without it, as one without high availability does; "
                "what was committed is stored, and the same command goes on"
            )
        if time.monotonic() - self._answered > _LOST:
            raise ClusterFailed(
                f"the cluster at {master} has not answered for {_LOST:.0f} seconds: its "
                "JobManager is gone; what was committed is stored, and the same command goes on "
                "once the cluster is there"
            )

    def tell_why(self, job: FlinkJob) -> None:
        """Say why the job has failed, and starts again; the same reason is said once."""
        if job.why != self._why and job.state in RUNNING:
            self._why = job.why
            if job.why:
                say(
                    f"the job has failed, and Flink starts it again: {job.why}",
                    event="away",
                    level="warning",
                )

    @property
    def state(self) -> str:
        """What the cluster is doing with the job, for people."""
        job = self.look()
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
                slots = f"it asks for {self._slots()}, and the cluster has {there}"
                return f"{job.text}, and waits for slots: {slots}"
        return job.text

    def failed(self, said: str, state: str, savepoint: str) -> ClusterFailed:
        """Return how it has failed or was cancelled (`state`), with what Beam's job server `said`.

        It was to begin from `savepoint`, if there is one.
        """
        job = self.look()
        cause = said if job is None else f"{said}\n{self._flink.cause(job.id)}"
        why = job.why if job and job.why else said.partition("\n")[0]
        if _NO_SLOTS in cause:
            why = why_no_slots(self._flink, self._slots())
        if savepoint and _OF_SAVEPOINT in cause and not (job and job.restarts):
            what = f"{redact_text(why)}; name the place that Flink has answered, or"
            if _OTHER_PARTS in cause:
                what = (
                    "the job that was stopped had other parts, as one on a single slot has and one "
                    "on several; take as many slots as that had, or several again, or"
                )
            return ClusterFailed(
                f"the job {self._name} cannot begin from --savepoint_path {redact(savepoint)}: "
                f"{what} leave the option out: the job goes on where its outputs end",
                cause,
            )
        return failed_job(self._name, state, why, cause)


def failed_job(name: str, state: str, why: str, cause: str) -> ClusterFailed:
    """Return that the job of this name has failed or was cancelled (`state`), and why."""
    word = "was cancelled" if state == PipelineState.CANCELLED else "failed"
    return ClusterFailed(
        f"the job {name} {word} in the cluster{f': {redact_text(why)}' if why else ''}; what was "
        "committed is stored, and the same command goes on; the logs of the TaskManagers and of "
        "fixfeed worker-pool say more",
        cause,
    )
