"""The rows of the tables of orders, made from the lives of chains one by one."""

import gc
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from fixfeed.transforms.fix.orders.chains import Chains
from fixfeed.transforms.fix.orders.drop_copies import NO_DROP_COPIES, DropCopies
from fixfeed.transforms.fix.orders.events import Events
from fixfeed.transforms.fix.orders.fills import Execution
from fixfeed.transforms.fix.orders.ids import CL_ORD_ID, SECONDARY, Id, Span, ids_of, is_id
from fixfeed.transforms.fix.orders.life import Life
from fixfeed.transforms.fix.orders.lives import lives
from fixfeed.transforms.fix.orders.numbers import decimals
from fixfeed.transforms.fix.orders.schema import TABLES
from fixfeed.transforms.fix.orders.sequence import steps
from fixfeed.transforms.fix.orders.sides import apart
from fixfeed.transforms.fix.schema import DATE, DECIMAL

__all__ = ["OF_ORDER", "OF_REPORT", "key_of", "rows_of", "without_collector"]


def rows_of(messages: pa.Table, drop_copies: DropCopies = NO_DROP_COPIES) -> dict[str, pa.Table]:
    """Return the rows of the tables that messages give, which must be all of their chains.

    This is the definition of the tables.
    """
    with without_collector():
        events = Events(messages, drop_copies)
        ids = ids_of(events)
        chains = Chains(events, ids)
        made = _Made(events, ids)
        of_sides = apart(events, ids, chains)
        for number, rows in enumerate(chains.rows):
            if of_sides and number in of_sides.within:
                made.add(of_sides, of_sides.within[number])
            else:
                made.add(chains, [rows])
        return made.tables()


@contextmanager
def without_collector() -> Iterator[None]:
    """Keep Python from looking for cycles among millions of objects, a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _Made:
    """The rows of the tables as they are made."""

    def __init__(self, events: Events, ids: list[tuple[Id, ...]]):
        self._events = events
        self._ids = ids
        self._orders: list[dict[str, Any]] = []
        self._of_ids: list[tuple[Any, ...]] = []
        self._messages: list[tuple[int, int, int, bool]] = []
        self._executions: list[tuple[int, Life, Execution]] = []

    def add(self, chains: Chains, each: list[list[int]]) -> None:
        """Add the orders of a chain, which are those of each of some `chains`."""
        events = self._events
        found = []
        for part in (part for rows in each for part in chains.parts(steps(events, rows))):
            of_part = lives(events, part)
            first, day = chains.named(_first(events, of_part[0]))
            found += [(life, key_of(first, day, number)) for number, life in enumerate(of_part)]
        chain = found[0][1] if len(found) > 1 else None
        for life, key in found:
            self._add_order(life, key, chain)

    def _add_order(self, life: Life, key: int, chain: int | None) -> None:
        events, ids = self._events, self._ids
        order = life.settle()
        order["order_key"] = key
        order["session_pair"] = events.pair[_first(events, life)]
        self._orders.append(order)
        spans: dict[Id, Span] = {}
        for number, step in enumerate(life.steps, 1):
            for row in (step.row, *step.copies) if step.copies else (step.row,):
                day = events.day[row]
                of_event = ids[row]
                if "SecondaryOrderID" in events.more[row]:
                    of_event = _with_secondary(events, row, of_event)
                cl_ord_id = events.cl_ord_id[row] if events.drop_copied[row] else None
                if cl_ord_id is not None and is_id(cl_ord_id):
                    of_event = (*of_event, (events.pair[row], CL_ORD_ID, cl_ord_id))
                for one in of_event:
                    span = spans.get(one)
                    if span is None:
                        spans[one] = (day, day)
                    elif not span[0] <= day <= span[1]:
                        spans[one] = (min(span[0], day), max(span[1], day))
                self._messages.append((key, events.message_id[row], number, row != step.row))
        for (pair, kind, text), (first, last) in spans.items():
            days = (None if first < 0 else first, None if last < 0 else last)
            self._of_ids.append((text, kind, pair, key, chain, *days))
        for execution in life.fills.all:
            self._executions.append((key, life, execution))

    def tables(self) -> dict[str, pa.Table]:
        """Return the rows."""
        of_ids = list(zip(*self._of_ids, strict=True)) or [()] * 7
        return {
            "orders": _table(
                "orders",
                {
                    name: [order.get(name) for order in self._orders]
                    for name in TABLES["orders"].schema.names
                },
            ),
            "order_ids": _table(
                "order_ids", dict(zip(TABLES["order_ids"].schema.names, of_ids, strict=True))
            ),
            "order_messages": self._order_messages(),
            "executions": self._table_of_executions(),
        }

    def _order_messages(self) -> pa.Table:
        columns = list(zip(*self._messages, strict=True)) or [()] * 4
        names = TABLES["order_messages"].schema.names
        found = _table("order_messages", dict(zip(names, columns, strict=True)))
        if self._events.divided:
            # A message may name an order twice, as both sides of a trade.
            kept = dict(reversed([(one[:2], place) for place, one in enumerate(self._messages)]))
            found = found.take(pa.array(sorted(kept.values()), pa.int64()))
        return found

    def _table_of_executions(self) -> pa.Table:
        events, executions = self._events, self._executions
        rows = [one.row for _, _, one in executions]
        columns: dict[str, list[Any]] = {
            "order_key": [key for key, _, _ in executions],
            "session_pair": [events.pair[row] for row in rows],
            "kind": [one.kind for _, _, one in executions],
            "stands": [one.stands for _, _, one in executions],
            "corrected_by": [one.corrected_by for _, _, one in executions],
            "busted_by": [one.busted_by for _, _, one in executions],
            "copies": [one.copies - 1 for _, _, one in executions],
            "multi_leg_reporting_type": [
                events.more[row].get("MultiLegReportingType") for row in rows
            ],
            "drop_copy": [
                events.drop_copied[row] or events.more[row].get("CopyMsgIndicator") == "Y"
                for row in rows
            ],
        }
        for name in OF_REPORT:
            column = getattr(events, name)
            columns[name] = [column[row] for row in rows]
        columns["last_qty"] = [one.last_qty for _, _, one in executions]
        columns["last_px"] = [one.last_px for _, _, one in executions]
        for name in OF_ORDER:
            column = getattr(events, name)
            columns[name] = [
                life.values.get(name) if column[one.row] is None else column[one.row]
                for _, life, one in executions
            ]
        return _table("executions", columns)


OF_ORDER = ("symbol", "security_id", "side", "account", "currency")
"""Columns of executions that a report may leave out, as the order has them."""
OF_REPORT = (
    "message_id", "exec_id", "exec_ref_id", "cl_ord_id", "order_id", "last_mkt", "last_qty",
    "last_px", "order_qty", "cum_qty", "leaves_qty", "avg_px", "ord_status", "exec_type",
    "sending_time", "transact_time",
)  # fmt: skip


def _first(events: Events, life: Life) -> int:
    """Return the first event of an order, a drop copy only if there is no other."""
    rows = [step.row for step in life.steps]
    return next((row for row in rows if not events.drop_copied[row]), rows[0])


def _with_secondary(events: Events, row: int, ids: tuple[Id, ...]) -> tuple[Id, ...]:
    secondary = events.more[row]["SecondaryOrderID"]
    if not isinstance(secondary, str) or not is_id(secondary):
        return ids
    one = (events.pair[row], SECONDARY, secondary)
    return ids if one in ids else (*ids, one)


def _table(name: str, columns: Mapping[str, Sequence[Any]]) -> pa.Table:
    schema = TABLES[name].schema
    return pa.Table.from_arrays(
        [_array(columns[field.name], field.type) for field in schema], schema=schema
    )


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if kind == DECIMAL:
        return decimals(values)
    if pa.types.is_timestamp(kind):
        return pa.array(values, pa.int64()).cast(kind)
    if kind == DATE:
        return pa.array(values, pa.int32()).cast(kind)
    return pa.array(values, kind)


def key_of(first: Id, day: int, number: int = 0) -> int:
    """Return the key of an order, given the first id that ties it, the day of that, and which
    of several orders with this id it is.

    It is 63 bits of a digest, the same anywhere.
    """
    base = "\0".join((*first, str(day), str(number)))
    digest = hashlib.blake2b(base.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
