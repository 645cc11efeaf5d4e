"""What deriving costs: beside loading, from scratch, and how soon an order is found.

python -m benchmarks.deriving --messages 300000
"""

import argparse
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2

from fixfeed.io.sql.open import open_store
from fixfeed.pipelines.order import order_of
from fixfeed.pipelines.sample.command import write_sample
from tests.services.postgresql_server import server

__all__ = ["deriving"]

_TURNS = 3
_ASKED = 200
_INDEXES = ("messages_time", "messages_defects")


class Used:
    """The seconds, and the seconds of processor time, of a command."""

    def __init__(self, *words: object):
        """Run `fixfeed` with these words."""
        before, began = _processor(), time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "fixfeed", *map(str, words)], stdout=subprocess.DEVNULL, check=False
        )
        # 3: the log of a session in the sample breaks off.
        assert done.returncode in (0, 3), words
        self.seconds, self.processor = time.monotonic() - began, _processor() - before


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
