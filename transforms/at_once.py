"""Derived tables (`transforms.derived`) of messages that are all there, without a database."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.transforms.derived import Derived, Replaced
from fixfeed.transforms.nearest import did_you_mean

__all__ = ["derived_tables", "needed"]


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


def needed(of: Sequence[Derived], names: Sequence[str]) -> Sequence[Derived]:
    """Return those that make the tables with these names, all if there are none.

    Raises `ValueError`.
    """
    place = {name: number for number, one in enumerate(of) for name in one.tables}
    for name in names:
        if name not in place:
            meant = did_you_mean(name, place) or f"; expected some of {', '.join(place)}"
            raise ValueError(f"there is no derived table {name!r}{meant}")
    if not names:
        return of
    kept = {place[name] for name in names}
    # One without columns of its own is made of the tables before it.
    if any(not of[number].columns for number in kept):
        return of[: max(kept) + 1]
    return [of[number] for number in sorted(kept)]


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

    def between(self, _begin: str, _end: str | None) -> pa.Table:
        raise AssertionError("messages are read again for what is stored alone")

    def replaced(self, table: str) -> Replaced:
        return self._found[table]
