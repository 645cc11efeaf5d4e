"""Sends messages to QuickFIX, in a separate process, and returns its readings."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["QuickFix"]


class QuickFix:
    """QuickFIX with the dictionaries of a folder; a context manager."""

    def __init__(self, dictionaries: Path):
        """Start the process; it loads a dictionary when a message first needs it."""
        folder = str(dictionaries.resolve())
        # -P: a user's own modules in the current folder are none of ours.
        module = "fixfeed.pipelines.fidelity.quickfix_process"
        command = [sys.executable, "-P", "-m", module, folder]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def read(self, messages: Sequence[tuple[str, Sequence[str]]]) -> list[dict[str, Any]]:
        """Return an answer for each message, in the form of `pipelines.fidelity.quickfix_process`.

        A message is its text and the names of its dictionaries. Raises `RuntimeError` if the
        process has ended; its standard error has the reason.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            print(json.dumps(messages), file=self._process.stdin, flush=True)
        except BrokenPipeError:
            line = ""
        else:
            line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"QuickFIX's process ended with {self._process.wait()}")
        answers: list[dict[str, Any]] = json.loads(line)
        return answers

    def __enter__(self) -> "QuickFix":
        """Return itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """End the process."""
        self._process.communicate()
