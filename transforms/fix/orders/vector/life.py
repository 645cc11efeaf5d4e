"""The lives of regular orders, all at once: the twin of `orders.life`."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.transforms.fix.orders.life import (
    ENDED,
    FIRST,
    NEVER_AFTER,
    NO_ORDER_ID,
    PROBLEMS,
    TERMS,
)
from fixfeed.transforms.fix.orders.numbers import ONE, decimals_of, divided, halves
from fixfeed.transforms.fix.orders.vector.events import Flags, Ints, flags
from fixfeed.transforms.fix.orders.vector.sequence import LARGE
from fixfeed.transforms.fix.orders.vector.steps import Steps, is_one

__all__ = ["orders_of"]

_REPORTED = ("cum_qty", "leaves_qty", "avg_px")
_WRONG = np.zeros((128, 128), bool)
"""OrdStatus before, and after, that may not be."""
for _before, _after in NEVER_AFTER.items():
    _WRONG[ord(_before), [ord(one) for one in _after]] = True


def orders_of(steps: Steps) -> dict[str, pa.Array]:
    """Return the columns of `orders` but the keys, a row for each chain.

    What chains that are not regular have is worth nothing.
    """
    terms = _terms(steps)
    state = _state(steps, *_whole(terms["order_qty"]))
    return {**_ids(steps), **_told(steps), **terms, **_counts(steps), **state}


def _ids(steps: Steps) -> dict[str, pa.Array]:
    lines = steps.lines
    cl_ord_id, original = (steps.events[name] for name in ("cl_ord_id", "orig_cl_ord_id"))
    has_id, has_original = steps.cl_ord_id >= 0, steps.original >= 0
    answer = steps.whole | steps.refusal
    begins = lines.first(steps.new)
    # Without a new order, the first message about it says how it began.
    first = lines.first((steps.request & has_original) | (answer & (has_id | has_original)))
    began = pc.coalesce(
        lines.take(cl_ord_id, begins), lines.take(pc.coalesce(original, cl_ord_id), first)
    )
    # The ClOrdID is that of the new order if no report comes before it.
    known = lines.first((steps.request & has_original) | (steps.whole & has_id))
    last = pc.coalesce(
        lines.take(cl_ord_id, lines.last(steps.accepted & has_id)),
        lines.take(cl_ord_id, lines.first(steps.new & steps.unreported)),
        lines.take(original, lines.those(known, steps.request)),
        lines.take(cl_ord_id, lines.those(known, steps.whole)),
        began,
    )
    answer |= steps.report
    order_id = lines.first(answer & steps.has(steps.events["order_id"]) & ~_no_order_id(steps))
    return {
        "session": _sessions(steps),
        "first_cl_ord_id": began,
        "last_cl_ord_id": last,
        "order_id": lines.take(steps.events["order_id"], order_id),
    }


def _no_order_id(steps: Steps) -> Flags:
    upper = pc.utf8_upper(steps.events["order_id"])
    return steps.flags(pc.is_in(upper, pa.array(NO_ORDER_ID)))


def _sessions(steps: Steps) -> pa.Array:
    """Return the sessions from who orders to who reports."""
    lines, events = steps.lines, steps.events
    answer = steps.report | steps.refusal | steps.business
    named = lines.first(steps.new | steps.request | answer)
    begin, sender, target = (
        lines.take(events[name], named)
        for name in ("begin_string", "sender_comp_id", "target_comp_id")
    )
    reversed_ = pa.array(lines.those(named, answer) >= 0)
    sender, target = sender.fill_null(""), target.fill_null("")
    ends = (pc.if_else(reversed_, target, sender), pc.if_else(reversed_, sender, target))
    head = pc.binary_join_element_wise(begin, ends[0], ":")
    return pc.binary_join_element_wise(head, ends[1], "->")


def _told(steps: Steps) -> dict[str, pa.Array]:
    """Return what one of the messages says: the first, or the last one that says it."""
    lines, events = steps.lines, steps.events
    refused = steps.refusal | steps.business
    list_id = events.told("ListID")
    found = {
        name: lines.take(
            events[name],
            lines.first((steps.new | steps.request | steps.whole) & steps.has(events[name])),
        )
        for name in FIRST
    }
    found["list_id"] = lines.take(
        list_id, lines.first((steps.new | steps.report) & steps.has(list_id))
    )
    found["text"] = lines.take(
        events["text"], lines.last((steps.report | refused) & steps.has(events["text"]))
    )
    reasons = [
        (which & steps.has(events.told(name)), events.told(name))
        for name, which in (
            ("OrdRejReason", steps.rejected),
            ("CxlRejReason", steps.refusal),
            ("BusinessRejectReason", steps.business),
        )
    ]
    last = lines.last(np.logical_or.reduce([which for which, _ in reasons]))
    found["reject_reason"] = pc.coalesce(
        *(lines.take(column, lines.those(last, which)) for which, column in reasons)
    )
    named = lines.last(steps.whole & ~steps.told & steps.has(events["exec_type"]))
    found["exec_type"] = lines.take(events["exec_type"], named)
    return found


def _terms(steps: Steps) -> dict[str, pa.Array]:
    """Return what was ordered, as it was accepted last."""
    lines, events = steps.lines, steps.events
    telling = steps.whole | (steps.new & steps.unreported)
    pending = np.flatnonzero(steps.pending >= 0)
    request, report = (pa.array(lines.event[of]) for of in (steps.pending[pending], pending))
    asked = np.where(steps.asked < np.arange(len(lines)), steps.asked, -1)
    begins = lines.first(steps.new)
    found = {}
    for name in TERMS:
        has = steps.has(events[name])
        own = telling & has
        same = pc.equal(events[name].take(request), events[name].take(report))
        own[pending[flags(same.fill_null(False))]] = False
        by_request = (asked >= 0) & has[asked]
        last = lines.last(own | by_request)
        source = np.where(own, np.arange(len(lines)), asked)
        # What no report says is as it was ordered, though by its clock that came after them.
        found[name] = lines.take(events[name], np.where(last >= 0, source[last], begins))
    return found


def _counts(steps: Steps) -> dict[str, pa.Array]:
    """Return times, and how many there are of what."""
    lines = steps.lines
    acknowledged = steps.report & ~steps.told
    acknowledged &= ~is_one(steps.exec_type, "A") & ~is_one(steps.status, "A")
    ends = np.append(lines.start[1:], len(lines)) - 1
    at = {
        "sent_at": lines.first(steps.new),
        "acknowledged_at": lines.first(acknowledged),
        "first_fill_at": lines.first(steps.fill),
        "last_fill_at": lines.last(steps.fill),
        "first_message_at": lines.start,
        "last_message_at": ends,
    }
    counted = {
        "replaces": steps.replace,
        "cancels": steps.cancel,
        "rejects": steps.rejected | steps.refusal | steps.business,
        "fills": steps.counts,
    }
    return {
        **{name: lines.times(place) for name, place in at.items()},
        **{name: pa.array(lines.counted(which)) for name, which in counted.items()},
        "messages": pa.array(lines.count),
        "copies": pa.array(
            np.bincount(lines.chain[lines.copied], minlength=len(lines.count)).astype(np.int64)
        ),
        "has_beginning": pa.array(lines.any(steps.new)),
        "drop_copy": pa.array(lines.any(steps.report & steps.copies)),
    }


def _whole(column: pa.Array) -> tuple[Ints, Flags]:
    """Return decimals as whole numbers, and which of them are there."""
    there = column.is_valid().to_numpy(zero_copy_only=False)
    if not there.any():
        return np.zeros(len(column), np.int64), there
    return np.where(there, halves(column)[0], 0), there


def _state(steps: Steps, ordered: Ints, is_ordered: Flags) -> dict[str, pa.Array]:
    """Return status, quantities and average, and what of them does not fit together."""
    lines = steps.lines
    last_status, ended_at, bad_status = _statuses(steps)
    status = np.where(last_status >= 0, steps.status[last_status], 0)
    ended, done = is_one(status, ENDED), is_one(status, "3")
    reported, there = {}, {}
    for name in _REPORTED:
        values, known, _ = steps.numbers[name]
        last = lines.last(steps.whole & known)
        reported[name], there[name] = np.where(last >= 0, values[last], 0), last >= 0
    filled, average, has_average = _filled(steps)
    begun = lines.any(steps.new)
    is_open = is_ordered & begun & ~ended & ~done
    leaves = np.where(is_open, np.maximum(ordered - filled, 0), 0)
    leaves = np.where(done, reported["leaves_qty"], leaves)
    cum_qty = reported["cum_qty"]
    both = there["cum_qty"] & there["leaves_qty"] & is_ordered
    wrong = {
        "cum_qty": begun & there["cum_qty"] & (cum_qty != filled),
        "leaves_qty": ~ended
        & ~done
        & (lines.those(lines.last(steps.whole), steps.pends) < 0)
        & both
        & (cum_qty + reported["leaves_qty"] != ordered),
        "overfilled": is_ordered & (np.maximum(filled, cum_qty) > ordered),
        "status": bad_status,
    }
    return {
        "ord_status": lines.take(steps.events["ord_status"], last_status),
        "ended_at": lines.times(np.where(ended, ended_at, -1)),
        "cum_qty": decimals_of(filled, np.ones(len(filled), bool)),
        "leaves_qty": decimals_of(leaves, ended | is_open | (done & there["leaves_qty"])),
        "avg_px": decimals_of(average, has_average),
        **{f"reported_{name}": decimals_of(reported[name], there[name]) for name in _REPORTED},
        "problems": _joined(wrong),
    }


def _statuses(steps: Steps) -> tuple[Ints, Ints, Flags]:
    """Return the lines of the last OrdStatus and of its beginning, and if one may not follow."""
    lines = steps.lines
    # Of an order that is not known a cancel reject says Rejected.
    counts = steps.refusal & ~steps.unreported & ~is_one(steps.status, "8")
    at = np.flatnonzero((steps.whole | counts) & (steps.status != 0))
    status, chain = steps.status[at], lines.chain[at]
    first = np.ones(len(at), bool)
    first[1:] = chain[1:] != chain[:-1]
    before = np.where(first, 0, np.roll(status, 1))
    changes = first | (before != status)
    begins = np.zeros(len(lines), bool)
    begins[at[changes]] = True
    letters = [np.where((one < 0) | (one > 127), 0, one) for one in (before, status)]
    wrong = np.zeros(len(lines), bool)
    wrong[at] = _WRONG[letters[0], letters[1]] & (steps.report & ~steps.told & ~steps.change)[at]
    which = np.zeros(len(lines), bool)
    which[at] = True
    return lines.last(which), lines.last(begins), lines.any(wrong)


def _filled(steps: Steps) -> tuple[Ints, Ints, Flags]:
    """Return the quantity that was filled, its average price, and whether there is one."""
    lines = steps.lines
    quantity = np.where(steps.counts, steps.numbers["last_qty"][0], 0)
    price = np.where(steps.counts, steps.numbers["last_px"][0], 0)
    filled = lines.summed(quantity)
    # Whole quantities leave room for the value in 64 bits; the others are told one by one.
    whole = quantity // ONE
    fits = lines.summed(np.abs(whole.astype(float) * price)) < LARGE
    fits &= ~lines.any(quantity % ONE != 0)
    value = lines.summed(np.where(fits[lines.chain], whole * price, 0))
    by = np.where(fits & (filled > 0), filled // ONE, 1)
    average, rest = np.divmod(value, by)
    average += (2 * rest > by) | ((2 * rest == by) & (average % 2 == 1))
    for chain in np.flatnonzero(~fits & (filled > 0)).tolist():
        own = slice(lines.start[chain], lines.start[chain] + lines.count[chain])
        pairs = zip(quantity[own].tolist(), price[own].tolist(), strict=True)
        average[chain] = divided(sum(one * each for one, each in pairs), int(filled[chain]))
    return filled, average, filled > 0


def _joined(wrong: dict[str, Flags]) -> pa.Array:
    """Return the names of problems, joined, null where there is none."""
    names = [name for name in PROBLEMS if name in wrong]
    number = np.zeros(len(wrong["status"]), np.int64)
    for bit, name in enumerate(names):
        number |= wrong[name].astype(np.int64) << bit
    texts = [
        ",".join(name for bit, name in enumerate(names) if which >> bit & 1) or None
        for which in range(1 << len(names))
    ]
    return pa.array(texts, pa.string()).take(pa.array(number))
