"""Prints what could not be read as a message: `python -m pipelines.failures URI`.

A re-run reads such bytes again once they can be messages: the end of a file by itself when the file
has grown, anything else with `--reprocess` of its source.
"""

import argparse
import sys
from collections.abc import Sequence

import orjson

from fixio.ledger import SinkError
from fixio.redaction import redact_text
from fixio.sql import open_store

__all__ = ["main"]

_SHOWN = 200


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the failures in a database; return the exit code."""
    parser = argparse.ArgumentParser(prog="fixfeed failures", description=__doc__)
    parser.add_argument("uri", help="sqlite:///fixfeed.db or postgresql://user@host/db")
    parser.add_argument("--source", help="only those of sources whose name contains this")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--raw", action="store_true", help="the bytes alone, as they came")
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        parser.error(redact_text(f"unrecognized arguments: {' '.join(unknown)}"))
    try:
        store = open_store(options.uri)
        found = store.failures() if "failures" in store.tables() else []
        store.close()
    except SinkError as error:
        print(f"fixfeed failures: {error}", file=sys.stderr)
        return 2
    for failure in found:
        if options.source and options.source not in failure["source"]:
            continue
        if options.raw:
            sys.stdout.buffer.write(failure["raw"].rstrip(b"\r\n") + b"\n")
        elif options.json:
            shown = failure | {"raw": failure["raw"].decode("latin-1")}
            sys.stdout.buffer.write(orjson.dumps(shown) + b"\n")
        else:
            text = failure["raw"][:_SHOWN].replace(b"\x01", b"|").decode("utf-8", "replace")
            visible = "".join(c if c.isprintable() else "·" for c in text)
            more = " ..." if len(failure["raw"]) > _SHOWN else ""
            print(f"{failure['source']} at {failure['position']}: {failure['reason']}")
            print(f"    {failure['detail']}")
            print(f"    {visible}{more}")
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
