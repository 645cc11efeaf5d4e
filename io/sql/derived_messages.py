"""Messages as they are read for derived tables: those that matter, with the columns that do."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.transforms.derived import Derived

if TYPE_CHECKING:
    from fixfeed.io.sql.database import Database

__all__ = ["and_where", "in_stretches", "own", "read_messages", "schema_of"]


def schema_of(database: "Database", derived: Sequence[Derived]) -> pa.Schema:
    """Return message_id and all columns that matter to any of them, or choose messages."""
    names = dict.fromkeys(name for one in derived for name in (*one.columns, *one.where))
    columns = [(name, database.table.schema.field(name).type) for name in names]
    return pa.schema([("message_id", pa.int64()), *columns])


def own(messages: pa.Table, derived: Derived) -> pa.Table:
    """Return those of the messages that matter to one, with its columns."""
    if not derived.columns:
        messages = messages.slice(0, 0)
    for name, values in derived.where.items():
        messages = messages.filter(pc.is_in(messages[name], pa.array(sorted(values))))
    return messages.select(["message_id", *derived.columns])


def read_messages(
    database: "Database", derived: Sequence[Derived], which: str, *values: object
) -> pa.Table:
    """Return the messages that meet a condition and matter to any of them: `schema_of`."""
    schema = schema_of(database, derived)
    return database.select(
        f"select {', '.join(schema.names)} from messages where {which}{and_where(derived)}",
        schema,
        *values,
    )


def in_stretches(stretches: Sequence[tuple[int, int]]) -> str:
    """Return the condition that messages are in one of some stretches."""
    return f"({' or '.join(f'message_id between {one} and {last}' for one, last in stretches)})"


def and_where(derived: Sequence[Derived]) -> str:
    """Return the condition that messages matter to one of them, after others."""
    conditions = [_condition(one.where) for one in derived if one.columns]
    return f" and ({' or '.join(conditions)})" if all(conditions) else ""


def _condition(where: Mapping[str, object]) -> str:
    parts = []
    for name, values in where.items():
        assert isinstance(values, (tuple, list, set, frozenset))
        listed = ", ".join(f"'{value}'" for value in sorted(values))
        parts.append(f"{name} in ({listed})")
    return " and ".join(parts)
