"""How a worker tells its pool that it has come to its runner: by a byte in a pipe."""

import os
from contextlib import suppress

__all__ = ["CAME", "tell_came"]

CAME = "FIXFEED_WORKER_CAME"
"""The variable of the environment that has the number of the pipe."""


def tell_came() -> None:
    """Tell it, unless it is gone."""
    pipe = int(os.environ[CAME])
    with suppress(BrokenPipeError):
        os.write(pipe, b"1")
    os.close(pipe)
