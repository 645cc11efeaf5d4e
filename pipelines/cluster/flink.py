"""Asks a Flink cluster about itself and its jobs, over its REST interface."""

import re
import time
import urllib.request
from dataclasses import dataclass
from typing import Any

import orjson

from fixfeed.io.redaction import redact
from fixfeed.pipelines.cluster.trouble import ClusterFailed

__all__ = ["RUNNING", "Flink", "FlinkJob", "Slots"]

RUNNING = (
    "INITIALIZING",
    "CREATED",
    "RUNNING",
    "RESTARTING",
    "FAILING",
    "CANCELLING",
    "RECONCILING",
)
"""The states of a job that has not ended (Flink, "Jobs and Scheduling")."""

_PATIENCE = 5.0  # seconds for an answer
_CLOCKS = 300_000  # milliseconds that the clocks of the cluster and of this machine may differ


@dataclass(frozen=True)
class FlinkJob:
    """A job as the cluster sees it: `state` is Flink's word, `restarts` how often it began anew.

    `why` is the first line of the last failure, `` if there was none. It `waits` if parts of it
    have no slot yet, which Flink calls RUNNING too.
    """

    id: str
    state: str
    restarts: int = 0
    why: str = ""
    name: str = ""
    waits: bool = False

    @property
    def ends(self) -> bool:
        """Whether it is about to end by itself, and to give back its slots."""
        return self.state in ("CANCELLING", "FAILING")

    @property
    def text(self) -> str:
        """The same for people, without the reason."""
        text = f"the job is {self.state}"
        if self.restarts:
            times = "once" if self.restarts == 1 else f"{self.restarts} times"
            text += f", restarted {times}"
        return text


@dataclass(frozen=True)
class Slots:
    """How many slots the TaskManagers of a cluster have, and how many of them are free.

    >>> str(Slots(total=4, free=1))
    '4 slots, 1 of them free'
    """

    total: int
    free: int

    def __str__(self) -> str:
        """Return it as people write it."""
        number = f"{self.total} slot{'' if self.total == 1 else 's'}"
        return f"{number}, {self.free} of them free" if self.total else "no slots"


class Flink:
    """The cluster whose JobManager is at `master`, `host:8081` or a URL."""

    def __init__(self, master: str):
        """Nothing is asked yet."""
        self.master = (master if "://" in master else f"http://{master}").rstrip("/")

    def overview(self) -> dict[str, Any]:
        """Return TaskManagers and slots. Raises `ClusterFailed` if nobody answers."""
        try:
            return self._ask("/overview")
        except (OSError, ValueError) as error:
            raise self._silent(error) from error

    def slots(self) -> Slots | None:
        """Return what it has of slots; None if nobody answers."""
        try:
            there = self._ask("/overview")
            return Slots(there["slots-total"], there["slots-available"])
        except (OSError, ValueError, KeyError):
            return None

    def starts_task_managers(self) -> bool:
        """Return whether it has machines made as jobs need them, as on Kubernetes or YARN."""
        return self._configured("execution.target").startswith(("kubernetes", "yarn"))

    def folder(self) -> str:
        """Return a folder that its JobManager has made for itself, with a name of its own.

        It is `` if nobody answers.
        """
        return self._configured("web.tmpdir")

    def _configured(self, key: str) -> str:
        """Return what the JobManager has under a key, `` if nothing, or nobody answers."""
        try:
            found = {one["key"]: one["value"] for one in self._ask("/jobmanager/config")}
        except (OSError, ValueError, KeyError):
            return ""
        return str(found.get(key, ""))

    def _silent(self, error: Exception) -> ClusterFailed:
        reason = getattr(error, "reason", error)
        reason = getattr(reason, "strerror", None) or reason
        return ClusterFailed(
            f"Flink does not answer at {redact(self.master)}: {reason}; check that its JobManager "
            "runs there, and that --flink_master names the port of its REST interface (rest.port, "
            "8081 if not set)"
        )

    def job(self, name: str, since: float) -> FlinkJob | None:
        """Return the newest job of this name that was submitted after `since`, a time of `time`.

        None if there is none, or nobody answers.
        """
        try:
            found = [
                one
                for one in self._ask("/jobs/overview")["jobs"]
                if one["name"] == name and one["start-time"] > since * 1e3 - _CLOCKS
            ]
            if not found:
                return None
            one = max(found, key=lambda one: one["start-time"])
            restarts, why = self._troubles(one["jid"])
            waits = one.get("tasks", {}).get("scheduled", 0) > 0
            return FlinkJob(one["jid"], one["state"], restarts, why, name, waits)
        except (OSError, ValueError, KeyError):
            return None

    def has_lost(self, name: str) -> bool:
        """Return whether it answers, and has no job of this name, not even one that has ended."""
        try:
            return all(one["name"] != name for one in self._ask("/jobs/overview")["jobs"])
        except (OSError, ValueError, KeyError):
            return False

    def running(self) -> list[FlinkJob]:
        """Return the jobs that have not ended, without their troubles. Raises `ClusterFailed`."""
        try:
            jobs = self._ask("/jobs/overview")["jobs"]
        except (OSError, ValueError) as error:
            raise self._silent(error) from error
        return [
            FlinkJob(one["jid"], one["state"], name=one["name"])
            for one in jobs
            if one["state"] in RUNNING
        ]

    def how_to_cancel(self, job: str) -> str:
        """Return the command that cancels a job."""
        return f"curl -X PATCH {redact(self.master)}/jobs/{job}"

    def _troubles(self, job: str) -> tuple[int, str]:
        metrics = self._ask(f"/jobs/{job}/metrics?get=numRestarts")
        restarts = int(metrics[0]["value"]) if metrics else 0
        history = self._failures(job)
        return restarts, _sentence(history[0]) if history else ""

    def _failures(self, job: str) -> list[str]:
        found = self._ask(f"/jobs/{job}/exceptions?maxExceptions=1")
        return [one["stacktrace"] for one in found["exceptionHistory"]["entries"]]

    def cause(self, job: str) -> str:
        """Return the whole text of the last failure of a job, `` if there is none."""
        try:
            return "\n".join(self._failures(job))
        except (OSError, ValueError, KeyError):
            return ""

    def cancel(self, job: str) -> None:
        """Cancel a job; no error if it is over or nobody answers."""
        request = urllib.request.Request(f"{self.master}/jobs/{job}", method="PATCH")
        try:
            urllib.request.urlopen(request, timeout=_PATIENCE).close()
        except OSError:
            return

    def wait_until_over(self, name: str, since: float, seconds: float) -> None:
        """Wait until the job of this name is not running any more, for so long at most."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            job = self.job(name, since)
            if job is None or job.state not in RUNNING:
                return
            time.sleep(0.2)

    def _ask(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.master}{path}", timeout=_PATIENCE) as answer:
            return orjson.loads(answer.read())


def _sentence(trace: str) -> str:
    """Return the innermost cause of a trace of Java, or of Python inside of it, in one line."""
    if _POOL in trace and (away := _AWAY.search(trace)):
        return (
            f"no worker pool answers at {away[2]} of a TaskManager's machine ({away[1]}); start "
            "fixfeed worker-pool there"
        )
    lines = [line for line in trace.splitlines() if line and not line[0].isspace()]
    of_python = [line for line in lines if not line.startswith(_OF_JAVA)]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by:")]
    found = _PACKAGE.sub("", (of_python or causes or lines or [""])[-1])
    found = _STEP.sub("", found)
    if _ENDED in found:
        return "a worker process has ended; the log of fixfeed worker-pool says more"
    return found if len(found) <= _LONGEST else found[: _LONGEST - 3] + "..."


_POOL = "BeamFnExternalWorkerPool"
_AWAY = re.compile(r"ConnectException: \w*\(\.\.\) failed: ([^:\n]+): [^/\n]*/(\S+)")
_ENDED = "StatusRuntimeException: CANCELLED: "  # as all calls of its TaskManager to it are
_PACKAGE = re.compile(r"^(?:[a-z]\w*\.)+(?=\w+:)")
_OF_JAVA = ("Caused by:", "java.", "org.", "Traceback")
_STEP = re.compile(r"( \[while running '[^']*'\])+$")  # which Beam adds
_LONGEST = 500  # characters
