"""Prints what could not be read as a message: `fixfeed failures URI`.

A re-run reads such bytes again once they can be messages: the end of a file by itself when the file
has grown, anything else with `--reprocess` of its source.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

import orjson

from fixfeed.io.ledger.ledger import SinkError
from fixfeed.pipelines.sinks import SINKS, sink_of
from fixfeed.pipelines.terminal import visible
from fixfeed.pipelines.uris import UnknownPlace
from fixfeed.pipelines.words import WordParser, read_words
from fixfeed.transforms.nearest import did_you_mean

__all__ = ["main"]

_SHOWN = 200


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the failures in a sink as they are read; return the exit code.

    A missing sink is an error and is not made. It ends when nobody reads any more. Where no failure
    is of a source that --source names, standard error says so.
    """
    parser = WordParser(prog="fixfeed failures", description=__doc__)
    examples = [connector.example for connector in SINKS.values()]
    parser.add_argument("uri", help=f"{', '.join(examples[:-1])} or {examples[-1]}")
    parser.add_argument("--source", help="only those of sources whose name contains this")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--raw", action="store_true", help="the bytes alone, as they came")
    parser.add_argument(
        "--kafka-property",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a property of librdkafka, as the run has it; may be given several times",
    )
    options = read_words(parser, arguments)
    kafka = {"kafka-property": options.kafka_property}
    shown = _raw if options.raw else _json if options.json else _text
    out = sys.stdout.buffer
    found_in: set[str] = set()
    try:
        with closing(sink_of(options.uri, kafka=kafka).failures()) as found:
            for failure in found:
                found_in.add(failure["source"])
                if not options.source or options.source in failure["source"]:
                    out.write(shown(failure))
        out.flush()
    except BrokenPipeError:
        # The reader has seen enough, but Python would flush once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (SinkError, UnknownPlace) as error:
        print(f"fixfeed failures: {error}", file=sys.stderr)
        return 2
    if options.source and not any(options.source in name for name in found_in):
        near = did_you_mean(options.source, {part for name in found_in for part in _names(name)})
        print(
            f"fixfeed failures: no failure is of a source with {options.source!r} in its name"
            f"{visible(near)}; {len(found_in):,} sources have failures",
            file=sys.stderr,
        )
    return 0


def _names(source: str) -> tuple[str, str]:
    """Return the name of a source, and that of its file alone."""
    return source, source.rpartition("/")[2]


def _raw(failure: Mapping[str, Any]) -> bytes:
    return failure["raw"].rstrip(b"\r\n") + b"\n"


def _json(failure: Mapping[str, Any]) -> bytes:
    return orjson.dumps({**failure, "raw": failure["raw"].decode("latin-1")}) + b"\n"


def _text(failure: Mapping[str, Any]) -> bytes:
    text = failure["raw"][:_SHOWN].replace(b"\x01", b"|").decode("utf-8", "replace")
    visible = "".join(c if c.isprintable() else "·" for c in text)
    more = " ..." if len(failure["raw"]) > _SHOWN else ""
    lines = (
        f"{failure['source']} at {failure['position']}: {failure['reason']}",
        f"    {failure['detail']}",
        f"    {visible}{more}",
    )
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


if __name__ == "__main__":
    sys.exit(main())
