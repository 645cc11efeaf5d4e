"""A large FIX log for measurements, written as fast as the disk allows.

python -m benchmarks.bench_log /tmp/bench.log 1000000

The mix is that of an order gateway: executions 41 %, orders 22 %, market data 15 %, replaces and
cancels 8 % each, heartbeats 5 %, logons and News with RawData 0.5 % each; about 250 bytes a
message, SOH between fields, one message a line, no prefix. A share is damaged. Messages come from
templates with known byte sums: only MsgSeqNum, SendingTime and an identifier differ, so CheckSum is
just an addition. MsgSeqNum and the identifier (ClOrdID, if there is one) never repeat.
"""

import argparse
import random
import sys
from collections.abc import Sequence
from os import PathLike
from typing import NamedTuple

__all__ = ["PER_SECOND", "Counts", "main", "write_bench_log"]

Fields = list[tuple[int, bytes]]

_MIX = {"8": 41, "D": 22, "W": 15, "G": 8, "F": 8, "0": 5, "A": 0.5, "B": 0.5}
_TEMPLATES = 4096
_CHUNK = 2048
PER_SECOND = _CHUNK
"""Messages in each second of the log."""
_FIRST = 10_000_000  # all numbers have eight digits, up to ninety million messages
_MOST = 90_000_000
_TRAILERS = [b"10=%03d\x01\n" % number for number in range(256)]
_SYMBOLS = (b"AAPL", b"MSFT", b"VOD.L", b"HSBA.L", b"SAP.DE", b"EURUSD", b"7203.T")
_TEXTS = (b"filled at venue", "Z\u00fcrich".encode(), b"caf\xe9", b'say "hi"', b"a=b", b"C:\\fix")
_RAW = (
    b"a\x01b\x0110=000\x01c",
    b"8=FIX.4.2\x019=5\x0135=0\x0110=161\x01",
    b"plain text without a delimiter",
)


class Counts(NamedTuple):
    """The counts of a log: messages (with or without defects), failures, lines without FIX."""

    messages: int
    failures: int
    skipped: int


class _Template(NamedTuple):
    """A message up to CheckSum, with placeholders for number, time and number again.

    `total` is the sum of all other bytes.
    """

    pieces: bytes
    total: int


def write_bench_log(
    path: str | PathLike[str], messages: int, seed: int = 42, malformed: float = 0.01
) -> Counts:
    """Write `messages` lines to `path` and return their counts, which add up to `messages`.

    The same arguments give the same bytes. The share `malformed` of the lines is damaged: wrong
    CheckSum or BodyLength, cut off, an invalid tag (these are still messages), no MsgType (a
    failure), or text (skipped). Raises `ValueError` for more than ninety million messages.
    """
    if messages > _MOST:
        raise ValueError(f"{messages} messages are asked for; {_MOST} is the most that is written")
    rng = random.Random(seed)
    kinds = rng.choices(list(_MIX), list(_MIX.values()), k=_TEMPLATES)
    templates = [_template(kind, rng) for kind in kinds]
    sums = [sum(b"%04d" % number) for number in range(10_000)]
    failures = skipped = 0
    with open(path, "wb") as file:
        for start in range(0, messages, _CHUNK):
            count = min(_CHUNK, messages - start)
            lines = _lines(rng.choices(templates, k=count), start, sums)
            for place in [n for n in range(count) if rng.random() < malformed]:
                line, failed, passed = _damage(lines[place], rng)
                lines[place] = line
                failures += failed
                skipped += passed
            file.write(b"".join(lines))
    return Counts(messages - failures - skipped, failures, skipped)


def _lines(chosen: list[_Template], start: int, sums: list[int]) -> list[bytes]:
    # A chunk's messages share a second; the milliseconds go up to 999 in it.
    second = start // _CHUNK % 30_000 + 8 * 3600
    clock = b"20250102-%02d:%02d:%02d." % (second // 3600, second // 60 % 60, second % 60)
    moments = [clock + b"%03d" % (n * 1000 // _CHUNK) for n in range(_CHUNK)]
    fixed = sum(clock)
    trailers = _TRAILERS
    lines = []
    number = _FIRST + start
    for (pieces, total), moment in zip(chosen, moments, strict=False):
        high, low = divmod(number, 10_000)
        byte_sum = total + fixed + sum(moment[-3:]) + 2 * (sums[high] + sums[low])
        lines.append(pieces % (number, moment, number) + trailers[byte_sum & 255])
        number += 1
    return lines


def _template(kind: str, rng: random.Random) -> _Template:
    version = rng.choice((b"FIX.4.2", b"FIX.4.4"))
    sides = [(49, rng.choice((b"BROKER1", b"DESK07", b"ALGO"))), (56, b"EXCHANGE")]
    fields: Fields = [(35, kind.encode()), *sides, (34, b"%d"), (52, b"%b"), *_BODIES[kind](rng)]
    body = b"".join(b"%d=%b\x01" % pair for pair in fields)
    length = len(body % (_FIRST, b"20250102-08:00:00.000", _FIRST))
    pieces = b"8=%b\x019=%d\x01%b" % (version, length, body)
    return _Template(pieces, sum(pieces.replace(b"%d", b"").replace(b"%b", b"")))


def _order(rng: random.Random) -> Fields:
    fields: Fields = [(11, b"C%d"), (1, b"ACC%03d" % rng.randint(1, 500)), (21, b"1")]
    fields += [(55, rng.choice(_SYMBOLS)), (54, rng.choice((b"1", b"2"))), (40, b"2")]
    fields += [(60, b"20250102-09:30:%02d.%03d" % (rng.randrange(60), rng.randrange(1000)))]
    fields += [(38, b"%d" % (100 * rng.randint(1, 99))), (44, _price(rng)), (59, b"0")]
    fields += [(15, b"USD"), (207, b"XNAS"), (100, b"XNAS"), (528, b"A"), (582, b"4")]
    if rng.random() < 0.4:
        fields += [(453, b"1"), (448, b"DESK%02d" % rng.randrange(99)), (447, b"D"), (452, b"13")]
    if rng.random() < 0.1:
        fields += [(58, rng.choice(_TEXTS)), (5001, b"algo")]
    return fields


def _follow_up(rng: random.Random) -> Fields:
    first, *rest = _order(rng)
    return [first, (41, b"C%08d" % rng.randint(1, 9_999_999)), (37, b"O%07d" % 4711), *rest]


def _execution(rng: random.Random) -> Fields:
    quantity = 100 * rng.randint(2, 99)
    done = rng.randrange(0, quantity + 1, 100)
    kind = b"0" if not done else b"2" if done == quantity else b"1"
    price = _price(rng)
    fields: Fields = [(37, b"O%08d" % rng.randrange(10**8)), (11, b"C%d")]
    fields += [(17, b"X%09d" % rng.randrange(10**9)), (20, b"0"), (150, kind), (39, kind)]
    fields += [(1, b"ACC%03d" % rng.randint(1, 500)), (55, rng.choice(_SYMBOLS)), (54, b"1")]
    fields += [(38, b"%d" % quantity), (40, b"2"), (44, price), (59, b"0"), (15, b"USD")]
    fields += [(32, b"100" if done else b"0"), (31, price if done else b"0"), (30, b"XNAS")]
    fields += [(151, b"%d" % (quantity - done)), (14, b"%d" % done), (6, price)]
    fields += [(60, b"20250102-09:30:%02d.%03d" % (rng.randrange(60), rng.randrange(1000)))]
    if rng.random() < 0.1:
        fields += [(58, rng.choice(_TEXTS))]
    return fields


def _market_data(rng: random.Random) -> Fields:
    entries = rng.randint(1, 10)
    fields: Fields = [(262, b"M%d"), (55, rng.choice(_SYMBOLS)), (268, b"%d" % entries)]
    for n in range(entries):
        fields += [(269, b"%d" % (n % 2)), (270, _price(rng)), (271, b"%d" % rng.randint(1, 9999))]
    return fields


def _heartbeat(rng: random.Random) -> Fields:
    return [(112, b"T%d")]


def _logon(rng: random.Random) -> Fields:
    return [(98, b"0"), (108, b"30"), (141, b"Y"), (553, b"U%d")]


def _news(rng: random.Random) -> Fields:
    raw = rng.choice(_RAW)
    return [(148, b"N%d"), (33, b"1"), (58, rng.choice(_TEXTS)), (95, b"%d" % len(raw)), (96, raw)]


def _price(rng: random.Random) -> bytes:
    return b"%d.%02d" % (rng.randint(10, 999), rng.randrange(100))


_BODIES = {
    "8": _execution,
    "D": _order,
    "G": _follow_up,
    "F": _follow_up,
    "W": _market_data,
    "0": _heartbeat,
    "A": _logon,
    "B": _news,
}


def _damage(line: bytes, rng: random.Random) -> tuple[bytes, int, int]:
    """Return the damaged line, and how many failures and lines without FIX it is then."""
    kind = rng.randrange(6)
    if kind == 0:
        return b"gateway: session state saved, no message here\n", 0, 1
    if kind == 1:
        return b"%b%03d\x01\n" % (line[:-5], (int(line[-5:-2]) + 1) % 256), 0, 0
    if b"\x0195=" in line:
        return line, 0, 0
    if kind == 2:
        # Less is cut off than any message's length, so BodyLength points at no other message's end.
        return line[: -rng.randint(12, 50)] + b"\n", 0, 0
    if kind == 3:
        head, _, body = line.partition(b"\x019=")
        length, _, body = body.partition(b"\x01")
        return b"%b\x019=%d\x01%b" % (head, int(length) + 1, body), 0, 0
    if kind == 4:
        head, _, body = line.partition(b"\x0135=")
        return head + body[body.index(b"\x01") :], 1, 0
    return line.replace(b"\x0156=", b"\x01x56=", 1), 0, 0


def main(argv: Sequence[str] | None = None) -> int:
    """Write the log that the command line asks for and print its counts; return the exit code."""
    parser = argparse.ArgumentParser(description="Write a large FIX log for measurements.")
    parser.add_argument("path", metavar="PATH")
    parser.add_argument("messages", type=int, metavar="N")
    options = parser.parse_args(argv)
    counts = write_bench_log(options.path, options.messages)
    print(
        f"{options.path}: {counts.messages:,} messages, {counts.failures:,} failures, "
        f"{counts.skipped:,} lines without FIX"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
