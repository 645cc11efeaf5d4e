"""What came in parts gives the tables of all at once, also where ids tie nothing."""

from fixfeed.transforms.fix.orders.derived import Orders, derive
from fixfeed.transforms.fix.orders.drop_copies import NO_DROP_COPIES, read_drop_copies
from tests.transforms.fix.orders.stored import InMemory, messages
from tests.transforms.fix.orders.test_derived import content
from tests.transforms.fix.orders.test_venues import Session, shown


def check_parts(*parts, drop_copies=NO_DROP_COPIES):
    """Derive parts of a log one after the other; return the orders."""
    stored = InMemory(Orders(drop_copies))
    for number, part in enumerate(parts):
        stored.replace(messages(b"".join(part), first=1000 * number + 1))
    found = derive(stored.all, drop_copies)
    assert content(stored.derived, stored.all) == content(found, stored.all)
    rows = found["orders"].to_pylist()
    return sorted(rows, key=lambda one: one["first_message_at"])


def fill_each_day(session, *of_days):
    """Fill 10 on each day from 3 on, with these ids; return the log of each day."""
    for day, ids in enumerate(of_days, 3):
        session.day, session.at = day, 0
        session.fill(10, 10, *ids)
    return [[line] for line in session.log]


def test_a_secondary_order_id_beside_an_order_id_hides_no_day_before_it():
    s1 = (198, b"S1")
    found = check_parts(*fill_each_day(Session(), [s1], [(37, b"O9"), s1], [s1]))
    assert shown(found, "order_id", "cum_qty") == [(None, 20), ("O9", 10)]


def test_a_drop_copy_with_an_order_id_hides_no_day_before_it():
    one = (11, b"5")
    none = [(37, b"NONE"), one]
    days = fill_each_day(Session(b"RISK"), none, [(37, b"O5"), one], none)
    found = check_parts(*days, drop_copies=read_drop_copies(["BRK->RISK"]))
    assert shown(found, "order_id", "cum_qty") == [(None, 20), ("O5", 10)]


def test_what_is_no_secondary_order_id_is_none_of_an_order():
    s = Session()
    for text in (b"NONE", b"S1"):
        s.fill(10, 10, (37, b"O9"), (198, text))
    ids = derive(messages(b"".join(s.log)))["order_ids"].select(["id", "kind"]).to_pylist()
    assert sorted(tuple(one.values()) for one in ids) == [
        ("O9", "OrderID"),
        ("S1", "SecondaryOrderID"),
    ]


def test_all_orders_of_a_list_are_read_with_it():
    """The list is read for its order 8; the days of another order with id 6 are around it."""
    s = Session()

    def on(day, from_client, kind, *fields):
        s.day, s.at = day, 0
        s.send(from_client, kind, *fields)

    on(4, True, b"D", (11, b"6"), (38, b"100"))
    on(4, False, b"8", (37, b"O"), (11, b"6"), (17, b"E1"), (150, b"0"), (39, b"0"))
    on(7, True, b"F", (11, b"6"), (41, b"5"), (37, b"O"))
    entries = [(11, b"8"), (67, b"1"), (38, b"10"), (11, b"6"), (67, b"2"), (38, b"20")]
    on(5, True, b"E", (66, b"L"), (394, b"3"), (68, b"2"), (73, b"2"), *entries)
    before = len(s.log)
    on(3, False, b"8", (37, b"P"), (11, b"6"), (17, b"E2"), (150, b"0"), (39, b"0"))
    on(4, True, b"G", (11, b"8"), (41, b"9"))
    found = check_parts(s.log[:before], s.log[before:])
    assert shown(found, "first_cl_ord_id", "order_id", "list_id", "order_qty") == [
        ("6", "P", None, None),
        ("6", "O", None, 100),
        ("9", None, None, None),
        ("8", None, "L", 10),
        ("6", None, "L", 20),
    ]
