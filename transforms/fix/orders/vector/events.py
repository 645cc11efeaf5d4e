"""Events of all messages as arrays: the twin of `orders.events`.

First comes an event for each message. Messages that name orders in a group have no ids in theirs,
and an event after all others for each entry.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fixfeed.transforms.fix.first_of import microseconds, text_of
from fixfeed.transforms.fix.orders.drop_copies import NO_DROP_COPIES, DropCopies
from fixfeed.transforms.fix.orders.events import (
    ASKING,
    GIVING,
    GROUPS,
    IDS,
    NO_ID,
    entries,
    more_of,
    short,
    with_short_ids,
)
from fixfeed.transforms.fix.orders.midnight import DAY, SKEW, Ask, Told, early, is_answer
from fixfeed.transforms.fix.session_pair import session_pair

__all__ = ["Events", "Flags", "Ints", "flags", "is_in"]

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Events:
    """Events by column, like `orders.events.Events`, in Arrow and numpy.

    `row` is the row of an event's message, and `events["side"]` a column: the values of the
    messages, and in `IDS` those of entries. `more` has by event the fields without a column, where
    there are any that matter. `pair` numbers the texts in `pairs`, and so does `order_pair`, whose
    the OrderID of an event is. `drop_copied` is whether it is a drop copy (`drop_copies`). `time`
    is 0 and `day` -1 of an event without a time; else `day` is as `orders.events` says.
    """

    def __init__(self, messages: pa.Table, drop_copies: DropCopies = NO_DROP_COPIES):
        """`messages` has message_id and `COLUMNS`."""
        self.drop_copies = drop_copies
        self._columns = {
            name: column.combine_chunks()
            for name, column in zip(messages.schema.names, messages.columns, strict=True)
        }
        self._told: dict[str, pa.Array] = {}
        self.more: dict[int, Mapping[str, Any]] = more_of(self._columns["fields"])
        self._rows_of_entries, self.divided = self._divide()
        self.row: Ints = np.concatenate([np.arange(messages.num_rows), self._rows_of_entries])
        self.pair, self.pairs = self._pairs()
        self.order_pair, self.drop_copied = self.pair, np.zeros(len(self), bool)
        if drop_copies:
            self.order_pair, self.drop_copied = self._parties()
        self.poss_dup = flags(self["poss_dup_flag"])
        self.time, self.day = self._times()
        self.day[self._early()] += 1

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.row)

    def __getitem__(self, name: str) -> pa.Array:
        """Return a column."""
        column = self._columns[name]
        if len(column) < len(self.row):
            of_entries = column.take(pa.array(self._rows_of_entries))
            column = self._columns[name] = pa.concat_arrays([column, of_entries])
        return column

    def told(self, name: str) -> pa.Array:
        """Return the texts of a field without a column."""
        if name not in self._told:
            events, texts = self._texts.get(name, ([], []))
            places = np.full(len(self), -1)
            places[events] = np.arange(len(events))
            column = pa.array(texts, pa.string()).take(pa.array(places, mask=places < 0))
            self._told[name] = column
        return self._told[name]

    @cached_property
    def _texts(self) -> dict[str, tuple[list[int], list[str]]]:
        """The fields in `more` that are texts: their events and values, by name."""
        found: dict[str, tuple[list[int], list[str]]] = defaultdict(lambda: ([], []))
        for event, more in self.more.items():
            for name, value in more.items():
                if isinstance(value, str):
                    events, texts = found[name]
                    events.append(event)
                    texts.append(value)
        return found

    def _divide(self) -> tuple[Ints, Flags]:
        """Add the entries of messages to the ids and to `more`.

        Returns their rows, and which messages have any.
        """
        kinds = self._columns["msg_type"]
        count = len(kinds)
        rows: list[int] = []
        ids: dict[str, list[str | None]] = {name: [] for name in IDS}
        with_groups = pc.indices_nonzero(pc.is_in(kinds, pa.array(sorted(GROUPS))))
        of_row = zip(with_groups.to_pylist(), kinds.take(with_groups).to_pylist(), strict=True)
        for row, kind in of_row:
            more = self.more.get(row)
            for entry in entries(more, GROUPS[kind]) if more else ():
                self.more[count + len(rows)] = {**self.more[row], **with_short_ids(entry)}
                rows.append(row)
                for name, fields in IDS.items():
                    found = (short(text_of(entry[one])) for one in fields if one in entry)
                    ids[name].append(next(found, None))
        for name, texts in ids.items():
            whole = self._columns[name]
            self._columns[name] = pa.concat_arrays([whole, pa.array(texts, whole.type)])
        divided = np.zeros(count, bool)
        divided[rows] = True
        return np.array(rows, np.int64), divided

    def _pairs(self) -> tuple[Ints, list[str]]:
        sender, target = (
            self[name].dictionary_encode() for name in ("sender_comp_id", "target_comp_id")
        )
        ends = [[*one.dictionary.to_pylist(), ""] for one in (sender, target)]
        codes = [
            one.indices.fill_null(len(texts) - 1).to_numpy().astype(np.int64)
            for one, texts in zip((sender, target), ends, strict=True)
        ]
        both = codes[0] * len(ends[1]) + codes[1]
        found, which = np.unique(both, return_inverse=True)
        pairs = [
            session_pair(ends[0][a], ends[1][b])
            for a, b in zip(
                (found // len(ends[1])).tolist(), (found % len(ends[1])).tolist(), strict=True
            )
        ]
        names = list(dict.fromkeys(pairs))
        number = {name: place for place, name in enumerate(names)}
        return np.array([number[one] for one in pairs], np.int64)[which], names

    def _parties(self) -> tuple[Ints, Flags]:
        """Return whose OrderIDs are, as numbers of `pairs`, and which events are drop copies."""
        known = {name: number for number, name in enumerate(self.pairs)}
        of_orders, copied = self.pair.copy(), np.zeros(len(self), bool)
        senders, targets = (
            self[name].fill_null("").dictionary_encode()
            for name in ("sender_comp_id", "target_comp_id")
        )
        giving = is_in(self["msg_type"], GIVING)
        several = len(targets.dictionary)
        sender_of = senders.indices.to_numpy().astype(np.int64)
        ends = (sender_of * several + targets.indices.to_numpy()) * 2 + giving
        found, codes = np.unique(ends, return_inverse=True)
        for code, both in enumerate((found // 2).tolist()):
            sender = senders.dictionary[both // several].as_py()
            target = targets.dictionary[both % several].as_py()
            firm = self.drop_copies.firm_of(sender, target, gives=bool(found[code] % 2))
            if firm is not None:
                of_orders[codes == code] = known.setdefault(firm, len(known))
            copied[codes == code] = self.drop_copies.copied(sender, target) is not None
        self.pairs = list(known)
        return of_orders, copied

    def _times(self) -> tuple[Ints, Ints]:
        time = pc.coalesce(self["sending_time"], self["captured_at"]).cast(pa.int64())
        there = flags(time.is_valid())
        found = time.fill_null(0).to_numpy().copy()
        for event in np.flatnonzero(self.poss_dup).tolist():
            first = microseconds(self.more.get(event, {}).get("OrigSendingTime"))
            if first is not None:
                found[event], there[event] = first, True
        return found, np.where(there & (found >= 0), found // DAY, -1)

    @cached_property
    def copied(self) -> Flags:
        """Which events say that they may have been sent before (`orders.events.is_copy`)."""
        found = self.poss_dup.copy()
        found[[event for event, more in self.more.items() if more.get("PossResend") == "Y"]] = True
        return found

    def _early(self) -> list[int]:
        """Return the events that count for the next day (`midnight`)."""
        late = (self.day >= 0) & (self.time >= self.day * DAY + (DAY - SKEW)) & ~self.drop_copied
        late[: len(self.divided)] &= ~self.divided
        if not late.any():
            return []
        asking = is_in(self["msg_type"], ASKING)
        told = []
        for event, kind, one, original, exec_type, status in self._listed(
            late & ~asking, "msg_type", "cl_ord_id", "orig_cl_ord_id", "exec_type", "ord_status"
        ):
            more = self.more.get(event, {})
            if kind == "j" and one is None and more.get("RefMsgType") in ASKING:
                one = text_of(more.get("BusinessRejectRefID"))
            if one is not None and one.upper() not in NO_ID:
                key = int(self.pair[event]), one
                answers = is_answer(kind, exec_type or status, one, original)
                told.append(Told(event, key, int(self.time[event]), answers))
        known = frozenset(one.key[1] for one in told)
        asking &= is_in(self["cl_ord_id"], known) & (self.day >= 0)
        asking &= ~self.drop_copied & ~self.copied
        asking[: len(self.divided)] &= ~self.divided
        asks = [
            Ask((int(self.pair[event]), one), int(self.time[event]))
            for event, one, original in self._listed(asking, "cl_ord_id", "orig_cl_ord_id")
            if one != original
        ]
        return early(told, asks)

    def _listed(self, which: Flags, *names: str) -> Iterator[tuple[Any, ...]]:
        """Yield these events with their values in some columns."""
        events = np.flatnonzero(which)
        columns = [self[name].take(pa.array(events)).to_pylist() for name in names]
        yield from zip(events.tolist(), *columns, strict=True)


def flags(column: pa.BooleanArray) -> Flags:
    """Return where a column is true."""
    found: Flags = column.fill_null(False).to_numpy(zero_copy_only=False)
    return found.copy()


def is_in(column: pa.Array, values: frozenset[str] | tuple[str, ...]) -> Flags:
    """Return where a column has one of the values."""
    return flags(pc.is_in(column, pa.array(sorted(values), pa.string())))
