"""How fast a job stores into a PostgreSQL of its own."""

import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

import psycopg2

from tests.services import postgresql_server

__all__ = ["into_postgresql"]


def into_postgresql(words: Sequence[str], count: int) -> float:
    """Return how many messages a second are stored, from the first commit to the last.

    `words` are the arguments of the job but for its output, and `count` is how many lines its
    input has. Raises ValueError if all of them are stored at once, which has no rate.
    """
    with postgresql_server.server(durable=True) as uri:
        job = subprocess.Popen(
            [sys.executable, "-m", "fixfeed", "--quiet", "--no-derive", *words, "--output", uri],
            stdout=subprocess.DEVNULL,
        )
        connection = psycopg2.connect(uri)
        connection.autocommit = True
        cursor = connection.cursor()
        first: tuple[float, int] | None = None
        stored = 0
        while stored < count:
            time.sleep(0.02)
            with suppress(psycopg2.errors.UndefinedTable):
                cursor.execute("select coalesce(sum(stored + failed + skipped), 0) from progress")
                stored = int(cursor.fetchone()[0])
            if stored and first is None:
                first = time.perf_counter(), stored
            if job.poll() is not None and stored < count:
                raise RuntimeError(f"{words}: the job ended after {stored:,} of {count:,}")
        assert first
        seconds = time.perf_counter() - first[0]
        job.terminate()
        job.wait()
        connection.close()
    if first[1] == count:
        raise ValueError(f"{count:,} messages were one commit, which has no rate: take more")
    return (count - first[1]) / seconds
