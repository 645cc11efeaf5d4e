"""What a condition in SQL was probably meant to be, where a database has refused it."""

import re
from collections.abc import Mapping

import pyarrow as pa

from fixfeed.transforms.nearest import nearest

__all__ = ["about_condition", "meant_condition"]

_TEXT = r"'(?:[^']|'')*'"
_VALUE = rf"{_TEXT}|\"[^\"]*\"|[^\s'\"(),]+"
_COMPARED = re.compile(
    rf"{_TEXT}|(?P<name>[A-Za-z_]\w*)"
    rf"(?:(?P<by>\s*(?:<>|!=|<=|>=|==?|<|>|\s(?:not\s+)?like\s)\s*)(?P<value>{_VALUE})"
    rf"|(?P<among>\s+(?:not\s+)?in\s*)\((?P<values>(?:{_TEXT}|[^()'])*)\))",
    re.IGNORECASE,
)
_WORD = re.compile(rf"{_TEXT}|\"[^\"]*\"|(?P<word>[A-Za-z_]\w*)(?!\w*\s*\()")
_ALIKE = 0.75
"""Names that are less alike mean others: LastPx is no stop_px."""
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_OF_SQL = {
    *("and", "or", "not", "is", "in", "null", "true", "false", "like", "between", "case", "when"),
    *("then", "else", "end", "escape", "exists", "select", "from", "where", "cast", "as"),
}


def about_condition(condition: str, columns: pa.Schema) -> str:
    """Return the end of a sentence about a condition that a database has refused.

    It has the condition that was meant, if that is known, and what can be asked.
    """
    meant = meant_condition(condition, columns)
    hint = f'did you mean "{meant}"? ' if meant != condition else ""
    return (
        f"; {hint}A condition is SQL: texts are in single quotes, as in symbol = 'AAPL', and the "
        f"columns are {', '.join(columns.names)}"
    )


def meant_condition(condition: str, columns: pa.Schema) -> str:
    """Return a condition with names that are columns, and in quotes the texts that these are
    compared with. What cannot be told stays as it is.

    >>> columns = pa.schema({"symbol": pa.string(), "ord_status": pa.string(), "price": pa.int64()})
    >>> meant_condition("Symbol = AAPL and OrdStatus in (8, 4) and pric > 10", columns)
    "symbol = 'AAPL' and ord_status in ('8', '4') and price > 10"
    """
    there = {_plain(name): name for name in columns.names}

    def compared(found: re.Match[str]) -> str:
        if not found["name"]:
            return found[0]
        name = _column(found["name"], there)
        if name not in columns.names:
            return found[0]
        number = columns.field(name).type not in (pa.string(), pa.timestamp("us", tz="UTC"))
        if found["by"]:
            by = found["by"].replace("==", "=")
            return f"{name}{by}{_quoted(found['value'], there, number=number)}"
        values = re.sub(_VALUE, lambda one: _quoted(one[0], there, number=number), found["values"])
        return f"{name}{found['among']}({values})"

    def word(found: re.Match[str]) -> str:
        name = found["word"]
        known = not name or name.lower() in {*_OF_SQL, *columns.names}
        return found[0] if known else _column(name, there)

    return _WORD.sub(word, _COMPARED.sub(compared, condition))


def _column(name: str, there: Mapping[str, str]) -> str:
    """Return the column that a name of FIX (ClOrdID) or a mistyped one means, or the name."""
    plain = _plain(name)
    if plain in there:
        return there[plain]
    longer = [column for one, column in there.items() if len(plain) > 4 and plain in one]
    near = nearest(plain, there, cutoff=_ALIKE)
    return longer[0] if longer else there.get(near, name)


def _quoted(value: str, there: Mapping[str, str], *, number: bool) -> str:
    """Return a value as SQL writes it: a text in single quotes, or a column, or a number."""
    if value.startswith('"'):
        value = value[1:-1]
    elif value.startswith("'") or value.lower() in {*_OF_SQL, *there.values()}:
        return value
    return value if number and _NUMBER.fullmatch(value) else "'" + value.replace("'", "''") + "'"


def _plain(name: str) -> str:
    return name.replace("_", "").lower()
