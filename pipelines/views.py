"""Writes a DuckDB file with the views of a lake, those of databases: `fixfeed views lake/`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from fixfeed.io.ledger.ledger import SinkError
from fixfeed.io.parquet.views import write_views
from fixfeed.io.redaction import redact
from fixfeed.pipelines.words import WordParser, read_words

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the file, and print how to ask it; return the exit code."""
    parser = WordParser(prog="fixfeed views", description=__doc__)
    parser.add_argument("lake", help="the folder, lake/ or parquet:lake/")
    parser.add_argument("--output", help="the file; fixfeed.duckdb in the lake if not given")
    options = read_words(parser, arguments)
    scheme, separator, rest = options.lake.partition(":")
    if separator and scheme in ("sqlite", "postgresql", "jsonl"):
        has = "has no views" if scheme == "jsonl" else "has its views already"
        print(f"fixfeed views: {redact(options.lake)} {has}; name a lake: lake/", file=sys.stderr)
        return 2
    folder = rest.partition("?")[0] if scheme == "parquet" and separator else options.lake
    file = Path(options.output or Path(folder) / "fixfeed.duckdb")
    try:
        write_views(folder, file)
    except SinkError as error:
        print(f"fixfeed views: {error}", file=sys.stderr)
        return 2
    name = redact(str(file))
    print(f'{name} has the views; ask it: duckdb "{name}" "select * from fills"')
    return 0


if __name__ == "__main__":
    sys.exit(main())
