"""Brings an older database or lake to this version's schema: `fixfeed migrate URI`."""

import sys
from collections.abc import Sequence
from contextlib import closing

from fixfeed.io.ledger.ledger import SinkError
from fixfeed.io.parquet.migration import migrate_lake
from fixfeed.io.sql.open import open_store
from fixfeed.pipelines.sinks import DATABASES, sink_among
from fixfeed.pipelines.uris import UnknownPlace
from fixfeed.pipelines.words import WordParser, read_words

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Migrate a database or a lake, all or nothing; return the exit code.

    A missing one is an error and is not made.
    """
    parser = WordParser(prog="fixfeed migrate", description=__doc__)
    parser.add_argument(
        "uri", help="sqlite:///fixfeed.db, postgresql://user@host/db or parquet:lake/"
    )
    options = read_words(parser, arguments)
    try:
        with_schema = (*DATABASES, "parquet")
        lacks = "schema to migrate: only databases and lakes have"
        name = sink_among(options.uri, with_schema, lacks).name
        if options.uri.startswith("parquet:"):
            place = options.uri.removeprefix("parquet:").partition("?")[0]
            rewritten, files = migrate_lake(place)
            print(f"{name} has this version's columns: {rewritten:,} of {files:,} files rewritten")
            return 0
        with closing(open_store(options.uri, make=False)) as store:
            before, after = store.migrate()
    except (SinkError, UnknownPlace) as error:
        print(f"fixfeed migrate: {error}", file=sys.stderr)
        return 2
    print(f"{name} has schema version {after}" + ("" if before == after else f", had {before}"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
