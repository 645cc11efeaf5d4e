"""The copy of a message for QuickFIX, with everything corrected that it would refuse or lose.

Every change to a copy has a name, the kind under which it is counted. Fields left out of a copy are
looked for separately in fixfeed's reading, so that it cannot lose them unnoticed.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from fixfeed.pipelines.fidelity.levels import Key
from fixfeed.pipelines.fidelity.nesting import nesting_of
from fixfeed.pipelines.fidelity.structure import Structure, unlike
from fixfeed.transforms.fix.framing.delimiter import start_pattern

__all__ = ["Copy", "Field", "as_text", "copy_of", "delimiter_of", "split"]

_TAG = re.compile(rb"[1-9][0-9]{0,8}")
_MASK = "\x1a"  # the control character for text that cannot be represented


class Field(NamedTuple):
    """A field: its tag, or the text before `=` if that is no tag, and its value.

    A field without `=` is all value.
    """

    key: Key
    value: bytes


@dataclass
class Copy:
    """The text that QuickFIX gets for a message, and how it differs from the message.

    `left_out` are the fields that it lacks, `added` those that only it has. `masks` maps texts to
    their replacements in it, and `lengths` are the tags of corrected data lengths; `repairs` are
    the kinds of all changes. `touched` are the tags that QuickFIX may nest differently, with the
    kind of the reason; `values` are all values of the message by tag, in order.
    """

    text: str = ""
    left_out: list[tuple[Key, str]] = field(default_factory=list)
    added: list[tuple[int, str]] = field(default_factory=list)
    masks: dict[str, str] = field(default_factory=dict)
    lengths: set[Key] = field(default_factory=set)
    repairs: set[str] = field(default_factory=set)
    touched: dict[Key, str] = field(default_factory=dict)
    values: dict[Key, list[str]] = field(default_factory=lambda: defaultdict(list))


def delimiter_of(message: bytes, default: bytes) -> bytes:
    """Return the delimiter of the fields of `message`, or `default` if it does not show one."""
    found = start_pattern(default).match(message)
    return found[1] if found and found[1] else default


def split(message: bytes, delimiter: bytes, lengths: Mapping[int, int]) -> list[Field]:
    """Return the fields of a message; a data field's length is the value of the field before.

    If that length does not end at a delimiter, the data field ends at the next one. `delimiter` is
    one byte, `lengths` are as in `data_lengths`.
    """
    data = message.removesuffix(delimiter)
    fields: list[Field] = []
    at = 0
    while at < len(data) or not fields:
        end = data.find(delimiter, at)
        end = len(data) if end < 0 else end
        before, equals, _ = data[at:end].partition(b"=")
        value_at = at + len(before) + 1 if equals else at
        key: Key = int(before) if _TAG.fullmatch(before) and equals else ""
        if equals and not key:
            key = as_text(before)
        if isinstance(key, int) and fields and fields[-1].key == lengths.get(key, 0):
            size = fields[-1].value
            past = value_at + int(size) if size.isdigit() and len(size) < 10 else -1
            if past == len(data) or (past >= value_at and data.startswith(delimiter, past)):
                end = past
        fields.append(Field(key, data[value_at:end]))
        at = end + 1
    return fields


def as_text(value: bytes) -> str:
    """Return the text of a value: UTF-8, or Latin-1 if it is not UTF-8."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def copy_of(
    fields: list[Field], delimiter: bytes, structure: Structure, ours: Structure | None = None
) -> Copy:
    """Return the copy for QuickFIX of a message with these fields, which `delimiter` separated.

    `structure` is that of QuickFIX's dictionaries, `ours` that of fixfeed's if they differ.
    """
    copy = Copy()
    keys = [one.key for one in fields]
    msg_type = as_text(fields[keys.index(35)].value) if 35 in keys else ""
    root = structure.root(msg_type)
    nesting = nesting_of(keys, root, structure.data_fields)
    copy.touched = nesting.touched
    others = unlike(root, ours.root(msg_type)) if ours else set()
    nesting.touch("dictionary", others)
    pieces = []
    if 35 not in keys[:3]:
        copy.added.append((35, msg_type))
        copy.repairs.add("msg_type_late")
        pieces.append(f"35={msg_type}")
    if keys.count(35) > 1:
        copy.repairs.add("msg_type_again")
    out: dict[Key, str] = {key: "bad_field" for key in keys if isinstance(key, str)}
    out |= {key: "dictionary" if key in others else "foreign_in_group" for key in nesting.foreign}
    before: Key = ""
    for key in keys:
        if key in structure.data_fields and before != structure.data_fields[key]:
            out.setdefault(key, "data_length_missing")
        before = key if key not in out else before
    depths = iter(
        nesting_of([key for key in keys if key not in out], root, structure.data_fields).depths
    )
    encoding = as_text(fields[keys.index(347)].value) if 347 in keys else ""
    last = Field("", b"")
    for key, value in fields:
        text = _text(value, encoding if key in structure.encoded_fields else "")
        copy.values[key].append(text)
        if key in out:
            copy.repairs.add(out[key])
            copy.left_out.append((key, text))
            continue
        length = structure.data_fields.get(key) if isinstance(key, int) else None
        if length and (not last.value.isdigit() or int(last.value) != len(value)):
            copy.lengths.add(length)
            copy.repairs.add("data_length")
            pieces[-1] = f"{length}={len(value)}"
        # In groups inside groups QuickFIX forgets which fields are data.
        by_length = next(depths) < 2 and bool(length)
        given = _given(value, delimiter, copy, by_length=by_length)
        if given != text:
            copy.masks[text] = given
        pieces.append(f"{key}={given}")
        last = Field(key, value)
    if keys[-1] != 10:
        copy.added.append((10, "000"))
        copy.repairs.add("check_sum_missing")
        pieces.append("10=000")
    copy.text = "".join(f"{piece}\x01" for piece in pieces)
    return copy


def _text(value: bytes, encoding: str) -> str:
    """Return the text of a value in an encoding, if that is known and the value is valid in it."""
    if encoding:
        with suppress(LookupError, ValueError):
            return value.decode(encoding)
    return as_text(value)


def _given(value: bytes, delimiter: bytes, copy: Copy, *, by_length: bool) -> str:
    """Return a value as QuickFIX gets it: text of the same length that nothing ends too early.

    With `by_length`, QuickFIX knows its length. A delimiter inside the value means SOH as well.
    """
    given = as_text(value)
    if len(given.encode()) != len(value):
        given = "".join(_MASK if letter > "\x7f" else letter for letter in given)
        copy.repairs.add("not_utf8")
    if "\x01" in given and not (by_length and delimiter == b"\x01"):
        given = given.replace("\x01", _MASK)
        copy.repairs.add("soh_in_value")
    return given.replace(as_text(delimiter), "\x01")
