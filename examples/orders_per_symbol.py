"""Counts orders by symbol, with fixfeed's transforms in a custom Beam pipeline.

python examples/orders_per_symbol.py 'logs/*.log'
"""

import sys

import apache_beam as beam

from fixfeed import Filter, ParseFix, ReadFromFiles, ToMessages


def main(patterns: list[str]) -> None:
    """Print one line per symbol."""
    with beam.Pipeline() as pipeline:
        _ = (
            pipeline
            | "Read" >> ReadFromFiles.matching(patterns)
            | "Parse" >> ParseFix()
            | "Orders" >> Filter(include=["MsgType = D and Symbol exists"])
            | "EachMessage" >> ToMessages()
            | "Symbol" >> beam.Map(lambda message: message["symbol"])
            | "Count" >> beam.combiners.Count.PerElement()
            | "Print" >> beam.MapTuple(lambda symbol, count: print(symbol, count))
        )


if __name__ == "__main__":
    main(sys.argv[1:])
