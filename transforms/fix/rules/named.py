"""Values that are written by their names in a rule, where the messages have codes."""

import re
from collections.abc import Mapping
from functools import cache

from fixfeed.transforms.fix.dictionary.union import listed_by, merged

__all__ = ["code_named"]

_MSG_TYPE = 35
_CODED = ("CHAR", "INT")
_SIGNS = re.compile(r"[^a-z0-9]+")


def code_named(field: str, text: str) -> str | None:
    """Return the value of a field that a text names; None if it names none, or may be a value.

    Only fields of type CHAR or int, and MsgType, have codes alone; others may have any text.

    >>> code_named("Side", "buy"), code_named("MsgType", "NewOrderSingle"), code_named("Side", "1")
    ('1', 'D', None)
    """
    known = _codes(field)
    return None if text in known.values() else known.get(_plain(text))


@cache
def _codes(field: str) -> Mapping[str, str]:
    """Return the values of a field by their names."""
    dictionary = merged()
    tag = next((tag for tag, known in dictionary.fields.items() if known.name == field), 0)
    if tag != _MSG_TYPE and (
        tag not in dictionary.fields or dictionary.fields[tag].type not in _CODED
    ):
        return {}
    tag = listed_by().get(tag, tag)
    listed = dictionary.fields[tag].values if tag in dictionary.fields else {}
    names = dictionary.message_types if tag == _MSG_TYPE else listed
    return {_plain(name): value for value, name in reversed(list(names.items()))}


def _plain(text: str) -> str:
    return _SIGNS.sub("", text.lower())
