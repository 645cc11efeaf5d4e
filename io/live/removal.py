"""Removes from the spool what every sink has."""

import itertools
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from fixfeed.io.ledger.ledger import Stretch, gaps
from fixfeed.io.ledger.witness import TAIL
from fixfeed.io.live.segments import SegmentsFile
from fixfeed.io.live.spool import segments_of

__all__ = ["is_long", "remove_connection", "remove_segments"]

_REMOVED = ".removed-"
_FAR = 1 << 60


def remove_connection(connection: Path, done: Sequence[Stretch]) -> bool:
    """Remove a connection that has ended, if all of it is done; return whether it is gone.

    Another job may remove it at the same time. What a job that was killed meanwhile has left of it
    is removed by the next call.
    """
    with suppress(FileNotFoundError):
        with SegmentsFile(connection, _FAR) as file:
            if any(gaps(done, *stretch) for stretch in file.stretches()):
                return False
        for left in connection.parent.glob(f"{_REMOVED}*"):
            shutil.rmtree(left, ignore_errors=True)
        moved = connection.with_name(f"{_REMOVED}{connection.name}")
        connection.rename(moved)
        shutil.rmtree(moved, ignore_errors=True)
    return True


def is_long(connection: Path) -> bool:
    """Return whether a connection has segments between its first and its last."""
    with suppress(FileNotFoundError):
        return len(segments_of(connection)) > 2
    return False


def remove_segments(connection: Path, done: Sequence[Stretch], before: int) -> None:
    """Remove the segments of a connection that lasts which are done, but not its first and last.

    `before` is the time, in microseconds, before which they were written to last. Another job may
    remove them at the same time.
    """
    with suppress(FileNotFoundError):
        segments = segments_of(connection)
        for (start, path), (end, _) in itertools.pairwise(segments[1:]):
            # A reader looks back at what it has read last.
            if not gaps(done, start, end + TAIL) and path.stat().st_mtime_ns // 1000 < before:
                path.unlink()
