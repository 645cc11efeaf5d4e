"""Signals that come while a job's modules are loaded."""

import subprocess
import sys

import pytest

TWICE = """
import os, signal
from fixfeed.pipelines.early_signals import came_early, remembered

with remembered():
    os.kill(os.getpid(), signal.SIGTERM)
    print([signal.Signals(number).name for number in came_early()], flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.{second})
    print("it goes on", flush=True)
"""


@pytest.mark.parametrize("second", ["SIGTERM", "SIGINT"])
def test_a_second_signal_ends_a_run_that_has_not_begun_as_one_that_was_stopped(second):
    done = subprocess.run(
        [sys.executable, "-c", TWICE.format(second=second)], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (
        5,
        "['SIGTERM']\n",
        "fixfeed: stopped before it began\n",
    )
