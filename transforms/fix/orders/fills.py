"""The fills of an order: each once, with what busted or corrected it.

What a report is, is decided as in the view `fills` (`views.fills`), whose table shows it.
"""

from dataclasses import dataclass, field

from fixfeed.transforms.fix.orders.events import DAY, NO_EXEC_ID, Events, is_copy
from fixfeed.transforms.fix.orders.sequence import Step

__all__ = [
    "BUST",
    "CORRECTION",
    "FILL",
    "NO_FILL",
    "REPEATING",
    "STOPPED",
    "Execution",
    "Fills",
    "kind_of",
    "repeats",
]

FILL, CORRECTION, BUST = "fill", "correction", "bust"

NO_FILL = frozenset("034589ABCD")
"""OrdStatus of reports without ExecType that are no fill; see `views.fills`."""


_FILLED = ("F", "G", "1", "2")
"""ExecType of fills and corrections."""


STOPPED = "7"
"""OrdStatus of an order that is guaranteed a quantity; see `views.fills`."""

REPEATING = frozenset("67E")
"""OrdStatus of reports without ExecType that may repeat a fill; see `views.fills`."""


def kind_of(events: Events, row: int) -> str | None:
    """Return whether a report is a fill, a correction or a bust; None if it is neither."""
    transaction, exec_type = events.exec_trans_type[row], events.exec_type[row]
    if transaction in ("1", "2", "3"):
        return {"1": BUST, "2": CORRECTION}.get(transaction)
    if exec_type in ("H", "G"):
        return BUST if exec_type == "H" else CORRECTION
    quantity = events.last_qty[row]
    if quantity == 0 or _is_guarantee(events, row):
        return None
    if exec_type in ("F", "1", "2"):
        return FILL
    filled = exec_type is None and quantity is not None and quantity > 0
    return FILL if filled and (events.ord_status[row] or "") not in NO_FILL else None


def _is_guarantee(events: Events, row: int) -> bool:
    """Return whether a report of a stopped order guarantees a quantity, and fills nothing yet."""
    quantity, cum_qty = events.last_qty[row], events.cum_qty[row]
    stopped = events.ord_status[row] == STOPPED
    return stopped and None not in (quantity, cum_qty) and cum_qty < quantity


def repeats(events: Events, row: int, cum_qty: int | None) -> bool:
    """Return whether a fill is none, but repeats the LastQty of the last one.

    `cum_qty` is the CumQty that was reported last before it.
    """
    own, quantity = events.cum_qty[row], events.last_qty[row]
    if events.exec_type[row] is not None or events.ord_status[row] not in REPEATING:
        return False
    return own is not None and own == cum_qty and own >= quantity


def _an_id(text: str | None) -> str | None:
    return None if text is None or text.upper() in NO_EXEC_ID else text


@dataclass(slots=True)
class Execution:
    """A fill, or what one was corrected to: the report `row`, and what came of it.

    `last_qty` and `last_px` are those of the report, or of what it corrects if it leaves them out.
    `family` are all reports about the same fill, the first one first.
    """

    row: int
    kind: str
    copies: int
    stands: bool
    last_qty: int | None
    last_px: int | None
    family: "list[Execution]" = field(default_factory=list)
    corrected_by: str | None = None
    busted_by: str | None = None


class Fills:
    """The fills of an order, as its reports tell of them one after the other.

    `unknown` is whether a bust or correction names a report that is not there, once it is settled.
    """

    def __init__(self, events: Events):
        """`events` has the reports."""
        self._events = events
        self._known: dict[tuple[object, ...], Execution | None] = {}
        self._by_id: dict[str, Execution] = {}
        self._early: dict[str, list[tuple[Step, str]]] = {}
        self.unknown = False
        self.all: list[Execution] = []

    def tell(self, step: Step, kind: str) -> bool:
        """Take in a report; return whether it is new, not one that has come before."""
        events, row = self._events, step.row
        exec_id = _an_id(events.exec_id[row])
        known = self._key(row, kind)
        if known is not None:
            if known in self._known:
                earlier = self._known[known]
                if earlier is not None:
                    earlier.copies += 1 + len(step.copies)
                return False
        else:
            known = ("row", row)
        named = _an_id(events.exec_ref_id[row]) or exec_id
        if kind == FILL:
            self._known[known] = self._add(step, kind)
        elif (
            named is not None
            and named in self._by_id
            and (kind == BUST or named != exec_id or exec_id in self._by_id)
        ):
            self._known[known] = self._change(step, kind, self._by_id[named])
        else:
            self._known[known] = None
            self._early.setdefault(named or "", []).append((step, kind))
        return True

    def _key(self, row: int, kind: str) -> tuple[object, ...] | None:
        """Return what a report and those that repeat it have in common, None without an ExecID."""
        events = self._events
        exec_id = _an_id(events.exec_id[row])
        if exec_id is None:
            return None
        when, day = events.transact_time[row] or events.time[row], events.trade_date[row]
        if day is None and when is not None:
            day = when // DAY
        if kind == CORRECTION:
            # A venue may correct 10 to 20, back to 10, and to 20 again, under one ExecID.
            change = (events.last_qty[row], events.last_px[row], events.msg_seq_num[row])
            return (exec_id, kind, day, *change)
        return (exec_id, kind, day)

    def is_another(self, row: int, kind: str | None) -> bool:
        """Return whether a fill that is not new says something else than the one that came before.

        FIX (4.4, ExecID) wants another ExecID for it. What says that it was sent before may differ.
        """
        events = self._events
        key = self._key(row, kind) if kind == FILL and not is_copy(events, row) else None
        first = self._known.get(key) if key is not None else None
        if first is None or events.drop_copied[row]:
            return False
        for column in (events.last_qty, events.last_px, events.cum_qty):
            if None not in (both := {column[row], column[first.row]}) and len(both) > 1:
                return True
        return False

    def settle(self) -> None:
        """Take in corrections whose first report is not there: they count as what they say.

        Of several with one ExecRefID the last one counts, and none if it is busted.
        """
        self.unknown = bool(self._early)
        late = {self._events.exec_id[step.row] for all_ in self._early.values() for step, _ in all_}
        # A correction of a correction counts in the place of that one, which comes first here.
        for named in sorted(self._early, key=late.__contains__):
            first = None
            changes = self._early.pop(named, [])
            # The first correction takes the place of the report that is not there.
            for step, kind in sorted(changes, key=lambda change: change[1] == BUST):
                if first is None or not named:
                    first = self._add(step, kind) if kind == CORRECTION else None
                else:
                    self._change(step, kind, first)

    def _add(self, step: Step, kind: str, before: Execution | None = None) -> Execution:
        """Add a report, which corrects the one before."""
        events, row = self._events, step.row
        exec_id = _an_id(events.exec_id[row])
        quantity, price = events.last_qty[row], events.last_px[row]
        if before is not None:
            quantity = before.last_qty if quantity is None else quantity
            price = before.last_px if price is None else price
        counts = quantity != 0
        if quantity is None:
            counts = kind == FILL or before is not None or events.exec_type[row] in _FILLED
        made = Execution(row, kind, 1 + len(step.copies), counts, quantity, price)
        made.family = [made]
        self.all.append(made)
        if exec_id is not None:
            self._by_id[exec_id] = made
            for late, late_kind in self._early.pop(exec_id, ()):
                self._change(late, late_kind, made)
        return made

    def _change(self, step: Step, kind: str, first: Execution) -> Execution | None:
        exec_id = self._events.exec_id[step.row]
        family = first.family
        if kind == BUST:
            for one in family:
                one.stands = False
                one.busted_by = exec_id
            return None
        busted = family[-1].busted_by
        latest = family[-1]
        latest.stands = False
        latest.corrected_by = exec_id
        made = self._add(step, kind, latest)
        made.family = family
        family.append(made)
        if busted is not None:
            made.stands, made.busted_by = False, busted
        return made
