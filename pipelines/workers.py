"""The worker processes of a run on the local runner: started, watched, and always ended.

Beam starts its workers through a shell and waits for ever for one that died or never began. Here
each is a child of this process, so its end is noticed and reported.
"""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from apache_beam.portability.api import endpoints_pb2
from apache_beam.runners.portability.fn_api_runner.worker_handlers import (
    GrpcWorkerHandler,
    WorkerHandler,
)
from apache_beam.transforms import environments
from google.protobuf import json_format, text_format

from fixfeed.pipelines.log import for_children
from fixfeed.pipelines.lost_connections import without_lost_connections
from fixfeed.pipelines.python_command import python_command

__all__ = ["WorkerDied", "Workers"]

_URN = "fixfeed:environment:worker_process:v1"
_START = "from fixfeed.pipelines.worker import main; main()"
_PATIENCE = 5  # seconds for a worker to end by itself once all is done


class WorkerDied(Exception):
    """A worker process ended, or did not start; the text says how and what to do."""


class Workers:
    """The worker processes of a run. Their output goes to files in `folder`, and
    their lines of the log to standard error.

    `died` is called, in a separate thread, with the `WorkerDied` of each worker that ends too
    early.
    """

    def __init__(self, folder: Path, died: Callable[[WorkerDied], None]):
        """Store the parameters; nothing is started."""
        self._folder = folder
        self._died = died
        self._processes: list[subprocess.Popen[bytes]] = []
        self._ending: set[int] = set()

    def environment(self) -> environments.Environment:
        """Return the environment that makes Beam's local runner start these workers."""

        def handler(_payload, state, provision_info, server) -> WorkerHandler:
            return _Handler(self, state, provision_info, server)

        WorkerHandler.register_environment(_URN, bytes)(handler)
        threading.excepthook = without_lost_connections
        return _Environment(capabilities=environments.python_sdk_capabilities())

    def start(self, variables: dict[str, str]) -> subprocess.Popen[bytes]:
        """Start a process with these variables added to the environment.

        If that fails, raises `WorkerDied` and calls `died` with it.
        """
        log = self._folder / f"worker-{len(self._processes) + 1}.log"
        errors = os.dup(2)
        try:
            with open(log, "ab") as output:
                process = subprocess.Popen(
                    python_command(_START),
                    stdin=subprocess.PIPE,  # ends with this process: see `pipelines.worker`
                    stdout=output,
                    stderr=output,
                    env=os.environ | variables | for_children(errors),
                    pass_fds=(errors,),
                    # A terminal's Ctrl-C reaches only the parent; workers finish their current
                    # work.
                    start_new_session=True,
                )
        except OSError as error:
            cannot = WorkerDied(
                f"a worker process cannot be started: {error}; run it with --workers 1, which "
                "needs none"
            )
            self._died(cannot)
            raise cannot from error
        finally:
            os.close(errors)
        self._processes.append(process)
        threading.Thread(target=self._watch, args=(process, log), daemon=True).start()
        return process

    @property
    def living(self) -> int:
        """How many processes live now."""
        return sum(process.poll() is None for process in list(self._processes))

    def _watch(self, process: subprocess.Popen[bytes], log: Path) -> None:
        code = process.wait()
        if process.pid not in self._ending:
            self._died(WorkerDied(_how(process.pid, code, log)))

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """Allow a process to end from now on."""
        if process.poll() is None:
            self._ending.add(process.pid)

    def join(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until a process has ended, and kill it if that takes long: all is stored."""
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdin
        process.stdin.close()

    def kill(self) -> None:
        """End all processes at once."""
        for process in self._processes:
            self.end(process)
            process.kill()
        deadline = time.monotonic() + 1
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(deadline - time.monotonic(), 0))


class _Handler(GrpcWorkerHandler):
    """Beam's handle of one worker process."""

    def __init__(self, workers: Workers, state: Any, provision_info: Any, server: Any):
        super().__init__(state, provision_info, server)
        self._workers = workers
        self._process: subprocess.Popen[bytes] | None = None

    def start_worker(self) -> None:
        control = endpoints_pb2.ApiServiceDescriptor(url=self.control_address)
        options = self.provision_info.provision_info.pipeline_options
        self._process = self._workers.start(
            {
                "CONTROL_API_SERVICE_DESCRIPTOR": text_format.MessageToString(control),
                "PIPELINE_OPTIONS": json_format.MessageToJson(options),
                "WORKER_ID": self.worker_id,
            }
        )

    def close(self) -> None:
        if self._process is not None:
            self._workers.end(self._process)
        super().close()

    def stop_worker(self) -> None:
        if self._process is not None:
            self._workers.join(self._process)


@environments.Environment.register_urn(_URN, bytes)
class _Environment(environments.Environment):
    def to_runner_api_parameter(self, context: Any) -> tuple[str, bytes]:
        return _URN, b""

    @staticmethod
    def from_runner_api_parameter(
        payload: Any, capabilities: Any, artifacts: Any, resource_hints: Any, context: Any
    ) -> "_Environment":
        return _Environment(capabilities, artifacts, resource_hints)


def _how(process_id: int, code: int, log: Path) -> str:
    """Return a sentence on how a worker process ended."""
    stays = "what was committed is stored, and the same command goes on"
    if code < 0:
        why = "that is the system's way when memory runs out; run it with fewer --workers"
        if -code != signal.SIGKILL:
            why = "--workers 1 runs it without worker processes"
        return (
            f"a worker process ({process_id}) was killed by signal {-code} "
            f"({signal.Signals(-code).name}); {why}; {stays}"
        )
    lines = log.read_text(errors="replace").split("\n") if log.exists() else []
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    said = f"; the last that it said: {last}" if last else ""
    return f"a worker process ({process_id}) ended by itself with exit code {code}{said}; {stays}"
