"""FIX as a protocol: how its logs are laid out and read, and its messages as rows."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fixfeed.transforms.batch import Batch, Block
from fixfeed.transforms.fix.anomalies.derived import Anomalies
from fixfeed.transforms.fix.anomalies.rules import Rule
from fixfeed.transforms.fix.columns import masked_prefixes
from fixfeed.transforms.fix.defects import MEANINGS
from fixfeed.transforms.fix.dictionary.codes import NAMED_BY, Codes
from fixfeed.transforms.fix.envelope import envelopes
from fixfeed.transforms.fix.framing.borders import (
    Endings,
    claimed_end,
    endings,
    first_border,
    last_border,
    next_record,
)
from fixfeed.transforms.fix.framing.delimiter import is_certain, shown_within, sniff_delimiter
from fixfeed.transforms.fix.framing.leftovers import REASONS, before_not_text
from fixfeed.transforms.fix.framing.messages import CHECK_SUM, next_start
from fixfeed.transforms.fix.framing.settled import settled_cuts
from fixfeed.transforms.fix.framing.whole import whole
from fixfeed.transforms.fix.latencies.derived import Latencies
from fixfeed.transforms.fix.logons import carry
from fixfeed.transforms.fix.orders.derived import Orders
from fixfeed.transforms.fix.orders.drop_copies import DropCopies
from fixfeed.transforms.fix.parser import parse_block
from fixfeed.transforms.fix.prefix.log_format import USUAL_FORMAT, LogFormat
from fixfeed.transforms.fix.reading import USUAL, Reading
from fixfeed.transforms.fix.renewal import FixRenewal
from fixfeed.transforms.fix.rules.hidden import check_rule
from fixfeed.transforms.fix.rules.language import parse_rule
from fixfeed.transforms.fix.schema import COLUMNS, DECIMAL, MESSAGES, NAMED
from fixfeed.transforms.fix.sessions.derived import Sessions
from fixfeed.transforms.fix.views.views import views
from fixfeed.transforms.protocol import Framing, Protocol, Table
from fixfeed.transforms.protocol import Rule as Condition

__all__ = ["FIX", "Fix", "FixFraming"]

_HEAD = 64 << 10  # bytes that show the delimiter


@dataclass(frozen=True)
class FixFraming(Framing):
    """How a log of FIX is laid out.

    `delimiter` separates fields. `fixt` means that messages of FIXT.1.1 are near its beginning, so
    its Logons count (`logons`). `endings` is how its messages end, which matters at its end.
    `within_line` means that the data begins on the line of a message before it.
    """

    delimiter: bytes
    fixt: bool
    endings: Endings
    within_line: bool = False

    @property
    def layout(self) -> bytes:
        """See `Framing`: the delimiter."""
        return self.delimiter

    @property
    def has_context(self) -> bool:
        """See `Framing`."""
        return self.fixt

    def resumed(self, *, within_line: bool) -> "FixFraming":
        """See `Framing`: no message without BeginString begins within a line."""
        if within_line == self.within_line:
            return self
        return dataclasses.replace(self, within_line=within_line)

    def first_border(
        self, window: bytes, at: int, *, start: int, synced: bool = False
    ) -> int | None:
        """See `Framing`."""
        return first_border(window, at, self.delimiter, synced=synced, within_line=self.within_line)

    def last_border(self, data: bytes) -> int:
        """See `Framing`."""
        return last_border(data, self.delimiter, within_line=self.within_line)

    def settled_cuts(self, data: bytes) -> Sequence[int]:
        """See `Framing` and `framing.settled`."""
        return settled_cuts(data, self.delimiter, within_line=self.within_line)

    def end_of_source(self, data: bytes, *, grows: bool = True, waited: bool = False) -> int:
        """See `Framing`; lines that are no text are one record with such lines that follow."""
        known = self.endings if grows else self.endings._replace(bare=True)
        end = last_border(data, self.delimiter, at_end=known, within_line=self.within_line)
        if waited or (end < len(data) and next_start(data, end, self.delimiter)):
            return end  # a message ends the run of lines that are no text
        begin = before_not_text(data, end, self.delimiter)
        # The last line of a message of several lines may look like one of those.
        return begin if begin < end and self.last_border(data[:begin]) == begin else end

    def torn(self, data: bytes) -> tuple[int, int]:
        """See `Framing`; the claimed end is that of BodyLength."""
        # Messages that end are read, even if the rest of their line is too long.
        begin = last_border(data, self.delimiter, at_end=self.endings, within_line=self.within_line)
        return begin, claimed_end(data[begin:], self.delimiter)

    def next_record(self, data: bytes, *, start: int, claimed: int, lines: bool) -> int | None:
        """See `Framing`: after the CheckSum at `claimed`, if any, or where a record may begin."""
        if claimed <= 0:
            return next_record(data, self.delimiter, lines=lines)
        sealed = CHECK_SUM.match(data, claimed)
        if not sealed or sealed.end() + len(self.delimiter) > len(data):
            return None
        end = sealed.end()
        return end + len(self.delimiter) * data.startswith(self.delimiter, end)

    def piece_end(self, data: bytes, begin: int, end: int) -> int:
        """See `Framing`: after a delimiter, as a secret is not recognised in half a field."""
        found = data.rfind(self.delimiter, begin, end)
        return end if found < 0 else found + len(self.delimiter)

    def whole(
        self, data: bytes, begins: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """See `Framing` and `framing.whole`."""
        return whole(data, begins, ends, self.delimiter)

    def carry(self, block: Block, context: Mapping[str, str]) -> list[Block]:
        """See `logons.carry`."""
        return carry(block, context)


_TABLE = Table(
    schema=MESSAGES,
    lines=envelopes,
    json=("fields", "enriched"),
    json_only=("fix_json",),
    named={name: next(one.field for one in COLUMNS if one.name == name) for name in NAMED},
    codes=Codes().__iter__,
    named_by=tuple(name for name in NAMED_BY if name in MESSAGES.names),
    times=("captured_at", "sending_time", "transact_time"),
    in_order=("sending_time", "captured_at"),
    counted_by=("session", "direction", "msg_type"),
    clock=("captured_at", "sending_time"),
    indexes=(("symbol", "sending_time"), ("cl_ord_id",), ("orig_cl_ord_id",)),
    unique=("cl_ord_id", "orig_cl_ord_id", "order_id", "exec_id", "exec_ref_id", "fields"),
    finer={column.name: column.field for column in COLUMNS if column.type == DECIMAL},
    partition_by=("date", "msg_type"),
    ordered_by="session",
    numbered_by="msg_seq_num",
    views=views,
    renewal=FixRenewal,
    derived=(Orders(), Sessions(), Latencies(), Anomalies()),
)


@dataclass(frozen=True)
class Fix(Protocol):
    """FIX of all versions, in logs of all kinds, read according to `reading` and `log`.

    `delimiter` is the one that the user names, None for what each log shows. `anomalies` are the
    rules that the user has chosen for what is out of the ordinary, None for those that a database
    has, or the default ones; `drop_copies` the sessions of drop copies in the same way.
    """

    reading: Reading = USUAL
    log: LogFormat = USUAL_FORMAT
    delimiter: bytes | None = None
    anomalies: tuple[Rule, ...] | None = None
    drop_copies: DropCopies | None = None

    name = "FIX"
    reasons = REASONS
    defects = MEANINGS
    begin = b"8=FIX"

    @cached_property
    def table(self) -> Table:
        """See `Protocol`; own dictionaries name their values."""
        table = _TABLE
        if (self.anomalies, self.drop_copies) != (None, None):
            before = (Orders(self.drop_copies), Sessions(), Latencies())
            derived = (*before, Anomalies(self.anomalies))
            table = dataclasses.replace(table, derived=derived)
        own = self.reading.dictionaries.own
        if not own:
            return table
        codes = Codes(own)
        for_sessions = codes.of if any(one.session for one in own) else None
        return dataclasses.replace(table, codes=codes.__iter__, codes_of=for_sessions)

    @property
    def digest(self) -> str:
        """See `Protocol`."""
        parts = [
            self.reading.fields,
            self.reading.validate,
            self.reading.dictionaries.digest,
            self.reading.masking.digest,
            repr(self.log),
            repr(self.delimiter),
        ]
        return hashlib.blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()

    def sniff(self, head: bytes) -> FixFraming:
        """See `Protocol`; the delimiter is what the head shows unless the user names one."""
        delimiter = sniff_delimiter(head, self.delimiter)
        return FixFraming(delimiter, b"FIXT.1.1" in head, endings(head, delimiter))

    def sniff_pieces(self, head: bytes, *, is_all: bool) -> tuple[FixFraming | None, int]:
        """See `Protocol`; the delimiter is that of the first message."""
        shown, place = (0, 0) if is_certain(self.delimiter) else shown_within(head, is_all=is_all)
        if shown is None:
            return None, place
        delimiter = sniff_delimiter(head[:shown], self.delimiter)
        return FixFraming(delimiter, b"FIXT.1.1" in head, endings(head, delimiter)), place

    def rule(self, text: str) -> Condition:
        """See `Protocol`; in the language of `rules.language`."""
        own_names = self.reading.dictionaries.own_names
        return check_rule(parse_rule(text, own_names), self.reading.masking, own_names)

    def parse(self, block: Block) -> Batch:
        """See `parser.parse_block`; the delimiter of a block without one is found in it."""
        if block.layout is None:
            delimiter = sniff_delimiter(block.data[:_HEAD], self.delimiter)
            block = dataclasses.replace(block, layout=delimiter)
        return parse_block(block, **self.reading._asdict(), log=self.log)

    def hidden(self, texts: pa.StringArray) -> pa.StringArray:
        """See `Protocol`: as in the text before messages."""
        return masked_prefixes(texts, self.reading.masking)


FIX = Fix()
"""FIX, read as usual."""
