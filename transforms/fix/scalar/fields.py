"""The fields of one message: text between delimiters, and data as long as its length says."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import pyarrow as pa

from fixfeed.transforms.fix.defects import BAD_FIELD, DATA_LENGTH, EMPTY_VALUE
from fixfeed.transforms.fix.dictionary.union import merged, standard_data_tags
from fixfeed.transforms.fix.scalar.values import (
    read_boolean,
    read_date,
    read_decimal,
    read_int,
    read_time,
)
from fixfeed.transforms.fix.schema import COLUMNS, DATE, DECIMAL, TIME, Column

__all__ = ["Facts", "Field", "decode", "facts_of", "split_fields"]

_READERS = {
    pa.int64(): read_int,
    pa.bool_(): read_boolean,
    TIME: read_time,
    DATE: read_date,
    DECIMAL: read_decimal,
}
_COLUMN_OF = {b"%d" % column.tag: column for column in COLUMNS}
_TAG = re.compile(rb"[1-9][0-9]{0,8}")
_LENGTH = re.compile(rb"[0-9]{1,9}")


class Field(NamedTuple):
    """A field as it is in the message: the text before and after `=`, and where it begins.

    Without `=` all of it is the value.
    """

    tag: bytes
    value: bytes
    start: int


def decode(value: bytes) -> str:
    """Return the text of a value: UTF-8, or Latin-1 where it is not that."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


class Facts(NamedTuple):
    """What is known of the text before an `=`, whatever the version.

    `tag` is 0 if the text is not a tag; `is_encoded` means that MessageEncoding (347) decides how
    the field's text is read; `reader` reads the text for the column, if that is not text itself.
    """

    tag: int
    is_encoded: bool
    column: Column | None
    reader: Callable[[str], tuple[Any, bool]] | None


@lru_cache(maxsize=1 << 14)
def facts_of(tag: bytes) -> Facts:
    """Return what is known of the text before an `=`."""
    if not _TAG.fullmatch(tag):
        return Facts(0, False, None, None)
    field = merged().fields.get(int(tag))
    column = _COLUMN_OF.get(tag)
    return Facts(
        int(tag),
        field is not None and field.type == "DATA" and field.name.startswith("Encoded"),
        column,
        _READERS.get(column.type) if column else None,
    )


# Half the cost of calling the class.
_field = tuple.__new__


def split_fields(
    message: bytes, delimiter: bytes, data_tags: Mapping[bytes, bytes] | None = None
) -> tuple[list[Field], int]:
    """Return the fields of `message` in order, and the defects of their form.

    `delimiter` is one byte; `data_tags` has the tag of each data field by that of its length field
    (`standard_data_tags` by default). A data field is as long as the length field before it says if
    it then ends a field; otherwise it ends at the next delimiter, which is the defect DATA_LENGTH.
    """
    if data_tags is None:
        data_tags = standard_data_tags()
    fields: list[Field] = []
    defects = at = inside = 0
    size = len(message) - message.endswith(delimiter)
    data_tag, data_size = b"", 0
    for part in message[:size].split(delimiter):
        end = at + len(part)
        if at < inside:
            # The rest of a data field, after a delimiter in it.
            at = end + 1
            continue
        if at == size and fields:
            break
        tag, equals, value = part.partition(b"=")
        if data_tag:
            past = at + len(tag) + 1 + data_size
            if tag != data_tag or (past != end and not _ends(message, past, size, delimiter)):
                defects |= DATA_LENGTH
            else:
                inside = past + 1
                value = message[at + len(tag) + 1 : past]
            data_tag = b""
        facts = facts_of(tag)
        if not equals:
            tag, value = b"", tag
        if not facts.tag or not equals:
            defects |= BAD_FIELD
        elif not value:
            defects |= EMPTY_VALUE
        if equals and tag in data_tags:
            if _LENGTH.fullmatch(value):
                data_tag, data_size = data_tags[tag], int(value)
            else:
                defects |= DATA_LENGTH
        fields.append(_field(Field, (tag, value, at)))
        at = end + 1
    if data_tag:
        defects |= DATA_LENGTH
    return fields, defects


def _ends(message: bytes, at: int, size: int, delimiter: bytes) -> bool:
    return at == size or (at < size and message.startswith(delimiter, at))
