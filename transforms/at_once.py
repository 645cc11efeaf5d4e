"""Derived tables (`transforms.derived`) of messages that are all there, without a database."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.transforms.derived import Derived, Replaced

__all__ = ["derived_tables"]


def derived_tables(of: Sequence[Derived], messages: pa.Table) -> dict[str, pa.Table]:
    """Return the tables that `of` derives: those of a database with these messages, by name.

    `messages` has `message_id` and the columns of all of them. The tables depend on the set of
    messages alone, and not on their order.
    """
    found: dict[str, Replaced] = {}
    for one in of:
        changed = messages.select(["message_id", *one.columns])
        for name, values in one.where.items():
            changed = changed.filter(
                pc.is_in(changed[name], value_set=pa.array(sorted(values), pa.string()))
            )
        changes = one.update(changed, changed.slice(0, 0), _Nothing(one, found))
        found |= {name: changes.of(name, table) for name, table in one.tables.items()}
    return {name: replaced.rows for name, replaced in found.items()}


class _Nothing:
    """See `transforms.derived.Stored`: nothing is stored yet."""

    def __init__(self, derived: Derived, found: Mapping[str, Replaced]):
        self._derived = derived
        self._found = found

    def rows(self, table: str, column: str, values: pa.Array) -> pa.Table:
        if table in self._found:
            rows = self._found[table].rows
            return rows.filter(pc.is_in(rows[column], value_set=values))
        return self._derived.tables[table].schema.empty_table()

    def around(self, table: str, _column: str, _place: str, _spans: pa.Table) -> pa.Table:
        return self._derived.tables[table].schema.empty_table()

    def messages(self, _ids: pa.Array) -> pa.Table:
        raise AssertionError("messages are read again for what is stored alone")

    def between(self, _begin: str, _end: str) -> pa.Table:
        raise AssertionError("messages are read again for what is stored alone")

    def replaced(self, table: str) -> Replaced:
        return self._found[table]
