"""How many files a process may hold open."""

import functools
import resource
from contextlib import suppress

__all__ = ["most_open"]


@functools.cache
def most_open() -> int:
    """Return how many files may be held open, after this process has been allowed all it may have.

    Half of them are left to others: databases, and files that are looked at.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return soft // 2
