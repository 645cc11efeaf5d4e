"""Messages and derived tables in memory, as `transforms.derived.Stored` has them."""

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["InMemory"]


class InMemory:
    """Rows of messages by id, and the tables that each `of` (a `Derived`) makes of them.

    `read` counts the messages that were read again.
    """

    def __init__(self, *of, schema):
        self.of = of
        self.schema = pa.schema([("message_id", pa.int64()), *schema])
        self.all = {}
        self.about = {name: table for one in of for name, table in one.tables.items()}
        self.tables = {name: table.schema.empty_table() for name, table in self.about.items()}
        self.read = 0
        self.changes = {}
        self.columns = schema.names

    def rows(self, table, column, values):
        found = self.tables[table]
        return found.filter(pc.is_in(found[column].combine_chunks(), value_set=values))

    def messages(self, ids):
        found = [self.all[number] for number in ids.to_pylist() if number in self.all]
        return pa.Table.from_pylist(found, self.schema).select(["message_id", *self.columns])

    def replaced(self, table):
        return self.changes[table]

    def around(self, table, column, place, spans):
        kept = set()
        rows = self.tables[table].to_pylist()
        for value, first, last in zip(*(one.to_pylist() for one in spans.columns), strict=True):
            places = [row[place] for row in rows if row[column] == value]
            first = max((one for one in places if one < first), default=first)
            last = min((one for one in places if one > last), default=last)
            kept |= {
                number
                for number, row in enumerate(rows)
                if row[column] == value and first <= row[place] <= last
            }
        return self.tables[table].take(pa.array(sorted(kept), pa.int64()))

    def between(self, begin, end):
        def within(row):
            time = row["sending_time"] or row["captured_at"]
            return time is not None and begin <= str(time)[:26] < (end or "a")

        found = [row for row in self.all.values() if within(row)]
        self.read += len(found)
        return pa.Table.from_pylist(found, self.schema).select(["message_id", *self.columns])

    def change(self, put, remove=()):
        """Put messages by id, and remove some."""
        removed = [self.all.pop(number) for number in remove if number in self.all]
        removed += [self.all[number] for number in put if number in self.all]
        changed = [{"message_id": number, **row} for number, row in put.items()]
        self.all.update({row["message_id"]: row for row in changed})
        tables = [pa.Table.from_pylist(rows, self.schema) for rows in (changed, removed)]
        for one in self.of:
            self.columns = one.columns
            changes = one.update(*(_of(one, table) for table in tables), self)
            for name, about in one.tables.items():
                self.changes[name] = new = changes.of(name, about)
                old = self.tables[name]
                unit = old[about.unit].combine_chunks()
                kept = old.filter(pc.invert(pc.is_in(unit, value_set=new.units)))
                self.tables[name] = pa.concat_tables([kept, new.rows])

    def content(self):
        """The rows of all tables as texts, in order."""
        return {name: sorted(map(str, rows.to_pylist())) for name, rows in self.tables.items()}

    def everything(self):
        """The messages, without their ids."""
        names = self.schema.names[1:]
        return [{name: row.get(name) for name in names} for row in self.all.values()]


def _of(derived, messages):
    """The messages that matter to a `Derived`, as it wants them."""
    for name, values in derived.where.items():
        messages = messages.filter(pc.is_in(messages[name], value_set=pa.array(sorted(values))))
    return messages.select(["message_id", *derived.columns])
