"""Random valid messages of a version of FIX, each field with an allowed value."""

import random
from collections.abc import Iterator

from fixfeed.transforms.fix.dictionary.union import Field, merged
from fixfeed.transforms.fix.dictionary.version import BODY, Scope, VersionDictionary

TEXTS = {
    "AMT": ["1500.25", "-3"],
    "BOOLEAN": ["Y", "N"],
    "CHAR": ["a"],
    "COUNTRY": ["DE"],
    "CURRENCY": ["USD"],
    "DATE": ["20250102"],
    "DAYOFMONTH": ["31"],
    "EXCHANGE": ["XPAR"],
    "FLOAT": ["0.5"],
    "INT": ["3", "-7"],
    "LANGUAGE": ["en"],
    "LENGTH": ["12"],
    "LOCALMKTDATE": ["20250102"],
    "LOCALMKTTIME": ["09:30:00"],
    "MONTHYEAR": ["202503"],
    "MULTIPLECHARVALUE": ["a b"],
    "MULTIPLESTRINGVALUE": ["ab c"],
    "MULTIPLEVALUESTRING": ["a"],
    "NUMINGROUP": ["0"],
    "PERCENTAGE": ["0.05"],
    "PRICE": ["100.85"],
    "PRICEOFFSET": ["-0.25"],
    "QTY": ["5000", "2.5"],
    "RESERVED100PLUS": ["100", "123456"],
    "RESERVED1000PLUS": ["1000", "23456"],
    "RESERVED4000PLUS": ["4000", "12345"],
    "SEQNUM": ["12"],
    "STRING": ["text of any length"],
    "TAGNUM": ["55"],
    "TENOR": ["M3", "D10"],
    "TIME": ["20250102-09:30:00"],
    "TZTIMEONLY": ["07:39Z"],
    "TZTIMESTAMP": ["20250102-07:39Z"],
    "UTCDATE": ["20250102"],
    "UTCDATEONLY": ["20250102"],
    "UTCTIMEONLY": ["09:30:00.123"],
    "UTCTIMESTAMP": ["20250102-09:30:00.123"],
    "XID": ["x1"],
    "XIDREF": ["x1"],
}
"""Texts for each type of FIX."""

_FRAMING = (8, 9, 35, 49, 56, 34, 52, 10)


def texts_of(field: Field) -> list[str]:
    """Return texts that a field may have: all listed ones, and some other allowed ones."""
    if not field.values:
        return TEXTS[field.type]
    texts = [*field.values, *(TEXTS[field.union] if field.union else ())]
    if field.type.startswith("MULTIPLE"):
        texts.append(" ".join(texts[:3]))
    return texts


def valid_message(
    rng: random.Random, dictionary: VersionDictionary, msg_type: str, share: float
) -> list[tuple[int, bytes]]:
    """Return the fields of a message after BodyLength, with a share of the optional ones."""
    head = [(35, msg_type), (49, "A"), (56, "B"), (34, "7"), (52, "20250102-09:30:00")]
    scope = dictionary.scope(msg_type)
    body = _members(rng, dictionary, scope, share)
    return [(tag, text.encode()) for tag, text in [*head, *body]]


def _members(
    rng: random.Random, dictionary: VersionDictionary, scope: Scope, share: float
) -> Iterator[tuple[int, str]]:
    lengths = merged().data_lengths
    data = set(lengths.values())
    for number, (tag, inner) in enumerate(scope.members.items()):
        first = scope.depth > 0 and number == 0
        if tag in _FRAMING or not (first or tag in scope.required or rng.random() < share):
            continue
        if scope.depth == 0 and scope.section[tag] != BODY and tag not in scope.required:
            continue
        if inner:
            count = rng.choice([1, 2])
            yield tag, str(count)
            for _ in range(count):
                yield from _members(rng, dictionary, inner, share / 2)
        elif tag in lengths and lengths[tag] in scope.members:
            yield tag, "3"
            yield lengths[tag], "abc"
        elif tag not in data and tag not in lengths:
            yield tag, rng.choice(texts_of(dictionary.fields[tag]))
