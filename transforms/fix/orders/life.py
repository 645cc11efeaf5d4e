"""The life of an order: what its messages, taken one after the other, say that it is.

The state is what reports say; requests say only what was asked for, until a report accepts it. So
clocks that differ between the two sides change no state.
"""

from collections.abc import Mapping
from typing import Any

from fixfeed.transforms.fix.orders.events import NEW, Events
from fixfeed.transforms.fix.orders.fills import FILL, Fills, kind_of, repeats
from fixfeed.transforms.fix.orders.numbers import divided
from fixfeed.transforms.fix.orders.openings import ACKNOWLEDGED
from fixfeed.transforms.fix.orders.sequence import Step

__all__ = [
    "DUPLICATE",
    "ENDED",
    "FIRST",
    "LEG",
    "NEVER_AFTER",
    "NO_ORDER_ID",
    "PROBLEMS",
    "TERMS",
    "Life",
    "an_id",
]

PROBLEMS = {
    "cum_qty": "the last CumQty that was reported is not the sum of the fills",
    "leaves_qty": "CumQty and LeavesQty of the last report together are not OrderQty",
    "overfilled": "more was filled than was ordered",
    "status": "a report has an OrdStatus that may not follow the one before",
    "unknown_exec_ref": "a bust or correction names an execution that is not there",
    "duplicate_cl_ord_id": "a second new order came with the ClOrdID of one that was open",
    "duplicate_exec_id": "an ExecID came again with another LastQty, LastPx or CumQty, and nothing "
    "says that it is a copy; it counts as the first one says",
}
"""What may not fit together in an order, and what that means."""

ENDED = frozenset("248C")
"""OrdStatus of an order that is over: filled, cancelled, rejected, expired."""

NEVER_AFTER = {
    "8": frozenset("0125469ABCDE37"),
    "4": frozenset("01256A9E"),
    "C": frozenset("01256A9E"),
    "2": frozenset("0A"),
}
"""OrdStatus -> those that may not follow it, unless a bust or correction is reported."""

_REPLACES = frozenset({"G", "AC", "t"})
_CANCELS = frozenset({"F", "u"})
DUPLICATE = "6"  # OrdRejReason: duplicate order
LEG = "2"  # MultiLegReportingType: a leg
NO_ORDER_ID = ("NONE", "UNKNOWN", "N/A")
"""What an OrderID is, in upper case, where there is none."""
TERMS = ("order_qty", "price", "stop_px", "ord_type", "time_in_force")
"""Columns that a new order, a request to replace or a report may change."""
FIRST = ("account", "symbol", "security_id", "side", "currency")
"""Columns whose first value that an order or report has is the order's."""


class Life:
    """An order, message by message: `tell` takes in each step, `settle` what depends on all.

    The attributes have the names of the columns of the table `orders`.
    """

    def __init__(self, events: Events, *, by_legs: bool, requests: Mapping[str | None, int]):
        """`events` has the messages, `requests` those of the order by their ClOrdIDs.

        `by_legs` is whether reports of fills are of legs alone. Then these say how the order is.
        """
        self.events = events
        self._by_legs = by_legs
        self._requests = requests
        self.steps: list[Step] = []
        self.fills = Fills(events)
        self.session: str | None = None
        self.values: dict[str, Any] = {}
        self.problems: set[str] = set()
        self.has_beginning = False
        self.drop_copy = False
        self._named_by_copy = False
        self.ord_status: str | None = None
        self.exec_type: str | None = None
        self.first_cl_ord_id: str | None = None
        self.last_cl_ord_id: str | None = None
        self.counts = {"replaces": 0, "cancels": 0, "rejects": 0}
        self._asked: dict[str | None, int] = {}
        self._unasked: dict[str | None, int] = {}
        self._reported = self._replaces = False
        self._pends = False  # the last report is that a replace is pending

    @property
    def ended(self) -> bool:
        """Whether the order is over."""
        return self.ord_status in ENDED

    def tell(self, step: Step) -> None:
        """Take in the next step."""
        self.steps.append(step)
        row, kind = step.row, self.events.msg_type[step.row]
        if kind in NEW:
            self._begin(row)
        elif kind in _REPLACES:
            self.counts["replaces"] += 1
            self._ask(row)
        elif kind in _CANCELS:
            self.counts["cancels"] += 1
            self._ask(row)
        elif kind == "8":
            self._report(step)
        elif kind == "9":
            self._refuse(row, "CxlRejReason")
        elif kind == "j":
            self._refuse(row, "BusinessRejectReason")
        elif kind == "N":
            self._take_status(row)

    def _begin(self, row: int) -> None:
        events = self.events
        if self.has_beginning:
            self.problems.add("duplicate_cl_ord_id")
            return
        self.has_beginning = True
        self.first_cl_ord_id = events.cl_ord_id[row]
        self.values["sent_at"] = events.time[row]
        self._name_session(row, asked=True)
        self._take_first(row)
        if not self._reported:
            self.last_cl_ord_id = events.cl_ord_id[row]
            self._take_terms(row)
        else:  # by its clock it comes after its reports: what they leave out is as it was ordered
            for name in TERMS:
                self._keep(name, getattr(events, name)[row])
        self._keep("list_id", events.more[row].get("ListID"))

    def _ask(self, row: int) -> None:
        events = self.events
        own = events.cl_ord_id[row]
        self._asked[own] = row
        report = self._unasked.pop(own, None)
        if report is not None and own == self.last_cl_ord_id:
            for name in TERMS:
                if getattr(events, name)[report] is None:
                    self._keep(name, getattr(events, name)[row], anew=True)
        self._name_session(row, asked=True)
        self._take_first(row)
        if self.first_cl_ord_id is None:
            self.first_cl_ord_id = events.orig_cl_ord_id[row]
        if self.last_cl_ord_id is None:
            self.last_cl_ord_id = events.orig_cl_ord_id[row]

    def _report(self, step: Step) -> None:
        events, row = self.events, step.row
        more, status, exec_type = events.more[row], events.ord_status[row], events.exec_type[row]
        if more.get("CopyMsgIndicator") == "Y" or events.drop_copied[row]:
            self.drop_copy = True
        rejected = exec_type == "8" or (exec_type is None and status == "8")
        told = events.exec_trans_type[row] == "3" or exec_type == "I"
        if rejected and not told:
            self.counts["rejects"] += 1
            self._keep("reject_reason", more.get("OrdRejReason"), anew=True)
            if more.get("OrdRejReason") == DUPLICATE and self._reported:
                self._keep("text", events.text[row], anew=True)
                return
        kind = kind_of(events, row)
        if kind == FILL and repeats(events, row, self.values.get("reported_cum_qty")):
            kind = None
        is_leg = more.get("MultiLegReportingType") == LEG and not self._by_legs
        new = kind is None or self.fills.tell(step, kind)
        doubled = not new and self.fills.is_another(step.row, kind)
        if doubled:
            self.problems.add("duplicate_exec_id")
        acknowledges = kind is None and not told and (exec_type or status) in ACKNOWLEDGED
        is_late = acknowledges and (self.ended or self._is_replaced(events.cl_ord_id[row]))
        if is_late and self.ended:
            self.problems.add("status")
        elif (new or doubled) and not is_leg and not is_late:
            self._follow(row, status, kind, told)
        self._name_session(row, asked=False)
        self._keep("text", events.text[row], anew=True)
        self._keep("order_id", an_id(events.order_id[row]))
        self._keep("list_id", more.get("ListID"))
        if not is_leg:
            self._take_first(row)
        if not new and not doubled:
            return
        at = events.time[row]
        if exec_type != "A" and status != "A" and not told:
            self._keep("acknowledged_at", at)
        if kind == FILL and new:
            self._keep("first_fill_at", at)
            self._keep("last_fill_at", at, anew=True)
        if is_leg or is_late:
            return  # what it says is of the leg, or was so before an end or a replace
        self._accept(row, exec_type, status)
        self._pends = exec_type == "E" or (status == "E" and exec_type != "5")
        if self._pends:
            own = events.cl_ord_id[row]
            self._take_terms_that_hold(row, self._asked.get(own, self._requests.get(own)))
        else:
            self._take_terms(row)
        for name in ("cum_qty", "leaves_qty", "avg_px"):
            self._keep(f"reported_{name}", getattr(events, name)[row], anew=True)
        self._reported = True
        if not told:
            self.exec_type = exec_type or self.exec_type

    def _follow(self, row: int, status: str | None, kind: str | None, told: bool) -> None:
        """Take over the OrdStatus of a report."""
        if status is None:
            return
        before = self.ord_status
        changed = kind not in (None, FILL)
        if not changed and not told and status in NEVER_AFTER.get(before or "", ()):
            self.problems.add("status")
        if status not in ENDED:
            self.values.pop("ended_at", None)
        elif before != status or "ended_at" not in self.values:
            self.values["ended_at"] = self.events.time[row]
        self.ord_status = status

    def _accept(self, row: int, exec_type: str | None, status: str | None) -> None:
        """Take over what a request asked for, once a report says that it is done."""
        events = self.events
        cl_ord_id, original = events.cl_ord_id[row], events.orig_cl_ord_id[row]
        replaced = exec_type == "5" or (exec_type is None and status == "5")
        cancelled = exec_type == "4" or (exec_type is None and status == "4")
        if replaced or cancelled:
            asked = self._asked.pop(cl_ord_id, None)
            if replaced and asked is not None:
                self._take_terms(asked)
            elif replaced and cl_ord_id is not None:
                self._unasked[cl_ord_id] = row
            self.last_cl_ord_id = cl_ord_id or self.last_cl_ord_id
            self._replaces = self._replaces or replaced
        elif self.last_cl_ord_id is None:
            self.last_cl_ord_id = cl_ord_id
        if self.first_cl_ord_id is None:
            self.first_cl_ord_id = original or cl_ord_id

    def _refuse(self, row: int, reason: str) -> None:
        events = self.events
        self.counts["rejects"] += 1
        self._asked.pop(events.cl_ord_id[row], None)
        self._keep("reject_reason", events.more[row].get(reason), anew=True)
        self._keep("text", events.text[row], anew=True)
        self._name_session(row, asked=False)
        if events.msg_type[row] == "9":
            self._keep("order_id", an_id(events.order_id[row]))
            # What is pending is so no more. Of an order that is not known it says Rejected.
            if self._reported and events.ord_status[row] != "8":
                self._follow(row, events.ord_status[row], None, told=True)
            if self.first_cl_ord_id is None:
                self.first_cl_ord_id = events.orig_cl_ord_id[row] or events.cl_ord_id[row]

    def _take_status(self, row: int) -> None:
        """Take over what a list status says of an order, if no report of its own does."""
        if not self._reported:
            self._follow(row, self.events.ord_status[row], None, told=True)
            for name in ("cum_qty", "leaves_qty", "avg_px"):
                self._keep(f"reported_{name}", getattr(self.events, name)[row], anew=True)

    def _name_session(self, row: int, *, asked: bool) -> None:
        """Name the session as `messages.session` does, from who orders to who reports.

        A message without BeginString has none there, so the next one names it.
        """
        events = self.events
        if events.begin_string[row] is None:
            return
        if self.session is None or (self._named_by_copy and not events.drop_copied[row]):
            self._named_by_copy = events.drop_copied[row]
            ends = [events.sender_comp_id[row] or "", events.target_comp_id[row] or ""]
            ends = ends if asked else ends[::-1]
            self.session = f"{events.begin_string[row]}:{'->'.join(ends)}"

    def _take_first(self, row: int) -> None:
        values = self.values
        for name in FIRST:
            if name not in values:
                value = getattr(self.events, name)[row]
                if value is not None:
                    values[name] = value

    def _take_terms(self, row: int) -> None:
        for name in TERMS:
            value = getattr(self.events, name)[row]
            if value is not None:
                self.values[name] = value

    def _take_terms_that_hold(self, row: int, asked: int | None) -> None:
        """Take over what is ordered by a report while a replace is pending, which is `asked` for.

        FIX (appendix D) has what was accepted in such a report, many venues what is asked for. So
        what is as in the request may be pending; if that is not there, what is known holds.
        """
        for name in TERMS:
            column = getattr(self.events, name)
            value = column[row]
            if asked is None:
                self._keep(name, value)
            elif value is not None and column[asked] != value:
                self.values[name] = value

    def _is_replaced(self, cl_ord_id: str | None) -> bool:
        """Return whether a ClOrdID is one of before a replace that was accepted."""
        return self._replaces and cl_ord_id not in (None, self.last_cl_ord_id)

    def _keep(self, name: str, value: Any, *, anew: bool = False) -> None:
        """Keep a value, if there is one; with `anew` in the place of an earlier one."""
        if value is not None and (anew or self.values.get(name) is None):
            self.values[name] = value

    def settle(self) -> dict[str, Any]:
        """Return the order's row, without its keys, once all steps are taken in."""
        self.fills.settle()
        values = self.values
        standing = [one for one in self.fills.all if one.stands and self._counts(one.row)]
        quantity = value = 0
        for one in standing:
            quantity += one.last_qty or 0
            value += (one.last_qty or 0) * (one.last_px or 0)
        ordered = values.get("order_qty")
        times = [self.events.time[step.row] for step in self.steps]
        known = [one for one in times if one is not None]
        leaves = None
        if self.ended:
            leaves = 0
        elif self.ord_status == "3":  # done for the day: a day order is over, others go on
            leaves = values.get("reported_leaves_qty")
        elif ordered is not None and self.has_beginning:
            leaves = max(ordered - quantity, 0)
        self._check(quantity, ordered)
        return {
            **values,
            **self.counts,
            "session": self.session,
            "first_cl_ord_id": self.first_cl_ord_id,
            "last_cl_ord_id": self.last_cl_ord_id or self.first_cl_ord_id,
            "ord_status": self.ord_status,
            "exec_type": self.exec_type,
            "cum_qty": quantity,
            "leaves_qty": leaves,
            "avg_px": divided(value, quantity) if quantity > 0 else None,
            "first_message_at": min(known, default=None),
            "last_message_at": max(known, default=None),
            **self._messages(),
            "fills": len(standing),
            "has_beginning": self.has_beginning,
            "drop_copy": self.drop_copy,
            "problems": ",".join(one for one in PROBLEMS if one in self.problems) or None,
        }

    def _messages(self) -> dict[str, int]:
        """Return how many messages and copies there are, each counted once.

        A message may name an order twice: an allocation in parts, a trade of both sides.
        """
        ids = self.events.message_id
        messages = {ids[step.row] for step in self.steps}
        copies = {ids[row] for step in self.steps for row in step.copies} - messages
        return {"messages": len(messages), "copies": len(copies)}

    def _counts(self, row: int) -> bool:
        """Return whether a fill is one of the order itself, not of one of its legs."""
        return self.events.more[row].get("MultiLegReportingType") != LEG

    def _check(self, filled: int, ordered: int | None) -> None:
        values, problems = self.values, self.problems
        cum_qty, leaves = values.get("reported_cum_qty"), values.get("reported_leaves_qty")
        if ordered is not None and max(filled, cum_qty or 0) > ordered:
            problems.add("overfilled")
        if self.has_beginning:
            if cum_qty is not None and cum_qty != filled:
                problems.add("cum_qty")
            if self.fills.unknown:
                problems.add("unknown_exec_ref")
        done = self.ended or self.ord_status == "3" or self._pends
        if done or None in (cum_qty, leaves, ordered):
            return
        if (cum_qty or 0) + (leaves or 0) != ordered:
            problems.add("leaves_qty")


def an_id(value: str | None) -> str | None:
    """Return an OrderID, None if it is none."""
    return None if value is None or value.upper() in NO_ORDER_ID else value
