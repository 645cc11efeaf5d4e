"""Random FIX messages for tests: those of a day, and damage to them."""

import random

VERSIONS = ("FIX.4.2", "FIX.4.4", "FIXT.1.1")
ODD_VERSIONS = ("FIX4.4", "FIX.Latest", "FIX.4.9", "FIX.5.0SP2")
DELIMITERS = (b"\x01", b"|", b"^", b";")
SPELLINGS = (
    b"^A", b"\\u0001", b"\\x01", b"\\001", b"<SOH>", b"[SOH]", b"#001", b"\xe2\x90\x81", b"\t",
    b" | ", b",", b"&#1;", b"~",
)  # fmt: skip
"""Other delimiters in logs."""
DATA = (
    b"abc\x01def\x0110=123\x01",
    b"plain",
    b"8=FIX.4.2\x019=5\x0135=0\x0110=161\x01",
    b"x\ny",
    b"\xff\x00",
)
TEXTS = (b'say "hi"', b"back\\slash", b"caf\xc3\xa9", b"caf\xe9 latin", b"a=b=c", b"tab\there", b"")
SPLICES = (
    b"8=FIX.4.4\x01", b"8=FIX.4.2|9=5|", b"10=", b"\x0110=000\x01", b"\x0196=",
    b"\x0195=3\x0196=a\x01b\x01",
    b"35=D\x01", b"\n35=D\x0155=X\x01\n", b"\x0155=\x01", b"8=FIXT.1.1\x019=10\x01", b"\r\n",
    b"\x0138=1e5\x01", b"\x0144=-1.5\x01", b"\x0144=.\x01", b"\x0144=123456789.123\x01",
    b"\x0152=20250101-10:00:60\x01", b"\x0152=20250229-10:00:00\x01", b"\x0143=Y\x01",
    b"\x019=000000049\x01",
    b"\x015002=\x01", b"\x0160=20161231-23:59:60.5\x01",
    b"|", b"=", b"1128=9\x01", b"8=FIX^A9=", b"\x00", b'"', b"\\",
)  # fmt: skip


def encode(fields, version="FIX.4.4", delimiter=b"\x01"):
    """Return the message of these (tag, value) pairs with the right BodyLength and CheckSum.

    A tag is a number, or any bytes.
    """
    body = b"".join(
        b"%b=%b\x01" % (tag if isinstance(tag, bytes) else b"%d" % tag, value)
        for tag, value in fields
    )
    message = b"8=%s\x019=%d\x01" % (version.encode(), len(body)) + body
    message += b"10=%03d\x01" % (sum(message) % 256)
    return message.replace(b"\x01", delimiter)


def news(count, octets=400, session=b"A"):
    """Return lines of News of about so many bytes, which are read fast and mean no orders.

    They are for jobs that must only take a while.
    """
    text = b"x" * (octets - 60)
    return b"".join(
        encode([(35, b"B"), (34, b"%d" % n), (49, session), (56, b"B"), (148, text)]) + b"\n"
        for n in range(count)
    )


def random_fields(rng: random.Random, number: int):
    fraction = rng.choice([b"", b".123", b".123456", b".123456789", b".123456000", b".1"])
    time = (
        b"202501%02d-09:%02d:%02d" % (rng.randint(1, 28), number // 60 % 60, number % 60) + fraction
    )
    kind = rng.choices("D8GFW0AB", [22, 41, 8, 8, 15, 5, 1, 3])[0]
    fields = [
        (35, kind.encode()),
        (34, b"%d" % number),
        (49, rng.choice([b"A", b"BROKER1"])),
        (52, time),
        (56, b"EXCH"),
    ]
    price = b"%d.%0*d" % (rng.randint(0, 9999), rng.randint(1, 12), rng.randint(0, 9))
    if kind in "D8GF":
        fields += [
            (11, b"ORD%08d" % number),
            (1, b"ACC%d" % rng.randint(1, 99)),
            (55, rng.choice([b"AAPL", b"MSFT", b"VOD.L"])),
            (54, rng.choice([b"1", b"2"])),
            (38, b"%d" % rng.randint(1, 10**10)),
            (44, price),
            (60, time),
            (21, b"1"),
        ]
        if kind == "8":
            fields += [(37, b"EX%d" % number), (17, b"E%d" % number), (150, b"F"), (39, b"1")]
            fields += [(14, b"100"), (151, b"0"), (6, price), (31, price), (32, b"007.50")]
        if rng.random() < 0.2:
            fields += [(58, rng.choice(TEXTS))]
        if rng.random() < 0.1:
            fields += [(5001, b"custom"), (5001, b"again"), (5001, b"")]
        if rng.random() < 0.1:
            fields += [
                (453, b"2"),
                (448, b"P1"),
                (447, b"D"),
                (448, b"P2"),
                (447, b"D"),
                (55, b"X"),
            ]
        more = random.Random(str(fields))
        if more.random() < 0.3:
            fields += [
                (22, b"4"),
                (167, more.choice([b"OPT", b""])),
                (200, b"202603"),
                (201, more.choice([b"0", b"1", b"9"])),
                (202, more.choice([price, b"-1", b"1e5", b"9" * 30])),
                (207, b"XNAS"),
                (64, more.choice([b"20260304", b"20260230", b"2026-03-04", b"REGULAR", b"202603"])),
                (75, more.choice([b"20260302", b"20260302-09:00:00", b"", b"+2026302"])),
                (115, b"DESK"),
                (30, b"XLON"),
            ]
    elif kind == "W":
        entries = rng.randint(1, 10)
        fields += [(262, b"R%d" % number), (55, b"AAPL"), (268, b"%d" % entries)]
        for _ in range(entries):
            fields += [(269, rng.choice([b"0", b"1"])), (270, price), (271, b"5")]
    elif kind == "A":
        more = random.Random(str(fields))
        fields += [(45, b"%d" % number)]
        if more.random() < 0.5:
            fields += [(1128, more.choice([b"9", b"7", b"X", b""]))]
        fields += [(98, b"0"), (108, b"30"), (43, rng.choice([b"Y", b"N", b"X"]))]
    elif kind == "B":
        data = rng.choice(DATA)
        length = len(data) + rng.choice([0, 0, 0, 1, -1])
        fields += [(148, b"news"), (95, b"%d" % length), (96, data)]
    return fields


def mutate(rng: random.Random, message: bytes) -> bytes:
    octets = bytearray(message)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        if not octets:
            break
        at, other = rng.randrange(len(octets)), rng.randrange(len(octets))
        match rng.randrange(9):
            case 0:
                octets[at] = rng.randrange(256)
            case 1:
                del octets[at]
            case 2:
                octets.insert(at, rng.choice(b'\x01|=\n\r8109\x00\xff"\\^;'))
            case 3:
                del octets[at:]
            case 4:
                del octets[:at]
            case 5:
                del octets[at:other]
            case 6:
                octets[at:at] = rng.choice(SPLICES)
            case 7:
                octets[at:at] = octets[min(at, other) : max(at, other)]
            case 8:
                octets[at:at] = b"%d" % rng.randrange(10 ** rng.randint(1, 12))
    return bytes(octets)


def random_log(rng: random.Random, messages: int, *, mutated: float, delimiter: bytes) -> bytes:
    """Return a log with one layout, a share of messages mutated, and lines without FIX between."""
    end = rng.choice([b"\n", b"\r\n", b"", b"\n", b" )\n", b"\r", b")\n", b",2025-01-02,7\n"])
    prefixed = rng.random() < 0.4
    bare = rng.random() < 0.2
    odd = mutated and rng.choice([0.0, 0.0, 0.1])
    parts = []
    for number in range(messages):
        version = rng.choice(ODD_VERSIONS if rng.random() < odd else VERSIONS)
        own = rng.choice(SPELLINGS) if rng.random() < odd else delimiter
        message = encode(random_fields(rng, number), version, own)
        if bare:
            message = message.removesuffix(own)
        if rng.random() < mutated:
            message = mutate(rng, message)
        if prefixed:
            message = (
                b"2025-01-02 09:30:%02d,%03d INFO [a=b] IN  " % (number % 61, number) + message
            )
        parts.append(message + end)
        if mutated and rng.random() < 0.03:
            parts.append(
                rng.choice(
                    [
                        b"some text\n",
                        b"junk 35=D\x01\n",
                        b"\n",
                        b"\x00\x02\n",
                        b"35=D|55=X|\n",
                        b"35=D~49=A~56=B~\n",
                        b"49(SenderCompID)=A 56 = B 34=7\n",
                        b"heap1=3\r",
                    ]
                )
            )
    return b"".join(parts)
