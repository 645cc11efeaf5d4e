"""Parties behind one CompID number their orders each for itself."""

import random

import pytest

from fixfeed.transforms.fix.orders.derived import derive
from tests.transforms.fix.orders.any_parts import check_in_any_parts
from tests.transforms.fix.orders.test_venues import Session, orders, shown


@pytest.mark.parametrize("kind", [b"G", b"F"])
@pytest.mark.parametrize("answer", [b"F", b"8", None])
def test_a_new_order_with_the_clordid_of_another_partys_request_is_of_its_own(kind, answer):
    s = Session()
    own, to = [(115, b"Q")], [(128, b"Q")]
    s.send(True, b"D", (11, b"1"), (38, b"200"), head=own)
    new = [(17, b"a"), (150, b"0"), (39, b"0"), (14, b"0"), (151, b"200")]
    s.send(False, b"8", (11, b"1"), (37, b"o1"), *new, head=to)
    quantity = b"250" if kind == b"G" else b"200"
    s.send(True, kind, (11, b"2"), (41, b"1"), (37, b"o1"), (38, quantity), head=own)
    what = (b"5", b"0", quantity) if kind == b"G" else (b"4", b"4", b"0")
    state = [(150, what[0]), (39, what[1]), (14, b"0"), (151, what[2]), (38, quantity)]
    s.send(False, b"8", (11, b"2"), (41, b"1"), (37, b"o1"), (17, b"b"), *state, head=to)
    s.send(True, b"D", (11, b"2"), (38, b"300"), head=[(115, b"P")])
    if answer:
        ids = [(11, b"2"), (37, b"o2" if answer == b"F" else b"NONE"), (17, b"c"), (150, answer)]
        done = [(39, b"2"), (38, b"300"), (14, b"300"), (151, b"0"), (32, b"300"), (31, b"1")]
        refused = [(39, b"8"), (14, b"0"), (151, b"0")]
        s.send(False, b"8", *ids, *(done if answer == b"F" else refused), head=[(128, b"P")])
    names = ("order_id", "order_qty", "ord_status", "cum_qty", "problems")
    filled = 300 if answer == b"F" else 0
    assert shown(orders(s), *names) == [
        ("o1", int(quantity), what[1].decode(), 0, None),
        ("o2" if answer == b"F" else None, 300, {b"F": "2", b"8": "8"}.get(answer), filled, None),
    ]
    check_in_any_parts(b"".join(s.log), random.Random(1), 3, anew=derive)
