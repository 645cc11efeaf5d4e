"""The views over a protocol's messages, the same in SQLite, in PostgreSQL and over Parquet."""

from fixfeed.transforms.batch import DECIMAL, TIME
from fixfeed.transforms.codes import OTHER
from fixfeed.transforms.dialects import decimal, microseconds
from fixfeed.transforms.protocol import Table

__all__ = ["name_of_code", "views"]


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
            spelt = name_of_code(table, code=f"c_{name}", message="m", dialect=dialect)
            selected.append(f"{spelt} as {name}_name")
            joins.append(
                f"left join codes c_{name} on c_{name}.field = '{table.named[name]}'"
                f" and c_{name}.value = {column}"
            )
    joined = "\n".join(joins)
    return f"select {', '.join(selected)}\nfrom messages m\n{joined}"


def name_of_code(table: Table, *, code: str, message: str, dialect: str) -> str:
    """Return an expression for what `code`, a row of codes, is called in `message`.

    Both are aliases in a query of one of `DIALECTS`; see `transforms.codes.Code`.
    """

    def other(key: str) -> str:
        if dialect == "postgresql":
            return f"{code}.other_names ->> {key}"
        # A key that SQLite or DuckDB cannot find because of a quote is no reason to fail.
        return f"""{code}.other_names ->> ('$."' || replace({key}, '"', '') || '"')"""

    if not table.named_by:
        return f"{code}.name"
    keys = [f"{message}.{name}" for name in table.named_by]
    names = ", ".join(map(other, [*keys, f"'{OTHER}'"]))
    return (
        f"case when {code}.other_names is null then {code}.name"
        f" else nullif(coalesce({names}), '') end"
    )
