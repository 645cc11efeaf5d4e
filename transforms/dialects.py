"""What SQLite, PostgreSQL and DuckDB write differently, for views that are the same in all three.

Most of a view is the same text in all of them: `fields ->> 'Name'` is the text of a member of a
JSON object, `with recursive`, `as materialized` and window functions mean the same. What is not the
same is here. Values come out alike too: times as whole microseconds, days as text.
"""

__all__ = ["DIALECTS", "day", "decimal", "microseconds", "seconds"]

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


def decimal(dialect: str, column: str) -> str:
    """Return the expression of a decimal as people read it: 14.94, not 14.9400000000."""
    return f"trim_scale({column})" if dialect == "postgresql" else column
