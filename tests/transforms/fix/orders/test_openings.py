"""Ids that several orders have in common leave them apart."""

import random

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from fixfeed.transforms.fix.orders.derived import derive
from tests.transforms.fix.orders.any_parts import check_in_any_parts
from tests.transforms.fix.orders.test_venues import Session, orders, shown

tried = settings(deadline=None, max_examples=20, phases=(Phase.explicit, Phase.generate))


def test_reports_of_a_mass_cancel_alone_are_of_the_orders_that_they_name():
    s = Session()
    for one in (b"A", b"B", b"C"):
        s.report(b"4", b"4", (37, b"O" + one), (11, b"M"), (41, one), (14, b"10"))
    found = orders(s)
    assert shown(found, "first_cl_ord_id", "messages") == [("A", 1), ("B", 1), ("C", 1)]
    assert len({one["order_key"] for one in found}) == 3


@pytest.mark.parametrize("order_ids", [(b"O1", b"O2"), (b"NONE", b"NONE")])
def test_a_cl_ord_id_that_a_client_puts_on_two_cancels_leaves_the_orders_apart(order_ids):
    s = Session()
    for one, order_id in zip((b"A", b"B"), order_ids, strict=True):
        s.ask(b"D", (11, one), (38, b"100"))
        s.report(b"0", b"0", (37, order_id), (11, one))
    for one, order_id in zip((b"A", b"B"), order_ids, strict=True):
        s.ask(b"F", (11, b"X"), (41, one))
        s.report(b"4", b"4", (37, order_id), (11, b"X"), (41, one))
    found = shown(orders(s), "first_cl_ord_id", "messages", "ord_status")
    assert found == [("A", 4, "4"), ("B", 4, "4")]


def test_a_cancel_that_is_refused_and_sent_again_for_the_replaced_order_is_of_one_order():
    s = Session()
    s.ask(b"D", (11, b"A"), (38, b"100"))
    s.report(b"0", b"0", (37, b"O1"), (11, b"A"))
    s.ask(b"G", (11, b"B"), (41, b"A"), (38, b"50"))
    s.ask(b"F", (11, b"X"), (41, b"A"))
    s.send(False, b"9", (37, b"O1"), (11, b"X"), (41, b"A"), (39, b"0"))
    s.report(b"5", b"0", (37, b"O2"), (11, b"B"), (41, b"A"))
    s.ask(b"F", (11, b"X"), (41, b"B"))
    s.report(b"4", b"4", (37, b"O2"), (11, b"X"), (41, b"B"))
    assert shown(orders(s), "messages", "ord_status") == [(8, "4")]


@pytest.mark.parametrize("tag", [41, 1824])
def test_a_mass_cancel_report_of_fix_5_0_names_its_orders_in_one_way_or_the_other(tag):
    s = Session(version="FIXT.1.1")
    for one in (b"A", b"B", b"C"):
        s.ask(b"D", (11, one), (38, b"100"))
    s.send(False, b"r", (11, b"M"), (1369, b"R"), (530, b"7"), (531, b"7"), (533, b"2"),
           (534, b"2"), (tag, b"A"), (535, b"OA"), (tag, b"B"), (535, b"OB"))  # fmt: skip
    s.report(b"4", b"4", (37, b"OA"), (11, b"X"), (14, b"0"))
    s.report(b"4", b"4", (37, b"OB"), (11, b"Y"), (14, b"0"))
    found = shown(orders(s), "first_cl_ord_id", "messages", "ord_status", "problems")
    assert found == [("A", 3, "4", None), ("B", 3, "4", None), ("C", 1, None, None)]


@pytest.mark.parametrize("told", [(b"A", b"A"), (b"0", b"0"), (b"8", b"8")])
def test_an_id_that_is_used_again_is_that_of_another_order_though_its_answer_has_an_earlier_time(
    told,
):
    s = Session()
    s.ask(b"D", (11, b"A"), (38, b"100"))
    s.fill(100, 100, (37, b"O1"), (11, b"A"))
    s.report(b"4", b"4", (37, b"O1"), (11, b"A"), (14, b"100"))
    s.report(*told, (37, b"O2"), (11, b"A"), (14, b"0"))
    s.ask(b"D", (11, b"A"), (38, b"70"))
    names = ("order_id", "order_qty", "messages", "has_beginning", "problems")
    assert shown(orders(s), *names) == [("O1", 100, 3, True, None), ("O2", 70, 2, True, None)]


def test_an_order_id_that_a_venue_makes_of_the_cl_ord_id_of_a_request_is_that_of_its_day():
    s = Session()
    s.ask(b"D", (11, b"3"), (38, b"100"))
    s.report(b"0", b"0", (37, b"3"), (11, b"3"))
    s.report(b"C", b"C", (37, b"3"), (11, b"3"))
    s.day = 4
    s.ask(b"D", (11, b"1"), (38, b"100"))
    s.report(b"0", b"0", (37, b"1"), (11, b"1"))
    s.ask(b"G", (11, b"3"), (41, b"1"), (38, b"70"))
    s.report(b"5", b"0", (37, b"3"), (11, b"3"), (41, b"1"), (38, b"70"))
    s.ask(b"F", (11, b"4"), (41, b"3"))
    s.report(b"6", b"6", (37, b"3"), (11, b"4"), (41, b"3"))
    s.report(b"4", b"4", (37, b"4"), (11, b"4"), (41, b"3"))
    names = ("first_cl_ord_id", "last_cl_ord_id", "messages", "ord_status", "problems")
    assert shown(orders(s), *names) == [("3", "3", 3, "C", None), ("1", "4", 7, "4", None)]


def test_an_order_id_that_is_like_a_cl_ord_id_by_chance_is_that_of_its_order_on_all_days():
    s = Session()
    s.ask(b"D", (11, b"1"), (38, b"100"), (59, b"1"))
    s.report(b"0", b"0", (37, b"3"), (11, b"1"))
    s.day = 4
    s.fill(10, 10, (37, b"3"), (11, b"1"))
    s.ask(b"G", (11, b"3"), (37, b"3"), (38, b"70"))
    s.report(b"5", b"1", (37, b"3"), (11, b"3"), (38, b"70"), (14, b"10"))
    assert shown(orders(s), "messages", "cum_qty", "problems") == [(5, 10, None)]


def shared(seed):
    """Return messages of a few days that have a few ids: requests, cancels, refusals, fills."""
    rng = random.Random(seed)
    s = Session()
    ids = [b"I%d" % one for one in range(rng.choice((3, 6)))]
    order_ids = [b"NONE", *(b"O%d" % one for one in range(rng.choice((2, 4))))]
    echoes = rng.random() < 0.3  # the OrderID is one of the ClOrdIDs
    for _ in range(rng.choice((8, 30))):
        s.day, s.at = rng.randrange(3, rng.choice((4, 6))), rng.randrange(20)
        kind = rng.choice((b"D", b"F", b"8", b"8", b"8", b"9", b"r"))
        fields = [(11, rng.choice(ids))]
        if rng.random() < {b"8": 0.6, b"9": 0.9, b"F": 0.9}.get(kind, 0):
            fields.append((41, rng.choice(ids)))
        if kind in (b"8", b"9"):
            fields.append((37, rng.choice(fields)[1] if echoes else rng.choice(order_ids)))
        if kind == b"8":
            said = rng.choice((b"0", b"A", b"8", b"4", b"4", b"6", b"F"))
            s.report(said, b"1", *fields, (32, b"10"))
        else:
            s.send(kind in (b"D", b"F"), kind, *fields)
    return s.log


@tried
@given(st.integers(0, 1 << 30), st.randoms(use_true_random=False))
def test_shared_ids_give_the_same_tables_in_any_parts_one_by_one_and_at_once(seed, rng):
    check_in_any_parts(b"".join(shared(seed)), rng, 8, anew=derive)
