"""Brings the derived tables of a database up to date: `fixfeed derive URI`.

Every run does so by itself; this goes on with what a run that was stopped has left. With --rebuild
all of them are made again from the messages, with the same result.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import closing

from fixfeed.io.ledger.ledger import SchemaError, SinkError
from fixfeed.io.sql.derived import derive, start_over
from fixfeed.io.sql.open import open_store
from fixfeed.pipelines.sinks import sink_of
from fixfeed.pipelines.uris import UnknownPlace
from fixfeed.pipelines.words import read_words

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Derive what is to be derived; return the exit code. A missing database is not made."""
    parser = argparse.ArgumentParser(prog="fixfeed derive", description=__doc__)
    parser.add_argument("uri", help="sqlite:///fixfeed.db or postgresql://user@host/db")
    parser.add_argument("--rebuild", action="store_true", help="from scratch, from all messages")
    options = read_words(parser, arguments)
    began = time.monotonic()
    try:
        sink = sink_of(options.uri)
        if not sink.is_database:
            raise SinkError(f"{sink.name} has no derived tables: only databases have")
        with closing(open_store(options.uri, make=False)) as store:
            if not store.check():
                raise SchemaError(f"{store.place} holds nothing of fixfeed's")
            if options.rebuild:
                with store.transaction():
                    start_over(store)
            messages = derive(store)
    except (SinkError, UnknownPlace) as error:
        print(f"fixfeed derive: {error}", file=sys.stderr)
        return 2
    seconds = time.monotonic() - began
    print(f"{sink.name}: {messages:,} messages derived in {seconds:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
