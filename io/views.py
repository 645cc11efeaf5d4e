"""The views over a protocol's messages, the same in SQLite, in PostgreSQL and over Parquet."""

from fixfeed.transforms.batch import DECIMAL, TIME
from fixfeed.transforms.dialects import decimal, microseconds, name_of_code
from fixfeed.transforms.protocol import Table

__all__ = ["views"]


def views(dialect: str, table: Table) -> dict[str, str]:
    """Return the queries of all views by their names; each may read those before it.

    The first is `messages_named`: the messages, with the names of codes after the codes, and each
    time also as whole microseconds since 1970 (`sending_time_us`). The others are the protocol's.
    """
    return {"messages_named": _messages_named(dialect, table)} | dict(table.views(dialect))


def _messages_named(dialect: str, table: Table) -> str:
    types = {field.name: field.type for field in table.schema}
    selected, joins = [], []
    for name in table.keyed:
        column = f"m.{name}"
        # numeric shows all ten places; people want 14.94.
        shown = decimal(dialect, column) if types.get(name) == DECIMAL else column
        selected.append(f"{shown} as {name}")
        if types.get(name) == TIME:
            selected.append(f"{microseconds(dialect, column)} as {name}_us")
        if name in table.named:
            spelt = name_of_code(dialect, table.named_by, code=f"c_{name}", message="m")
            selected.append(f"{spelt} as {name}_name")
            joins.append(
                f"left join codes c_{name} on c_{name}.field = '{table.named[name]}'"
                f" and c_{name}.value = {column}"
            )
    joined = "\n".join(joins)
    return f"select {', '.join(selected)}\nfrom messages m\n{joined}"
