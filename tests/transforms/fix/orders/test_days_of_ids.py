"""Orders that live for days stay apart from those that have their ClOrdIDs on later days."""

import random

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from fixfeed.transforms.fix.orders.derived import derive
from fixfeed.transforms.fix.orders.rows import rows_of as one_by_one
from tests.transforms.fix.orders.any_parts import check_in_any_parts
from tests.transforms.fix.orders.days_of_ids import Venue
from tests.transforms.fix.orders.odd_days import made
from tests.transforms.fix.orders.stored import messages
from tests.transforms.fix.orders.test_venues import Session, orders, shown

tried = settings(deadline=None, max_examples=8, phases=(Phase.explicit, Phase.generate))


def derived(venue):
    """Return of each order its OrderID, its filled quantity, and its messages."""
    tables = one_by_one(messages(b"".join(venue.log)))
    number, place = {}, 1
    for count, line in enumerate(venue.log):
        number[place] = count
        place += len(line)
    of_order = {}
    for row in tables["order_messages"].to_pylist():
        of_order.setdefault(row["order_key"], []).append(number[row["message_id"]])
    return sorted(
        (row["order_id"] or "NONE", int(row["cum_qty"]), sorted(of_order[row["order_key"]]))
        for row in tables["orders"].to_pylist()
    )


def true(venue):
    return sorted((one.order_id.decode(), one.filled, one.messages) for one in venue.orders)


def test_orders_of_days_have_the_messages_and_fills_that_are_theirs():
    wrong = [seed for seed in range(60) if derived(venue := Venue(seed)) != true(venue)]
    assert wrong == []


def test_where_nothing_says_which_order_a_request_means_nine_in_ten_days_are_right_all_the_same():
    wrong = [seed for seed in range(40) if derived(venue := Venue(seed, True)) != true(venue)]
    assert len(wrong) <= 4


def test_requests_and_answers_of_days_before_1970_are_of_one_day():
    log = (
        b"8=FIX.4.2|9=67|35=G|49=A|56=B|52=19691230-09:00:00|11=c2|41=c1|10=045|\n"
        b"8=FIX.4.4|9=61|35=8|49=B|56=A|52=19691229-00:00:00|11=c1|10=132|\n"
    )
    tables = one_by_one(messages(log))
    assert [row["messages"] for row in tables["orders"].to_pylist()] == [2]
    days = {(row["first_day"], row["last_day"]) for row in tables["order_ids"].to_pylist()}
    assert days == {(None, None)}


@pytest.mark.parametrize("seed", range(4))
def test_days_before_1970_give_the_same_tables_in_any_parts_one_by_one_and_at_once(seed):
    log = b"".join(made(seed))
    for number, year in enumerate((b"00010101", b"00010102", b"19691231", b"19700101"), 3):
        log = log.replace(b"202503%02d-" % number, year + b"-")
    check_in_any_parts(log, random.Random(seed), 5, anew=derive)


@tried
@given(st.integers(0, 1 << 30), st.randoms(use_true_random=False))
def test_days_give_the_same_tables_in_any_parts_one_by_one_and_at_once(seed, rng):
    check_in_any_parts(b"".join(Venue(seed, rng.random() < 0.5).log), rng, 20)


def two_orders():
    """Return a session with an order of two days, whose ClOrdID another one has on the second."""
    s = Session()
    s.ask(b"D", (11, b"1"), (38, b"100"), (59, b"1"))
    s.report(b"0", b"0", (37, b"O1"), (11, b"1"))
    s.day = 4
    s.ask(b"D", (11, b"1"), (38, b"100"))
    s.report(b"0", b"0", (37, b"O2"), (11, b"1"))
    return s


NAMES = ("order_id", "messages", "cancels", "rejects", "ord_status")


def test_a_request_means_the_order_whose_order_id_is_in_its_answers():
    for order, expected in (
        (b"O1", [("O1", 4, 1, 0, "4"), ("O2", 2, 0, 0, "0")]),
        (b"O2", [("O1", 2, 0, 0, "0"), ("O2", 4, 1, 0, "4")]),
    ):
        s = two_orders()
        s.ask(b"F", (11, b"2"), (41, b"1"))
        s.report(b"4", b"4", (37, order), (11, b"2"), (41, b"1"))
        assert shown(orders(s), *NAMES) == expected


@pytest.mark.parametrize("by_business", [False, True])
def test_a_new_order_that_is_refused_without_an_order_id_takes_no_fill_of_the_one_before(
    by_business,
):
    s = Session()
    s.ask(b"D", (11, b"1"), (38, b"100"), (59, b"1"))
    s.report(b"0", b"0", (37, b"O1"), (11, b"1"))
    s.day = 4
    s.ask(b"D", (11, b"1"), (38, b"5"))
    if by_business:
        s.send(False, b"j", (372, b"D"), (379, b"1"), (380, b"4"))
        s.fill(100, 100, (37, b"O1"), (11, b"1"))
        names = ("order_qty", "cum_qty", "rejects", "problems")
        assert shown(orders(s), *names) == [(100, 100, 0, None), (5, 0, 1, None)]
        check_in_any_parts(b"".join(s.log), random.Random(1), 3)
        return
    s.report(b"8", b"8", (37, b"NONE"), (11, b"1"), (103, b"6"))
    s.fill(100, 100, (37, b"O1"), (11, b"1"))
    names = ("order_id", "order_qty", "cum_qty", "messages", "problems")
    expected = [("O1", 100, 100, 3, None), (None, 5, 0, 2, None)]
    assert shown(orders(s), *names) == expected
    # Sent once more it is accepted, and what is told of it is its own.
    s.ask(b"D", (11, b"1"), (38, b"7"))
    s.report(b"0", b"0", (37, b"O2"), (11, b"1"))
    s.fill(7, 7, (37, b"O2"), (11, b"1"))
    assert shown(orders(s), *names) == [*expected, ("O2", 7, 7, 3, None)]


def test_a_request_whose_answer_has_no_order_id_means_the_latest_order_that_was_there():
    s = two_orders()
    s.ask(b"F", (11, b"2"), (41, b"1"))
    s.send(False, b"9", (37, b"NONE"), (11, b"2"), (41, b"1"), (39, b"0"))
    assert shown(orders(s), *NAMES) == [("O1", 2, 0, 0, "0"), ("O2", 4, 1, 1, "0")]
    # The order of the day is sent after this one.
    s = two_orders()
    s.at = 0
    s.ask(b"F", (11, b"2"), (41, b"1"))
    s.send(False, b"9", (37, b"NONE"), (11, b"2"), (41, b"1"), (39, b"0"))
    s.log = [*s.log[:2], *s.log[4:], *(one.replace(b"09:", b"10:") for one in s.log[2:4])]
    assert shown(orders(s), *NAMES) == [("O1", 4, 1, 1, "0"), ("O2", 2, 0, 0, "0")]


def test_an_answer_is_of_the_request_of_the_day_before_if_another_has_its_cl_ord_id_today():
    s = Session()
    for one in (b"1", b"2"):
        s.ask(b"D", (11, one), (38, b"100"), (59, b"1"))
        s.report(b"0", b"0", (37, b"O" + one), (11, one))
    s.ask(b"F", (11, b"3"), (41, b"1"))
    s.day = 4
    s.ask(b"F", (11, b"3"), (41, b"2"))
    s.report(b"4", b"4", (37, b"O2"), (11, b"3"), (41, b"2"))
    s.report(b"4", b"4", (37, b"NONE"), (11, b"3"), (41, b"1"))
    expected = [("O1", 4, 1, 0, "4"), ("O2", 4, 1, 0, "4")]
    assert shown(orders(s), *NAMES) == expected
    # Without OrigClOrdID the OrderID says so.
    for at, order in ((6, b"O2"), (7, b"O1")):
        s.at, s.log[at:] = at, s.log[at + 1 :]
        s.report(b"4", b"4", (37, order), (11, b"3"))
        s.log = [*s.log[:at], s.log[-1], *s.log[at:-1]]
    assert shown(orders(s), *NAMES) == expected


def test_an_order_that_is_reported_on_a_day_on_which_its_id_is_not_used_again_is_not_yesterdays():
    s = two_orders()
    s.day = 5
    s.fill(10, 10, (37, b"O1"), (11, b"1"))
    assert shown(orders(s), "order_id", "messages", "cum_qty") == [("O1", 3, 10), ("O2", 2, 0)]
