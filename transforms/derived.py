"""Derived tables: what the stored messages mean, as a pure function of the set of them.

A protocol names its derived tables in `Table.derived`. A database keeps them up to date
(`io.sql.derived`): what a batch adds or removes is marked in the transaction of its rows, and soon
after, at the latest at the end of a run, each `Derived` is asked what that changes. Whatever was
interrupted before is made good then, as the marks of work that is not done stay.

Another derived table is one more `Derived` in `Table.derived`, and nothing else. It must hold that

* its rows depend on the messages alone: not on the order in which they came, in how many batches,
  or on which of several equal copies is there;
* the rows of a table are replaced by *units*, the values of one of its columns: an order, or a
  session on a day. `update` names the units that the changed messages touch, whole, and gives all
  rows that they have now. A unit may be read again from the messages (`Stored.messages`, `between`)
  or put together from its old rows (`Stored.rows`),

* or it is made from tables that come before its own in `Table.derived`: `columns` is empty then,
  and `Stored.replaced` says which of their rows are new.

So `update` given all messages at once, with nothing stored, is the definition of the tables
(`at_once.derived_tables`), and `fixfeed derive --rebuild` does just that. The smallest one, a count
by day, reads each day again:

    class Days(Derived):
        tables = {"days": DerivedTable(schema, unit="day", key=("day",))}
        columns = ("sending_time",)

        def update(self, changed, removed, stored):
            times = pa.concat_tables([changed, removed])["sending_time"]
            days = pc.unique(times.cast(pa.date32(), safe=False).drop_null())
            counts = [(day, stored.between(day, day + one).num_rows) for day in days]
            rows = [one for one in counts if one[1]]
            return Changes({"days": days}, {"days": table_of(rows)})

Sinks other than databases have no derived tables.
"""

import typing
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, NamedTuple

import pyarrow as pa

__all__ = ["Changes", "Derived", "DerivedTable", "Replaced", "Stored"]


@dataclass(frozen=True, kw_only=True, eq=False)
class DerivedTable:
    """A table that is derived from messages.

    `schema` has columns of the types of `protocol.Table`. Rows with the same value in the column
    `unit` are replaced together. `key` are the columns that identify a row, if any do; `indexes`
    are further columns that rows are looked up by, where the first of them is not null.
    """

    schema: pa.Schema
    unit: str
    key: tuple[str, ...] = ()
    indexes: tuple[tuple[str, ...], ...] = ()


class Changes(NamedTuple):
    """What a change to the messages changes in derived tables, by the names of the tables.

    `units` are those whose rows go, as an array of the type of the column `unit`; `rows` are all
    that take their place, with the columns of the schema.
    """

    units: Mapping[str, pa.Array]
    rows: Mapping[str, pa.Table]

    def of(self, table: str, about: DerivedTable) -> "Replaced":
        """Return what changes in a table."""
        unit = about.schema.field(about.unit).type
        return Replaced(
            self.units.get(table, pa.array([], unit)),
            self.rows.get(table, about.schema.empty_table()),
        )


class Replaced(NamedTuple):
    """What an update has replaced in a table: the units that went, and all rows of those that came.

    A unit that came and was not there before is among `rows` alone.
    """

    units: pa.Array
    rows: pa.Table


class Stored(typing.Protocol):
    """What is stored, for one `Derived`: its own tables, and the messages that it is made from.

    Messages are tables of `message_id` and the `columns` of the derived tables, in any order.
    """

    def rows(self, table: str, column: str, values: pa.Array) -> pa.Table:
        """Return the rows of a derived table that have one of the values in a column."""

    def messages(self, ids: pa.Array) -> pa.Table:
        """Return the messages with these values of message_id; some may not exist any more."""

    def between(self, begin: str, end: str | None) -> pa.Table:
        """Return the messages from a time on, before another (`2026-03-02 09:00:00`, UTC), if any.

        Their time is the first of `Table.in_order` that is not null.
        """

    def replaced(self, table: str) -> Replaced:
        """Return what this update has replaced in a table of those before."""

    def around(self, table: str, column: str, place: str, spans: pa.Table) -> pa.Table:
        """Return the rows of an own table within spans, and those next before and next after them.

        `spans` has a value of the text `column` in each row, once, and the first and the last value
        of the whole numbers in `place`. Rows next to a span are all that have the nearest value.
        """


class Derived(ABC):
    """Derived tables that are made together.

    `tables` are those, by name; `columns` the columns of messages that they are made from. Messages
    count whose column in `where` has one of the values there, all if it is empty. Without `columns`
    none do.

    `settings` are what the tables depend on beside messages, as a text, and `chosen` is whether a
    user has chosen them. A database keeps them: if others are chosen, all of its tables that they
    matter to are made anew, and if none are, those that it has count.
    """

    tables: Mapping[str, DerivedTable]
    columns: tuple[str, ...]
    where: ClassVar[Mapping[str, Collection[str]]] = MappingProxyType({})
    settings: str = ""
    chosen: bool = False

    def with_settings(self, _settings: str) -> "Derived":
        """Return the same with `settings` that another one had."""
        return self

    @abstractmethod
    def update(self, changed: pa.Table, removed: pa.Table, stored: Stored) -> Changes:
        """Return what messages that came, were replaced or removed change in the tables.

        `changed` are those that came or were replaced, as they are now; `removed` those that are
        not there any more, or were replaced, as they were. Both may be empty, or have messages that
        have been told of before.
        """
