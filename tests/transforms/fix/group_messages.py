"""Random messages of several versions with nested groups, and damage to them."""

import random

from fixfeed.transforms.fix.dictionary.choose import BUILT_IN
from fixfeed.transforms.fix.dictionary.version import BODY, Scope
from tests.transforms.fix.messages import encode, mutate

VERSIONS = ("FIX.4.0", "FIX.4.2", "FIX.4.3", "FIX.4.4", "FIX.5.0SP2", "FIXT.1.1", "FIX.3.9")
TYPES = ["D", "8", "W", "X", "i", "AB", "F", "0", "V", "A", "ZZ", "AE", "B", "J"]
TEXTS = (b"1", b"2", b"Y", b"10.25", b"20250102-09:30:00", b"a b", b"\xe9t\xe9", b"USD", b"")
MEMBERS = (b"1", b"A", b"20250101", b'x"y', b"12.5", b"abcdefghijk", b"N", b"09:30:00.123", b"-1")
OWN = (5001, 5751, 5752, 9999, 58)
STRANGERS = (5001, 9999, 55, 58, 453, 448, 43, 447, 270, 523, 99999)
GARBLED = (
    b"x56", b"056", b" 55", b"Symbol", b"NoLegs", b"x554", b"0448", b"095", b"x95", b"5-5", b"0",
    b"abcdefg", b"abcdefgh", b"abcdefghi", b"x|y", b'q"', b"\xe9", b"a\0", b"",
)  # fmt: skip


def _entries(rng: random.Random, scope: Scope, depth: int, count: int):
    fields = []
    # A venue's own tags, in most entries, and sometimes in groups around and inside.
    own = rng.sample(OWN, rng.choice([1, 2, 3])) if rng.random() < 0.15 else []
    for _ in range(count):
        first, *others = scope.members.items()
        picked = rng.sample(others, min(len(others), rng.choice([0, 1, 2, 4])))
        picked.sort(key=lambda member: scope.position[member[0]])
        members = [first, *picked]
        if rng.random() < 0.1:
            rng.shuffle(members)
        for tag, inner in members:
            if not inner:
                fields.append((tag, rng.choice(MEMBERS)))
            elif depth < 4:
                inside = rng.choice([0, 1, 2, 3])
                fields += [(tag, b"%d" % inside), *_entries(rng, inner, depth + 1, inside)]
            if rng.random() < 0.1:
                fields += _some(rng, own)
        fields += _some(rng, own)
    return fields


def _some(rng: random.Random, tags):
    return [(tag, rng.choice(MEMBERS)) for tag in tags if rng.random() < 0.8]


def group_message(rng: random.Random, version: str):
    """Return valid fields of a message, after BodyLength."""
    msg_type = rng.choice(TYPES)
    root = BUILT_IN.choose(version, "", "->", {}).scope(msg_type)
    fields = [
        (35, msg_type.encode()),
        (49, b"A"),
        (56, b"B"),
        (34, b"7"),
        (52, b"20250102-09:30:00.123"),
    ]
    if version == "FIXT.1.1" and rng.random() < 0.3:
        fields.insert(1, (1128, rng.choice([b"6", b"7", b"9", b"4", b"99"])))
    body = [(tag, inner) for tag, inner in root.members.items() if root.section[tag] == BODY]
    plain = [tag for tag, inner in body if not inner]
    groups = [(tag, inner) for tag, inner in body if inner]
    for tag in sorted(rng.sample(plain, min(len(plain), rng.choice([2, 5, 9])))):
        fields.append((tag, rng.choice(TEXTS)))
    for tag, inner in rng.sample(groups, min(len(groups), rng.choice([0, 1, 1, 2, 3]))):
        count = rng.choice([0, 1, 2, 3])
        fields += [(tag, b"%d" % count), *_entries(rng, inner, 1, count)]
    return fields


def disarrange(rng: random.Random, fields):
    """Return the fields with one error in their order, number or values."""
    fields = list(fields)
    one, other = rng.randrange(1, len(fields)), rng.randrange(1, len(fields))
    match rng.randrange(12):
        case 0:
            fields[one], fields[other] = fields[other], fields[one]
        case 1:
            del fields[one]
        case 2:
            fields.insert(other, fields[one])
        case 3:
            fields[other:other] = fields[min(one, other) : max(one, other)]
        case 4:
            value = rng.choice([b"0", b"x", b"", b"02", b"-1", b"1\0", b"3"])
            fields[one] = (fields[one][0], value)
        case 5:
            fields.insert(one, (rng.choice(STRANGERS), b"q"))
        case 6:
            rng.shuffle(fields)
        case 7:
            del fields[one + 1 :]
        case 8:
            fields.insert(one, (rng.choice(STRANGERS), b"q"))
            fields.insert(rng.randrange(1, len(fields)), (5001, b"again"))
        case 9:
            fields[0] = (35, rng.choice([b"D\0", b"", b"TOOLONGTYPE", b"8"]))
        case 10:
            for _ in range(rng.choice([1, 2, 3])):
                value = rng.choice(TEXTS + MEMBERS)
                fields.insert(rng.randrange(1, len(fields) + 1), (rng.choice(GARBLED), value))
        case 11:
            fields[other:other] = [(rng.choice(GARBLED), b"q"), (rng.choice(GARBLED), b"554=q")]
    return fields


def group_log(rng: random.Random, messages: int, *, damaged: float, delimiter: bytes) -> bytes:
    """Return a log, some of its messages disarranged, and half of these mutated as bytes."""
    lines = []
    for _ in range(messages):
        version = rng.choice(VERSIONS)
        fields = group_message(rng, version)
        is_damaged = rng.random() < damaged
        message = encode(disarrange(rng, fields) if is_damaged else fields, version, delimiter)
        if is_damaged and rng.random() < 0.5:
            message = mutate(rng, message)
        lines.append(message)
    return b"\n".join(lines) + b"\n"
