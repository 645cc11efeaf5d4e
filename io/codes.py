"""What a sink needs to keep the names of codes beside its messages."""

from collections.abc import Iterable, Sequence

import orjson

from fixfeed.transforms.batch import Batch
from fixfeed.transforms.codes import Code
from fixfeed.transforms.protocol import Table

__all__ = ["COLUMNS", "code_row", "codes_of_sessions", "new_sessions"]

COLUMNS = ("field", "value", "name", "other_names")
"""The columns of a sink's codes: those of `Code`, `other_names` as JSON or null."""


def code_row(code: Code) -> tuple[str, str, str, str | None]:
    """Return a code as a row of `COLUMNS`."""
    others = orjson.dumps(code.other_names).decode() if code.other_names else None
    return code.field, code.value, code.name, others


def new_sessions(batches: Iterable[Batch], seen: Iterable[str], table: Table) -> set[str]:
    """Return the sessions of messages in which codes may have other names, and that are not `seen`.

    None, without a look at the messages, if sessions do not decide names (`Table.codes_of`).
    """
    if table.codes_of is None:
        return set()
    found = set()
    for batch in batches:
        found.update(batch.messages[table.named_by[0]].unique().drop_null().to_pylist())
    return found.difference(seen)


def codes_of_sessions(sessions: Iterable[str], table: Table) -> Sequence[Code]:
    """Return the codes that have names of their own in sessions, in order of field and value.

    Each is there once, with the names of all of them.
    """
    found: dict[tuple[str, str], Code] = {}
    for session in sorted(sessions) if table.codes_of else ():
        for code in table.codes_of(session) if table.codes_of else ():
            before = found.get((code.field, code.value))
            others = {**before.other_names, **code.other_names} if before else code.other_names
            found[code.field, code.value] = code._replace(other_names=others)
    return [found[key] for key in sorted(found)]
