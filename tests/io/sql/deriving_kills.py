"""Stores and derives a log in processes that are killed, one after the other: `main`.

Each is a fork of this one, which only imports, so that twenty cost as much as one start of Python.
Each kills itself (SIGKILL) before one of its statements, at random.
"""

import os
import random
import signal
import sys
from contextlib import closing

from fixfeed.io.ledger.source import Source
from fixfeed.io.sql import derived
from fixfeed.io.sql.minute_counts import merge_counts
from fixfeed.io.sql.open import open_store
from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.parser import parse_block
from tests.transforms.fix.orders.odd_days import made

KILLS = 20
LOG = made(5, orders=40)
_PART = 20  # lines that are stored at once; a third of them are derived so
_LONGEST = 60  # statements of deriving until a kill


def store_and_derive(uri: str, until: int | None) -> None:
    """Store the log in parts, as far as it is not stored yet, and derive each of them.

    Ends the process before statement number `until` of those that derive and count.
    """
    with closing(open_store(uri)) as store:
        store.prepare()
        start = statements = 0

        def counted(call):
            def run(*arguments):
                nonlocal statements
                statements += 1
                if statements == until:
                    os.kill(os.getpid(), signal.SIGKILL)
                return call(*arguments)

            return run

        for first in range(0, len(LOG), _PART):
            data = b"".join(LOG[first : first + _PART])
            number = store.register([Source("file:key", "file", "day.log")], rules="r")["file:key"]
            batch = parse_block(Block("file:key", start, data))
            query, ingest = store.query, store.ingest
            store.ingest = counted(ingest)
            store.write([(number.source_id, batch)], rules="r", replace=False)
            store.query = counted(query)
            derived.derive(store, at_once=_PART // 3)
            with store.transaction():
                merge_counts(store)
            store.query, store.ingest = query, ingest
            start += len(data)


def main(uri: str, seed: int) -> None:
    """Do that until a whole process gets through, after `KILLS` were killed at random moments."""
    rng = random.Random(seed)
    for kill in range(KILLS + 1):
        child = os.fork()
        if not child:
            store_and_derive(uri, rng.randrange(1, _LONGEST) if kill < KILLS else None)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(f"process {kill}: {os.waitstatus_to_exitcode(status)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
