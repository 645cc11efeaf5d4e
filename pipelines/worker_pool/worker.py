"""A worker process of a pool; `pipelines.worker_pool.pool` starts it."""

import logging
import os
import sys
import threading
import traceback

import grpc
from apache_beam.runners.worker import sdk_worker_main
from apache_beam.runners.worker.sdk_worker import SdkHarness

from fixfeed.pipelines import worker
from fixfeed.pipelines.lost_connections import without_lost_connections
from fixfeed.pipelines.worker_pool.told import tell_came

__all__ = ["main"]

_SEEN = 5.0  # seconds in which a runner sees a worker that is connected to it


def main() -> None:
    """Work until the runner is done, or gone, and end the process then.

    It does not wait for what was being worked at: that waits for a runner which may be gone, and
    what was not committed is done again. It ends with its pool as well, but not before its
    runner has seen it: that waits for it for ever, and sees the end of one that has come.
    """
    logging.getLogger().addHandler(logging.NullHandler())  # Beam's go to the TaskManager's log
    logging.getLogger(sdk_worker_main.__name__).addFilter(_is_without_options)
    threading.excepthook = without_lost_connections
    sdk_worker_main.SdkHarness = _Harness  # type: ignore[misc]  # Beam makes it by this name
    code = 1
    try:
        worker.work()
        code = 0
    except grpc.RpcError:  # the TaskManager was killed, or its connection is broken
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


class _Harness(SdkHarness):
    """Beam's, which is made once it is connected to its runner, and run then."""

    def run(self) -> None:
        """Tell the pool before work comes."""
        tell_came()
        until_seen = threading.Timer(_SEEN, worker.end_with_parent)
        until_seen.daemon = True
        until_seen.start()
        super().run()


def _is_without_options(record: logging.LogRecord) -> bool:
    """Return whether a line does not tell the options of the job, which may hold keys."""
    return not str(record.msg).lower().startswith("pipeline_options")
