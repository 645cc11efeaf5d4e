"""Brings an older database to this version's schema: `fixfeed migrate URI`."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import closing

from fixfeed.io.ledger.ledger import SinkError
from fixfeed.io.redaction import redact
from fixfeed.io.sql.open import open_store
from fixfeed.pipelines.sinks import sink_of
from fixfeed.pipelines.uris import UnknownPlace

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Migrate a database, all or nothing; return the exit code.

    A missing database is an error and is not made.
    """
    parser = argparse.ArgumentParser(prog="fixfeed migrate", description=__doc__)
    parser.add_argument("uri", help="sqlite:///fixfeed.db or postgresql://user@host/db")
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        parser.error(f"unrecognized arguments: {' '.join(map(redact, unknown))}")
    try:
        name = sink_of(options.uri).name
        if not options.uri.startswith(("sqlite:", "postgresql:")):
            raise SinkError(f"{name} has no schema to migrate: only databases have")
        with closing(open_store(options.uri, make=False)) as store:
            before, after = store.migrate()
    except (SinkError, UnknownPlace) as error:
        print(f"fixfeed migrate: {error}", file=sys.stderr)
        return 2
    print(f"{name} has schema version {after}" + ("" if before == after else f", had {before}"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
