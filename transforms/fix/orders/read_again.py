"""Which of the stored orders are read again, as messages that came may change them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.transforms.derived import Stored
from fixfeed.transforms.fix.orders.drop_copies import DropCopies
from fixfeed.transforms.fix.orders.ids import CL_ORD_ID, ORDER_ID, SECONDARY, Id, Span
from fixfeed.transforms.fix.orders.vector.events import Events, Ints, flags
from fixfeed.transforms.fix.orders.vector.ids import Ids, spans
from fixfeed.transforms.fix.schema import DATE
from fixfeed.transforms.fix.session_pair import comp_id_of

__all__ = ["ReadAgain"]


class _Row(NamedTuple):
    order: int
    chain: int | None
    span: Span


class ReadAgain:
    """The stored orders that are read again."""

    def __init__(self, stored: Stored, drop_copies: DropCopies):
        """`stored` has the orders."""
        self._stored = stored
        self._drop_copies = drop_copies
        self._rows: dict[Id, list[_Row]] = {}
        self._asked = pa.array([], pa.string())
        self._spans: dict[Id, list[Span]] = {}
        self._ids_in: dict[int, set[tuple[str, str]]] = {}
        self.orders: set[int] = set()

    def touched(
        self, events: Events, ids: Ids, before: Mapping[Id, Span] | None = None
    ) -> dict[Id, Span]:
        """Return the ids of events whose text some stored order has, with their days.

        They are added to those found `before`.
        """
        self._look_up(ids.texts)
        texts = pa.array({text for _, _, text in self._rows}, pa.string())
        stored = flags(pc.is_in(ids.texts, texts))
        return _spans(events, ids, np.flatnonzero(stored[ids.text]), before or {})

    def reach(self, touched: dict[Id, Span]) -> None:
        """Add the orders of the chains that have one of these ids in its days, and beside them."""
        for one, span in touched.items():
            self._spans.setdefault(one, []).append(span)
        within: set[_Row] = set()
        tying = self._tying(touched)
        for one, span in touched.items():
            for row in tying[one]:
                if row.span[0] <= span[1] and row.span[1] >= span[0]:
                    within.add(row)
        own = self._whole(within)
        spans = dict(touched)
        for one, span in self._ids_of(own):
            known = spans.get(one, span)
            spans[one] = min(known[0], span[0]), max(known[1], span[1])
        self._look_up(pa.array([text for _, _, text in spans], pa.string()))
        beside: set[_Row] = set()
        tying = self._tying(spans)
        for one, span in spans.items():
            beside.update(_beside(tying[one], span))
        self.orders |= own | self._whole(beside)

    def message_ids(self) -> pa.Array:
        """Return the messages of the orders."""
        orders = pa.array(sorted(self.orders), pa.int64())
        found = self._stored.rows("order_messages", "order_key", orders)
        return pc.unique(found["message_id"])

    def add_orders_of(self, ids: pa.Array) -> bool:
        """Add the orders of the chains that messages are of; return whether there are new ones.

        What is beside such chains changes nothing in them: they are as they were.
        """
        found = self._stored.rows("order_messages", "message_id", ids)["order_key"]
        new = set(found.to_pylist()) - self.orders
        keys = pa.array(sorted(new), pa.int64())
        rows = self._add(self._stored.rows("order_ids", "order_key", keys))
        self.orders |= new | self._whole(row for _, row in rows)
        return bool(new)

    def unknown(self, events: Events, ids: Ids, again: pa.Array) -> dict[Id, Span]:
        """Return the ids of messages read again that no order has here, nor any that was asked for.

        `events` are those and the new ones, `again` their message_ids.
        """
        known = dict(self._spans)
        for one, span in self._ids_of(self.orders):
            known[one] = [*known.get(one, ()), span]
        own = flags(pc.is_in(events["message_id"], again))
        numbers = np.unique(ids.of_event[:, own])
        return {
            one: span
            for one, span in _spans(events, ids, numbers[numbers >= 0], {}).items()
            if not any(first <= span[0] and span[1] <= last for first, last in _joined(known, one))
        }

    def _look_up(self, texts: pa.Array) -> None:
        texts = pc.unique(texts)
        new = texts.filter(pc.invert(pc.is_in(texts, self._asked)))
        self._asked = pa.concat_arrays([self._asked, new])
        self._add(self._stored.rows("order_ids", "id", new))

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
        """Yield the ids that tie orders, each with its days in one."""
        keys = pa.array(sorted(orders), pa.int64())
        found = self._add(self._stored.rows("order_ids", "order_key", keys))
        tying = self._tying(one for one, _ in found)
        for one, row in found:
            if row in tying[one]:
                yield one, row.span

    def _tying(self, ids: Iterable[Id]) -> dict[Id, set[_Row]]:
        """Return the rows that have been looked up of each id in which it ties its order.

        A SecondaryOrderID ties nothing but what has no other id, and the ClOrdID of a drop copy
        nothing that has the OrderID of the firm; orders are stored with them all the same.
        """
        found = {one: set(self._rows.get(one, ())) for one in ids}
        doubtful = {one for one in found if self._may_tie_nothing(one)}
        asked = {row.order for one in doubtful for row in found[one]} - self._ids_in.keys()
        if asked:
            keys = pa.array(sorted(asked), pa.int64())
            rows = self._stored.rows("order_ids", "order_key", keys)
            names = (rows[name].to_pylist() for name in ("order_key", "session_pair", "kind"))
            for order, pair, kind in zip(*names, strict=True):
                self._ids_in.setdefault(order, set()).add((pair, kind))
        for pair, kind, text in doubtful:
            found[pair, kind, text] = {
                row
                for row in found[pair, kind, text]
                if not any(
                    other == ORDER_ID and firm != pair if kind == CL_ORD_ID else other != SECONDARY
                    for firm, other in self._ids_in[row.order]
                )
            }
        return found

    def _may_tie_nothing(self, one: Id) -> bool:
        pair, kind, _ = one
        if kind != CL_ORD_ID or not self._drop_copies:
            return kind == SECONDARY
        ends = [comp_id_of(end) for end in pair.split("<->")]
        return any(self._drop_copies.copied(*both) is not None for both in (ends, ends[::-1]))


def _spans(events: Events, ids: Ids, numbers: Ints, before: Mapping[Id, Span]) -> dict[Id, Span]:
    """Return these ids with their days, added to those found before."""
    found = dict(before)
    days = spans(events, ids)
    for number, *own in zip(
        numbers.tolist(), days.first[numbers].tolist(), days.last[numbers].tolist(), strict=True
    ):
        one = ids.named(number)
        known = found.get(one, (own[0], own[1]))
        found[one] = min(known[0], own[0]), max(known[1], own[1])
    return found


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
