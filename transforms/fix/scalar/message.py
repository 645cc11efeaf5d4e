"""One message at a time: the definition of how a message is read.

The vectorised parser is compared to this one, byte for byte, and hands it the messages that are out
of the ordinary.
"""

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson
import pyarrow as pa

from fixfeed.transforms.fix.defects import (
    BAD_VALUE,
    BEGIN_STRING_MISSING,
    BODY_LENGTH,
    BODY_LENGTH_MISSING,
    CHECK_SUM,
    CHECK_SUM_DELIMITER,
    CHECK_SUM_MISSING,
    HEADER_ORDER,
    NUMBER_TOO_LARGE,
    TEXT_TOO_LONG,
    TRUNCATED,
    UNKNOWN_VERSION,
)
from fixfeed.transforms.fix.dictionary.choose import APPL_VER_ID
from fixfeed.transforms.fix.dictionary.version import (
    BODY,
    HEADER,
    TRAILER,
    VersionDictionary,
    with_tag_keys,
)
from fixfeed.transforms.fix.framing.checksum import checksum
from fixfeed.transforms.fix.framing.original import single_byte
from fixfeed.transforms.fix.reading import USUAL, Reading
from fixfeed.transforms.fix.scalar.fields import Facts, Field, decode, facts_of, split_fields
from fixfeed.transforms.fix.scalar.groups import Item, add, nest
from fixfeed.transforms.fix.scalar.masking import mask_message
from fixfeed.transforms.fix.scalar.validation import check_fields
from fixfeed.transforms.fix.scalar.values import is_int, is_number
from fixfeed.transforms.fix.schema import DECIMAL, LONGEST_TEXT, is_short

__all__ = ["Message", "dictionary_key", "parse_message", "texts_of", "unreadable"]

_LENGTH = re.compile(rb"[0-9]{1,9}")
# The four that FIX lists, and others that venues use.
_ENCODING = re.compile(
    rb"utf-?8|shift_?jis|euc-jp|iso-2022-jp|euc-kr|gbk|gb2312|gb18030|big5|koi8-r"
    rb"|us-ascii|iso-8859-[0-9]{1,2}|(?:windows-|cp)125[0-8]",
    re.IGNORECASE,
)


class Message(NamedTuple):
    """A message that was read.

    `columns` has the value of each column of `COLUMNS` that is present: text, whole numbers, flags,
    microseconds or days since 1970, decimals as whole numbers of 10 ** -10. `fields` is the JSON
    text, `defects` the bits of `defects`, `fix_json` the whole message in the FIX JSON encoding, if
    it was asked for: header, body and trailer apart, the framing fields only where
    they are wrong. If the message holds secrets, all of this is masked, `raw` has its bytes masked
    as well, and `masked` the tags joined by commas; otherwise both are None.
    """

    columns: dict[str, Any]
    fields: bytes
    defects: int
    fix_json: bytes
    raw: bytes | None = None
    masked: str | None = None


def parse_message(
    message: bytes,
    delimiter: bytes,
    reading: Reading = USUAL,
    logged_on: Mapping[str, str] = MappingProxyType({}),
) -> Message | None:
    """Read one message, `message` being its bytes and nothing else; None if it has no MsgType (35).

    A MsgType of more than `LONGEST_TEXT` bytes is none.

    `logged_on` has the DefaultApplVerID of sessions, as in `Dictionaries.choose`.
    """
    if len(delimiter) > 1:
        read = parse_message(single_byte(message, delimiter), b"\x01", reading, logged_on)
        if read is None or read.raw is None:
            return read
        return read._replace(raw=read.raw.replace(b"\x01", delimiter))
    fields, defects = split_fields(message, delimiter, reading.dictionaries.data_tags)
    by_tag = {field.tag: field.value for field in reversed(fields)}
    if b"35" not in by_tag or len(by_tag[b"35"]) > LONGEST_TEXT:
        return None
    defects |= _framing_defects(message, delimiter, fields)
    key = dictionary_key(by_tag)
    dictionary = reading.dictionaries.choose(*key, logged_on)
    if not dictionary.is_known:
        defects |= UNKNOWN_VERSION
    content = _Content(fields, dictionary, by_tag)
    defects |= content.defects
    if reading.validate == "dictionary":
        msg_type = decode(by_tag[b"35"])
        defects |= check_fields(content.tags, content.texts, dictionary, msg_type)
    defects &= reading.wanted
    masked = mask_message(
        message, delimiter, fields, reading.masking, reading.dictionaries.data_tags
    )
    if masked:
        content = _Content(masked.fields, dictionary, by_tag)
    applied = reading.dictionaries.applied(*key, logged_on)
    if applied and APPL_VER_ID not in reading.masking.tags:
        content.columns["appl_ver_id"] = content.columns.get("appl_ver_id") or applied
    # The values of framing fields are known if they are right.
    framing = set()
    if content.tags[-1] == 10:
        if not defects & BODY_LENGTH:
            framing.add(9)
        if not defects & (CHECK_SUM | CHECK_SUM_DELIMITER):
            framing.add(10)
    known = {number for number in content.once if content.tags[number] in framing}
    rest = known | (content.once & content.exact)
    return Message(
        {name: value for name, value in content.columns.items() if value is not None},
        _fields(content.items, rest if reading.fields == "rest" else set()),
        defects,
        _fix_json(content.items, known) if reading.fix_json else b"",
        masked.raw if masked else None,
        ",".join(map(str, masked.tags)) if masked else None,
    )


class _Content:
    """The content of a message's fields.

    `items` are those at the message's level. Of them, by number, `once` are the fields whose tag is
    not repeated and `exact` those whose column holds all that their text does.
    """

    def __init__(
        self, fields: Sequence[Field], dictionary: VersionDictionary, by_tag: Mapping[bytes, bytes]
    ):
        facts = [facts_of(field.tag) for field in fields]
        self.tags = [one.tag for one in facts]
        names = [
            dictionary.name(one.tag) if one.tag else decode(field.tag)
            for one, field in zip(facts, fields, strict=True)
        ]
        self.texts = texts_of(fields, facts, by_tag.get(b"347"))
        for number, one in enumerate(facts):
            if not one.tag and dictionary.is_name(names[number]):
                # `Symbol=X` is not the field Symbol.
                self.texts[number] = f"{names[number]}={self.texts[number]}"
                names[number] = ""
        self.items, marks = nest(self.tags, names, self.texts, dictionary, decode(by_tag[b"35"]))
        self.defects = 0
        for mark in marks:
            self.defects |= mark.defect
        self.columns: dict[str, Any] = {}
        self.exact: set[int] = set()
        first: dict[bytes, int] = {}
        repeated = set()
        for number, _, _, _ in self.items:
            tag = fields[number].tag
            if tag in first:
                repeated.add(first[tag])
                continue
            first[tag] = number
            _, _, column, reader = facts[number]
            if column is None:
                continue
            text = self.texts[number]
            value, fits = reader(text) if reader else (text or None, bool(text))
            if is_short(column) and len(fields[number].value) > LONGEST_TEXT:
                value, fits = None, False
            if value is None and text:
                self.defects |= unreadable(text, column.type)
            self.columns[column.name] = value
            if fits:
                self.exact.add(number)
        self.once = set(first.values()) - repeated


def texts_of(fields: Sequence[Field], facts: Sequence[Facts], encoding: bytes | None) -> list[str]:
    """Return the texts of fields, those of Encoded fields by MessageEncoding (347)."""
    texts = [decode(field.value) for field in fields]
    if encoding is None or not _ENCODING.fullmatch(encoding):
        return texts
    for number, one in enumerate(facts):
        if one.is_encoded:
            with suppress(LookupError, UnicodeDecodeError):
                texts[number] = fields[number].value.decode(encoding.decode())
    return texts


def dictionary_key(by_tag: Mapping[bytes, bytes]) -> tuple[str, str, str]:
    """Return the key that a dictionary is chosen by: BeginString, ApplVerID and session."""
    begin_string, appl_ver_id, sender, target = (
        decode(by_tag.get(tag, b"")) for tag in (b"8", b"1128", b"49", b"56")
    )
    return begin_string, appl_ver_id, f"{sender}->{target}"


def unreadable(text: str, kind: pa.DataType) -> int:
    """Return the defect of a text that a column of this type cannot hold at all."""
    if kind == pa.string():
        return TEXT_TOO_LONG
    is_of_type = is_number if kind == DECIMAL else is_int if kind == pa.int64() else None
    return NUMBER_TOO_LARGE if is_of_type and is_of_type(text) else BAD_VALUE


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


def _fields(items: Iterable[Item], left_out: Container[int]) -> bytes:
    return with_tag_keys(_json(items, left_out))


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
        total = checksum(before.replace(delimiter, b"\x01"))
        # Inside data the delimiter may be part of the data, or an SOH that a tool replaced.
        inside = before.count(delimiter) - len(found) + 1
        if int(written) in (total, (total + inside * (delimiter[0] - 1)) % 256):
            return defects
        if int(written) == checksum(before):
            return defects | CHECK_SUM_DELIMITER
    return defects | CHECK_SUM
