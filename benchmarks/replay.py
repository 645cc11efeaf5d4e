"""How late the messages of a replay are, at ten thousand a second into SQLite."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.bench_log import PER_SECOND, write_bench_log

__all__ = ["replay"]

_RATE = 10_000
_MOST = 30 * _RATE


def replay(messages: int) -> list[str]:
    """Return the rows: the rate, and the lateness that the job's summary has.

    Of `messages` those of half a minute are replayed.
    """
    rows = [
        "| replay into SQLite | messages/s | late by p50 | p99 | worst |",
        "|---|--:|--:|--:|--:|",
    ]
    with tempfile.TemporaryDirectory(prefix="fixfeed-bench-") as folder:
        log = Path(folder) / "day.log"
        write_bench_log(log, min(messages, _MOST))
        speed = f"{_RATE / PER_SECOND:.3f}"
        done = subprocess.run(
            [
                *(sys.executable, "-m", "fixfeed", "--json", "--quiet"),
                *("--input", f"replay:{log}?speed={speed}"),
                *("--output", f"sqlite:///{folder}/replay.db"),
            ],
            check=True,
            stdout=subprocess.PIPE,
        )
    summary = json.loads(done.stdout)
    (counts,) = summary["sinks"].values()
    late = summary["replayed"]["late_ms"]
    shown = " | ".join(f"{late[name]} ms" for name in ("p50", "p99", "worst"))
    rate = counts["read"] / summary["seconds"]
    return [*rows, f"| `speed={speed}` | {rate:,.0f} | {shown} |"]
