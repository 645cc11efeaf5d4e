"""Starts this Python again, with the packages of this process, and ends what was started."""

import json
import os
import subprocess
import sys
from contextlib import suppress

__all__ = ["end_by_input", "python_command"]

_PATIENCE = 5.0  # seconds for a process to end by itself


def python_command(code: str) -> list[str]:
    """Return the command that runs `code` in another Python.

    With -P and the path of this process, packages come from the same place as ours, not from
    folders of the same name in the user's current folder.
    """
    path = [entry or os.getcwd() for entry in sys.path]
    start = f"import json, sys; sys.path[:] = json.loads(sys.argv[1]); {code}"
    return [sys.executable, "-P", "-c", start, json.dumps(path)]


def end_by_input(process: subprocess.Popen[bytes]) -> None:
    """End a process that ends with its standard input; one that does not is killed."""
    assert process.stdin
    with suppress(OSError):
        process.stdin.close()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
