"""A worker process of the local runner; `pipelines.workers` starts it.

It does what Beam's own does, but ends when the process that started it is gone, whatever it is
doing, and leaves signals to that process, since whoever stops a service or a terminal's job sends
them to all of its processes: a worker that died of one would take what it is storing with it.
"""

import os
import signal
import threading

from apache_beam.runners.worker import sdk_worker_main

__all__ = ["main"]


def main() -> None:
    """Work until the runner says that all is done; standard input ends with the parent."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sdk_worker_main.main([])


def _end_with_parent() -> None:
    os.read(0, 1)
    os._exit(1)
