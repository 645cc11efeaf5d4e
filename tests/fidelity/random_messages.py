"""Random messages of every type of every version, with groups as deep as the dictionaries have."""

import random
from collections.abc import Iterator
from pathlib import Path

from tests.fidelity.dictionary_xml import VERSIONS
from tests.fidelity.structure import Scope, Structure, data_lengths, message_types, names_of
from tests.fix.messages import encode

__all__ = ["messages_of_every_type"]

_APPL_VER_IDS = {"FIX50": b"7", "FIX50SP1": b"8", "FIX50SP2": b"9"}
_FRAMING = frozenset([8, 9, 10, 35, 1128])
_MOST_FIELDS = 60

Fields = list[tuple[int, bytes]]


def messages_of_every_type(rng: random.Random, dictionaries: Path) -> Iterator[bytes]:
    """Yield a message of each type of each version; `dictionaries` is a folder of XML files."""
    for version in VERSIONS:
        begin_string = (
            "FIXT.1.1"
            if version.startswith("FIX50")
            else f"{version[:-2]}.{version[-2]}.{version[-1]}"
        )
        appl_ver_id = _APPL_VER_IDS.get(version)
        names = names_of(begin_string, [appl_ver_id.decode()] if appl_ver_id else [])
        structure = Structure(dictionaries, names)
        lengths = data_lengths(dictionaries)
        for msg_type in message_types(dictionaries, version):
            fields = [(35, msg_type.encode())]
            if appl_ver_id:
                fields.append((1128, appl_ver_id))
            _fill(fields, structure.root(msg_type), lengths, rng, depth=0)
            yield encode(fields, begin_string)


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
            data = rng.choice([b"plain", b"a\x01b=c", b"\xff\x00", b"8=FIX.4.4\x019=5\x0135=0\x01"])
            fields += [(lengths[tag], b"%d" % len(data)), (tag, data)]
        elif tag not in data_of:
            fields.append((tag, b"%d" % rng.randint(0, 9999)))
