"""A worker process of the local runner; `pipelines.workers` starts it.

It works like Beam's own, but ends when the process that started it is gone, whatever it is doing.
It also ignores signals and leaves them to that process. Stopping a service or a terminal's job
signals all of its processes, and a worker that died of it would lose the data it is storing.
"""

import os
import signal
import threading

from apache_beam.runners.worker import sdk_worker_main

from fixfeed.pipelines.log import as_child

__all__ = ["main"]


def main() -> None:
    """Work until the runner is done; standard input ends with the parent process."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    as_child()
    sdk_worker_main.main([])


def _end_with_parent() -> None:
    os.read(0, 1)
    os._exit(1)
