"""Fields without a column of their own, as columns of text."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.transforms.fix.rules.language import RuleError, parse_rule

__all__ = ["keys_of", "values_of"]

_NAME = re.compile(r"\w+", re.ASCII)


def keys_of(name: str, own_names: Mapping[int, str]) -> tuple[str, ...]:
    """Return what the JSON `fields` calls the field of a name or tag; () if there is none.

    `own_names` are names that dictionaries of counterparties give to tags. Raises `ValueError` for
    a field that has a column.
    """
    if not _NAME.fullmatch(name):
        return ()
    try:
        # In capitals it is no column's own name, so the field is asked for.
        (term,) = parse_rule(f"{name.upper()} exists", own_names).terms()
    except RuleError:
        return ()
    operand = term.operand
    if operand.column and operand.keys:
        raise ValueError(f"{name} has a column of its own; did you mean {operand.column}?")
    return operand.keys


def values_of(fields: pa.Array, keys: Sequence[str]) -> pa.Array:
    """Return the texts that JSON objects have under one of `keys`, null where there is none.

    A field that repeats, or counts a group, gives the JSON of its array.
    """
    likely = np.zeros(len(fields), bool)
    for key in keys:
        # A quotation mark in a value is escaped, so only a key reads like this.
        likely |= pc.match_substring(fields, f'"{key}":').to_numpy(zero_copy_only=False)
    texts: list[str | None] = [None] * len(fields)
    for row in np.flatnonzero(likely).tolist():
        values = orjson.loads(fields[row].as_py())
        value = next((values[key] for key in keys if key in values), None)
        texts[row] = value if isinstance(value, str | None) else orjson.dumps(value).decode()
    return pa.array(texts, pa.string())
