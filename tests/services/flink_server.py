"""A real Flink session cluster for tests and benchmarks, with its own folder and ports.

Its workers are those of `fixfeed worker-pool`.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.services.ports import free_port

__all__ = ["Cluster", "cluster", "installed"]

_VERSION = "1.19"
_PATIENCE = 180  # seconds for a process to be there, on a machine with other work
_ANSWER = 60  # seconds for its REST API
_TAIL = 4000
_JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
_TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
_HEAPS = {
    _JOB_MANAGER: ["-Xmx448m", "-XX:MaxMetaspaceSize=256m"],
    _TASK_MANAGER: ["-Xmx512m", "-XX:MaxDirectMemorySize=400m", "-XX:MaxMetaspaceSize=256m"],
}
_QUICK = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]

_CONFIGURATION = """
jobmanager.rpc.address: 127.0.0.1
jobmanager.bind-host: 127.0.0.1
jobmanager.rpc.port: {rpc}
jobmanager.memory.process.size: 1024m
taskmanager.host: 127.0.0.1
taskmanager.bind-host: 127.0.0.1
taskmanager.numberOfTaskSlots: {slots}
rest.address: 127.0.0.1
rest.bind-address: 127.0.0.1
rest.port: {rest}
parallelism.default: 1
io.tmp.dirs: {folder}/tmp
web.tmpdir: {folder}/tmp
state.checkpoints.dir: file://{folder}/checkpoints
state.savepoints.dir: file://{folder}/savepoints
restart-strategy.type: fixed-delay
restart-strategy.fixed-delay.attempts: 20
restart-strategy.fixed-delay.delay: 1 s
# A TaskManager that was killed is missed when two calls to it have failed, after 2 s; one that a
# busy machine keeps waiting is not. With the usual times it is 20 s.
heartbeat.interval: 1000
heartbeat.timeout: 60000
pekko.ask.timeout: 60 s
web.timeout: 60000
metrics.reporters: prom
metrics.reporter.prom.factory.class: org.apache.flink.metrics.prometheus.PrometheusReporterFactory
"""

# TaskManagerRunner wants its memory broken down; Flink's own scripts compute this.
_MEMORY = {
    "cpu.cores": "{slots}.0",
    "memory.task.heap.size": "384mb",
    "memory.framework.heap.size": "128mb",
    "memory.managed.size": "256mb",
    "memory.network.min": "128mb",
    "memory.network.max": "128mb",
    "memory.task.off-heap.size": "128mb",
    "memory.framework.off-heap.size": "128mb",
    "memory.jvm-metaspace.size": "256mb",
    "memory.jvm-overhead.min": "320mb",
    "memory.jvm-overhead.max": "320mb",
}

_LOG = """
rootLogger.level = INFO
rootLogger.appenderRef.a.ref = A
appender.a.name = A
appender.a.type = CONSOLE
appender.a.layout.type = PatternLayout
appender.a.layout.pattern = %d{HH:mm:ss,SSS} %-5p %c{1} - %m%n
"""

# Flink's `pekko.startup-timeout` sets another word than the one that Pekko reads (Flink 1.19), so a
# busy machine had the 10 s of that.
_SLOW_START = "-Dpekko.remote.classic.startup-timeout=120s"

# What Flink's own scripts open of Java's modules.
_EXPORTED = {
    "java.base": ("sun.net.util",),
    "java.management": ("sun.management",),
    "java.rmi": ("sun.rmi.registry",),
    "java.security.jgss": ("sun.security.krb5",),
}
_OPENED = (
    "java.lang", "java.net", "java.io", "java.nio", "sun.nio.ch", "java.lang.reflect", "java.text",
    "java.time", "java.util", "java.util.concurrent", "java.util.concurrent.atomic",
    "java.util.concurrent.locks",
)  # fmt: skip


class Cluster:
    """A JobManager and TaskManagers, with their logs and checkpoints in a folder, on the loopback.

    `master` is the address of its REST API, which jobs are submitted to as well; `job_server_jar`
    is Beam's job server for this version of Flink; `metrics` are the addresses where Prometheus
    fetches, of the JobManager first; `pool` is the address of the worker pool of both TaskManagers,
    whose workers import what tests do. A job that fails is tried again 20 times, each second.
    """

    def __init__(self, folder: str, task_managers: int = 2, slots: int = 2):
        """Write its configuration; nothing is started yet."""
        self._folder = Path(folder)
        self._jars = installed()
        self._slots = slots
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._starts = [0] * task_managers
        self.job_server_jar = self._jars / "job-server.jar"
        rest = free_port()
        self.master = f"127.0.0.1:{rest}"
        self.pool = f"127.0.0.1:{free_port()}"
        self.metrics = [f"127.0.0.1:{free_port()}" for _ in range(task_managers + 1)]
        for name in ("conf", "tmp", "checkpoints", "savepoints"):
            (self._folder / name).mkdir()
        (self._folder / "conf" / "log4j.properties").write_text(_LOG)
        (self._folder / "conf" / "config.yaml").write_text(
            _CONFIGURATION.format(rpc=free_port(), rest=rest, slots=slots, folder=folder)
        )

    @property
    def options(self) -> list[str]:
        """The options of a job that is to run here."""
        return [
            "--runner=FlinkRunner",
            f"--flink_version={_VERSION}",
            f"--flink_master={self.master}",
            f"--flink_job_server_jar={self.job_server_jar}",
            "--environment_type=EXTERNAL",
            f"--environment_config={self.pool}",
        ]

    def start(self) -> None:
        """Start all, and wait until every slot is there."""
        # Beside each other: a TaskManager looks for its JobManager until that is there.
        self._launch_job_manager()
        for number in range(len(self._starts)):
            self._launch_task_manager(number)
        self._launch_pool()
        for number in range(len(self._starts)):
            self._wait_for_task_manager(number)
        self._wait_for_pool()

    def kill_job_manager(self) -> None:
        """Kill the JobManager as `kill -9` does; all jobs are lost, as it keeps them in memory."""
        self._end("jobmanager")

    def start_job_manager(self) -> None:
        """Start the JobManager that was killed, and wait until all slots have come back to it."""
        self._launch_job_manager()
        for number in range(len(self._starts)):
            self._wait_for_task_manager(number)

    def start_task_manager(self, number: int) -> None:
        """Start a TaskManager that was killed, and wait until its slots are there."""
        self._launch_task_manager(number)
        self._wait_for_task_manager(number)

    def kill_task_manager(self, number: int) -> None:
        """Kill a TaskManager as `kill -9` does."""
        self._end(_name(number))

    def start_pool(self) -> None:
        """Start the worker pool that was killed, and wait until it listens."""
        self._launch_pool()
        self._wait_for_pool()

    def kill_pool(self) -> None:
        """Kill the worker pool as `kill -9` does; its workers end as well."""
        self._end("pool")

    def workers(self) -> list[int]:
        """Return the process ids of the workers that live now, the oldest first."""
        threads = Path(f"/proc/{self._processes['pool'].pid}/task").glob("*/children")
        return sorted(int(child) for thread in threads for child in thread.read_text().split())

    def stop(self) -> None:
        """End all; nothing of it is needed any more."""
        for name in reversed(list(self._processes)):
            self._end(name)

    def ask(self, path: str, method: str = "GET", **body: Any) -> Any:
        """Return the answer of the REST API, as to `jobs/overview`.

        Raises `RuntimeError` with what it says if it refuses, and `OSError` if nobody answers.
        """
        request = urllib.request.Request(
            f"http://{self.master}/{path}",
            method=method,
            data=json.dumps(body).encode() if body else None,
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=_ANSWER) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{path}: {error.code} {error.read().decode()}") from None

    def state(self, job: str) -> str:
        """Return the state of a job, such as RUNNING or FINISHED."""
        return self.ask(f"jobs/{job}")["state"]

    def cancel(self, job: str) -> None:
        """Ask to cancel a job."""
        self.ask(f"jobs/{job}?mode=cancel", "PATCH")

    def stop_job(self, job: str, *, drain: bool = False) -> str:
        """Stop a job with a savepoint, and return its URI when it is written."""
        asked = self.ask(f"jobs/{job}/stop", "POST", drain=drain)
        deadline = time.monotonic() + _PATIENCE
        while True:
            found = self.ask(f"jobs/{job}/savepoints/{asked['request-id']}")
            if found["status"]["id"] == "COMPLETED":
                done = found["operation"]
                if "location" not in done:
                    raise RuntimeError(f"no savepoint: {done['failure-cause']['stack-trace']}")
                return done["location"]
            if time.monotonic() > deadline:
                raise RuntimeError(f"no savepoint in {_PATIENCE} s: {self._end_of('jobmanager')}")
            time.sleep(0.1)

    def log(self, name: str) -> str:
        """Return the log of `jobmanager`, `pool`, or `taskmanager-0`, with that of its workers."""
        return (self._folder / f"{name}.log").read_text(errors="replace")

    def _launch_job_manager(self) -> None:
        self._launch("jobmanager", _JOB_MANAGER, self.metrics[0])

    def _launch_task_manager(self, number: int) -> None:
        self._starts[number] += 1
        memory = {f"taskmanager.{name}": value for name, value in _MEMORY.items()}
        memory["taskmanager.resource-id"] = self._resource(number)
        settings = [f"-D{name}={value}" for name, value in memory.items()]
        words = [word.format(slots=self._slots) for word in settings]
        self._launch(_name(number), _TASK_MANAGER, self.metrics[number + 1], *words)

    def _resource(self, number: int) -> str:
        """Return an id that no earlier start of this TaskManager had, which may still be listed."""
        return f"{_name(number)}-{self._starts[number]}"

    def _wait_for_task_manager(self, number: int) -> None:
        def there() -> bool:
            found = {one["id"]: one for one in self.ask("taskmanagers")["taskmanagers"]}
            return found.get(self._resource(number), {}).get("slotsNumber") == self._slots

        self._wait(there, "jobmanager", _name(number))

    def _launch_pool(self) -> None:
        host, _, port = self.pool.rpartition(":")
        with open(self._folder / "pool.log", "ab") as log:
            self._processes["pool"] = subprocess.Popen(
                [sys.executable, "-m", "fixfeed", "worker-pool", "--host", host, "--port", port],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=Path(__file__).parents[2],
            )

    def _wait_for_pool(self) -> None:
        def listens() -> bool:
            host, _, port = self.pool.rpartition(":")
            socket.create_connection((host, int(port)), 1).close()
            return True

        self._wait(listens, "pool")

    def _wait(self, there: Callable[[], bool], *names: str) -> None:
        """Wait until something is there, for which these processes must live."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            with suppress(OSError, RuntimeError):  # nobody answers yet
                if there():
                    return
            late = time.monotonic() > deadline
            dead = [name for name in names if self._processes[name].poll() is not None]
            if dead or late:
                what = f"{dead[0]} ended" if dead else f"not there in {_PATIENCE} s"
                ends = [f"{name}: {self._end_of(name)}" for name in dead or names]
                raise RuntimeError(f"Flink did not start, {what}; {' '.join(ends)}")
            time.sleep(0.1)

    def _launch(self, name: str, main: str, metrics: str, *words: str) -> None:
        opened = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED]
        exported = [
            f"--add-exports={module}/{package}=ALL-UNNAMED"
            for module, packages in _EXPORTED.items()
            for package in packages
        ]
        conf = self._folder / "conf"
        with open(self._folder / f"{name}.log", "ab") as log:
            self._processes[name] = subprocess.Popen(
                [
                    "java", *_HEAPS[main], *_QUICK, *opened, *exported,
                    f"-Dlog4j.configurationFile=file:{conf}/log4j.properties",
                    "-Djava.net.preferIPv4Stack=true",
                    _SLOW_START,
                    f"-Djava.io.tmpdir={self._folder}/tmp",
                    "-cp", f"{self._jars}/lib/*", main, "--configDir", str(conf),
                    f"-Dmetrics.reporter.prom.port={metrics.rpartition(':')[2]}", *words,
                ],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self._folder,
                env=os.environ
                | {
                    "FLINK_CONF_DIR": str(conf),
                    "FLINK_LIB_DIR": f"{self._jars}/lib",
                    "FLINK_PLUGINS_DIR": f"{self._jars}/plugins",
                },
            )  # fmt: skip

    def _end(self, name: str, number: int = signal.SIGKILL) -> None:
        process = self._processes.pop(name)
        process.send_signal(number)
        process.wait()

    def _end_of(self, name: str) -> str:
        return self.log(name)[-_TAIL:]


@contextmanager
def cluster(task_managers: int = 2, slots: int = 2) -> Iterator[Cluster]:
    """Run a cluster."""
    with tempfile.TemporaryDirectory(
        prefix="fixfeed-flink-", dir="/tmp", ignore_cleanup_errors=True
    ) as folder:
        running = Cluster(folder, task_managers, slots)
        try:
            running.start()
            yield running
        finally:
            running.stop()


def _name(number: int) -> str:
    return f"taskmanager-{number}"


def installed() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    jars = Path(cache) / "fixfeed-tests" / "flink"
    if not (jars / "pom.xml").exists() or not shutil.which("java"):
        raise RuntimeError("Java or the jars of Flink are not installed; run: make services")
    return jars
