"""Starts this Python again, with the packages of this process."""

import json
import os
import sys

__all__ = ["python_command"]


def python_command(code: str) -> list[str]:
    """Return the command that runs `code` in another Python.

    With -P and the path of this process, packages come from the same place as ours, not from
    folders of the same name in the user's current folder.
    """
    path = [entry or os.getcwd() for entry in sys.path]
    start = f"import json, sys; sys.path[:] = json.loads(sys.argv[1]); {code}"
    return [sys.executable, "-P", "-c", start, json.dumps(path)]
