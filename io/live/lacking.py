"""What a gateway may lack, room on the disk and open files: told, reserved, and allowed."""

import errno
import os
import resource
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

__all__ = ["FULL", "NO_FILES", "RESERVE", "allow_files", "cannot_write", "reserve"]

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""The errors of a disk without room."""

NO_FILES = (errno.EMFILE, errno.ENFILE)
"""The errors of a process, or machine, that may open no more files."""

RESERVE = "reserve"
"""The file that makes room, once it is removed, for what was read when the disk became full."""

_ROOM = 1 << 20
_FILES = 3  # that a connection needs open
_OTHER_FILES = 64


def reserve(address: Path) -> None:
    """Make the file `RESERVE` in the folder of an address. Raises `OSError` without room."""
    file = os.open(address / RESERVE, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        os.posix_fallocate(file, 0, _ROOM)
    except OSError as error:
        os.ftruncate(file, 0)
        if error.errno in FULL:
            raise
    finally:
        os.close(file)


def cannot_write(address: Path, error: OSError) -> str:
    """Return what is wrong with a spool, and what to do."""
    if error.errno in FULL:
        todo = "make space there, or name another folder with --spool"
    elif error.errno in NO_FILES:
        todo = "allow more open files (ulimit -n)"
    else:
        todo = "name a folder that can be written with --spool"
    no_folder = isinstance(error, FileExistsError | NotADirectoryError)
    why = f"{error.filename} is no folder" if no_folder else error.strerror
    return f"cannot write the spool {address}: {why}; {todo}"


def allow_files(connections: int, say: Callable[[str], None]) -> int:
    """Have the system allow the open files that so many connections need.

    Returns for how many connections they suffice.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections * _FILES + _OTHER_FILES
    if soft < wanted or soft == resource.RLIM_INFINITY:
        more = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (more, hard))
            soft = more
    most = min(connections, max(1, (soft - _OTHER_FILES) // _FILES))
    if most < connections:
        say(
            f"{connections:,} connections need {wanted:,} open files, and this process may have "
            f"{soft:,}: it takes {most:,} connections; raise that (ulimit -n), or lower "
            "max-connections"
        )
    return most
