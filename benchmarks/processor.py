"""Processor time of processes that run: it says more than the clock on a machine that is busy."""

import os
from collections.abc import Mapping
from pathlib import Path

__all__ = ["used_below"]

_TICKS = os.sysconf("SC_CLK_TCK")


def used_below(part: str = "") -> float:
    """Return the seconds that all processes below this one have used that run still.

    Only those count whose command has `part` in it, and what is below them.
    """
    parents: dict[int, int] = {}
    seconds: dict[int, float] = {}
    commands: dict[int, str] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            commands[int(entry.name)] = (entry / "cmdline").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        parents[int(entry.name)] = int(fields[1])
        # Children that have ended too (proc(5): utime, stime, cutime, cstime).
        seconds[int(entry.name)] = sum(map(int, fields[11:15])) / _TICKS
    below = _below({os.getpid()}, parents) - {os.getpid()}
    found = _below({pid for pid in below if part in commands[pid]}, parents)
    return sum(seconds[pid] for pid in found)


def _below(those: set[int], parents: Mapping[int, int]) -> set[int]:
    """Return some processes, and all that are below them."""
    while more := {pid for pid, parent in parents.items() if parent in those} - those:
        those = those | more
    return those
