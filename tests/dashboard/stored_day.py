"""A small day with everything that is hard to find again, stored in a database."""

import random
from contextlib import closing

from fixfeed.io.ledger.source import Source
from fixfeed.io.sql.derived import derive
from fixfeed.io.sql.open import open_store
from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.parser import parse_block
from tests.transforms.fix.group_messages import group_log
from tests.transforms.fix.messages import encode, random_log
from tests.transforms.fix.orders.odd_days import made

HOSTILE = (
    "'; drop table messages; --",
    '<script>alert("x")</script>',
    "%s %(a)s ? ?1 :a $1",
    '"},{"x":"',
    "EVIL->BROKER",
    "a\\b\\u0000",
    "=1+1",
)
"""Values of a counterparty who means ill."""


IN_THREE_WAYS = [
    [(35, b"D"), (52, b"20250102-10:00:00"), (11, b"LIST-1")],
    [(35, b"E"), (52, b"20250102-10:05:00"), (66, b"L"), (73, b"2"), (11, b"LIST-0"), (67, b"1"),
     (11, b"LIST-1"), (67, b"2")],
    [(35, b"D"), (52, b"20250102-10:10:00"), (11, b"OTHER"), (11, b"LIST-1")],
    [(35, b"D"), (52, b"20250102-10:15:00"), (11, b"OTHER")],
]  # fmt: skip
"""A ClOrdID in a column, in a group, and as a repeated tag, each in a minute of its own."""


def logs():
    """Return logs by name, with their delimiters."""
    rng = random.Random(5)
    hostile = [
        encode(
            [(35, b"D"), (34, b"%d" % number), (49, sender), (56, b"BROKER"), (52, time),
             (11, value), (55, value), (58, value), (5001, value), (453, b"1"), (448, value)]
        )
        for number, value in enumerate((one.encode() for one in HOSTILE), 1)
        for sender in (b"A", value)
        for time in (b"20250102-09:30:00.%03d" % number, b"")
    ]  # fmt: skip
    ways = [encode([kind, (49, b"A"), (56, b"B"), *more]) for kind, *more in IN_THREE_WAYS]
    return {
        "ways.log": (b"\n".join(ways), b"\x01"),
        "random.log": (random_log(rng, 120, mutated=0.2, delimiter=b"|"), b"|"),
        "groups.log": (group_log(rng, 90, damaged=0.2, delimiter=b"\x01"), b"\x01"),
        "hostile.log": (b"\n".join(hostile), b"\x01"),
        "orders.log": (b"".join(made(7, orders=12)), b"\x01"),
    }


def store(uri):
    """Store the day; return its batches by source_id."""
    stored = {}
    with closing(open_store(uri)) as opened:
        opened.prepare()
        opened.begin_run("0.1.0", {"rules": "r", "dictionary": [], "validate": "structure"})
        for name, (data, delimiter) in logs().items():
            source = Source(f"file:{name}", "file", name)
            number = opened.register([source], rules="r")[source.key].source_id
            stored[number] = parse_block(Block(source.key, 0, data, delimiter))
            opened.write([(number, stored[number])], rules="r", replace=False)
        derive(opened)
    return stored
