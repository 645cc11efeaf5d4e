"""One message at a time: the definition of how a message is read.

The vectorised parser is compared to this one, byte for byte, and hands it what is out of the
ordinary.
"""

import re
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
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
from transforms.fix.groups import Item, add, nest
from transforms.fix.reading import Reading
from transforms.fix.schema import COLUMNS, DECIMAL, TIME, Column
from transforms.fix.validation import check_fields
from transforms.fix.values import (
    is_leap_second,
    is_number,
    read_boolean,
    read_decimal,
    read_int,
    read_time,
)
from transforms.fix.versions import BODY, HEADER, TRAILER

__all__ = [
    "READERS",
    "Field",
    "Message",
    "decode",
    "dictionary_key",
    "is_beyond",
    "parse_message",
    "split_fields",
]

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
    `defects` the bits of `transforms.fix.defects`, `fix_json` the whole message in the FIX JSON
    encoding, if it was asked for: header, body and trailer apart, the framing fields only where
    they are wrong.
    """

    columns: dict[str, Any]
    fields: bytes
    defects: int
    fix_json: bytes


def decode(value: bytes) -> str:
    """Return the text of a value: UTF-8, or Latin-1 where it is not that."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


class _Facts(NamedTuple):
    """What there is to know of the text before an `=`, whatever the version."""

    tag: int  # 0 for what is no tag
    length_of: bytes  # the tag of the data field whose length it is
    column: Column | None
    reader: Callable[[str], tuple[Any, bool]] | None


@lru_cache(maxsize=1 << 14)
def _facts(tag: bytes) -> _Facts:
    if not _TAG.fullmatch(tag):
        return _Facts(0, b"", None, None)
    data_tag = merged().data_lengths.get(int(tag))
    column = _COLUMN_OF.get(tag)
    return _Facts(
        int(tag),
        b"%d" % data_tag if data_tag else b"",
        column,
        READERS.get(column.type) if column else None,
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
        facts = _facts(tag)
        if not equals:
            tag, value = b"", tag
        if not facts.tag or not equals:
            defects |= BAD_FIELD
        elif not value:
            defects |= EMPTY_VALUE
        if equals and facts.length_of:
            if _LENGTH.fullmatch(value):
                data_tag, data_size = facts.length_of, int(value)
            else:
                defects |= DATA_LENGTH
        fields.append(Field(tag, value, at))
        at = end + 1
    if data_tag:
        defects |= DATA_LENGTH
    return fields, defects


def _ends(message: bytes, at: int, size: int, delimiter: bytes) -> bool:
    return at == size or (at < size and message.startswith(delimiter, at))


def parse_message(
    message: bytes,
    delimiter: bytes,
    reading: Reading = Reading(),
    logged_on: Mapping[str, str] = MappingProxyType({}),
) -> Message | None:
    """Read one message, `message` being its bytes and nothing else; None if it has no MsgType (35).

    `delimiter` is one byte. `logged_on` has the DefaultApplVerID of sessions, as in
    `Dictionaries.choose`.
    """
    found, defects = split_fields(message, delimiter)
    by_tag = {field.tag: field.value for field in reversed(found)}
    if b"35" not in by_tag:
        return None
    defects |= _framing_defects(message, delimiter, found)
    dictionary = reading.dictionaries.choose(*dictionary_key(by_tag), logged_on)
    facts = [_facts(field.tag) for field in found]
    tags = [one.tag for one in facts]
    names = [
        dictionary.name(one.tag) if one.tag else decode(field.tag)
        for one, field in zip(facts, found, strict=True)
    ]
    texts = [decode(field.value) for field in found]
    items, structure = nest(tags, names, texts, dictionary, decode(by_tag[b"35"]))
    defects |= structure
    if reading.validate == "dictionary":
        defects |= check_fields(tags, texts, dictionary, decode(by_tag[b"35"]))
    columns, exact, wrong = _columns(items, facts, texts)
    defects = (defects | wrong) & reading.wanted
    # What the framing fields say is known where they are right.
    framing = set()
    if tags[-1] == 10:
        if not defects & BODY_LENGTH:
            framing.add(9)
        if not defects & (CHECK_SUM | CHECK_SUM_DELIMITER):
            framing.add(10)
    often = Counter(found[item.number].tag for item in items)
    once = {item.number for item in items if often[found[item.number].tag] == 1}
    known = {number for number in once if tags[number] in framing}
    rest = known | (once & exact)
    return Message(
        columns,
        _json(items, rest if reading.fields == "rest" else set()),
        defects,
        _fix_json(items, known) if reading.fix_json else b"",
    )


def dictionary_key(by_tag: Mapping[bytes, bytes]) -> tuple[str, str, str]:
    """Return what a dictionary is chosen by: BeginString, ApplVerID and session."""
    begin_string, appl_ver_id, sender, target = (
        decode(by_tag.get(tag, b"")) for tag in (b"8", b"1128", b"49", b"56")
    )
    return begin_string, appl_ver_id, f"{sender}->{target}"


def _columns(
    items: Sequence[Item], facts: Sequence[_Facts], texts: Sequence[str]
) -> tuple[dict[str, Any], set[int], int]:
    """Return the columns, the numbers of the fields that they hold exactly, and the defects."""
    columns: dict[str, Any] = {}
    exact = set()
    defects = 0
    for item in items:
        _, _, column, reader = facts[item.number]
        if column is None or column.name in columns:
            continue
        text = texts[item.number]
        value: Any = text
        fits = True
        if reader:
            value, fits = reader(text)
            if value is None and text and not is_beyond(text, column.type):
                defects |= BAD_VALUE
        columns[column.name] = value
        if fits:
            exact.add(item.number)
    return {name: value for name, value in columns.items() if value is not None}, exact, defects


def is_beyond(text: str, kind: pa.DataType) -> bool:
    """Tell whether a value is one of its column's type after all, but one that it cannot hold.

    So are numbers of very many digits, and times in a leap second.
    """
    if kind == DECIMAL:
        return is_number(text)
    return kind == TIME and is_leap_second(text)


def _json(items: Iterable[Item], left_out: Container[int]) -> bytes:
    content: dict[str, Any] = {}
    for item in items:
        if item.number in left_out:
            continue
        if isinstance(item.value, list):
            content[item.name] = item.value
        else:
            add(content, item.name, item.value)
    return orjson.dumps(content)


def _fix_json(items: Sequence[Item], left_out: Container[int]) -> bytes:
    parts = [
        _json((item for item in items if item.section == section), left_out)
        for section in (HEADER, BODY, TRAILER)
    ]
    return b'{"Header":%b,"Body":%b,"Trailer":%b}' % tuple(parts)


def _framing_defects(message: bytes, delimiter: bytes, found: Sequence[Field]) -> int:
    defects = 0
    tags = [field.tag for field in found]
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
