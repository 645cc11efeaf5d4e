"""Prints the life of an order, message by message: `fixfeed order URI ID`.

ID is any of its ids: ClOrdID, OrigClOrdID, OrderID, SecondaryOrderID, its order_key, or the ExecID
of a fill or a correction.
Where several orders have it, on other days or in other sessions, each is printed, those that begin
with the new order first.
"""

import shlex
import sys
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import pyarrow as pa
from rich.table import Table

from fixfeed.io.ledger.ledger import SinkError
from fixfeed.io.redaction import redact
from fixfeed.io.sql.store import Store
from fixfeed.pipelines.asking import opened_to_ask, printed, shown
from fixfeed.pipelines.sinks import DATABASES
from fixfeed.pipelines.uris import UnknownPlace
from fixfeed.pipelines.words import WordParser, read_words

__all__ = ["main", "orders_with", "steps_of"]

_FOUND = """select order_key from orders where order_key in (
select order_key from order_ids where id = ? union select order_key from executions
where exec_id = ?) order by has_beginning desc, first_message_at, order_key"""
_ORDER = (
    "session", "first_cl_ord_id", "last_cl_ord_id", "order_id", "list_id", "account", "symbol",
    "side", "ord_type", "time_in_force", "currency", "order_qty", "price", "stop_px", "cum_qty",
    "leaves_qty", "avg_px", "ord_status", "reject_reason", "text", "sent_at", "acknowledged_at",
    "first_fill_at", "last_fill_at", "ended_at", "messages", "copies", "fills", "replaces",
    "cancels", "rejects", "problems",
)  # fmt: skip
_CODES = {"side": "Side", "ord_type": "OrdType", "time_in_force": "TimeInForce",
          "ord_status": "OrdStatus"}  # fmt: skip
_SHOWN = (
    "sending_time", "sender_comp_id", "msg_type_name", "exec_type_name", "exec_trans_type",
    "exec_trans_type_name", "exec_ref_id", "ord_status_name", "cl_ord_id", "exec_id", "order_qty",
    "price", "last_qty", "last_px", "cum_qty", "leaves_qty", "text", "message_id",
)  # fmt: skip
_CHANGES = ("1", "2")  # values of ExecTransType: a bust, a correction
_HEADS = ("", "sent", "by", "message", "ExecType", "OrdStatus", "ClOrdID", "ExecID", "qty", "price",
          "last", "at", "cum", "leaves", "text", "message_id")  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the orders that have an id; return the exit code: 1 if there are none."""
    parser = WordParser(prog="fixfeed order", description=__doc__)
    parser.add_argument("uri", help="sqlite:///fixfeed.db or postgresql://user@host/db")
    parser.add_argument("id", help="any id of the order")
    options = read_words(parser, arguments)
    if _is_database(options.id) and not _is_database(options.uri):
        meant = shlex.join(["fixfeed", "order", redact(options.id), options.uri])
        print(f"fixfeed order: the database comes first; did you mean: {meant}", file=sys.stderr)
        return 2
    try:
        with closing(opened_to_ask(options.uri, "order")) as store:
            keys = orders_with(store, options.id)
            if not keys:
                print(f"fixfeed order: no order has the id {options.id!r}", file=sys.stderr)
                return 1
            for key in keys:
                _print(store, key)
    except (SinkError, UnknownPlace) as error:
        print(f"fixfeed order: {error}", file=sys.stderr)
        return 2
    return 0


def orders_with(store: Store, text: str) -> list[int]:
    """Return the keys of the orders that have an id, or this key.

    Those with their beginning come first, then drop copies and what else is a part.
    """
    keys = [row[0] for row in store.query(_FOUND, text, text)]
    if text.isdecimal() and len(text) < 20:
        found = store.query("select order_key from orders where order_key = ?", int(text))
        keys += [row[0] for row in found]
    return list(dict.fromkeys(keys))


def steps_of(store: Store, key: int) -> list[tuple[Any, ...]]:
    """Return the messages of an order by its steps: step, whether it is a copy, as `_HEADS`.

    Of a bust or a correction ExecType names what it is about; up to FIX 4.2 ExecTransType says what
    it is, and ExecType how the order is.
    """
    steps = store.query(
        "select step, copied, message_id from order_messages where order_key = ?"
        " order by step, copied, message_id",
        key,
    )
    # Not joined: PostgreSQL joins the many tables of the view first (join_collapse_limit), which
    # reads all messages.
    among, ids = store.among(pa.array([row[2] for row in steps], pa.int64()))
    found = {
        row[-1]: row
        for row in store.query(
            f"select {', '.join(_SHOWN)} from messages_named where message_id {among}", ids
        )
    }
    return [(step, copied, *_as_shown(found[number])) for step, copied, number in steps]


def _as_shown(row: tuple[Any, ...]) -> tuple[Any, ...]:
    sent, by, kind, exec_type, trans_type, trans_name, about, *rest = row
    if trans_type in _CHANGES:
        exec_type = trans_name
    return sent, by, kind, f"{exec_type} of {about}" if exec_type and about else exec_type, *rest


def _is_database(word: str) -> bool:
    return word.startswith(tuple(f"{scheme}:" for scheme in DATABASES))


def _print(store: Store, key: int) -> None:
    names = {
        (field, value): name
        for field, value, name in store.query(
            "select field, value, name from codes where field in (?, ?, ?, ?)", *_CODES.values()
        )
    }
    (order,) = store.query(f"select {', '.join(_ORDER)} from orders where order_key = ?", key)
    head = Table(box=None, show_header=False, title=f"order {key}", title_justify="left")
    for name, value in zip(_ORDER, order, strict=True):
        if value not in (None, "", 0) or name == "cum_qty":
            meaning = names.get((_CODES.get(name, ""), str(value)))
            head.add_row(name, shown(value) + (f" ({meaning})" if meaning else ""))
    steps = Table(*_HEADS, box=None, pad_edge=False)
    for step, copied, *values in steps_of(store, key):
        steps.add_row("copy" if copied else str(step), *map(shown, values))
    printed(head, steps, "")


if __name__ == "__main__":
    sys.exit(main())
