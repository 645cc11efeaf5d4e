"""FIX's names for its tags, values and message types."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import orjson

__all__ = ["Dictionary", "Field", "listed_by", "merged", "names_by_version", "standard_data_tags"]


class Field(NamedTuple):
    """A field: its tag, name and type, and what its enumerated values mean.

    `union` is the type of the values that it may hold besides the enumerated ones (FIX's "union
    data type", such as Reserved100Plus for what two parties agree upon); empty if it may hold none.
    """

    tag: int
    name: str
    type: str
    values: Mapping[str, str]
    union: str = ""


@dataclass(frozen=True)
class Dictionary:
    """The definitions of a version of FIX, or of several of them together.

    `fields` by tag; `message_types` from MsgType (35) to name; `admin` the MsgTypes of the session
    layer; `data_lengths` from the tag of each length field to that of its data field.
    """

    fields: Mapping[int, Field]
    message_types: Mapping[str, str]
    admin: frozenset[str]
    data_lengths: Mapping[int, int]


@cache
def merged() -> Dictionary:
    """Return the union of FIX 4.0 to 5.0 SP2 and FIXT 1.1.

    A field has the name and type of the newest version that knows it (tag 32 is LastQty, once
    LastShares) and the values of all, with the names that most versions give them. No two tags
    have one name.
    """
    content = _content()
    return Dictionary(
        fields={int(tag): Field(int(tag), *rest) for tag, rest in content["fields"].items()},
        message_types={value: name for value, (name, _) in content["messages"].items()},
        admin=frozenset(value for value, (_, admin) in content["messages"].items() if admin),
        data_lengths={int(length): data for length, data in content["data_lengths"].items()},
    )


@cache
def _content() -> Any:
    data = files("fixfeed.transforms.fix.dictionary.data")
    return orjson.loads(data.joinpath("union.json").read_bytes())


@cache
def listed_by() -> Mapping[int, int]:
    """Return, for fields that take their values from another one's list, the tag of that one.

    `LegSide` has the values of `Side`. They have names there too, but may be any (`Field.values`).
    """
    return {int(tag): int(other) for tag, other in _content()["listed_by"].items()}


@cache
def names_by_version() -> Mapping[int, Mapping[str, Mapping[str, str]]]:
    """Return the names of values in the versions that call them otherwise than the others do.

    By tag, value and version: `{39: {"6": {"FIX.4.0": "Pending cancel/replace", ...}}}`.
    """
    return {int(tag): values for tag, values in _content()["names_by_version"].items()}


@cache
def standard_data_tags() -> Mapping[bytes, bytes]:
    """Return the tags of data fields by those of their length fields, of all versions of FIX."""
    return {b"%d" % length: b"%d" % data for length, data in merged().data_lengths.items()}
