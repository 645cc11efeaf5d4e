"""TAPE: a small protocol of fixed-width records that uses all a protocol can bring.

A file is records without line ends. The first gives the width of all, including itself:

    H0052     ...                        (blanks up to the width)
    VXNAS     ...                        all after it is traded at XNAS, until the next V
    T1735810200000000AAPL    B00001501000000000100   ...
    Q1735810200000001MSFT    S00004200000000000007   ...
    S1735810200000002CALENDARB000000125000000000010B5MSFS4IBM   ...

A trade (T), quote (Q) or spread (S) has its kind, the time in microseconds, symbol (8), side (1),
price with four places (12) and quantity (12). The rest is a note; that of a spread has its legs:
side (1), weight in tenths (1) and symbol (3), up to the first blank. Other kinds are failures. A
bad number is null, and a defect.
"""

import dataclasses
from decimal import Decimal
from types import MappingProxyType

import orjson
import pyarrow as pa

from fixfeed import Batch, Code, Failure, Framing, Protocol, Table
from fixfeed.transforms.batch import (
    DECIMAL,
    READING_REASONS,
    TIME,
    TOO_LONG,
    TRUNCATED,
    UNREADABLE,
)

UNKNOWN_KIND = "unknown_kind"
BAD_NUMBER = "bad_number"
WIDTH = 52
SCHEMA = pa.schema(
    [
        pa.field("position", pa.int64(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("time", TIME),
        pa.field("ingested_at", TIME),
        pa.field("symbol", pa.string()),
        pa.field("side", pa.string()),
        pa.field("price", DECIMAL),
        pa.field("quantity", pa.int64()),
        pa.field("venue", pa.string()),
        pa.field("note", pa.string()),
        pa.field("defects", pa.string()),
        pa.field("enriched", pa.string()),
        pa.field("raw", pa.binary(), nullable=False),
    ]
)
LEGS = pa.schema(
    [
        pa.field("position", pa.int64(), nullable=False),
        pa.field("entry", pa.int64(), nullable=False),
        pa.field("side", pa.string(), nullable=False),
        pa.field("weight", DECIMAL),
        pa.field("symbol", pa.string()),
        pa.field("terms", pa.string()),
    ]
)


@dataclasses.dataclass(frozen=True)
class TapeFraming(Framing):
    """Records of one width, from the start of the source."""

    width: int = WIDTH

    @property
    def layout(self):
        return self.width

    @property
    def has_context(self):
        return True

    def first_border(self, window, at, *, start, synced=False):
        border = -(-(start + at) // self.width) * self.width - start
        return border if border < len(window) else None

    def last_border(self, data):
        return len(data) // self.width * self.width

    def carry(self, block, context):
        if block.provisional or block.too_long:
            return [dataclasses.replace(block, context=context)]
        parts, begin, holds = [], 0, context
        for at in range(0, len(block.data), self.width):
            venue = block.data[at + 1 : at + 5].decode("latin-1")
            if block.data.startswith(b"V", at) and venue != holds.get("venue"):
                if at > begin:
                    parts.append(self._part(block, begin, at, holds))
                begin, holds = at, {"venue": venue}
        return [*parts, self._part(block, begin, len(block.data), holds)]

    def _part(self, block, begin, end, context):
        return dataclasses.replace(
            block,
            start=block.start + begin,
            data=block.data[begin:end],
            last=block.last and end == len(block.data),
            context=context,
        )


def lines(batch, source):
    """Return a JSON text per message, with the columns that are not null, and its legs."""
    texts, legs = [], {}
    for leg in batch.children["legs"].to_pylist():
        legs.setdefault(leg.pop("position"), []).append(leg)
    for row in batch.messages.to_pylist():
        enriched = {"enriched": orjson.Fragment(row["enriched"])} if row["enriched"] else {}
        shown = {key: value for key, value in row.items() if value is not None and key != "raw"}
        content = {"source": source, **shown, **enriched, "legs": legs.get(row["position"], [])}
        texts.append(orjson.dumps(content, default=str).decode())
    return pa.array(texts, pa.string())


def codes():
    yield from (Code("Side", "B", "Buy"), Code("Side", "S", "Sell"))
    yield from (Code("Kind", "T", "Trade"), Code("Kind", "Q", "Quote"), Code("Kind", "S", "Spread"))


TABLE = Table(
    schema=SCHEMA,
    lines=lines,
    json=("enriched", "terms"),
    named={"kind": "Kind", "side": "Side"},
    codes=codes,
    times=("time",),
    in_order=("time",),
    clock=("time",),
    indexes=(("symbol", "time"),),
    partition_by=("date", "kind"),
    children={"legs": LEGS},
)


@dataclasses.dataclass(frozen=True)
class Tape(Protocol):
    name = "TAPE"
    table = TABLE
    reasons = MappingProxyType({UNKNOWN_KIND: "there is no such kind", **READING_REASONS})
    defects = MappingProxyType({BAD_NUMBER: "a time, price or quantity is no number"})
    digest = "tape 1"

    def sniff(self, head):
        told = head[1:5] if head.startswith(b"H") else b""
        return TapeFraming(int(told)) if told.isdigit() and int(told) >= WIDTH else TapeFraming()

    def sniff_pieces(self, head, *, is_all):
        """The first five bytes say how wide records are."""
        return self.sniff(head) if is_all or len(head) >= 5 else None, len(head[:5])

    def parse(self, block):
        if block.provisional or block.too_long:
            reason = UNREADABLE if block.error else TOO_LONG if block.too_long else TRUNCATED
            detail = block.error or READING_REASONS[reason]
            return _batch(block, [], [], [Failure(0, reason, detail, block.data)])
        width = block.layout or WIDTH
        rows, legs, failures, skipped = [], [], [], []
        for at in range(0, len(block.data), width):
            raw = block.data[at : at + width]
            kind = raw[:1]
            if kind in (b"T", b"Q", b"S"):
                row = _row(raw.decode("latin-1"), block.context.get("venue"))
                rows.append({"position": block.start + at, "raw": raw, **row})
                if kind == b"S":
                    legs += _legs(block.start + at, row["note"] or "")
            elif kind in (b"H", b"V"):
                skipped.append(at)
            else:
                failures.append(Failure(at, UNKNOWN_KIND, f"kind {kind!r}", raw))
        return _batch(block, rows, legs, failures, skipped)


def _row(text, venue):
    numbers = [text[1:17], text[26:38], text[38:50]]
    time, price, quantity = (int(one) if one.isdecimal() else None for one in numbers)
    return {
        "kind": text[0],
        "time": time,
        "symbol": text[17:25].rstrip(),
        "side": text[25],
        "price": None if price is None else Decimal(price).scaleb(-4),
        "quantity": quantity,
        "venue": venue,
        "note": text[50:].rstrip() or None,
        "defects": BAD_NUMBER if None in (time, price, quantity) else None,
    }


def _legs(position, note):
    for entry, at in enumerate(range(0, len(note.partition(" ")[0]), 5), 1):
        side, tenths, symbol = note[at], note[at + 1 : at + 2], note[at + 2 : at + 5]
        yield {
            "position": position,
            "entry": entry,
            "side": side,
            "weight": Decimal(tenths).scaleb(-1) if tenths.isdecimal() else None,
            "symbol": symbol or None,
            "terms": orjson.dumps({"leg": [side, symbol]}).decode(),
        }


def _batch(block, rows, legs, failures, skipped=()):
    messages = pa.RecordBatch.from_pylist(rows, SCHEMA)
    children = {"legs": pa.RecordBatch.from_pylist(legs, LEGS)}
    return Batch.of(block, messages, failures, children=children, skipped=skipped)


TAPE = Tape()
