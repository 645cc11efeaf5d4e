"""Counters hold what all threads and processes have counted."""

import datetime
import subprocess
import sys

import pytest

from fixfeed.pipelines import metrics
from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.protocol import FIX
from tests.transforms.fix.messages import encode

RACE = """if True:
    import sys, threading
    from pathlib import Path
    from fixfeed.pipelines import metrics
    from fixfeed.transforms.batch import Block
    from fixfeed.transforms.fix.protocol import FIX
    from tests.transforms.fix.messages import encode

    batch = FIX.parse(Block("file:/a", 0, encode([(35, b"0")])))
    metrics.start(Path(sys.argv[1]))
    ready = threading.Barrier(3)

    def commit(sink):
        committed = metrics.Committed(sink, Path(sys.argv[1]))
        ready.wait()
        for _ in range(10):
            committed(batch, 1)

    threads = [threading.Thread(target=commit, args=[f"sink{number}"]) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    totals = metrics.totals(Path(sys.argv[1]))
    print(sorted({(one.bytes, one.read, one.stored) for one in totals.values()}), len(totals))
    print([(batch.end * 10, 10, 10)], 3)
"""


def test_sinks_that_commit_for_the_first_time_at_once_lose_no_count(tmp_path):
    for number in range(6):
        folder = tmp_path / str(number)
        folder.mkdir()
        command = [sys.executable, "-c", RACE, str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found, expected = done.stdout.splitlines()
        assert found == expected


@pytest.mark.parametrize(
    ("sent", "newest"),
    [
        (b"20250102-09:30:00.5", datetime.datetime(2025, 1, 2, 9, 30, 0, 500_000, datetime.UTC)),
        (b"99991231-23:59:59.999999", datetime.datetime(9999, 12, 31, 23, 59, 59, 0, datetime.UTC)),
        (b"00010101-00:00:00", None),
    ],
)
def test_the_newest_message_may_have_any_time_that_a_message_has(
    sent, newest, tmp_path, monkeypatch
):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    metrics.start(tmp_path)
    batch = FIX.parse(Block("file:/a", 0, encode([(35, b"0"), (52, sent)])))
    metrics.Committed("sink", tmp_path, FIX.table)(batch, 1)
    assert metrics.newest(tmp_path, FIX.table.clock) == newest
