"""Counters hold what all threads and processes have counted."""

import subprocess
import sys

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
