"""A message with its secrets masked: its fields, and its bytes."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fixfeed.transforms.fix.scalar.fields import Field, facts_of
from fixfeed.transforms.fix.secrets.masking import Masking

__all__ = ["Masked", "mask_message"]


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

    Secrets are the values of masked tags, and of damaged fields that may stand for such a tag, each
    with the fields without a tag after it (a password may hold the delimiter); what a data field
    holds beyond its first delimiter, even if its length does not fit; and what looks like a secret
    field inside another value (a message in a data field). Secrets without a tag of their own
    become asterisks. Where the length of a data field changes, so does the length field before it
    (`data_tags`, as in `split_fields`); BodyLength and CheckSum stay as they came.
    """
    tags = [facts_of(field.tag).tag or _stands_for(field, masking) for field in fields]
    if masking.tags.isdisjoint(tags) and not any(b"=" in field.value for field in fields):
        return None
    secrets = _Secrets(fields, masking, data_tags)
    for number, (field, tag) in enumerate(zip(fields, tags, strict=True)):
        secrets.look_at(number, field, tag)
    if not secrets.changes:
        return None
    left = [secrets.changes.get(number, field) for number, field in enumerate(fields)]
    return Masked(
        [field for field in left if field is not None],
        _bytes(message, delimiter, fields, secrets.changes),
        sorted(secrets.tags),
    )


class _Secrets:
    """The changes to the fields of a message: `changes` by number, None for a field dropped."""

    def __init__(
        self,
        fields: Sequence[Field],
        masking: Masking,
        data_tags: Mapping[bytes, bytes],
    ):
        self.changes: dict[int, Field | None] = {}
        self.tags: set[int] = set()
        self._fields, self._masking, self._data_tags = fields, masking, data_tags
        self._msg_types = {field.value for field in fields if field.tag == b"35"}
        self._is_cut = fields[-1].tag != b"10"
        self._secret_until = 0
        self._goes_on = False

    def look_at(self, number: int, field: Field, tag: int) -> None:
        masking = self._masking
        has_tag = bool(facts_of(field.tag).tag)
        goes_on, self._goes_on = self._goes_on and not has_tag, False
        if field.start < self._secret_until and (self._is_cut or not has_tag):
            # The rest of a data field whose length does not fit: all of it is secret.
            self._goes_on = True
            self._hide(number, field)
        elif masking.applies(tag, self._msg_types):
            self._secret_until = 0
            self._goes_on = True
            if has_tag or (field.tag and not masking.secrets.tells_more(field.tag)):
                self._mask(number, field, tag)
            else:
                self._hide(number, field)
                self.tags.add(tag)
        elif goes_on:
            self._goes_on = True
            self._hide(number, field)
        else:
            self._secret_until = 0
            value = masking.text(field.value) if b"=" in field.value else field.value
            if value != field.value:
                self.changes[number] = field._replace(value=value)
                self.tags |= masking.tags_inside(field.value)

    def _hide(self, number: int, field: Field) -> None:
        hidden = b"*" * (len(field.tag) + bool(field.tag) + len(field.value))
        self.changes[number] = field._replace(tag=b"", value=hidden)

    def _mask(self, number: int, field: Field, tag: int) -> None:
        value = self._masking.value(tag, field.value)
        self.changes[number] = None if value is None else field._replace(value=value)
        self.tags.add(tag)
        before = self._fields[number - 1] if number else None
        if before is None or self._data_tags.get(before.tag) != field.tag:
            return
        if before.value.isdigit():
            begin = field.start + len(field.tag) + 1
            self._secret_until = begin + int(before.value[:9])
        if value is None:
            self.changes[number - 1] = None
        elif len(value) != len(field.value):
            self.changes[number - 1] = before._replace(value=b"%d" % len(value))


def _stands_for(field: Field, masking: Masking) -> int:
    """Return the masked tag that a field without a tag may stand for, 0 if there is none."""
    secrets = masking.secrets
    return secrets.damaged(field.tag) if field.tag else secrets.opening(field.value)


def _bytes(
    message: bytes,
    delimiter: bytes,
    fields: Sequence[Field],
    changes: Mapping[int, Field | None],
) -> bytes:
    pieces, at = [], 0
    for number in sorted(changes):
        field, new = fields[number], changes[number]
        # A field without `=` is all value.
        opening = len(field.tag) + message.startswith(field.tag + b"=", field.start)
        end = field.start + opening + len(field.value)
        if new is None:
            pieces.append(message[at : field.start])
            at = end + message.startswith(delimiter, end)
        else:
            kept = opening if new.tag == field.tag else 0
            pieces += [message[at : field.start + kept], new.value]
            at = end
    return b"".join([*pieces, message[at:]])
