"""Orders and executions as derived tables (`transforms.derived`).

All rows of a chain (`chains`) are made from all of its messages, and replaced together.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
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
        touched = _spans(Events(pa.concat_tables([changed, removed])))
        messages, read = changed, _Read(stored)
        while touched:
            read.reach(touched)
            messages = _once([changed, stored.messages(read.message_ids())])
            # A message that was replaced may have other ids now than its chain is stored with.
            touched = read.unknown(_spans(Events(messages)))
        units = pa.array(sorted(read.orders), pa.int64())
        return Changes(dict.fromkeys(TABLES, units), derive(messages))


Span = tuple[int, int]
"""The first and the last day of an id."""


def _spans(events: Events) -> dict[Id, Span]:
    found: dict[Id, Span] = {}
    for row in range(len(events)):
        day = events.day[row]
        for one in ids_of(events, row):
            span = found.get(one)
            found[one] = (day, day) if span is None else (min(span[0], day), max(span[1], day))
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
        new = {one.id for one in ids} - self._asked
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
            rows.append((Id(pair, kind, text), _Row(order, chain, span)))
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
    made = _Made(events)
    for rows in chains(events):
        made.add(rows)
    return made.tables()


class _Made:
    """The rows of the tables, by column."""

    def __init__(self, events: Events):
        self._events = events
        self._columns: dict[str, dict[str, list[Any]]] = {
            name: {column: [] for column in table.schema.names} for name, table in TABLES.items()
        }

    def add(self, rows: list[int]) -> None:
        """Add the orders of a chain."""
        found = lives(self._events, steps(self._events, rows))
        base = self._base(found[0])
        chain = _key(base, 0) if len(found) > 1 else None
        for number, life in enumerate(found):
            self._add_order(life, _key(base, number), chain)

    def _base(self, first: Life) -> str:
        """Return what identifies a chain: the first id and its day."""
        events = self._events
        row = first.steps[0].row
        one = ids_of(events, row)[0]
        return "\0".join((one.pair, one.kind, one.id, str(events.day[row])))

    def _add_order(self, life: Life, key: int, chain: int | None) -> None:
        events = self._events
        pair = events.pair[life.steps[0].row]
        self._append("orders", {**life.settle(), "order_key": key, "session_pair": pair})
        seen: set[int] = set()
        spans: dict[Id, Span] = {}
        messages = self._columns["order_messages"]
        for number, step in enumerate(life.steps, 1):
            for row in (step.row, *step.copies):
                day = events.day[row]
                for one in _all_ids(events, row):
                    span = spans.get(one, (day, day))
                    spans[one] = min(span[0], day), max(span[1], day)
                if events.message_id[row] not in seen:
                    seen.add(events.message_id[row])
                    messages["order_key"].append(key)
                    messages["message_id"].append(events.message_id[row])
                    messages["step"].append(number)
                    messages["copied"].append(row != step.row)
        ids = self._columns["order_ids"]
        for one, span in spans.items():
            ids["id"].append(one.id)
            ids["kind"].append(one.kind)
            ids["session_pair"].append(one.pair)
            ids["order_key"].append(key)
            ids["chain"].append(chain)
            ids["first_day"].append(None if span[0] < 0 else span[0])
            ids["last_day"].append(None if span[1] < 0 else span[1])
        for execution in life.fills.all:
            self._add_execution(execution, life, key, pair)

    def _add_execution(self, execution: Execution, life: Life, key: int, pair: str) -> None:
        events, row = self._events, execution.row
        self._append(
            "executions",
            {
                **{name: getattr(events, name)[row] for name in _OF_REPORT},
                **{name: getattr(events, name)[row] or life.values.get(name) for name in _OF_ORDER},
                "order_key": key,
                "session_pair": pair,
                "kind": execution.kind,
                "stands": execution.stands,
                "corrected_by": execution.corrected_by,
                "busted_by": execution.busted_by,
                "copies": execution.copies - 1,
                "multi_leg_reporting_type": events.more[row].get("MultiLegReportingType"),
                "drop_copy": events.more[row].get("CopyMsgIndicator") == "Y",
            },
        )

    def _append(self, table: str, row: dict[str, Any]) -> None:
        for name, column in self._columns[table].items():
            column.append(row.get(name))

    def tables(self) -> dict[str, pa.Table]:
        """Return the rows."""
        return {
            name: pa.Table.from_arrays(
                [_array(self._columns[name][field.name], field.type) for field in table.schema],
                schema=table.schema,
            )
            for name, table in TABLES.items()
        }


_OF_ORDER = ("symbol", "security_id", "side", "account", "currency")
"""Columns of executions that a report may leave out, as the order has them."""
_OF_REPORT = (
    "message_id", "exec_id", "exec_ref_id", "cl_ord_id", "order_id", "last_mkt", "last_qty",
    "last_px", "order_qty", "cum_qty", "leaves_qty", "avg_px", "ord_status", "exec_type",
    "sending_time", "transact_time",
)  # fmt: skip


def _all_ids(events: Events, row: int) -> list[Id]:
    """Return the ids of an event, SecondaryOrderID included."""
    ids = ids_of(events, row)
    secondary = events.more[row].get("SecondaryOrderID")
    if isinstance(secondary, str):
        one = Id(events.pair[row], SECONDARY, secondary)
        if one not in ids:
            ids.append(one)
    return ids


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
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
