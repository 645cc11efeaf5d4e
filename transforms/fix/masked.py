"""A message with its secrets masked: its fields, and its bytes."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from transforms.fix.fields import Field, facts_of
from transforms.fix.masking import Masking

__all__ = ["Masked", "mask_message"]

_TAG_BEHIND = re.compile(rb"(?<![0-9])0*([1-9][0-9]{0,8})\Z")


class Masked(NamedTuple):
    """The fields that are left, the bytes, and the tags that were masked, in their order."""

    fields: list[Field]
    raw: bytes
    tags: list[int]


def mask_message(
    message: bytes,
    delimiter: bytes,
    fields: Sequence[Field],
    masking: Masking,
    data_tags: Mapping[bytes, bytes],
) -> Masked | None:
    """Return `message` with its secrets masked, None if it has none.

    Secrets are the values of tags that are masked, of fields that end with such a tag though they
    are damaged, and what looks like a secret field inside another value (a message in a data
    field); these last ones become asterisks. Where the length of a data field changes, the length
    field before it (`data_tags`, as in `split_fields`) does too; BodyLength and CheckSum stay as
    they came.
    """
    changes: dict[int, bytes | None] = {}
    tags = set()
    msg_types = {field.value for field in fields if field.tag == b"35"}
    for number, field in enumerate(fields):
        tag = facts_of(field.tag).tag or _damaged_tag(field.tag)
        if masking.applies(tag, msg_types):
            changes[number] = masking.value(tag, field.value)
            tags.add(tag)
        elif b"=" in field.value:
            value = masking.text(field.value)
            if value != field.value:
                changes[number] = value
                tags |= masking.tags_inside(field.value)
    if not changes:
        return None
    _fit_lengths(fields, changes, data_tags)
    left = [
        field._replace(value=changes.get(number) or b"") if number in changes else field
        for number, field in enumerate(fields)
        if changes.get(number, b"") is not None
    ]
    return Masked(left, _bytes(message, delimiter, fields, changes), sorted(tags))


def _damaged_tag(tag: bytes) -> int:
    match = _TAG_BEHIND.search(tag)
    return int(match[1]) if match else 0


def _fit_lengths(
    fields: Sequence[Field],
    changes: dict[int, bytes | None],
    data_tags: Mapping[bytes, bytes],
) -> None:
    for number, value in list(changes.items()):
        before = fields[number - 1] if number else None
        if before and data_tags.get(before.tag) == fields[number].tag:
            if value is None:
                changes[number - 1] = None
            elif len(value) != len(fields[number].value):
                changes[number - 1] = b"%d" % len(value)


def _bytes(
    message: bytes,
    delimiter: bytes,
    fields: Sequence[Field],
    changes: Mapping[int, bytes | None],
) -> bytes:
    pieces, at = [], 0
    for number in sorted(changes):
        field, value = fields[number], changes[number]
        # What has no `=` is all value.
        opening = len(field.tag) + message.startswith(field.tag + b"=", field.start)
        end = field.start + opening + len(field.value)
        if value is None:
            pieces.append(message[at : field.start])
            at = end + message.startswith(delimiter, end)
        else:
            pieces += [message[at : field.start + opening], value]
            at = end
    return b"".join([*pieces, message[at:]])
