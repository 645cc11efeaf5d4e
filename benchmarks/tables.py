"""Measures ways from a log to a table: processor time and memory of all processes together.

python -m benchmarks.tables --messages 1000000
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.bench_log import write_bench_log
from benchmarks.job import family_bytes

_SLOW = 50_000  # messages for the ways that take minutes
_COLUMNS = "columns=['sending_time', 'symbol', 'last_qty', 'last_px'], floats=True"
_ALL = "rows = fixfeed.read(log, workers=workers).num_rows"
_FEW = f"rows = len(fixfeed.read(log, workers=workers, {_COLUMNS}).to_pandas())"
_SCAN = "rows = sum(batch.num_rows for batch in fixfeed.scan(log, workers=workers))"
_JOB = """
import subprocess, sys
options = ["--output", "parquet:lake/", "--quiet", "--workers", str(workers)]
subprocess.run([sys.executable, "-m", "fixfeed", "--input", log, *options], check=True, stdout=-3)
"""
_PLAIN = """
import pandas
wanted = (b"52", b"55", b"32", b"31")
rows = []
for line in open(log, "rb"):
    fields = (field.partition(b"=") for field in line.rstrip().split(b"\\x01"))
    rows.append({tag: value for tag, _, value in fields if tag in wanted})
rows = len(pandas.DataFrame(rows))
"""
_SIMPLEFIX = f"""
import itertools, pandas, simplefix
parser, rows = simplefix.FixParser(), []
for line in itertools.islice(open(log, "rb"), {_SLOW}):
    parser.reset()
    parser.append_buffer(line.rstrip(b"\\n"))
    try:
        message = parser.get_message()
    except simplefix.errors.ParsingError:
        message = None
    if message:
        rows.append([message.get(tag) for tag in (52, 55, 32, 31)])
rows = len(pandas.DataFrame(rows))
"""


def costs(code: str, log: Path, workers: int) -> tuple[float, float]:
    """Return the processor seconds and the peak bytes of a program and all that it starts."""
    before, peak = resource.getrusage(resource.RUSAGE_CHILDREN), 0
    with tempfile.TemporaryDirectory(prefix="fixfeed-bench-") as folder:
        start = f"import fixfeed; log, workers = {str(log)!r}, {workers}\n"
        process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", start + code], cwd=folder)
        while process.poll() is None:
            peak = max(peak, family_bytes(process.pid))
            time.sleep(0.1)
    if process.returncode:
        raise SystemExit(f"ended with exit code {process.returncode}:\n{code}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, peak


def main() -> None:
    """Print the table of docs/benchmarks.md."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--messages", type=int, default=1_000_000)
    count = options.parse_args().messages
    cores = os.cpu_count() or 1
    print("| from log to | processes | messages | processor µs a message | peak memory |")
    print("|---|--:|--:|--:|--:|", flush=True)
    with tempfile.TemporaryDirectory(prefix="fixfeed-bench-") as folder:
        logs = {many: Path(folder) / f"{many}.log" for many in (count, 4 * count)}
        for many, log in logs.items():
            write_bench_log(log, many)
        for name, code, workers, many in (
            ("`read`, all columns", _ALL, 1, count),
            ("`read`, all columns", _ALL, cores, count),
            ("`read`, four columns, to pandas", _FEW, 1, count),
            ("`read`, four columns, to pandas", _FEW, cores, count),
            ("`scan`, all columns", _SCAN, 1, count),
            ("`scan`, all columns", _SCAN, cores, count),
            ("`scan`, all columns", _SCAN, cores, 4 * count),
            ("the job, into Parquet", _JOB, cores, count),
            ("plain Python, four fields as bytes, to pandas", _PLAIN, 1, count),
            ("simplefix, four fields as bytes, to pandas", _SIMPLEFIX, 1, min(_SLOW, count)),
        ):
            seconds, peak = costs(code, logs[count if many <= count else many], workers)
            print(
                f"| {name} | {workers} | {many:,} | {seconds / many * 1e6:.1f}"
                f" | {peak / 2**20:,.0f} MiB |",
                flush=True,
            )


if __name__ == "__main__":
    main()
