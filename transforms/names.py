"""Names of codes, as columns of a batch: `side_name` beside `side`."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.transforms.codes import Code
from fixfeed.transforms.protocol import Table

__all__ = ["names_of"]

_NUMBER = pa.int16()


def names_of(messages: pa.RecordBatch, table: Table) -> dict[str, pa.DictionaryArray]:
    """Return, by the name of its column (`side_name`), what each value of a column is called.

    A value that has no name in its message is null. All have the type dictionary(int16, string).
    """
    usual = _codes(table)
    of_sessions = _of_sessions(messages, table)
    result = {}
    for column, field in table.named.items():
        named = _Named(
            usual.get(field, {}),
            {session: codes[field] for session, codes in of_sessions.items() if field in codes},
        )
        result[f"{column}_name"] = _names(messages, column, named, table.named_by)
    return result


class _Named(NamedTuple):
    """The codes of one column: usual ones by value, those of sessions by session and value."""

    usual: Mapping[str, Code]
    of_sessions: Mapping[str, Mapping[str, Code]]

    def code(self, value: str, session: str | None) -> Code | None:
        return self.of_sessions.get(session or "", {}).get(value) or self.usual.get(value)

    def varies(self, value: str) -> bool:
        """Tell whether the name of a value depends on the message."""
        code = self.usual.get(value)
        return bool(code and code.other_names) or any(
            value in codes for codes in self.of_sessions.values()
        )


def _names(
    messages: pa.RecordBatch, column: str, named: _Named, named_by: Sequence[str]
) -> pa.DictionaryArray:
    coded = messages[column].dictionary_encode()
    values = coded.dictionary.to_pylist()
    numbers: dict[str, int] = {}

    def number(code: Code | None, keys: Sequence[str | None]) -> int | None:
        name = code.name_in(keys) if code else None
        return None if name is None else numbers.setdefault(name, len(numbers))

    of_value = pa.array([number(named.usual.get(value), ()) for value in values], _NUMBER)
    found = of_value.take(coded.indices)
    varying = pa.array([named.varies(value) for value in values], pa.bool_())
    if pc.any(varying).as_py():
        rows = pc.indices_nonzero(varying.take(coded.indices).fill_null(False))
        keys = [messages[name].take(rows).to_pylist() for name in named_by]
        each = found.to_pylist()
        for row, value, *own in zip(
            rows.to_pylist(), messages[column].take(rows).to_pylist(), *keys, strict=True
        ):
            each[row] = number(named.code(value, own[0]), own)
        found = pa.array(each, _NUMBER)
    return pa.DictionaryArray.from_arrays(found, pa.array(list(numbers), pa.string()))


def _of_sessions(
    messages: pa.RecordBatch, table: Table
) -> dict[str, Mapping[str, Mapping[str, Code]]]:
    """Return the codes that have names of their own in the sessions of these messages."""
    if table.codes_of is None:
        return {}
    sessions = messages[table.named_by[0]].unique().drop_null().to_pylist()
    found = {session: _codes_of(table, session) for session in sessions}
    return {session: codes for session, codes in found.items() if codes}


@cache
def _codes(table: Table) -> Mapping[str, Mapping[str, Code]]:
    return _by_field(table.codes())


@lru_cache(10_000)  # a damaged log may have ever new sessions
def _codes_of(table: Table, session: str) -> Mapping[str, Mapping[str, Code]]:
    return _by_field(table.codes_of(session)) if table.codes_of else {}


def _by_field(codes: Iterable[Code]) -> Mapping[str, Mapping[str, Code]]:
    found: dict[str, dict[str, Code]] = {}
    for code in codes:
        found.setdefault(code.field, {})[code.value] = code
    return found
