"""What hostile or broken peers send: parts of messages, lengths that lie, garbage, other text."""

from tests.transforms.fix.messages import SPLICES, encode, random_log

_LENGTHS = (0, 5, 17, 40, 60, 100, 300, 2_000_000, 2**63)
_ALONE = (
    b"\n", b"\r", b"\r\n", b"\n\n", b"\x00", b" ", b"x", b"=", b"8", b"8=", b"8=F", b"8=FIX",
    b"8=FIX.", b"8=FIX.4.4", b"10=", b"10=123", b"35=", b'{"m": "', b'"', b"'", b"\\", b"\\n",
    b'","', b'""', b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"hello\n", b"heartbeat 35=0\n",
    b"\x16\x03\x01\x02\x00", b"35=D\x0155=X\x01\n", b"\n35=D|55=X|\n", b"junk 35=D\x01\n",
    b"2025-01-02 09:00:00 IN ", b"9=5\x0135=D", b"1128=9\x0135=",
)  # fmt: skip
_NESTED = b"8=FIX.4.4\x019=5\x0135=0\x0110=161\x01"


def hostile_stream(rng):
    """Return the bytes that a peer sends; messages in it have various delimiters."""
    if rng.random() < 0.2:
        delimiter = rng.choice([b"\x01", b"|", b"^A", b"~"])
        return random_log(rng, rng.choice([3, 10]), mutated=0.4, delimiter=delimiter)
    return b"".join(_part(rng) for _ in range(rng.choice([2, 5, 15, 30])))


def _part(rng):
    own = rng.choice([b"\x01", b"\x01", b"\x01", b"|", b"^A", b"~"])
    text = encode([(35, b"0"), (34, b"%d" % rng.randrange(99)), (112, b"t")], delimiter=own)
    match rng.randrange(18):
        case 0:
            return text[:-1]
        case 1:
            return text[: rng.randrange(len(text))]
        case 2:
            return text[rng.randrange(len(text)) :]
        case 3:
            return text.replace(b"9=", b"9=%d" % rng.choice([1, 9, 99, 99999, 10**15]), 1)
        case 4:
            end = rng.choice([b"", b"10=000" + own, b"10=00", b"10=000", b"10=1" + own])
            return b"8=FIX.4.4%b9=%d%b35=0%b" % (own, rng.choice(_LENGTHS), own, own) + end
        case 5:
            return rng.randbytes(rng.choice([1, 3, 10, 100, 1000]))
        case 6 | 7:
            return rng.choice(_ALONE)
        case 8:
            return rng.choice([own, own + own, b"10=123" + own])
        case 9:
            return rng.choice(SPLICES)
        case 10:
            length = b"%d" % rng.choice([5, 26, 0, 300, 10**7])
            data = rng.choice([b"abcde", _NESTED])
            return encode([(35, b"B"), (95, length), (96, data), (58, b"x")], delimiter=own)
        case 11:
            return text[:-1] + rng.choice([b"\n", b"\r\n", b"\r", b")\n"])
        case 12:
            return text[:-8] + rng.choice([b"\n", b"\r\n", b"\r", b"", own + b"\n"])
        case 13:
            logon = [(35, b"A"), (49, b"A"), (56, b"B"), (1137, rng.choice([b"7", b"9"]))]
            return encode(logon, version="FIXT.1.1", delimiter=own)
        case _:
            return text
