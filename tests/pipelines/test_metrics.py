"""Counters hold what all threads and processes have counted."""

import dataclasses
import datetime
import subprocess
import sys

import pyarrow as pa
import pytest

from fixfeed.pipelines import metrics
from fixfeed.pipelines.committed import Committed
from fixfeed.pipelines.counters import start_counting
from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.protocol import FIX
from tests.transforms.fix.messages import encode

SINK = ("sink", "sink")
UNTIL_NOW = ("fixfeed_last_commit_timestamp_seconds", "fixfeed_delivery_delay_seconds_sum")

RACE = """if True:
    import sys, threading
    from pathlib import Path
    from fixfeed.pipelines import metrics
    from fixfeed.pipelines.committed import Committed
    from fixfeed.pipelines.counters import start_counting
    from fixfeed.transforms.batch import Block
    from fixfeed.transforms.fix.protocol import FIX
    from tests.transforms.fix.messages import encode

    batch = FIX.parse(Block("file:/a", 0, encode([(35, b"0")])))
    start_counting(Path(sys.argv[1]))
    ready = threading.Barrier(3)

    def commit(sink):
        committed = Committed(sink, Path(sys.argv[1]))
        ready.wait()
        for _ in range(10):
            committed([(batch, 1)])

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
    start_counting(tmp_path)
    batch = FIX.parse(Block("file:/a", 0, encode([(35, b"0"), (52, sent)])))
    Committed("sink", tmp_path, FIX.table)([(batch, 1)])
    assert metrics.newest(tmp_path, FIX.table.clock) == newest


def test_batches_counted_together_count_as_one_by_one(tmp_path):
    sent = b"20250102-09:30:0%d"
    messages = [
        encode([(35, b"0"), (49, b"%c" % (65 + one % 3)), (52, sent % one)]) for one in range(10)
    ]
    messages[3] = messages[3][:-2] + b"x\x01"  # with a defect
    messages[7] = b"8=FIX.4.4|junk=1|2=3|\n"  # a failure
    blocks = [(0, 0), (0, 1), (1, 3), (3, 4), (4, 8), (8, 10)]
    batches = [FIX.parse(Block("peer:a", 0, b"".join(messages[a:b]))) for a, b in blocks]
    batches[1] = dataclasses.replace(batches[1], error="gone", joined={"a.csv": 1}, octets=9)
    batches[2] = dataclasses.replace(batches[2], joined={"a.csv": 1, "b.csv": 2})
    batches[2] = dataclasses.replace(batches[2], skipped_positions=pa.array([1, 2, 3]))
    commit = [(one, one.messages.num_rows - number % 2) for number, one in enumerate(batches[1:])]
    commit.append((batches[0], 0))
    found = []
    for name, parts in (("one", [[one] for one in commit]), ("all", [commit])):
        folder = tmp_path / name
        folder.mkdir()
        start_counting(folder, ["sink"], FIX)
        count = Committed("sink", folder, FIX.table, delays=True)
        for part in parts:
            count(part)
        samples = {
            (one.name, *sorted(one.labels.items())): one.value
            for metric in metrics.collected(folder)
            for one in metric.samples
            if one.name not in UNTIL_NOW
        }
        found.append((samples, metrics.problems(folder), metrics.read_of(folder)))
    assert found[0] == found[1]
    (samples, problems, read), (counts,) = found[0], metrics.totals(tmp_path / "one").values()
    assert (len(problems), read.keys(), counts.read) == (1, {"peer:a"}, 10)
    assert (counts.failed["no_msg_type"], counts.defects["check_sum"]) == (1, 1)
    assert counts.joined == {"a.csv": 2, "b.csv": 2}
    assert samples["fixfeed_delivery_delay_seconds_count", ("clock", "sending_time"), SINK] == 9
