"""`fixfeed run`: the job, from its arguments to its exit code."""

import datetime
import logging
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

from fixfeed.io.ledger.ledger import SinkFailed
from fixfeed.io.tracing import NoTracing, flush, span, start
from fixfeed.pipelines import batch, dry_run, instruments, stream
from fixfeed.pipelines.cluster import stream as cluster_stream
from fixfeed.pipelines.counters import COUNTERS
from fixfeed.pipelines.durations import seconds_until
from fixfeed.pipelines.endings import OWN_ERROR, STOPPED, Ending
from fixfeed.pipelines.endpoint import Endpoint
from fixfeed.pipelines.health import served
from fixfeed.pipelines.job import Job
from fixfeed.pipelines.option import UsageError
from fixfeed.pipelines.options import read_settings
from fixfeed.pipelines.run_metrics import RunMetrics
from fixfeed.pipelines.running import LOCAL, GaveUp, Watch
from fixfeed.pipelines.standard_streams import open_standard_streams
from fixfeed.pipelines.workers import WorkerDied

__all__ = ["main"]

_ABANDONING = 2.0  # seconds


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job with these arguments (the command line's by default); return the exit code.

    If the job hangs, because a worker process died or a signal was not heeded, the process ends.
    """
    open_standard_streams()
    # Failures are raised as well, and reported here.
    for name in ("apache_beam", "grpc"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    words = sys.argv[1:] if arguments is None else arguments
    ending = Ending(words, os.environ)
    try:
        folder = Path(tempfile.mkdtemp(prefix="fixfeed-run-"))
    except OSError as error:
        return ending.error(SinkFailed(f"there is no place for temporary files: {error}"))
    watch = Watch(folder)
    endpoint = Endpoint()
    wait = 0.0

    def work() -> int:
        nonlocal wait
        job = Job(read_settings(words, os.environ), watch, ending)
        settings = job.settings
        if settings.dry_run:
            return dry_run.run(job)
        _stop_in_time(job)
        with ExitStack() as serving:
            if settings.health_port:
                serving.enter_context(served(settings.health_port, job.health, job.say))
            if settings.metrics_port is not None:
                address = settings.metrics_host, settings.metrics_port
                endpoint.listen(address, RunMetrics(job, folder / COUNTERS), job.say)
                wait = settings.metrics_wait
            code = _traced(job, folder)
            endpoint.keep()
            endpoint.wait(wait, watch.stop)
            return code

    try:
        return watch.over(work)
    except (GaveUp, WorkerDied) as error:
        # The job's thread still waits, so the process must not wait for it.
        watch.workers.kill()
        abandoning = threading.Thread(target=watch.abandon, daemon=True)
        abandoning.start()
        abandoning.join(_ABANDONING)
        endpoint.keep()
        shutil.rmtree(folder, ignore_errors=True)
        # Nor for a sleeping reader of the report.
        code = STOPPED if isinstance(error, GaveUp) else OWN_ERROR
        patience = 1 if code == STOPPED else 1 + wait
        threading.Timer(patience, os._exit, [code]).start()
        code = ending.error(error)
        endpoint.wait(patience, lambda: code == STOPPED)
        os._exit(code)
    except SystemExit as ended:
        raise SystemExit(ending.error(ended)) from None
    except BaseException as error:
        return ending.error(error)
    finally:
        watch.workers.kill()
        endpoint.keep()
        shutil.rmtree(folder, ignore_errors=True)
        instruments.alone()


def _traced(job: Job, folder: Path) -> int:
    """Run the job, as a span if that is asked for; return the exit code."""
    if job.settings.trace is not None:
        try:
            start(job.settings.trace)
        except NoTracing as error:
            raise UsageError(str(error)) from None
    sinks = list(job.short_names.values())
    try:
        with span("run", version=version("fixfeed"), sinks=sinks) as attributes:
            if job.stream and job.settings.runner not in LOCAL:
                code = cluster_stream.run(job, folder)
            else:
                code = stream.run(job, folder) if job.stream else batch.run(job, folder)
            attributes["exit_code"] = code
            return code
    finally:
        flush()


def _stop_in_time(job: Job) -> None:
    """Have the run stopped after the time, and at the time of day, that the settings name."""
    times = []
    if job.settings.for_ is not None:
        times.append(job.settings.for_)
    if job.settings.until is not None:
        times.append(seconds_until(job.settings.until, datetime.datetime.now()))  # noqa: DTZ005
    if times:
        timer = threading.Timer(min(times), job.watch.stop.set)
        timer.daemon = True
        timer.start()
