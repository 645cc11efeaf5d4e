"""Brings the derived tables of a database up to date: `fixfeed derive URI`.

Every run does so by itself; this goes on with what a run that was stopped has left. With --rebuild
all of them are made again from the messages, with the same result.
"""

import dataclasses
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from fixfeed.io.ledger.ledger import SchemaError, SinkError
from fixfeed.io.sql.derive_anew import settle, start_over
from fixfeed.io.sql.derived import derive
from fixfeed.io.sql.open import open_store
from fixfeed.pipelines.deriving_by import read_anomalies, read_copied
from fixfeed.pipelines.left_to_derive import left_told
from fixfeed.pipelines.option import UsageError
from fixfeed.pipelines.session_names import sessions_in
from fixfeed.pipelines.sinks import DATABASES, sink_among
from fixfeed.pipelines.unmatched import unmatched_copies
from fixfeed.pipelines.uris import UnknownPlace
from fixfeed.pipelines.words import WordParser, read_words
from fixfeed.transforms.protocol import default_protocol

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Derive what is to be derived; return the exit code. A missing database is not made."""
    parser = WordParser(prog="fixfeed derive", description=__doc__)
    parser.add_argument("uri", help="sqlite:///fixfeed.db or postgresql://user@host/db")
    parser.add_argument("--rebuild", action="store_true", help="from scratch, from all messages")
    parser.add_argument(
        "--anomalies", metavar="FILE", help="rules of anomalies, as for a run; default: the usual"
    )
    parser.add_argument(
        "--drop-copy",
        metavar="SESSION[=FIRM]",
        action="append",
        help="a session of drop copies, as for a run; none: no session",
    )
    options = read_words(parser, arguments)
    began = time.monotonic()
    try:
        sink = sink_among(options.uri, DATABASES, "derived tables: only databases have")
        protocol: Any = default_protocol()
        protocol = dataclasses.replace(
            protocol,
            anomalies=read_anomalies(options.anomalies),
            drop_copies=read_copied(options.drop_copy),
        )
        with closing(open_store(options.uri, protocol=protocol, make=False)) as store:
            if not store.check():
                raise SchemaError(f"{store.place} holds nothing of fixfeed's")
            settle(store)
            if options.rebuild:
                with store.deriving():
                    start_over(store)
            with left_told(store, sink.name, _note):
                messages = derive(store)
            for text in unmatched_copies(options.drop_copy or (), sessions_in(store)):
                _note(text)
    except (SinkError, UnknownPlace, UsageError) as error:
        print(f"fixfeed derive: {error}", file=sys.stderr)
        return 2
    seconds = time.monotonic() - began
    print(f"{sink.name}: {messages:,} messages derived in {seconds:.1f} s")
    return 0


def _note(text: str) -> None:
    print(f"fixfeed derive: note: {text}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
