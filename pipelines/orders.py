"""Lists orders: `fixfeed orders URI --where "symbol = 'AAPL' and ord_status = '8'"`.

The condition is SQL over the columns of the table orders (docs/orders.md).
"""

import sys
from collections.abc import Sequence
from contextlib import closing

import pyarrow as pa

from fixfeed.io.ledger.ledger import SinkError, SinkFailed
from fixfeed.pipelines.asking import opened_to_ask, print_as_json, print_as_table
from fixfeed.pipelines.condition import about_condition
from fixfeed.pipelines.uris import UnknownPlace
from fixfeed.pipelines.words import WordParser, read_words, whole_number
from fixfeed.transforms.protocol import default_protocol

__all__ = ["main"]

_SHOWN = (
    "session", "first_cl_ord_id", "last_cl_ord_id", "symbol", "side", "order_qty", "price",
    "cum_qty", "avg_px", "ord_status", "first_message_at", "last_message_at", "messages",
    "problems", "text",
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the orders that meet a condition, by time; return the exit code."""
    parser = WordParser(prog="fixfeed orders", description=__doc__)
    parser.add_argument("uri", help="sqlite:///fixfeed.db or postgresql://user@host/db")
    parser.add_argument("--where", metavar="CONDITION", help="SQL over the columns of orders")
    parser.add_argument("--limit", metavar="N", type=whole_number, help="the first N alone")
    parser.add_argument("--json", action="store_true", help="all columns, one JSON object a line")
    options = read_words(parser, arguments)
    columns = _columns()
    names = columns.names if options.json else _SHOWN
    query = f"select {', '.join(names)} from orders"
    if options.where:
        query += f" where ({options.where}\n)"
    query += " order by first_message_at, order_key"
    if options.limit is not None:
        query += f" limit {options.limit}"
    try:
        with closing(opened_to_ask(options.uri, "orders")) as store:
            try:
                rows = store.asked(query)
            except SinkError as error:
                if not options.where or isinstance(error, SinkFailed):
                    raise
                raise SinkError(f"{error}{about_condition(options.where, columns)}") from error
    except (SinkError, UnknownPlace) as error:
        print(f"fixfeed orders: {error}", file=sys.stderr)
        return 2
    if options.json:
        flags = [column.name for column in columns if column.type == pa.bool_()]
        print_as_json(names, rows, flags)
    else:
        print_as_table(names, rows, "orders")
    return 0


def _columns() -> pa.Schema:
    tables = {
        name: one for of in default_protocol().table.derived for name, one in of.tables.items()
    }
    return tables["orders"].schema


if __name__ == "__main__":
    sys.exit(main())
