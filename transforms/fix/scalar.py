"""One message at a time: the definition of how a message is read.

The vectorised parser is compared to this one, byte for byte, and hands it what is out of the
ordinary.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import orjson
import pyarrow as pa

from transforms.fix.checksum import checksum
from transforms.fix.defects import (
    BAD_FIELD,
    BAD_VALUE,
    BEGIN_STRING_MISSING,
    BODY_LENGTH,
    BODY_LENGTH_MISSING,
    CHECK_SUM,
    CHECK_SUM_DELIMITER,
    CHECK_SUM_MISSING,
    DATA_LENGTH,
    EMPTY_VALUE,
    HEADER_ORDER,
    TRUNCATED,
)
from transforms.fix.dictionary import merged
from transforms.fix.schema import COLUMNS, DECIMAL, TIME
from transforms.fix.values import is_beyond, read_boolean, read_decimal, read_int, read_time

__all__ = [
    "FIELDS",
    "READERS",
    "Field",
    "Message",
    "decode",
    "parse_message",
    "split_fields",
]

FIELDS = ("rest", "all")
"""What the JSON holds: the fields that have no exact column (`rest`), or all of them."""

READERS: Mapping[pa.DataType, Callable[[str], tuple[Any, bool]]] = {
    pa.int64(): read_int,
    pa.bool_(): read_boolean,
    TIME: read_time,
    DECIMAL: read_decimal,
}
"""How the text of a column is read, by the column's type; text columns are not read."""

_COLUMN_OF = {b"%d" % column.tag: column for column in COLUMNS}
_TAG = re.compile(rb"[1-9][0-9]{0,8}")
_LENGTH = re.compile(rb"[0-9]{1,9}")


class Field(NamedTuple):
    """A field as it stands in the message: the text before and behind `=`, and where it begins.

    Without `=` all of it is the value.
    """

    tag: bytes
    value: bytes
    start: int


class Message(NamedTuple):
    """A message that was read.

    `columns` has the value of each column of `COLUMNS` that is present: text, whole numbers, flags,
    microseconds since 1970, decimals as whole numbers of 10 ** -10. `fields` is the JSON text,
    `defects` the bits of `transforms.fix.defects`.
    """

    columns: dict[str, Any]
    fields: bytes
    defects: int


def decode(value: bytes) -> str:
    """Return the text of a value: UTF-8, or Latin-1 where it is not that."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


@lru_cache(maxsize=1 << 14)
def _facts(tag: bytes) -> tuple[bool, bytes, str, str, Any, bool]:
    """Return what there is to know of the text before an `=`.

    Whether it is a tag, the tag of the data field whose length it is (or nothing), its name in
    JSON, and its column (or nothing) with the column's reader and whether it has times or decimals.
    """
    if not _TAG.fullmatch(tag):
        return False, b"", decode(tag), "", None, False
    number = int(tag)
    data_tag = merged().data_lengths.get(number)
    field = merged().fields.get(number)
    column = _COLUMN_OF.get(tag)
    return (
        True,
        b"%d" % data_tag if data_tag else b"",
        field.name if field else tag.decode(),
        column.name if column else "",
        READERS.get(column.type) if column else None,
        column is not None and column.type in (TIME, DECIMAL),
    )


def split_fields(message: bytes, delimiter: bytes) -> tuple[list[Field], int]:
    """Return the fields of `message` in order, and the defects of their form.

    `delimiter` is one byte. A data field is as long as the length field before it says if it then
    ends a field; otherwise it ends at the next delimiter, which is the defect DATA_LENGTH.
    """
    fields: list[Field] = []
    defects = at = 0
    size = len(message) - message.endswith(delimiter)
    data_tag, data_size = b"", 0
    while at < size or not fields:
        end = message.find(delimiter, at, size)
        if end < 0:
            end = size
        tag, equals, value = message[at:end].partition(b"=")
        if data_tag:
            past = at + len(tag) + 1 + data_size
            if tag != data_tag or (past != end and not _ends(message, past, size, delimiter)):
                defects |= DATA_LENGTH
            else:
                end = past
                value = message[at + len(tag) + 1 : end]
            data_tag = b""
        is_tag, length_of, *_ = _facts(tag)
        if not equals:
            tag, value = b"", tag
        if not is_tag or not equals:
            defects |= BAD_FIELD
        elif not value:
            defects |= EMPTY_VALUE
        if equals and length_of:
            if _LENGTH.fullmatch(value):
                data_tag, data_size = length_of, int(value)
            else:
                defects |= DATA_LENGTH
        fields.append(Field(tag, value, at))
        at = end + 1
    if data_tag:
        defects |= DATA_LENGTH
    return fields, defects


def _ends(message: bytes, at: int, size: int, delimiter: bytes) -> bool:
    return at == size or (at < size and message.startswith(delimiter, at))


def parse_message(message: bytes, delimiter: bytes, *, fields: str = "rest") -> Message | None:
    """Read one message, `message` being its bytes and nothing else; None if it has no MsgType (35).

    `delimiter` is one byte. `fields` is one of `FIELDS`.
    """
    found, defects = split_fields(message, delimiter)
    tags = [field.tag for field in found]
    often = Counter(tags)
    if b"35" not in often:
        return None
    defects |= _framing_defects(message, delimiter, found, tags)
    # What the framing fields say is known where they are right.
    known = set()
    if fields == "rest" and tags[-1] == b"10":
        if not defects & BODY_LENGTH:
            known.add(b"9")
        if not defects & (CHECK_SUM | CHECK_SUM_DELIMITER):
            known.add(b"10")
    columns: dict[str, Any] = {}
    content: dict[str, str | list[str]] = {}
    for tag, octets, _ in found:
        _, _, name, column, reader, may_be_beyond = _facts(tag)
        text = decode(octets)
        exact = tag in known
        if column and column not in columns:
            exact = True
            value: Any = text
            if reader:
                value, exact = reader(text)
                if value is None and text and not (may_be_beyond and is_beyond(text)):
                    defects |= BAD_VALUE
            columns[column] = value
            exact = exact and fields == "rest"
        if not exact or often[tag] > 1:
            _add(content, name, text)
    columns = {name: value for name, value in columns.items() if value is not None}
    return Message(columns, orjson.dumps(content), defects)


def _add(content: dict[str, str | list[str]], name: str, text: str) -> None:
    before = content.get(name)
    if before is None:
        content[name] = text
    elif isinstance(before, list):
        before.append(text)
    else:
        content[name] = [before, text]


def _framing_defects(
    message: bytes, delimiter: bytes, found: list[Field], tags: list[bytes]
) -> int:
    defects = 0
    headless = tags[0] != b"8"
    if headless:
        defects |= BEGIN_STRING_MISSING
    elif tags[1:3] != [b"9", b"35"] and not (b"9" not in tags and tags[1] == b"35"):
        defects |= HEADER_ORDER
    if b"9" not in tags:
        defects |= BODY_LENGTH_MISSING
    if tags[-1] != b"10":
        return defects | (CHECK_SUM_MISSING if headless else TRUNCATED)
    trailer = found[-1]
    if b"9" in tags:
        length = found[tags.index(b"9")]
        body = length.start + len(length.tag) + 1 + len(length.value) + 1
        if not _LENGTH.fullmatch(length.value) or int(length.value) != trailer.start - body:
            defects |= BODY_LENGTH
    before = message[: trailer.start]
    written = trailer.value
    if len(written) == 3 and written.isdigit():
        if int(written) == checksum(before.replace(delimiter, b"\x01")):
            return defects
        if int(written) == checksum(before):
            return defects | CHECK_SUM_DELIMITER
    return defects | CHECK_SUM
