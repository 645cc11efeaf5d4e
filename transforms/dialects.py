"""What SQLite, PostgreSQL and DuckDB write differently, for views that are the same in all three.

Most of a view is the same text in all of them: `with recursive` and window functions mean the same.
What is not the same is here. Values come out alike too: times as whole microseconds, days as text.

SQLite reads the text of all views when it opens a file. So nothing is in them that SQLite 3.30
lacks, else an older `sqlite3` could not open the file at all: no `->>` (3.38), no `materialized`
(3.35).
"""

from collections.abc import Sequence
from typing import NamedTuple

from fixfeed.transforms.codes import OTHER

__all__ = [
    "DIALECTS",
    "Entries",
    "day",
    "decimal",
    "entries",
    "materialized",
    "member",
    "microseconds",
    "name_of_code",
    "number",
    "seconds",
    "sent_microseconds",
]

DIALECTS = ("sqlite", "postgresql", "duckdb")


def microseconds(dialect: str, time: str) -> str:
    """Return the expression of a time as whole microseconds since 1970, for differences."""
    return {
        # A time is text there, with the fraction after its first twenty characters.
        "sqlite": f"(strftime('%s', substr({time}, 1, 19)) * 1000000"
        f" + cast(substr({time}, 21, 6) as integer))",
        "postgresql": f"cast(extract(epoch from {time}) * 1000000 as bigint)",
        "duckdb": f"epoch_us({time})",
    }[dialect]


def member(dialect: str, json: str, key: str) -> str:
    """Return the expression of the text of a JSON object's member, null if there is none."""
    if dialect == "sqlite":
        return f"json_extract({json}, '$.{key}')"
    return f"({json} ->> '{key}')"


def materialized(dialect: str) -> str:
    """Return what comes before the brackets of a common table that is worked out only once."""
    # SQLite does so by itself with one that is used more than once.
    return "" if dialect == "sqlite" else "materialized"


def day(dialect: str, time: str) -> str:
    """Return the expression of the UTC day of a time, as text: `2025-01-02`."""
    return {
        "sqlite": f"substr({time}, 1, 10)",
        "postgresql": f"to_char({time} at time zone 'UTC', 'YYYY-MM-DD')",
        # Its own conversions follow the time zone of the connection.
        "duckdb": f"cast(cast(make_timestamp(epoch_us({time})) as date) as varchar)",
    }[dialect]


def seconds(dialect: str, time: str) -> str:
    """Return the expression of a time as FIX writes it, to the second: `20250102-09:30:00`."""
    return {
        "sqlite": f"replace(substr({time}, 1, 10), '-', '') || '-' || substr({time}, 12, 8)",
        "postgresql": f"to_char({time} at time zone 'UTC', 'YYYYMMDD-HH24:MI:SS')",
        "duckdb": f"strftime(make_timestamp(epoch_us({time})), '%Y%m%d-%H:%M:%S')",
    }[dialect]


def sent_microseconds(dialect: str, text: str) -> str:
    """Return the expression of a time as FIX writes it as whole microseconds since 1970.

    It is null if the text is no such time (`20250102-09:30:00`, with or without a fraction).
    """
    fraction = f"substr(substr({text}, 19) || '000000', 1, 6)"
    if dialect == "sqlite":
        written = (
            f"substr({text}, 1, 4) || '-' || substr({text}, 5, 2) || '-' || substr({text}, 7, 2)"
            f" || ' ' || substr({text}, 10, 8)"
        )
        return f"(strftime('%s', {written}) * 1000000 + cast({fraction} as integer))"
    if dialect == "duckdb":
        written = f"try_strptime(substr({text}, 1, 17), '%Y%m%d-%H:%M:%S')"
        return f"(epoch_us({written}) + coalesce(try_cast({fraction} as bigint), 0))"
    pattern = (
        "'^[12][0-9]{3}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])-([01][0-9]|2[0-3])"
        "(:[0-5][0-9]){2}([.][0-9]*){0,1}$'"
    )
    # Not to_timestamp: it fails for 30 February, and with it the whole query.
    month = f"make_date(cast(substr({text}, 1, 4) as int), cast(substr({text}, 5, 2) as int), 1)"
    return (
        f"case when {text} ~ {pattern} then cast((extract(epoch from {month})"
        f" + (cast(substr({text}, 7, 2) as int) - 1) * 86400"
        f" + extract(epoch from cast(substr({text}, 10, 15) as interval))) * 1000000 as bigint) end"
    )


def decimal(dialect: str, column: str) -> str:
    """Return the expression of a decimal as people read it: 14.94, not 14.9400000000."""
    return f"trim_scale({column})" if dialect == "postgresql" else column


def name_of_code(dialect: str, named_by: Sequence[str], *, code: str, message: str) -> str:
    """Return an expression for what `code`, a row of codes, is called in `message`.

    Both are names of rows in a query; `named_by` is that of the table (`codes.Code`).
    """

    def other(key: str) -> str:
        if dialect == "postgresql":
            return f"{code}.other_names ->> {key}"
        # A key that SQLite or DuckDB cannot find because of a quote is no reason to fail.
        path = f"""'$."' || replace({key}, '"', '') || '"'"""
        if dialect == "sqlite":
            return f"json_extract({code}.other_names, {path})"
        return f"{code}.other_names ->> ({path})"

    if not named_by:
        return f"{code}.name"
    keys = [f"{message}.{name}" for name in named_by]
    names = ", ".join(map(other, [*keys, f"'{OTHER}'"]))
    return (
        f"case when {code}.other_names is null then {code}.name"
        f" else nullif(coalesce({names}), '') end"
    )


class Entries(NamedTuple):
    """The entries of a group, as the parts of a query.

    `source` comes after `cross join`, and `condition` into `where`. Then `number` is the number of
    an entry, from 1, and `fields` the entry, a JSON object.
    """

    source: str
    condition: str
    number: str
    fields: str


def entries(dialect: str, json: str, group: str, name: str) -> Entries:
    """Return the parts of a query of the entries that a JSON object has under `group`.

    `name` is that of the rows in the query. There are none if `group` is missing or no array.
    """
    if dialect == "postgresql":
        return Entries(
            f"jsonb_array_elements(case jsonb_typeof({json} -> '{group}') when 'array'"
            f" then {json} -> '{group}' end) with ordinality {name} (value, key)",
            f"jsonb_typeof({name}.value) = 'object'",
            f"cast({name}.key as integer)",
            f"{name}.value",
        )
    return Entries(
        f"json_each({json}, '$.{group}') {name}",
        f"lower({name}.type) = 'object'",
        f"cast({name}.key as integer) + 1",
        f"{name}.value",
    )


def number(dialect: str, text: str) -> str:
    """Return the expression of a number as FIX writes it (`-14.94`), null if it is none."""
    # No question mark: in statements it is the place of a value.
    pattern = "'^-{0,1}([0-9]+[.]{0,1}[0-9]*|[.][0-9]+)$'"
    return {
        "sqlite": f"case when {text} glob '*[0-9]*' and {text} not glob '*[^0-9.-]*'"
        f" and {text} not glob '*.*.*' and substr({text}, 2) not glob '*-*'"
        f" then cast({text} as real) end",
        "postgresql": f"case when {text} ~ {pattern} then trim_scale(cast({text} as numeric)) end",
        "duckdb": f"case when regexp_full_match({text}, {pattern})"
        f" then try_cast({text} as decimal(38, 10)) end",
    }[dialect]
