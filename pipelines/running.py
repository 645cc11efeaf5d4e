"""Runs a pipeline on the runner that was asked for, and stops it when a signal says so."""

import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions
from apache_beam.runners.portability.fn_api_runner import fn_runner
from apache_beam.transforms import environments

__all__ = ["LOCAL", "Stop", "runner_of", "stopping"]

LOCAL = ("DirectRunner", "FnApiRunner")

# In a session of their own, so that Ctrl-C reaches the parent alone and the workers finish what
# they have begun (measured: otherwise they die first and the parent hangs).
_WORKER = f"exec setsid {sys.executable} -m apache_beam.runners.worker.sdk_worker_main"


def runner_of(
    name: str, *, processes: int, beam: Sequence[str], log: Path
) -> tuple[Any, PipelineOptions]:
    """Return the runner and the options for Beam.

    The local runner is Beam's FnApiRunner, made here: left to itself DirectRunner chooses among
    three runners by what the graph holds. `processes` above one are worker processes, whose own
    output goes to `log`.
    """
    options = PipelineOptions(list(beam))
    if name not in LOCAL:
        return name, options
    direct = options.view_as(DirectOptions)
    # The runner would replace the environment by its own if it were told multi_processing.
    direct.direct_running_mode = "in_memory"
    direct.direct_num_workers = processes
    if processes == 1:
        return fn_runner.FnApiRunner(), options
    environment = environments.SubprocessSDKEnvironment.from_command_string(
        f"{_WORKER} >>{shlex.quote(str(log))} 2>&1"
    )
    return fn_runner.FnApiRunner(default_environment=environment), options


class Stop:
    """Whether the run is to stop: a file in its folder, which worker processes see as well."""

    def __init__(self, folder: Path):
        """`folder` is the run's."""
        self._path = str(folder / "stop")

    def __call__(self) -> bool:
        """Tell whether the run is to stop."""
        return os.path.exists(self._path)

    def set(self) -> None:
        """Ask the run to stop."""
        Path(self._path).touch()


@contextmanager
def stopping(stop: Stop) -> Iterator[None]:
    """Turn the first SIGINT or SIGTERM into `stop`; the second ends the process at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # The main thread waits inside the runner, where Python's own handlers are not run: the C-level
    # handler writes the signal's number to a pipe that a thread reads.
    read, write = os.pipe()
    os.set_blocking(write, False)
    before = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    handlers = {
        number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)
    }

    def watch() -> None:
        while number := os.read(read, 1):
            if number[0] == 0:
                return
            if stop():
                os._exit(128 + number[0])
            stop.set()
            print(
                "fixfeed: stopping after what is being stored; once more to end now",
                file=sys.stderr,
            )

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(before)
        os.write(write, b"\0")
        thread.join()
        os.close(read)
        os.close(write)
