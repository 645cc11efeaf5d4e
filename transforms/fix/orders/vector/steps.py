"""What the steps of orders are: requests, reports, fills. The twin of `orders.fills`."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.transforms.fix.orders.fills import NO_FILL, STOPPED
from fixfeed.transforms.fix.orders.life import LEG
from fixfeed.transforms.fix.orders.openings import FRESH
from fixfeed.transforms.fix.orders.vector.events import Flags, Ints, flags
from fixfeed.transforms.fix.orders.vector.sequence import Lines

__all__ = ["REGULAR", "Steps", "is_one"]

_NEW, _REPLACES, _CANCELS = ("D", "AB"), ("G", "AC"), ("F",)
_SILENT = ("H", "J", "Q", "r", "AK", "AE")
REGULAR = (*_NEW, *_REPLACES, *_CANCELS, "8", "9", "j", *_SILENT)
"""The types of messages that regular orders may have; the last six change nothing in one."""

_NUMBERS = (
    *("order_qty", "price", "stop_px", "last_qty", "last_px"),
    *("cum_qty", "leaves_qty", "avg_px"),
)


class Steps:
    """The lines of chains by what they are, as flags.

    `report` is an ExecutionReport, `refusal` a cancel reject, `business` a business reject.
    `told` are reports of a status that was asked for; `replaced`, `cancelled` and `rejected` those
    that say that, `fresh` those of new orders (`openings.FRESH`); `accepted` those that end what
    was asked for; `copies` are drop copies. `fill`, `bust` and `correction` are as
    `orders.fills.kind_of` has them; `changed_by` is the line that busts or corrects a fill, and
    `unknown` are those that change no fill. `stands` are fills and corrections that count.
    `whole` are the reports that say how the order is: not those of legs, unless all fills are.
    `counts` are fills and corrections that stand and are of the order itself.
    `asked` is for each report of a replace the line of its request, which may come after it; -1 for
    all other lines; `pending` is the same for `pends`, reports that one is pending. `unreported`
    are the lines before the first report of the whole.
    `cl_ord_id` and `original` number texts, with -1 for none; `numbers` are `Lines.numbers`.
    """

    def __init__(self, lines: Lines):
        """`lines` are the events of the chains."""
        self.lines, self.events = lines, lines.events
        self.new, self.replace, self.cancel = (
            lines.of(kinds) for kinds in (_NEW, _REPLACES, _CANCELS)
        )
        self.request = self.replace | self.cancel
        self.report, self.refusal, self.business = (lines.of((kind,)) for kind in "89j")
        self.exec_type, self.status, self.transaction = (
            lines.letters(name) for name in ("exec_type", "ord_status", "exec_trans_type")
        )
        self.cl_ord_id, self.original = lines.coded(
            self.events["cl_ord_id"], self.events["orig_cl_ord_id"]
        )
        told = is_one(self.transaction, "3") | is_one(self.exec_type, "I")
        self.told = self.report & told
        self.replaced, self.cancelled, rejected = (self._says(one) for one in "548")
        self.rejected = rejected & ~told
        fresh = np.logical_or.reduce([self._says(one) for one in sorted(FRESH)])
        self.fresh = fresh & ~is_one(self.transaction, "123")
        self.numbers = {name: lines.numbers(name) for name in _NUMBERS}
        self.fill, self.bust, self.correction = self._fills()
        leg = self.report & self.equals(self.events.told("MultiLegReportingType"), LEG)
        self.whole = self.report & ~(leg & lines.any(self.fill & ~leg)[lines.chain])
        self.replaced &= self.whole
        self.accepted = self.replaced | (self.cancelled & self.whole)
        self.asked = self._asked(self.replaced)
        by_status = ~is_one(self.exec_type, "5") & is_one(self.status, "E")
        self.pends = self.whole & (is_one(self.exec_type, "E") | by_status)
        self.pending = self._asked(self.pends)
        self.change = self.bust | self.correction
        self.execution = self.fill | self.correction
        self.exec_id, self.exec_ref_id = lines.coded(
            self.events["exec_id"], self.events["exec_ref_id"]
        )
        self.changed_by, self.unknown = self._changed()
        quantity, there, _ = self.numbers["last_qty"]
        self.stands = self.fill & (self.changed_by < 0)
        self.stands |= self.correction & there & (quantity != 0)
        self.counts = self.stands & ~leg
        self.copies = self.equals(self.events.told("CopyMsgIndicator"), "Y")
        first = lines.first(self.whole)
        first = np.where(first < 0, len(lines), first)
        self.unreported = np.arange(len(lines)) < first[lines.chain]

    def _asked(self, answers: Flags) -> Ints:
        """Return the lines of the requests that have the ClOrdIDs of answers, -1 for none."""
        those = np.flatnonzero(answers & (self.cl_ord_id >= 0))
        requests = self.request & (self.cl_ord_id >= 0)
        found = np.full(len(self.lines), -1)
        found[those] = self.lines.match(requests, self.cl_ord_id, those, self.cl_ord_id)
        return found

    def _says(self, letter: str) -> Flags:
        """Return the reports that have this ExecType, or without one this OrdStatus."""
        by_status = (self.exec_type == 0) & is_one(self.status, letter)
        return self.report & (is_one(self.exec_type, letter) | by_status)

    def _fills(self) -> tuple[Flags, Flags, Flags]:
        quantity, there, _ = self.numbers["last_qty"]
        plain = self.report & ~is_one(self.transaction, "123")
        bust, correction = (
            self.report & is_one(self.transaction, number) | plain & is_one(self.exec_type, letter)
            for number, letter in ("1H", "2G")
        )
        cum_qty, known, _ = self.numbers["cum_qty"]
        guarantee = is_one(self.status, STOPPED) & there & known & (cum_qty < quantity)
        plain &= ~bust & ~correction & ~(there & (quantity == 0)) & ~guarantee
        filled = (self.exec_type == 0) & there & (quantity > 0)
        filled &= ~is_one(self.status, NO_FILL)
        return plain & (is_one(self.exec_type, "F12") | filled), bust, correction

    def _changed(self) -> tuple[Ints, Flags]:
        """Return by which line each fill is busted or corrected, -1 if it is not.

        And which busts and corrections are of no fill that came before.
        """
        changes = np.flatnonzero(self.change & (self.exec_ref_id >= 0))
        fills = self.lines.match(
            self.fill & (self.exec_id >= 0), self.exec_id, changes, self.exec_ref_id
        )
        known = (fills >= 0) & (fills < changes)
        changed_by = np.full(len(self.lines), -1)
        changed_by[fills[known]] = changes[known]
        unknown = self.change.copy()
        unknown[changes[known]] = False
        return changed_by, unknown

    def has(self, column: pa.Array) -> Flags:
        """Return on which lines a column of events is not null."""
        return self.flags(column.is_valid())

    def equals(self, column: pa.Array, text: str) -> Flags:
        """Return on which lines a column of events has this text."""
        return self.flags(pc.equal(column, text))

    def flags(self, column: pa.BooleanArray) -> Flags:
        """Return on which lines a column of events is true."""
        return flags(column)[self.lines.event]


def is_one(points: Ints, letters: str | frozenset[str]) -> Flags:
    """Return which code points (`Lines.letters`) are those of one of the letters."""
    known = np.zeros(128, bool)
    known[[ord(one) for one in letters]] = True
    return known[np.where((points < 0) | (points > 127), 0, points)]
