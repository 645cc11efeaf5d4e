"""Where both sides of a session order, the orders and the ids of each are its own."""

import random

import pytest

from fixfeed.transforms.fix.orders.derived import derive
from fixfeed.transforms.fix.orders.drop_copies import read_drop_copies
from tests.transforms.fix.orders.any_parts import check_in_any_parts
from tests.transforms.fix.orders.stored import messages
from tests.transforms.fix.orders.test_venues import Session, orders, shown, tables


def both_sides_order(*, same_ids):
    """Each side orders, and numbers its OrderIDs and ExecIDs from 1 on."""
    ann, brk = Session(b"ANN", b"BRK"), Session(b"BRK", b"ANN")
    for s, own, quantity, at in ((ann, b"a", 100, 0), (brk, b"b", 70, 1)):
        own = b"" if same_ids else own
        s.at = at
        s.ask(b"D", (11, own + b"1"), (38, b"%d" % quantity))
        s.at += 9
        ids = [(37, b"1"), (11, own + b"1")]
        s.send(False, b"8", *ids, (17, b"1"), (150, b"0"), (39, b"0"), (14, b"0"))
        s.at += 9
        s.send(False, b"8", *ids, (17, b"2"), (150, b"F"), (39, b"1"), (32, b"%d" % (quantity - 9)),
               (31, b"10"), (14, b"%d" % (quantity - 9)))  # fmt: skip
        s.at += 9
        s.ask(b"F", (11, own + b"2"), (41, own + b"1"))
        s.at += 9
        s.send(False, b"9", (37, b"1"), (11, own + b"2"), (41, own + b"1"), (39, b"1"))
        s.ask(b"J", (70, b"AL"), (73, b"1"), (11, own + b"1"))
    return ann, brk


@pytest.mark.parametrize("same_ids", [False, True])
def test_where_both_sides_of_a_session_order_the_ids_of_each_are_its_own(same_ids):
    logs = both_sides_order(same_ids=same_ids)
    names = ("session", "order_qty", "cum_qty", "fills", "rejects", "problems")
    assert shown(orders(*logs), *names) == [
        ("FIX.4.4:ANN->BRK", 100, 91, 1, 1, None),
        ("FIX.4.4:BRK->ANN", 70, 61, 1, 1, None),
    ]
    found = tables(*logs)
    assert sorted(found["executions"]["last_qty"].to_pylist()) == [61, 91]
    assert len(found["order_messages"]) == 12


@pytest.mark.parametrize("same_ids", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_orders_of_both_sides_are_the_same_in_any_parts(same_ids, seed):
    lines = [line for one in both_sides_order(same_ids=same_ids) for line in one.log]
    check_in_any_parts(b"".join(lines), random.Random(seed), 5, anew=derive)


@pytest.mark.parametrize("seed", range(4))
def test_whose_an_allocation_is_at_one_time_depends_on_what_the_messages_say(seed):
    """FIX 4.2 and before have times of whole seconds; engines write 00010101 for no time."""
    rng = random.Random(seed)
    ann, brk = Session(b"ANN", b"BRK"), Session(b"BRK", b"ANN")
    for one in (b"1", b"2"):
        for s in rng.sample((ann, brk), 2):
            s.at = 0
            s.ask(b"D", (11, one), (38, b"100"), (1, b"%d" % rng.randrange(3)))
            s.at = 1
            s.report(b"0", b"0", (37, b"O" + one), (11, one))
    ann.at = 5
    ann.ask(b"J", (70, b"A"), (73, b"1"), (11, b"1"))
    ann.ask(b"AE", (571, b"T"), (552, b"1"), (54, b"1"), (11, b"2"))
    lines = [line for one in (ann, brk) for line in one.log]
    check_in_any_parts(b"".join(lines), rng, 4, anew=derive)


def test_what_ties_ids_of_one_side_ties_none_of_the_other():
    brk, ann = Session(b"BRK", b"ANN"), Session(b"ANN", b"BRK")
    for one, quantity in ((b"1", b"70"), (b"2", b"50")):
        brk.ask(b"D", (11, one), (38, quantity))
        brk.send(
            False, b"8", (37, b"A" + one), (11, one), (17, b"n" + one), (150, b"0"), (39, b"0")
        )
    ann.at = brk.at = 30
    ann.ask(b"D", (11, b"1"), (38, b"100"))
    ann.ask(b"G", (11, b"2"), (41, b"1"), (38, b"150"))
    ann.send(False, b"8", (37, b"B1"), (11, b"2"), (41, b"1"), (17, b"r"), (150, b"5"), (39, b"0"))
    brk.at = 60
    for one, quantity in ((b"1", b"70"), (b"2", b"20")):
        brk.send(False, b"8", (37, b"A" + one), (11, one), (17, b"f" + one), (150, b"F"),
                 (39, b"1"), (32, quantity), (14, quantity))  # fmt: skip
    brk.send(False, b"j", (372, b"F"), (379, b"2"), (380, b"4"))
    names = ("session", "first_cl_ord_id", "order_qty", "cum_qty", "rejects", "problems")
    assert shown(orders(ann, brk), *names) == [
        ("FIX.4.4:BRK->ANN", "1", 70, 70, 0, None),
        ("FIX.4.4:BRK->ANN", "2", 50, 20, 1, None),
        ("FIX.4.4:ANN->BRK", "1", 150, 0, 0, None),
    ]
    lines = [line for one in (ann, brk) for line in one.log]
    check_in_any_parts(b"".join(lines), random.Random(2), 4, anew=derive)


@pytest.mark.parametrize("seed", range(8))
def test_ids_that_both_sides_use_again_each_day_give_each_order_a_key_of_its_own(seed):
    rng = random.Random(seed)
    ann, brk = Session(b"ANN", b"BRK"), Session(b"BRK", b"ANN")
    for day in (3, 4, 5):
        ann.day = brk.day = day
        for _ in range(12):
            s, one = rng.choice((ann, brk)), b"%d" % rng.randrange(3)
            s.at = ann.at = brk.at = max(ann.at, brk.at) + 1
            if rng.random() < 0.4:
                s.ask(b"D", (11, one), (38, b"100"))
            else:
                s.fill(3, 3, (37, b"O" + one), (11, one))
    lines = [line for one in (ann, brk) for line in one.log]
    keys = tables(ann, brk)["orders"]["order_key"].to_pylist()
    assert len(set(keys)) == len(keys)
    assert len(tables(ann, brk)["order_messages"]) == len(lines)
    check_in_any_parts(b"".join(lines), rng, 6, anew=derive)


def feed():
    """Requests and answers that an order system copies, in one direction, to who watches it."""
    oms = Session(b"OMS", b"OMS")
    oms.ends = dict.fromkeys((True, False), (b"OMS", b"TCA"))
    oms.ask(b"D", (11, b"1"), (38, b"100"), (55, b"X"))
    oms.report(b"0", b"0", (37, b"O1"), (11, b"1"), (14, b"0"))
    oms.fill(40, 40, (37, b"O1"), (11, b"1"))
    oms.ask(b"G", (11, b"2"), (41, b"1"), (38, b"150"))
    oms.report(b"5", b"1", (37, b"O1"), (11, b"2"), (41, b"1"), (38, b"150"), (14, b"40"))
    oms.fill(110, 150, (37, b"O1"), (11, b"2"))
    return oms


def test_a_feed_in_one_direction_has_one_order_of_requests_and_answers():
    names = ("session", "messages", "order_qty", "cum_qty", "symbol", "problems")
    assert shown(orders(feed()), *names) == [("FIX.4.4:OMS->TCA", 6, 150, 150, "X", None)]


def test_who_refuses_a_request_of_a_feed_orders_nothing():
    oms, tca = feed(), Session(b"OMS", b"TCA")
    tca.at = 50
    tca.send(False, b"j", (372, b"D"), (379, b"1"), (380, b"3"))
    names = ("session", "messages", "cum_qty", "rejects")
    assert shown(orders(oms, tca), *names) == [("FIX.4.4:OMS->TCA", 7, 150, 1)]


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (b"F", [(11, b"2"), (41, b"1")]),
        (b"G", [(11, b"2"), (41, b"1"), (38, b"90")]),
        (b"H", [(11, b"1"), (37, b"O1")]),
        (b"Q", [(37, b"O1"), (17, b"E1")]),
        (b"J", [(70, b"A"), (73, b"1"), (11, b"1"), (37, b"O1")]),
    ],
)
def test_an_order_that_the_broker_has_entered_stays_one_whatever_its_client_asks(kind, fields):
    broker, client = Session(b"BRK", b"BRK"), Session(b"ANN", b"BRK")
    broker.ends = dict.fromkeys((True, False), (b"BRK", b"ANN"))
    broker.ask(b"D", (11, b"1"), (38, b"100"), (55, b"X"))
    broker.report(b"0", b"0", (37, b"O1"), (11, b"1"), (14, b"0"))
    client.at = 10
    client.ask(kind, *fields)
    broker.at = 20
    broker.fill(40, 40, (37, b"O1"), (11, b"1"))
    names = ("session", "messages", "order_qty", "cum_qty", "symbol", "problems")
    assert shown(orders(broker, client), *names) == [("FIX.4.4:BRK->ANN", 4, 100, 40, "X", None)]


@pytest.mark.parametrize("seed", range(5))
def test_what_comes_later_the_other_way_parts_the_orders_of_a_feed(seed):
    oms, tca = feed(), Session(b"TCA", b"OMS")
    tca.at = 20
    tca.ask(b"D", (11, b"2"), (38, b"70"))
    names = ("session", "has_beginning", "cum_qty")
    assert shown(orders(oms, tca), *names) == [
        ("FIX.4.4:OMS->TCA", True, 0),
        ("FIX.4.4:TCA->OMS", True, 150),
    ]
    lines = [line for one in (oms, tca) for line in one.log]
    check_in_any_parts(b"".join(lines), random.Random(seed), 3, anew=derive)


def test_where_a_firm_of_drop_copies_orders_at_its_client_too_each_has_its_order():
    ann, bob, brk = Session(b"ANN", b"BRK"), Session(b"BOB", b"BRK"), Session(b"BRK", b"BOB")
    copies = Session(b"RISK", b"BRK")
    for s, order, quantity, at in ((ann, b"1", 100, 0), (bob, b"2", 70, 1), (brk, b"1", 50, 2)):
        s.at = at
        s.ask(b"D", (11, b"1"), (38, b"%d" % quantity))
        s.at += 9
        filled = [(32, b"%d" % (quantity - 1)), (31, b"9"), (14, b"%d" % (quantity - 1))]
        fill = [(37, order), (11, b"1"), (17, b"E"), (150, b"F"), (39, b"1"), *filled]
        s.send(False, b"8", *fill)
        if s is not brk:
            copies.at = s.at
            copies.send(False, b"8", *fill)
    log = b"".join(line for one in (ann, bob, brk, copies) for line in one.log)
    found = derive(messages(log), read_drop_copies(["BRK->RISK"]))["orders"].to_pylist()
    assert sorted(shown(found, "session", "order_qty", "cum_qty", "messages", "copies")) == [
        ("FIX.4.4:ANN->BRK", 100, 99, 2, 1),
        ("FIX.4.4:BOB->BRK", 70, 69, 2, 1),
        ("FIX.4.4:BRK->BOB", 50, 49, 2, 0),
    ]
