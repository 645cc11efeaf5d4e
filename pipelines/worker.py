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

__all__ = ["end_with_parent", "main", "work"]


def main() -> None:
    """Work until the runner is done, or the parent process is gone."""
    end_with_parent()
    work()


def end_with_parent() -> None:
    """End this process when its standard input ends, which does with the parent."""
    threading.Thread(target=_end_with_input, daemon=True).start()


def work() -> None:
    """Work until the runner is done, whatever signals come."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    as_child()
    sdk_worker_main.main([])


def _end_with_input() -> None:
    os.read(0, 1)
    os._exit(1)
