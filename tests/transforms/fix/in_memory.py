"""Messages and derived tables in memory, as `transforms.derived.Stored` has them."""

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["InMemory"]


class InMemory:
    """Rows of messages by id, and the tables that `of` (a `Derived`) makes of them.

    `read` counts the messages that were read again.
    """

    def __init__(self, of, schema):
        self.of = of
        self.schema = pa.schema([("message_id", pa.int64()), *schema])
        self.all = {}
        self.tables = {name: one.schema.empty_table() for name, one in of.tables.items()}
        self.read = 0

    def rows(self, table, column, values):
        found = self.tables[table]
        return found.filter(pc.is_in(found[column].combine_chunks(), value_set=values))

    def between(self, begin, end):
        def within(row):
            time = row["sending_time"] or row["captured_at"]
            return time is not None and begin <= str(time)[:26] < end

        found = [row for row in self.all.values() if within(row)]
        self.read += len(found)
        return pa.Table.from_pylist(found, self.schema)

    def change(self, put, remove=()):
        """Put messages by id, and remove some."""
        removed = [self.all.pop(number) for number in remove if number in self.all]
        removed += [self.all[number] for number in put if number in self.all]
        changed = [{"message_id": number, **row} for number, row in put.items()]
        self.all.update({row["message_id"]: row for row in changed})
        tables = [pa.Table.from_pylist(rows, self.schema) for rows in (changed, removed)]
        changes = self.of.update(*tables, self)
        for name, units in changes.units.items():
            old = self.tables[name]
            unit = old[self.of.tables[name].unit].combine_chunks()
            kept = old.filter(pc.invert(pc.is_in(unit, value_set=units)))
            self.tables[name] = pa.concat_tables([kept, changes.rows[name]])

    def content(self):
        """The rows of all tables as texts, in order."""
        return {name: sorted(map(str, rows.to_pylist())) for name, rows in self.tables.items()}

    def messages(self):
        """The messages, without their ids."""
        names = self.schema.names[1:]
        return [{name: row[name] for name in names} for row in self.all.values()]
