"""Defects at the fields that have them.

A stored message has the kinds of its defects. Where each of them is, is found by looking again; a
kind that is at no field, or is not found again, is one of the whole message.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from fixfeed.transforms.fix.defects import (
    BAD_FIELD,
    BODY_LENGTH,
    CHECK_SUM,
    CHECK_SUM_DELIMITER,
    DATA_LENGTH,
    EMPTY_VALUE,
    GROUP_COUNT,
    HEADER_ORDER,
    MEANINGS,
    MISSING_FIELD,
    NAMES,
    UNKNOWN_MSG_TYPE,
    UNKNOWN_VERSION,
)
from fixfeed.transforms.fix.dictionary.version import VersionDictionary
from fixfeed.transforms.fix.framing.checksum import checksum
from fixfeed.transforms.fix.scalar.fields import Field, facts_of
from fixfeed.transforms.fix.scalar.groups import Mark
from fixfeed.transforms.fix.scalar.message import unreadable
from fixfeed.transforms.fix.scalar.validation import check_tag, check_value

__all__ = ["Message", "Problem", "find_problems"]

_MESSAGE = -1
_OF_VALUES = (BODY_LENGTH, CHECK_SUM, DATA_LENGTH)
"""Defects whose words have a length or a sum of values."""

_BEGINNING = (b"8", b"9", b"35")


class Problem(NamedTuple):
    """A defect: its kind, and what it is here, in words."""

    kind: str
    text: str


class Message(NamedTuple):
    """A message as it was split: its bytes, its delimiter (one byte), its fields and their content.

    `tags` are numbers, 0 for text that is none; `data_tags` are as in `split_fields`; `marks` are
    the defects of its structure; `nested` are the numbers of the fields in groups. `validated` says
    whether tags and values were checked by the dictionary.
    """

    data: bytes
    delimiter: bytes
    fields: Sequence[Field]
    tags: Sequence[int]
    texts: Sequence[str]
    msg_type: str
    dictionary: VersionDictionary
    data_tags: Mapping[bytes, bytes]
    marks: Sequence[Mark]
    nested: Container[int]
    validated: bool


def find_problems(
    message: Message, defects: Iterable[str], *, secret: bool
) -> dict[int, list[Problem]]:
    """Return the problems of a message by the number of the field; -1 is the whole message.

    `defects` are the kinds that it has. Each of them is somewhere in the result, and no other is.
    With `secret` the words give away nothing about the values.
    """
    wanted = list(defects)
    found: dict[int, list[Problem]] = {}
    for number, defect, text in _looked_for(message) if wanted else ():
        for bit, kind in enumerate(NAMES):
            if defect >> bit & 1 and kind in wanted:
                hidden = secret and defect in _OF_VALUES
                problem = Problem(kind, (not hidden and text) or MEANINGS[kind])
                if problem not in found.setdefault(number, []):
                    found[number].append(problem)
    located = {problem.kind for problems in found.values() for problem in problems}
    for kind in wanted:
        if kind not in located:
            found.setdefault(_MESSAGE, []).append(Problem(kind, MEANINGS.get(kind, kind)))
    return {number: problems for number, problems in found.items() if problems}


def _looked_for(message: Message) -> Iterator[tuple[int, int, str]]:
    """Yield what may be wrong: the number of a field, the bits of its defects, and words for it."""
    yield from _of_framing(message)
    for number, (field, tag, text) in enumerate(
        zip(message.fields, message.tags, message.texts, strict=True)
    ):
        if not tag:
            yield number, BAD_FIELD, ""
            continue
        if not text:
            yield number, EMPTY_VALUE, ""
        if field.tag in message.data_tags:
            yield from _of_length(message, number)
        _, _, column, reader = facts_of(field.tag)
        if column and reader and text and number not in message.nested and reader(text)[0] is None:
            yield number, unreadable(text, column.type), ""
        if message.validated:
            yield number, check_tag(tag, message.dictionary, message.msg_type), ""
            known = message.dictionary.fields.get(tag)
            yield number, check_value(known, text) if known else 0, ""
    for mark in message.marks:
        yield mark.number, mark.defect, _words(mark, message)


def _of_framing(message: Message) -> Iterator[tuple[int, int, str]]:
    fields = message.fields
    tags = [field.tag for field in fields]
    for place, expected in enumerate(_BEGINNING):
        if tags[place : place + 1] != [expected]:
            yield min(place, len(tags) - 1), HEADER_ORDER, ""
            break
    if b"8" in tags:
        yield tags.index(b"8"), UNKNOWN_VERSION, ""
    yield tags.index(b"35"), UNKNOWN_MSG_TYPE, ""
    trailer = fields[-1]
    if trailer.tag != b"10":
        return
    if b"9" in tags:
        number = tags.index(b"9")
        length = fields[number]
        body = length.start + len(length.tag) + 1 + len(length.value) + 1
        yield number, BODY_LENGTH, f"there are {trailer.start - body} bytes"
    before = message.data[: trailer.start]
    total = checksum(before.replace(message.delimiter, b"\x01"))
    yield len(fields) - 1, CHECK_SUM, f"the sum is {total:03}"
    yield len(fields) - 1, CHECK_SUM_DELIMITER, ""


def _of_length(message: Message, number: int) -> Iterator[tuple[int, int, str]]:
    field = message.fields[number]
    data = message.fields[number + 1] if number + 1 < len(message.fields) else None
    if data is None or data.tag != message.data_tags[field.tag]:
        name = message.dictionary.name(int(message.data_tags[field.tag]))
        yield number, DATA_LENGTH, f"the field after it is not {name}"
    elif not field.value.isdigit() or int(field.value) != len(data.value):
        yield number, DATA_LENGTH, f"the data after it has {len(data.value)} bytes"


def _words(mark: Mark, message: Message) -> str:
    if mark.defect == GROUP_COUNT:
        return f"there {'is' if mark.entries == 1 else 'are'} {mark.entries}"
    if mark.defect == MISSING_FIELD:
        order = sorted(mark.missing)
        return ", ".join(f"{message.dictionary.name(tag)} ({tag})" for tag in order)
    return ""
