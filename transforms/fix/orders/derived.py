"""Orders and executions as derived tables (`transforms.derived`).

All rows of a chain (`chains`) are made from all of its messages, and replaced together.
"""

from collections.abc import Collection, Mapping
from typing import ClassVar

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.transforms.derived import Changes, Derived, Stored
from fixfeed.transforms.fix.orders.drop_copies import NO_DROP_COPIES, DropCopies
from fixfeed.transforms.fix.orders.events import COLUMNS, MSG_TYPES
from fixfeed.transforms.fix.orders.read_again import ReadAgain
from fixfeed.transforms.fix.orders.rows import rows_of as rows_one_by_one
from fixfeed.transforms.fix.orders.schema import TABLES
from fixfeed.transforms.fix.orders.vector.events import Events
from fixfeed.transforms.fix.orders.vector.ids import Ids, ids_of
from fixfeed.transforms.fix.orders.vector.rows import rows_of

__all__ = ["Orders", "derive"]

_FEW = 400
"""Messages that are as fast one by one as all at once (measured)."""


class Orders(Derived):
    """The tables of orders; see `docs/orders.md`."""

    tables = TABLES
    columns = COLUMNS
    where: ClassVar[Mapping[str, Collection[str]]] = {"msg_type": MSG_TYPES}

    def __init__(self, drop_copies: DropCopies | None = None):
        """`drop_copies` are the sessions of drop copies, None if the user has not said which."""
        self.drop_copies = drop_copies or NO_DROP_COPIES
        self.settings = orjson.dumps(self.drop_copies.sessions).decode()
        self.chosen = drop_copies is not None

    def with_settings(self, settings: str) -> "Orders":
        """See `Derived`."""
        return Orders(DropCopies(tuple(map(tuple, orjson.loads(settings)))))

    def update(self, changed: pa.Table, removed: pa.Table, stored: Stored) -> Changes:
        """See `Derived`: reads the chains again that the messages touch, and those beside them."""
        messages = _once([changed])
        events = Events(messages, self.drop_copies)
        ids = ids_of(events)
        read = ReadAgain(stored, self.drop_copies)
        touched = read.touched(events, ids)
        if removed.num_rows:
            gone = Events(removed, self.drop_copies)
            touched = read.touched(gone, ids_of(gone), touched)
        while touched:
            read.reach(touched)
            if not read.orders:
                break  # nothing that is stored has to do with what is new
            while True:
                again = stored.messages(read.message_ids())
                messages = _once([changed, again])
                events = Events(messages, self.drop_copies)
                of_several = messages["message_id"].filter(pa.array(events.divided))
                stored_before = pc.is_in(of_several, again["message_id"].combine_chunks())
                # A message that names several orders is of all of them.
                if not read.add_orders_of(of_several.filter(stored_before)):
                    break
            ids = ids_of(events)
            # A message that was replaced may have other ids now than its chain is stored with.
            touched = read.unknown(events, ids, again["message_id"])
        units = pa.array(sorted(read.orders), pa.int64())
        return Changes(dict.fromkeys(TABLES, units), _rows(messages, events, ids))


def _once(parts: list[pa.Table]) -> pa.Table:
    """Return the messages of all parts, each once, by message_id.

    So which of two that are the same is the copy depends on nothing else.
    """
    messages = pa.concat_tables(parts)
    ids = messages["message_id"].to_numpy()
    if (ids[1:] > ids[:-1]).all():
        return messages
    return messages.take(pa.array(np.unique(ids, return_index=True)[1]))


def derive(messages: pa.Table, drop_copies: DropCopies = NO_DROP_COPIES) -> dict[str, pa.Table]:
    """Return the rows of the tables that messages give, which must be all of their chains.

    `messages` has message_id and `COLUMNS`, in any order. Messages that are the same but for
    message_id change nothing but the number of copies, and the rows of order_messages.
    """
    messages = _once([messages])
    events = Events(messages, drop_copies)
    return _rows(messages, events, ids_of(events))


def _rows(messages: pa.Table, events: Events, ids: Ids) -> dict[str, pa.Table]:
    few = messages.num_rows < _FEW
    return rows_one_by_one(messages, events.drop_copies) if few else rows_of(messages, events, ids)
