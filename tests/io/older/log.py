"""A log with all that schema version 4 stores in another way than version 3 did.

`version_3_rest.jsonl` and `version_3_all.jsonl` are its messages as version 3 stored them in SQLite
with `--fields rest` and `--fields all`, a row a line; made by the code of version 3:

    git checkout 50e6601 && python -m tests.io.older.log   # with this file copied there
"""

import base64
import json
from pathlib import Path

from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.parser import parse_block
from tests.transforms.fix.messages import encode

HERE = Path(__file__).parent
HEAD = [(34, b"7"), (49, b"A"), (52, b"20260302-09:00:00.123456"), (56, b"B")]


def order(*fields, version="FIX.4.4", kind=b"D", head=HEAD):
    return encode([(35, kind), *head, *fields], version)


PARTIES = [(453, b"3"), (448, b"P"), (7001, b"a"), (448, b"Q"), (7001, b"b")]
INSTRUMENT = [
    (48, b"US0378331005"), (22, b"4"), (167, b"OPT"), (200, b"202606"), (201, b"1"),
    (202, b"250.5"), (207, b"XNAS"), (30, b"XLON"), (64, b"20260304"), (75, b"20260302"),
    (115, b"DESK"), (45, b"12"),
]  # fmt: skip
MESSAGES = [
    order((98, b"0"), (108, b"30"), (1137, b"7"), (554, b"secret"), version="FIXT.1.1", kind=b"A"),
    order((55, b"X"), version="FIXT.1.1"),
    order((1128, b"6"), (55, b"X"), version="FIXT.1.1"),
    order(*INSTRUMENT, (55, b"AAPL")),
    order(*INSTRUMENT, (55, b"AAPL"), version="FIX.4.2", kind=b"8"),
    order((64, b"REGULAR"), (75, b"20260230"), (202, b"1e5"), (45, b"x"), (99999, b"\xff")),
    order((202, b"0.123456789012"), (44, b"1" * 30), (38, b"12345678901234567.5")),
    order((202, b"9" * 30), (167, b"CS"), (167, b"FUT"), (5001, b"1"), (5001, b"2")),
    order(*PARTIES, (55, b"VOD.L"), (5002, b"t\t")),
    order((58, b""), (1, b""), (44, b""), (167, b""), (75, b""), (55, b"X"), (55, b"")),
    order((60, b"20161231-23:59:60.5"), (55, b"X")),
    order(head=[(34, b"8"), (52, b"20161231-23:59:60"), (49, b""), (56, b"B")]),
    order((1128, b"FIX50"), version="FIXT.1.1", head=[(34, b"1"), (49, b"B"), (56, b"A")]),
    b"8=FIX.4.4\x019=5\x0135=D\x01Tag5001=x\x015001=y\x0110=000\x01",
]
LOG = b"".join(one + b"\n" for one in MESSAGES)


def stored(fields):
    """Return the messages as version 3 stored them, with `raw` as bytes."""
    lines = (HERE / f"version_3_{fields}.jsonl").read_text().splitlines()
    return [row | {"raw": base64.b64decode(row["raw"])} for row in map(json.loads, lines)]


def main():
    for fields in ("rest", "all"):
        rows = parse_block(Block("file:day.log", 0, LOG), fields=fields).messages.to_pylist()
        lines = []
        for row in rows:
            row["message_id"] = (1 << 40) + row.pop("position")
            row["raw"] = base64.b64encode(row["raw"]).decode()
            for name in ("captured_at", "sending_time", "transact_time"):
                row[name] = row[name] and row[name].strftime("%Y-%m-%dT%H:%M:%S.%f")
            lines.append(json.dumps({k: v for k, v in row.items() if v is not None}, default=str))
        (HERE / f"version_3_{fields}.jsonl").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
