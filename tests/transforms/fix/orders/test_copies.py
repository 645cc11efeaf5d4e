"""What is sent again counts once, and stands for the first if that is not there."""

import pyarrow as pa
import pytest

from tests.transforms.fix.orders.stored import messages
from tests.transforms.fix.orders.test_venues import Session, orders, shown
from tests.transforms.fix.orders.vector.test_rows import check


@pytest.mark.parametrize("exec_id", [[], [(17, b"NONE")], [(17, b"0")]])
def test_a_report_without_an_exec_id_is_a_copy_of_what_says_the_same_alone(exec_id):
    s = Session()
    s.ask(b"D", (11, b"A"), (38, b"100"))
    for quantity, cum_qty, head in (
        (b"20", b"20", []),
        (b"24", b"44", [(97, b"Y")]),  # the first one is not there
        (b"20", b"20", [(97, b"Y")]),
        (b"10", b"54", []),
        (b"24", b"44", [(97, b"Y")]),
    ):
        state = [(150, b"F"), (39, b"1"), (32, quantity), (31, b"10"), (14, cum_qty)]
        s.send(False, b"8", (37, b"NONE"), (11, b"A"), *exec_id, *state, head=head)
    names = ("cum_qty", "fills", "messages", "copies")
    assert shown(orders(s), *names) == [(54, 3, 4, 2)]


def test_of_one_message_that_two_logs_have_otherwise_the_same_one_counts_in_any_order():
    first, second = Session(), Session()
    for s, symbol in ((first, b"Q"), (second, b"XYZ")):
        s.ask(b"D", (11, b"A"), (38, b"100"), (55, symbol))
        s.report(b"0", b"0", (37, b"O"), (11, b"A"))
    names = ("symbol", "messages", "copies")
    assert shown(orders(first, second), *names) == [("Q", 2, 2)]
    assert shown(orders(second, first), *names) == [("Q", 2, 2)]


def test_a_message_that_names_an_order_twice_is_one_message_and_no_copy():
    s = Session()
    s.ask(b"D", (11, b"A"), (38, b"100"))
    s.report(b"F", b"2", (37, b"O"), (11, b"A"), (32, b"100"), (31, b"9"), (14, b"100"))
    s.ask(b"F", (11, b"B"), (41, b"A"))
    ids = [(11, b"A"), (37, b"O")]
    s.ask(b"J", (70, b"1"), (73, b"2"), *ids, (38, b"60"), *ids, (38, b"40"))
    s.ask(b"J", (70, b"2"), (73, b"2"), (11, b"A"), (11, b"B"))
    s.send(False, b"AE", (571, b"T"), (552, b"2"), (54, b"1"), *ids[::-1], (54, b"2"), *ids[::-1])
    assert shown(orders(s), "messages", "copies") == [(6, 0)]
    once, again = (messages(b"".join(s.log), first) for first in (1, 1000))
    check(once)
    check(pa.concat_tables([once, again]))
    assert shown(orders(s, s), "messages", "copies") == [(6, 6)]
