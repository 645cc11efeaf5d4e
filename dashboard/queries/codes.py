"""What values are called, as the database has it: those of own dictionaries included."""

from collections.abc import Iterator, Mapping
from typing import Any

from fixfeed.dashboard.database import Database
from fixfeed.dashboard.values import JSON
from fixfeed.transforms.codes import Code
from fixfeed.transforms.fix.decode.meanings import Meanings
from fixfeed.transforms.fix.dictionary.codes import NAMED_BY

__all__ = ["Names", "names_in"]


class Names:
    """The names of values in messages and orders; `meanings` are those for decoding."""

    def __init__(self, meanings: Meanings):
        """Take what names them."""
        self.meanings = meanings

    def __call__(self, row: Mapping[str, Any], field: str, value: str) -> str:
        """Return what a value is called in a row with a session, `` if it has no name."""
        keys = [row.get(column) for column in NAMED_BY]
        if keys[2] is None and keys[0]:
            keys[2] = keys[0].partition(":")[0]  # an order has no BeginString of its own
        return self.meanings.of(field, value, keys, several=False)

    def or_value(self, row: Mapping[str, Any], field: str, column: str) -> str:
        """Return what the value in a column is called, else the value; `` if there is none."""
        value = row[column]
        return (self(row, field, value) or value) if value else ""


def names_in(database: Database) -> Names:
    """Return the names of a database. Raises `Trouble`."""
    rows = database.rows(
        "select field, value, name, other_names from codes", types={"other_names": JSON}
    )
    codes = [Code(**{**row, "other_names": row["other_names"] or {}}) for row in rows]
    return Names(Meanings(_Stored(codes)))


class _Stored:
    """Codes whose names by session are all in their rows."""

    def __init__(self, codes: list[Code]):
        self._codes = codes

    def __iter__(self) -> Iterator[Code]:
        return iter(self._codes)

    def of(self, session: str) -> Iterator[Code]:
        """Yield what a session alone calls otherwise: nothing that is not in the rows."""
        return iter(())
