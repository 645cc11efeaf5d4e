"""Orders and executions as derived tables (`transforms.derived`).

All rows of a chain (`chains`) are made from all of its messages, and replaced together.
"""

import gc
import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.transforms.derived import Changes, Derived, Stored
from fixfeed.transforms.fix.orders.chains import SECONDARY, Id, chains, ids_of
from fixfeed.transforms.fix.orders.events import COLUMNS, MSG_TYPES, Events
from fixfeed.transforms.fix.orders.fills import Execution
from fixfeed.transforms.fix.orders.life import Life, lives
from fixfeed.transforms.fix.orders.numbers import decimals
from fixfeed.transforms.fix.orders.schema import TABLES
from fixfeed.transforms.fix.orders.sequence import steps
from fixfeed.transforms.fix.schema import DATE, DECIMAL

__all__ = ["Orders", "derive"]


class Orders(Derived):
    """The tables of orders; see `docs/orders.md`."""

    tables = TABLES
    columns = COLUMNS
    where: ClassVar[Mapping[str, Collection[str]]] = {"msg_type": MSG_TYPES}

    def update(self, changed: pa.Table, removed: pa.Table, stored: Stored) -> Changes:
        """See `Derived`: reads the chains again that the messages touch, and those beside them."""
        events = Events(changed)
        ids = ids_of(events)
        touched = _spans(events, ids)
        if removed.num_rows:
            gone = Events(removed)
            touched = _spans(gone, ids_of(gone), touched)
        read = _Read(stored)
        while touched:
            read.reach(touched)
            if not read.orders:
                break  # nothing that is stored has to do with what is new
            events = Events(_once([changed, stored.messages(read.message_ids())]))
            ids = ids_of(events)
            # A message that was replaced may have other ids now than its chain is stored with.
            touched = read.unknown(_spans(events, ids))
        units = pa.array(sorted(read.orders), pa.int64())
        return Changes(dict.fromkeys(TABLES, units), _derived(events, ids))


Span = tuple[int, int]
"""The first and the last day of an id."""


def _spans(
    events: Events, ids: list[tuple[Id, ...]], found: dict[Id, Span] | None = None
) -> dict[Id, Span]:
    """Return the ids of events with their days, added to those found before."""
    found = {} if found is None else found
    for day, of_event in zip(events.day, ids, strict=True):
        for one in of_event:
            span = found.get(one)
            if span is None:
                found[one] = (day, day)
            elif not span[0] <= day <= span[1]:
                found[one] = (min(span[0], day), max(span[1], day))
    return found


def _once(parts: list[pa.Table]) -> pa.Table:
    """Return the messages of all parts, each once."""
    messages = pa.concat_tables(parts)
    order = pc.sort_indices(messages["message_id"])
    ids = messages["message_id"].take(order).to_numpy()
    first = [True, *(ids[1:] != ids[:-1]).tolist()] if len(ids) else []
    return messages if all(first) else messages.take(order.filter(pa.array(first)))


class _Row(NamedTuple):
    order: int
    chain: int | None
    span: Span


class _Read:
    """The stored orders that are read again."""

    def __init__(self, stored: Stored):
        self._stored = stored
        self._rows: dict[Id, list[_Row]] = {}
        self._asked: set[str] = set()
        self._spans: dict[Id, list[Span]] = {}
        self.orders: set[int] = set()

    def reach(self, touched: dict[Id, Span]) -> None:
        """Add the orders of the chains that have one of these ids in its days, and beside them."""
        for one, span in touched.items():
            self._spans.setdefault(one, []).append(span)
        self._look_up(touched)
        within: set[_Row] = set()
        for one, span in touched.items():
            for row in self._rows.get(one, ()):
                if row.span[0] <= span[1] and row.span[1] >= span[0]:
                    within.add(row)
        own = self._whole(within)
        spans = dict(touched)
        for one, span in self._ids_of(own):
            known = spans.get(one, span)
            spans[one] = min(known[0], span[0]), max(known[1], span[1])
        self._look_up(spans)
        beside: set[_Row] = set()
        for one, span in spans.items():
            beside.update(_beside(self._rows.get(one, ()), span))
        self.orders |= own | self._whole(beside)

    def message_ids(self) -> pa.Array:
        """Return the messages of the orders."""
        orders = pa.array(sorted(self.orders), pa.int64())
        found = self._stored.rows("order_messages", "order_key", orders)
        return pc.unique(found["message_id"])

    def unknown(self, spans: dict[Id, Span]) -> dict[Id, Span]:
        """Return the ids, with their days, that no order has here and that were not asked for."""
        known = dict(self._spans)
        for one, span in self._ids_of(self.orders):
            known[one] = [*known.get(one, ()), span]
        return {
            one: span
            for one, span in spans.items()
            if not any(first <= span[0] and span[1] <= last for first, last in _joined(known, one))
        }

    def _look_up(self, ids: Iterable[Id]) -> None:
        new = {one[2] for one in ids} - self._asked
        self._asked |= new
        self._add(self._stored.rows("order_ids", "id", pa.array(sorted(new), pa.string())))

    def _add(self, found: pa.Table) -> list[tuple[Id, _Row]]:
        rows = []
        names = ("id", "kind", "session_pair", "order_key", "chain", "first_day", "last_day")
        columns = [
            found[name].cast(pa.int32()).to_pylist()
            if found[name].type == DATE
            else found[name].to_pylist()
            for name in names
        ]
        for text, kind, pair, order, chain, first, last in zip(*columns, strict=True):
            span = (-1 if first is None else first, -1 if last is None else last)
            rows.append(((pair, kind, text), _Row(order, chain, span)))
        for one, row in rows:
            known = self._rows.setdefault(one, [])
            if row not in known:
                known.append(row)
        return rows

    def _whole(self, rows: Iterable[_Row]) -> set[int]:
        """Return the orders of the chains of rows."""
        rows = list(rows)
        divided = {row.chain for row in rows if row.chain is not None}
        found = {row.order for row in rows}
        if divided:
            of_chains = pa.array(sorted(divided), pa.int64())
            found |= {
                row.order
                for _, row in self._add(self._stored.rows("order_ids", "chain", of_chains))
            }
        return found

    def _ids_of(self, orders: Iterable[int]) -> Iterator[tuple[Id, Span]]:
        keys = pa.array(sorted(orders), pa.int64())
        for one, row in self._add(self._stored.rows("order_ids", "order_key", keys)):
            yield one, row.span


def _joined(known: dict[Id, list[Span]], one: Id) -> list[Span]:
    spans = known.get(one, [])
    return [*spans, (min(a for a, _ in spans), max(b for _, b in spans))] if spans else []


def _beside(rows: Iterable[_Row], span: Span) -> Iterator[_Row]:
    """Yield the rows within days, those nearest before, and those nearest after them."""
    rows = list(rows)
    before = max((row.span[1] for row in rows if row.span[1] < span[0]), default=None)
    after = min((row.span[0] for row in rows if row.span[0] > span[1]), default=None)
    for row in rows:
        within = row.span[0] <= span[1] and row.span[1] >= span[0]
        if within or row.span[1] == before or row.span[0] == after:
            yield row


def derive(messages: pa.Table) -> dict[str, pa.Table]:
    """Return the rows of the tables that messages give, which must be all of their chains.

    `messages` has message_id and `COLUMNS`, in any order. Messages that are the same but for
    message_id change nothing but the number of copies, and the rows of order_messages.
    """
    events = Events(messages)
    return _derived(events, ids_of(events))


def _derived(events: Events, ids: list[tuple[Id, ...]]) -> dict[str, pa.Table]:
    with _without_collector():
        made = _Made(events, ids)
        for rows in chains(events, ids):
            made.add(rows)
        return made.tables()


@contextmanager
def _without_collector() -> Iterator[None]:
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

    def add(self, rows: list[int]) -> None:
        """Add the orders of a chain."""
        found = lives(self._events, steps(self._events, rows))
        row = found[0].steps[0].row
        # What identifies a chain: the first id, and its day.
        base = "\0".join((*self._ids[row][0], str(self._events.day[row])))
        chain = _key(base, 0) if len(found) > 1 else None
        for number, life in enumerate(found):
            self._add_order(life, _key(base, number), chain)

    def _add_order(self, life: Life, key: int, chain: int | None) -> None:
        events, ids = self._events, self._ids
        order = life.settle()
        order["order_key"] = key
        order["session_pair"] = events.pair[life.steps[0].row]
        self._orders.append(order)
        spans: dict[Id, Span] = {}
        for number, step in enumerate(life.steps, 1):
            for row in (step.row, *step.copies) if step.copies else (step.row,):
                day = events.day[row]
                of_event = ids[row]
                if "SecondaryOrderID" in events.more[row]:
                    of_event = _with_secondary(events, row, of_event)
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
            "drop_copy": [events.more[row].get("CopyMsgIndicator") == "Y" for row in rows],
        }
        for name in _OF_REPORT:
            column = getattr(events, name)
            columns[name] = [column[row] for row in rows]
        for name in _OF_ORDER:
            column = getattr(events, name)
            columns[name] = [
                life.values.get(name) if column[one.row] is None else column[one.row]
                for _, life, one in executions
            ]
        return _table("executions", columns)


_OF_ORDER = ("symbol", "security_id", "side", "account", "currency")
"""Columns of executions that a report may leave out, as the order has them."""
_OF_REPORT = (
    "message_id", "exec_id", "exec_ref_id", "cl_ord_id", "order_id", "last_mkt", "last_qty",
    "last_px", "order_qty", "cum_qty", "leaves_qty", "avg_px", "ord_status", "exec_type",
    "sending_time", "transact_time",
)  # fmt: skip


def _with_secondary(events: Events, row: int, ids: tuple[Id, ...]) -> tuple[Id, ...]:
    secondary = events.more[row]["SecondaryOrderID"]
    one = (events.pair[row], SECONDARY, secondary)
    return (*ids, one) if isinstance(secondary, str) and one not in ids else ids


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


def _key(base: str, number: int) -> int:
    """Return the key of the order `number` of a chain: 63 bits of a digest, the same anywhere."""
    digest = hashlib.blake2b(f"{base}\0{number}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
