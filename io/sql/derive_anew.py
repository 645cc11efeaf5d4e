"""Derived tables made anew, from all messages, and the settings that they are made by."""

from typing import TYPE_CHECKING, NamedTuple

from fixfeed.io.sql.to_derive import mark
from fixfeed.transforms.derived import Derived

if TYPE_CHECKING:
    from fixfeed.io.sql.database import Database

__all__ = ["derived_by", "kept_settings", "settle", "start_over"]

_LARGEST = (1 << 63) - 1


def start_over(database: "Database") -> None:
    """Empty the derived tables, and mark all messages, in the transaction."""
    database.query("delete from derive_removed")
    _again(database, 0)


def settle(database: "Database") -> None:
    """Let the database keep the settings of derived tables that the user has chosen.

    Those that are not chosen stay as the database has them. If that changes settings, the tables
    that they matter to are emptied, and all messages are marked, as they have to be derived again.
    Without this the tables are derived by the settings that the database has.
    """
    if not any(one.settings for one in database.table.derived):
        return
    with database.deriving():
        kept = _settings(database)
        first: int | None = None
        for number, one in enumerate(database.table.derived):
            name, known = _name(one), kept.get(_name(one))
            if not one.settings or (known and known.chosen and not one.chosen):
                continue
            if known is None or known != (one.settings, one.chosen):
                database.query("delete from derive_settings where name = ?", name)
                database.query(
                    "insert into derive_settings (name, settings, chosen) values (?, ?, ?)",
                    name,
                    one.settings,
                    int(one.chosen),
                )
            others = one.chosen if known is None else known.settings != one.settings
            first = number if others and first is None else first
        if first is not None and _any_rows(database, first):
            _again(database, first)


def _any_rows(database: "Database", first: int) -> bool:
    """Return whether a derived table from the place `first` on has rows."""
    return any(
        database.query(f"select 1 from {name} limit 1")
        for one in database.table.derived[first:]
        for name in one.tables
    )


def _again(database: "Database", first: int) -> None:
    """Empty the derived tables from the place `first` on, and mark all messages."""
    for one in database.table.derived[first:]:
        for name in one.tables:
            database.query(f"delete from {name}")
    database.query("delete from derive_stretches")
    count = int(database.query("select count(*) from messages")[0][0])
    if count:
        mark(database, [(0, _LARGEST, count)])


class _Kept(NamedTuple):
    settings: str
    chosen: bool


def kept_settings(database: "Database") -> dict[str, str]:
    """Return the settings of derived tables that the database has, by the names of the tables."""
    return {name: kept.settings for name, kept in _settings(database).items()}


def _settings(database: "Database") -> dict[str, _Kept]:
    rows = database.query("select name, settings, chosen from derive_settings")
    return {name: _Kept(settings, bool(chosen)) for name, settings, chosen in rows}


def _name(derived: Derived) -> str:
    """Return the name of the first of its tables, which stands for all of them."""
    return next(iter(derived.tables))


def derived_by(database: "Database") -> list[Derived]:
    """Return what is derived, with the settings that the database has."""
    if not any(one.settings for one in database.table.derived):
        return list(database.table.derived)
    kept = _settings(database)
    return [
        one.with_settings(known.settings) if (known := kept.get(_name(one))) else one
        for one in database.table.derived
    ]
