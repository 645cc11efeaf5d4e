"""How a worker tells its pool that it has come to its runner: by a byte in a pipe."""

import os

__all__ = ["CAME", "tell_came"]

CAME = "FIXFEED_WORKER_CAME"
"""The variable of the environment that has the number of the pipe."""


def tell_came() -> None:
    """Tell it."""
    pipe = int(os.environ[CAME])
    os.write(pipe, b"1")
    os.close(pipe)
