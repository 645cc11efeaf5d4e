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
  or put together from its old rows (`Stored.rows`).

So `update` given all messages at once, with nothing stored, is the definition of the tables, and
`fixfeed derive --rebuild` does just that. The smallest one, a count by day, reads each day again:

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

__all__ = ["Changes", "Derived", "DerivedTable", "Stored"]


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


class Stored(typing.Protocol):
    """What is stored, for one `Derived`: its own tables, and the messages that it is made from.

    Messages are tables of `message_id` and the `columns` of the derived tables, in any order.
    """

    def rows(self, table: str, column: str, values: pa.Array) -> pa.Table:
        """Return the rows of a derived table that have one of the values in a column."""

    def messages(self, ids: pa.Array) -> pa.Table:
        """Return the messages with these values of message_id; some may not exist any more."""

    def between(self, begin: str, end: str) -> pa.Table:
        """Return the messages from a time on, before another (`2026-03-02 09:00:00`, UTC).

        Their time is the first of `Table.in_order` that is not null.
        """


class Derived(ABC):
    """Derived tables that are made together.

    `tables` are those, by name; `columns` the columns of messages that they are made from. Messages
    count whose column in `where` has one of the values there, all if it is empty.
    """

    tables: Mapping[str, DerivedTable]
    columns: tuple[str, ...]
    where: ClassVar[Mapping[str, Collection[str]]] = MappingProxyType({})

    @abstractmethod
    def update(self, changed: pa.Table, removed: pa.Table, stored: Stored) -> Changes:
        """Return what messages that came, were replaced or removed change in the tables.

        `changed` are those that came or were replaced, as they are now; `removed` those that are
        not there any more, or were replaced, as they were. Both may be empty, or have messages that
        have been told of before.
        """
