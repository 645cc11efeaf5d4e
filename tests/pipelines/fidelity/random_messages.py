"""Random messages of every type of a version, with groups as deep as in the dictionaries."""

import random
from collections.abc import Iterator
from pathlib import Path

from fixfeed.pipelines.fidelity.structure import (
    Scope,
    Structure,
    data_lengths,
    message_types,
    names_of,
)
from tests.transforms.fix.messages import encode

__all__ = ["messages_of_every_type"]

_APPL_VER_IDS = {"FIX50": "7", "FIX50SP1": "8", "FIX50SP2": "9"}
_MESSAGE_ENCODING = 347
_FRAMING = frozenset([8, 9, 10, 35, 1128])
_DATA = (
    b"plain",
    b"a\x01b=c",
    b"\xff\x00",
    b"8=FIX.4.4\x019=5\x0135=0\x01",
    "\u8cb7\u3044".encode("shift_jis"),
    "\u58f2\u308a".encode("iso2022_jp"),
)
_MOST_FIELDS = 60

Fields = list[tuple[int, bytes]]


def messages_of_every_type(
    rng: random.Random, dictionaries: Path, version: str, *, disturbed: bool = False
) -> Iterator[bytes]:
    """Yield one message of each type of a version in `VERSIONS`.

    `dictionaries` is a folder of XML files. If `disturbed`, fields are lost, swapped,
    repeated and added.
    """
    appl_ver_id = _APPL_VER_IDS.get(version, "")
    begin_string = f"FIX.4.{version[-1]}" if version.startswith("FIX4") else "FIXT.1.1"
    structure = Structure(dictionaries, names_of(begin_string, [appl_ver_id]))
    lengths = data_lengths(dictionaries)
    for msg_type in message_types(dictionaries, version):
        fields: Fields = []
        _fill(fields, structure.root(msg_type), lengths, rng, depth=0)
        if disturbed:
            for _ in range(rng.choice([1, 1, 2, 4])):
                _disturb(fields, rng)
        head = [(35, msg_type.encode())]
        if appl_ver_id:
            head.append((1128, appl_ver_id.encode()))
        yield encode(head + fields, begin_string)


def _disturb(fields: Fields, rng: random.Random) -> None:
    """Lose, swap, repeat or add fields."""
    if not fields:
        return
    at, other = rng.randrange(len(fields)), rng.randrange(len(fields))
    match rng.randrange(6):
        case 0:
            del fields[at]
        case 1:
            fields.insert(at, fields[other])
        case 2:
            fields[at], fields[other] = fields[other], fields[at]
        case 3:
            fields.insert(at, (5001, b"own"))
        case 4:
            fields[at:at] = fields[other : other + 8]
        case 5:
            tag = rng.choice([34, 55, 58, 60, 268, 269, 447, 448, 453, 555, 600])
            fields.insert(at, (tag, b"%d" % rng.randrange(4)))


def _fill(
    fields: Fields, scope: Scope, lengths: dict[int, int], rng: random.Random, depth: int
) -> None:
    """Add some members of a message, or one entry of a group, in the dictionary's order."""
    data_of = {length: tag for tag, length in lengths.items()}
    share = min(1.0, _MOST_FIELDS / len(scope.members) / 4**depth)
    for number, (tag, inner) in enumerate(scope.members.items()):
        first = depth and not number
        if tag in _FRAMING or not (first or inner or rng.random() < share):
            continue
        if inner:
            entries = rng.choice([0, 1, 2, 3]) if rng.random() < 1 / (1 + depth) else 0
            entries = max(entries, int(first))
            if entries or rng.random() < 0.1:
                fields.append((tag, b"%d" % entries))
            for _ in range(entries):
                _fill(fields, inner, lengths, rng, depth + 1)
        elif tag in lengths:
            data = rng.choice(_DATA)
            fields += [(lengths[tag], b"%d" % len(data)), (tag, data)]
        elif tag == _MESSAGE_ENCODING:
            fields.append((tag, rng.choice([b"Shift_JIS", b"ISO-2022-JP", b"EUC-JP", b"UTF-8"])))
        elif tag not in data_of:
            fields.append((tag, b"%d" % rng.randint(0, 9999)))
