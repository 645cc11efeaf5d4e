"""Brings an older database to this version's schema: `python -m pipelines.migrate URI`."""

import argparse
import sys
from collections.abc import Sequence

from fixio.ledger import SinkError
from fixio.redaction import redact_text
from fixio.sql import open_store

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Migrate a database, all of it or nothing; return the exit code."""
    parser = argparse.ArgumentParser(prog="fixfeed migrate", description=__doc__)
    parser.add_argument("uri", help="sqlite:///fixfeed.db or postgresql://user@host/db")
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        parser.error(redact_text(f"unrecognized arguments: {' '.join(unknown)}"))
    try:
        store = open_store(options.uri)
        before, after = store.migrate()
        store.close()
    except SinkError as error:
        print(f"fixfeed migrate: {error}", file=sys.stderr)
        return 2
    print(
        f"{store.place} has schema version {after}" + ("" if before == after else f", had {before}")
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
