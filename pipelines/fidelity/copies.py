"""The copy of a message that QuickFIX is given: what it would choke on or lose is put right.

All that is done to a copy has a name, the kind under which it is counted. What is left out of a
copy is looked for in fixfeed's reading by itself, so that it cannot be lost there unseen.
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
_MASK = "\x1a"  # the control character for what cannot be represented


class Field(NamedTuple):
    """A field: its tag, or the text before `=` where that is no tag, and its value.

    A field without `=` is all value.
    """

    key: Key
    value: bytes


@dataclass
class Copy:
    """What QuickFIX is given of a message, and how that differs from it.

    `left_out` are the fields that it is not given, `added` those that are its own, `masks` what
    it is given for texts that it is not given as they are, `lengths` the tags of data
    lengths that were put right; `repairs` are the kinds of all that was done. `touched` are the
    tags that QuickFIX may nest another way, with the kind of the reason; `values` are all values of
    the message by tag, in order.
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
    """Return what separates the fields of `message`; `default` where it does not show."""
    found = start_pattern(default).match(message)
    return found[1] if found and found[1] else default


def split(message: bytes, delimiter: bytes, lengths: Mapping[int, int]) -> list[Field]:
    """Return the fields of a message; a data field is as long as the field before it says.

    It ends at the next delimiter if it would not end a field by that. `delimiter` is one byte,
    `lengths` are as in `data_lengths`.
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
    """Return the text of a value: UTF-8, or Latin-1 where it is not that."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def copy_of(
    fields: list[Field], delimiter: bytes, structure: Structure, ours: Structure | None = None
) -> Copy:
    """Return what QuickFIX is given of a message with these fields, which `delimiter` separated.

    `structure` is that of QuickFIX's dictionaries, `ours` of fixfeed's if these are others.
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
        # In groups inside groups QuickFIX has forgotten which fields are data.
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
    """Return the text of a value in an encoding, if it is one and the value is written in it."""
    if encoding:
        with suppress(LookupError, ValueError):
            return value.decode(encoding)
    return as_text(value)


def _given(value: bytes, delimiter: bytes, copy: Copy, *, by_length: bool) -> str:
    """Return a value as QuickFIX is given it: text of as many bytes that nothing ends too early.

    `by_length` says that QuickFIX knows its length. A delimiter inside stands for SOH there as
    well.
    """
    given = as_text(value)
    if len(given.encode()) != len(value):
        given = "".join(_MASK if letter > "\x7f" else letter for letter in given)
        copy.repairs.add("not_utf8")
    if "\x01" in given and not (by_length and delimiter == b"\x01"):
        given = given.replace("\x01", _MASK)
        copy.repairs.add("soh_in_value")
    return given.replace(as_text(delimiter), "\x01")
