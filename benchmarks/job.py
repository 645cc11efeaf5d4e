"""The job itself, timed from its first block to its last commit.

    python -m benchmarks.job SINK LOG TARGET    # prints {"seconds": ..., "peak_bytes": ...}

SINK is sql, parquet, jsonl, kafka or parse (which stores nothing).
"""

import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import apache_beam as beam

from fixfeed.io.commit import Run
from fixfeed.io.files.find import cut_ranges, find_files
from fixfeed.io.files.source import ReadFromFiles
from fixfeed.io.jsonl.ledger import JsonlLedger
from fixfeed.io.jsonl.sink import WriteToJsonLines
from fixfeed.io.kafka.ledger import KafkaLedger
from fixfeed.io.kafka.sink import WriteToKafka
from fixfeed.io.parquet.ledger import ParquetLedger
from fixfeed.io.parquet.sink import WriteToParquet
from fixfeed.io.sql.open import open_store
from fixfeed.io.sql.sink import WriteToSql
from fixfeed.pipelines.graph import build
from fixfeed.pipelines.kafka_output import destination_of
from fixfeed.pipelines.plan import make_plan, range_size
from fixfeed.pipelines.running import runner_of
from fixfeed.pipelines.workers import Workers
from fixfeed.transforms.enrich import Enrich
from fixfeed.transforms.fix.protocol import FIX
from fixfeed.transforms.parse import ParseFix


class Clock:
    """Records times, a file per process and kind; CLOCK_MONOTONIC is that of the machine."""

    def __init__(self, folder: str):
        """The notes go to `folder`."""
        self._folder = folder

    def note(self, kind: str) -> None:
        """Note the time, keeping the first of this process for `first`, the last for `last`."""
        path = Path(self._folder) / f"{kind}-{os.getpid()}"
        if kind == "last" or not path.exists():
            path.write_text(str(time.monotonic()))

    def seconds(self) -> float:
        """Return the time from the first note to the last one."""

        def noted(kind: str) -> list[float]:
            return [float(path.read_text()) for path in Path(self._folder).glob(f"{kind}-*")]

        return max(noted("last")) - min(noted("first"))

    def read(self, block):
        """Note that a block was read."""
        self.note("first")
        return block

    def commit(self, committed) -> None:
        """Note that batches were committed."""
        self.note("last")


class _Drop(beam.PTransform):
    def __init__(self, clock: Clock):
        super().__init__()
        self._clock = clock

    def expand(self, batches):
        return batches | "Drop" >> beam.Map(lambda batch: self._clock.commit(batch, 0))


class _Timed(beam.PTransform):
    def __init__(self, source: ReadFromFiles, clock: Clock):
        super().__init__()
        self._source = source
        self._clock = clock

    def expand(self, begin):
        return begin | self._source | "First" >> beam.Map(self._clock.read)


def family_bytes(process_id: int) -> int:
    """Return the resident memory of a process and of all processes that it started."""
    found: dict[int, tuple[int, int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found[int(status.parent.name)] = int(fields[1]), int(fields[21]) * 4096
    family = {process_id}
    for number, (parent, _) in sorted(found.items()):
        # A child has a higher number than its parent unless the numbers have wrapped around.
        if parent in family:
            family.add(number)
    return sum(found[number][1] for number in family if number in found)


def run(sink: str, log: str, target: str) -> dict[str, float]:
    """Run the job; return its seconds and the peak memory of all its processes."""
    files, _ = find_files([log])
    folder = tempfile.mkdtemp()
    clock = Clock(folder)
    ledgers: dict[str, Any] = {}
    if sink == "sql":
        ledgers = {"sink": open_store(target)}
    elif sink == "parquet":
        ledgers = {"sink": ParquetLedger(target)}
    elif sink == "jsonl":
        ledgers = {"sink": JsonlLedger(target)}
    elif sink == "kafka":
        ledgers = {"sink": KafkaLedger(destination_of(target, FIX))}
    for ledger in ledgers.values():
        ledger.prepare()
    ranges, sources = cut_ranges(files[0], (), size=range_size(files[0].size)), {}
    if ledgers:
        plan = make_plan(files, ledgers, rules="bench", reprocess=False)
        ranges, sources = plan.ranges, plan.sources["sink"]
    write: beam.PTransform = _Drop(clock)
    told = Run(sources, rules="bench", on_commit=clock.commit)
    if sink == "sql":
        write = WriteToSql(target, told)
    elif sink == "parquet":
        write = WriteToParquet(target, told)
    elif sink == "jsonl":
        write = WriteToJsonLines(target, told)
    elif sink == "kafka":
        write = WriteToKafka(destination_of(target, FIX), told)
    peak = 0
    over = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not over.wait(0.2):
            peak = max(peak, family_bytes(os.getpid()))

    thread = threading.Thread(target=watch)
    thread.start()
    # As in the job itself: one process keeps SQLite busy, and one alone has transactions.
    one = target.startswith("sqlite:") or "transactions=true" in target
    processes = 1 if one else min(os.cpu_count() or 1, len(ranges))
    runner, options = runner_of(
        "DirectRunner", processes=processes, beam=(), workers=Workers(Path(folder), print)
    )
    pipeline = beam.Pipeline(runner=runner, options=options)
    build(
        pipeline,
        source=_Timed(ReadFromFiles(ranges), clock),
        parse=ParseFix(fix_json=sink in ("jsonl", "kafka")),
        steps=[("Enrich", Enrich())],
        sinks=[("Write", write)],
    )
    pipeline.run().wait_until_finish()
    over.set()
    thread.join()
    for ledger in ledgers.values():
        ledger.close()
    return {"seconds": clock.seconds(), "peak_bytes": peak}


if __name__ == "__main__":
    from benchmarks.job import run as importable_run

    print(json.dumps(importable_run(*sys.argv[1:])))
