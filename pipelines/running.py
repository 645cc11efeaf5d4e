"""Runs a job on the runner that was asked for, watches it, and ends it whatever it is doing."""

import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions
from apache_beam.runners.portability.fn_api_runner import fn_runner

from fixfeed.pipelines.early_signals import asking, came_early
from fixfeed.pipelines.log import say
from fixfeed.pipelines.option import UsageError
from fixfeed.pipelines.workers import Workers
from fixfeed.transforms.nearest import nearest

__all__ = ["LOCAL", "GaveUp", "Stop", "Watch", "check_runner", "runner_of"]

LOCAL = ("DirectRunner", "FnApiRunner")

# Python handles a signal when this thread wakes, and one that another thread got does not wake it.
_WAKE = 0.5  # seconds
_PATIENCE = 8.0  # seconds from a signal until a job that does not end by itself is ended

T = TypeVar("T")


def check_runner(name: str) -> None:
    """Raise `UsageError`, with the nearest name, if Beam has no runner of this name."""
    known = sorted({*LOCAL, *StandardOptions.KNOWN_RUNNER_NAMES})
    if name not in known and "." not in name:
        near = nearest(name, known, cutoff=0.5)
        guess = f"; did you mean {near}?" if near else f", expected one of {', '.join(known)}"
        raise UsageError(f"there is no runner {name!r}{guess}")


def runner_of(
    name: str, *, processes: int, beam: Sequence[str], workers: Workers
) -> tuple[Any, PipelineOptions]:
    """Return the runner and the options for Beam.

    The local runner is Beam's FnApiRunner, made here: DirectRunner would choose among three runners
    by the content of the graph. More than one of `processes` means worker processes.
    """
    options = PipelineOptions(list(beam))
    if name not in LOCAL:
        return name, options
    direct = options.view_as(DirectOptions)
    # With multi_processing, the runner would replace the environment with its own.
    direct.direct_running_mode = "in_memory"
    direct.direct_num_workers = processes
    if processes == 1:
        return fn_runner.FnApiRunner(), options
    return fn_runner.FnApiRunner(default_environment=workers.environment()), options


class Stop:
    """Whether the run is to stop: a file in its folder, which worker processes see as well."""

    def __init__(self, folder: Path):
        """`folder` is the run's."""
        self._path = str(folder / "stop")

    def __call__(self) -> bool:
        """Return whether the run is to stop."""
        return os.path.exists(self._path)

    def set(self) -> None:
        """Ask the run to stop."""
        Path(self._path).touch()


class Pause:
    """Whether a replay is to wait."""

    def __init__(self) -> None:
        """It is not."""
        self._paused = False

    def __call__(self) -> bool:
        """Return whether it is to wait."""
        return self._paused

    def turn(self) -> None:
        """Have it wait, or go on."""
        self._paused = not self._paused


def _nothing() -> None:
    """There is nothing elsewhere."""


class GaveUp(Exception):
    """A job was told to stop and is still busy; the text says so."""


class Watch:
    """Watches a job from the main thread: it receives signals and the end of workers.

    `stop`, `pause` and `workers` are the job's. `abandon` ends what the job has elsewhere, when
    this process ends without it. `patience` is how many seconds a job has to end after a signal.
    `stopped_early` means that it was asked to stop before it began, while modules were loaded.
    """

    def __init__(self, folder: Path):
        """`folder` is the run's."""
        self.stop = Stop(folder)
        self.pause = Pause()
        self.workers = Workers(folder, self._happened)
        self.abandon: Callable[[], None] = _nothing
        self.patience = _PATIENCE
        self.stopped_early = False
        self._events: queue.SimpleQueue[BaseException | int | None] = queue.SimpleQueue()

    def _happened(self, event: BaseException | int | None) -> None:
        self._events.put(event)

    def over(self, job: Callable[[], T]) -> T:
        """Run the job in a thread; return its result or raise its exception.

        The first SIGINT, SIGTERM or SIGHUP sets `stop`, each SIGUSR1 turns `pause`. `GaveUp` is
        raised if the job has not ended within `patience`, or at a second signal to stop, and
        `WorkerDied` if a worker process has ended. The job's thread may then wait for ever, so the
        process must end by `os._exit`.
        """
        results: list[T] = []

        def work() -> None:
            try:
                results.append(job())
            except BaseException as error:
                self._happened(error)
            else:
                self._happened(None)

        with _signals(self._happened), _heeded(signal.SIGUSR1, self.pause.turn):
            self.stopped_early = not self._events.empty()
            threading.Thread(target=work, name="job", daemon=True).start()
            deadline = None
            while True:
                left = None if deadline is None else max(deadline - time.monotonic(), 0)
                try:
                    event = self._events.get(timeout=_WAKE if left is None else min(left, _WAKE))
                except queue.Empty:
                    if left is None or left > _WAKE:
                        continue
                    raise GaveUp(
                        "stopped in the middle: what it was doing did not end within "
                        f"{self.patience:.0f} seconds; what was committed is stored, and the same "
                        "command goes on"
                    ) from None
                if event is None:
                    return results[0]
                if isinstance(event, BaseException):
                    raise event
                if deadline is not None:
                    raise GaveUp(
                        "stopped in the middle by a second signal; what was committed is stored, "
                        "and the same command goes on"
                    )
                deadline = time.monotonic() + self.patience
                self._ask_to_stop()

    def _ask_to_stop(self) -> None:
        def ask() -> None:
            self.stop.set()
            say("stopping after what is being stored; once more to end now", event="stopping")

        # A full disk or a sleeping reader of standard error must not keep the job from ending.
        threading.Thread(target=ask, daemon=True).start()


@contextmanager
def _heeded(number: int, turn: Callable[[], None]) -> Iterator[None]:
    """Call `turn` at each signal of this number, if this is the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(number, lambda *_: turn())
    try:
        yield
    finally:
        signal.signal(number, handler)


@contextmanager
def _signals(happened: Callable[[int], None]) -> Iterator[None]:
    """Call `happened` with signals that ask to stop, if this is the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {
        number: signal.signal(number, lambda number, _: happened(number)) for number in asking()
    }
    for number in came_early():
        happened(number)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
