"""Messages and derived tables in memory, as `transforms.derived.Stored` shows them."""

import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.orders.derived import Orders
from fixfeed.transforms.fix.orders.events import COLUMNS
from fixfeed.transforms.fix.parser import parse_block

ORDERS = Orders()


def messages(data, first=1):
    """Return the messages of a log, with ids from `first` on."""
    rows = pa.Table.from_batches([parse_block(Block("file:key", 0, data)).messages])
    ids = pc.add(rows["position"], first)
    found = rows.select(COLUMNS).add_column(0, "message_id", ids)
    return found.filter(pc.is_in(found["msg_type"], pa.array(ORDERS.where["msg_type"])))


class InMemory:
    """A database of messages and the tables that are derived from them."""

    def __init__(self, of=ORDERS):
        self.of = of
        self.all = messages(b"")
        self.derived = {name: table.schema.empty_table() for name, table in ORDERS.tables.items()}

    def rows(self, table, column, values):
        found = self.derived[table]
        return found.filter(pc.is_in(found[column], values))

    def messages(self, ids):
        return self.all.filter(pc.is_in(self.all["message_id"], ids))

    def replace(self, changed, removed=()):
        """Add messages, in the place of those with the ids `removed`; derive what that changes."""
        removed = self.messages(pa.array(removed, pa.int64()))
        kept = self.all.filter(pc.invert(pc.is_in(self.all["message_id"], removed["message_id"])))
        self.all = pa.concat_tables([kept, changed])
        changes = self.of.update(changed, removed, self)
        for name, units in changes.units.items():
            found = self.derived[name]
            column = found[ORDERS.tables[name].unit]
            self.derived[name] = pa.concat_tables(
                [found.filter(pc.invert(pc.is_in(column, units))), changes.rows[name]]
            )
