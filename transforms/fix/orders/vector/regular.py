"""Which chains are regular: one order each, whose life can be told without going step by step.

A chain is regular if

* its messages are new orders (D, AB), requests to replace or cancel (F, G, AC), reports and
  refusals (8, 9, j), or such as change nothing in an order (H, J, Q, r, AK, AE); all have a time,
  none says that it is a copy or is a drop copy, and if two are of one sender, time and number, they
  are the same in two logs (`sequence.Lines.copy`);
* none of its events is loose (`openings`), as ids of several orders are;
* there is one new order at the most, which has a ClOrdID, and none is refused as a duplicate;
* no message names its order twice, as an allocation in parts does;
* one side alone orders, as requests and answers say, and all are of one session pair;
* the requests have ClOrdIDs of their own, and each is accepted or refused once at the most; if by
  its clock one comes after the report that it is done, this leaves out nothing that it asks for;
* no report of a new order (`openings.FRESH`) comes after one of an end or a replace;
* a report that a replace is pending comes with its request;
* fills, busts and corrections have ExecIDs of their own; a bust or correction is of a fill that
  came before, and each fill has one at the most; a correction says its quantity and price, and
  no fill has an OrdStatus with which one may be repeated;
* quantities and prices, and sums of quantities, are below 2**61 of their last place.

All others are odd, and left to `orders.life`, which says what is right.
"""

import numpy as np
import pyarrow.compute as pc

from fixfeed.transforms.fix.orders.events import NO_EXEC_ID
from fixfeed.transforms.fix.orders.fills import REPEATING
from fixfeed.transforms.fix.orders.life import DUPLICATE, ENDED, TERMS
from fixfeed.transforms.fix.orders.sides import BY_SENDER
from fixfeed.transforms.fix.orders.vector.events import Flags, Ints, flags, is_in
from fixfeed.transforms.fix.orders.vector.sequence import LARGE, Lines
from fixfeed.transforms.fix.orders.vector.steps import REGULAR, Steps, is_one

__all__ = ["odd_chains"]


def odd_chains(steps: Steps, loose: Flags) -> Flags:
    """Return which chains are not regular, given which events are loose (`openings`)."""
    lines, events = steps.lines, steps.events
    wrong = ~lines.of(REGULAR) | steps.unknown | (steps.change & (steps.exec_id < 0))
    wrong |= steps.fill & (steps.exec_type == 0) & is_one(steps.status, REPEATING)
    for name in ("last_qty", "last_px"):
        wrong |= steps.correction & ~steps.numbers[name][1]
    for name in ("exec_id", "exec_ref_id"):
        no_id = is_in(pc.utf8_upper(events[name]), NO_EXEC_ID)
        wrong |= steps.change & no_id[lines.event]
    wrong |= (steps.new | steps.request) & (steps.cl_ord_id < 0)
    wrong |= steps.report & steps.equals(events.told("OrdRejReason"), DUPLICATE)
    again = events.poss_dup | flags(events.told("PossResend").is_valid())
    wrong |= again[lines.event]
    wrong |= (events.day[lines.event] < 0) | events.drop_copied[lines.event]
    wrong |= loose[lines.event] | ~steps.has(events["begin_string"])
    late = np.flatnonzero(steps.asked > np.arange(len(lines)))
    for name in TERMS if len(late) else ():
        has = steps.has(events[name])
        wrong[late] |= has[steps.asked[late]] & ~has[late]
    for _, _, large in steps.numbers.values():
        wrong |= large
    odd = lines.doubtful | lines.any(wrong) | (lines.counted(steps.new) > 1)
    odd[lines.chain[lines.copied[again[lines.copy]]]] = True
    ends = (steps.report | steps.refusal) & is_one(steps.status, ENDED)
    before = lines.first(ends | steps.replaced)
    odd |= (before >= 0) & (lines.last(steps.fresh) > before)
    odd[_named_twice(steps)] = True
    odd |= lines.any(steps.pends & (steps.pending < 0))
    odd |= _both_order(steps)
    odd |= lines.summed(np.abs(steps.numbers["last_qty"][0].astype(float))) > LARGE
    answered = (steps.accepted | steps.refusal) & (steps.cl_ord_id >= 0)
    for which, codes in (
        (steps.request, steps.cl_ord_id),
        (answered, steps.cl_ord_id),
        ((steps.fill | steps.change) & (steps.exec_id >= 0), steps.exec_id),
        (steps.change, steps.exec_ref_id),
    ):
        odd |= _repeated(lines, which, codes)
    return odd


def _both_order(steps: Steps) -> Flags:
    """Return the chains in which both sides order (`sides`), and those of several pairs."""
    lines = steps.lines
    sender, target = lines.coded(steps.events["sender_comp_id"], steps.events["target_comp_id"])
    refused = is_in(steps.events.told("RefMsgType"), BY_SENDER)[lines.event]
    speaks = lines.of(("8", "9", "r", "H", "Q")) | steps.new | steps.request
    says = speaks | (steps.business & refused)
    by_target = lines.of(("8", "9", "r", "j"))
    both = _differ(lines, says, np.where(by_target, target, sender))
    both &= _differ(lines, speaks, sender)
    return both | _differ(lines, np.ones(len(lines), bool), steps.events.pair[lines.event])


def _differ(lines: Lines, which: Flags, codes: Ints) -> Flags:
    """Return the chains in which these lines have different codes."""
    first = codes[lines.first(which)][lines.chain]
    return lines.any(which & (codes != first))


def _named_twice(steps: Steps) -> Ints:
    """Return the chains that an entry of a message is of, and another one of the same message."""
    lines, events = steps.lines, steps.events
    event = np.append(lines.event, lines.copy)
    chain = np.append(lines.chain, lines.chain[lines.copied])
    of_entry = event >= len(events.divided)
    key = chain[of_entry] * len(events.divided) + events.row[event[of_entry]]
    found, count = np.unique(key, return_counts=True)
    return found[count > 1] // max(len(events.divided), 1)


def _repeated(lines: Lines, which: Flags, codes: Ints) -> Flags:
    """Return the chains in which two of these lines have the same code."""
    chain, code = lines.chain[which], codes[which]
    order = np.lexsort((code, chain))
    chain, code = chain[order], code[order]
    found = np.zeros(len(lines.start), bool)
    found[chain[1:][(chain[1:] == chain[:-1]) & (code[1:] == code[:-1])]] = True
    return found
