"""Chains are found whatever ids a venue leaves out, repeats or makes up."""

import re
from decimal import Decimal

import pyarrow as pa

from fixfeed.transforms.fix.orders.derived import derive
from tests.transforms.fix.messages import encode
from tests.transforms.fix.orders.stored import messages


class Session:
    """Messages of a client and a broker, each a second after the one before."""

    def __init__(self, client=b"ANN", broker=b"BRK", version="FIX.4.4"):
        self.ends = {True: (client, broker), False: (broker, client)}
        self.version = version
        self.day, self.at, self.log = 3, 0, []
        self.numbers = {True: 0, False: 0}

    def send(self, from_client, kind, *fields, number=None, again=None, head=()):
        self.at += 1
        self.numbers[from_client] += 1
        number = number or self.numbers[from_client]
        sender, target = self.ends[from_client]
        time = b"202503%02d-09:%02d:%02d" % (self.day, self.at // 60, self.at % 60)
        copy = [(43, b"Y"), (122, again)] if again else []
        first = [(35, kind), (49, sender), (56, target), (34, b"%d" % number), (52, time)]
        self.log.append(encode([*first, *copy, *head, *fields], self.version) + b"\n")
        return number, time

    def ask(self, kind, *fields):
        return self.send(True, kind, *fields)

    def report(self, exec_type, status, *fields):
        exec_id = b"E%d-%d" % (self.day, self.at)
        return self.send(False, b"8", (17, exec_id), (150, exec_type), (39, status), *fields)

    def fill(self, quantity, cum, *fields):
        ids = [(32, b"%d" % quantity), (31, b"10"), (14, b"%d" % cum)]
        return self.report(b"F", b"1", *ids, *fields)


def tables(*sessions):
    return derive(messages(b"".join(line for one in sessions for line in one.log)))


def orders(*sessions):
    found = tables(*sessions)["orders"].to_pylist()
    return sorted(found, key=lambda one: (one["first_message_at"], one["first_cl_ord_id"] or ""))


def shown(found, *names):
    return [tuple(one[name] for name in names) for one in found]


def test_a_replace_while_another_is_pending_is_of_the_same_order():
    s = Session()
    s.ask(b"D", (11, b"A"), (38, b"100"))
    s.report(b"0", b"0", (37, b"O"), (11, b"A"))
    s.ask(b"G", (11, b"B"), (41, b"A"), (38, b"200"))
    s.ask(b"G", (11, b"C"), (41, b"B"), (38, b"300"))
    s.report(b"5", b"0", (37, b"O"), (11, b"B"), (41, b"A"))
    (order,) = orders(s)
    assert shown([order], "last_cl_ord_id", "order_qty", "replaces") == [("B", 200, 2)]
    s.report(b"5", b"0", (37, b"O"), (11, b"C"), (41, b"B"))
    (order,) = orders(s)
    assert shown([order], "first_cl_ord_id", "last_cl_ord_id", "order_qty") == [("A", "C", 300)]


def test_a_venue_that_sets_41_to_11_or_leaves_out_41_or_37_has_one_order():
    s = Session()
    s.ask(b"D", (11, b"A"), (38, b"100"))
    s.report(b"0", b"0", (37, b"O"), (11, b"A"))
    s.ask(b"G", (11, b"A"), (41, b"A"), (38, b"200"))
    s.report(b"5", b"0", (37, b"O"), (11, b"A"), (41, b"A"), (38, b"200"))
    s.ask(b"F", (11, b"B"), (37, b"O"))
    s.fill(20, 20, (11, b"A"))
    s.report(b"4", b"4", (37, b"O"), (11, b"B"), (14, b"20"))
    assert shown(orders(s), "messages", "order_qty", "cum_qty", "ord_status") == [(7, 200, 20, "4")]


def test_an_order_id_that_is_none_ties_nothing():
    s = Session()
    for one in (b"A", b"B"):
        s.ask(b"D", (11, one), (38, b"100"))
        s.report(b"8", b"8", (37, b"NONE"), (11, one), (103, b"1"), (58, b"Unknown symbol"))
    names = ("first_cl_ord_id", "order_id", "ord_status", "reject_reason", "text", "leaves_qty")
    assert shown(orders(s), *names) == [
        ("A", None, "8", "1", "Unknown symbol", 0),
        ("B", None, "8", "1", "Unknown symbol", 0),
    ]


def test_ids_that_are_used_again_every_day_are_new_orders():
    s = Session()
    for day in (3, 4, 5):
        s.day = day
        s.ask(b"D", (11, b"1"), (38, b"100"))
        s.report(b"0", b"0", (37, b"7"), (11, b"1"))
        s.ask(b"G", (11, b"2"), (41, b"1"), (38, b"50"))
        s.report(b"5", b"0", (37, b"7"), (11, b"2"), (41, b"1"))
        s.fill(day, day, (37, b"7"), (11, b"2"))
    assert shown(orders(s), "messages", "cum_qty") == [(5, 3), (5, 4), (5, 5)]


def test_an_id_that_is_used_again_on_the_same_day_after_its_order_has_ended_is_a_new_order():
    s = Session()
    for quantity in (100, 70):
        s.ask(b"D", (11, b"1"), (38, b"%d" % quantity))
        s.report(b"0", b"0", (37, b"7"), (11, b"1"))
        s.report(b"4", b"4", (37, b"7"), (11, b"1"), (14, b"0"))
    found = tables(s)
    assert shown(orders(s), "messages", "order_qty") == [(3, 100), (3, 70)]
    # They are one chain, so that they are always derived together.
    assert len(set(found["order_ids"]["chain"].to_pylist())) == 1


def test_an_order_lives_for_days():
    s = Session()
    s.ask(b"D", (11, b"A"), (38, b"100"), (59, b"1"))
    for day in (3, 4, 7):
        s.day = day
        s.fill(10, day, (37, b"O"), (11, b"A"))
    s.report(b"C", b"C", (37, b"O"), (11, b"A"))
    assert shown(orders(s), "fills", "cum_qty", "ord_status") == [(3, 30, "C")]


def test_ids_of_different_sessions_never_mix():
    one, two = Session(), Session(b"BOB")
    for s in (one, two):
        s.ask(b"D", (11, b"A"), (38, b"100"))
        s.fill(10, 10, (37, b"O"), (11, b"A"))
    assert shown(orders(one, two), "session", "messages") == [
        ("FIX.4.4:ANN->BRK", 2),
        ("FIX.4.4:BOB->BRK", 2),
    ]


def test_ids_of_sessions_whose_comp_ids_have_arrows_never_mix():
    one, two = Session(b"A<->B", b"C"), Session(b"A", b"B<->C")
    for s in (one, two):
        s.ask(b"D", (11, b"A"), (38, b"100"))
        s.fill(10, 10, (37, b"O"), (11, b"A"))
    assert sorted(shown(orders(one, two), "session", "session_pair", "messages")) == [
        ("FIX.4.4:A->B<->C", "A<->B<-->C", 2),
        ("FIX.4.4:A<->B->C", "A<-->B<->C", 2),
    ]


def test_the_orders_of_a_list_and_their_allocation_go_by_their_own_ids():
    s = Session()
    entries = [(73, b"2")]
    for number, one in enumerate((b"A", b"B"), 1):
        entries += [(11, one), (67, b"%d" % number), (55, b"X"), (54, b"1"), (38, b"100")]
    s.ask(b"E", (66, b"L"), (394, b"3"), (68, b"2"), *entries)
    s.fill(40, 40, (37, b"O1"), (11, b"A"), (66, b"L"))
    s.fill(60, 60, (37, b"O2"), (11, b"B"), (66, b"L"))
    allocated = [(73, b"2"), (11, b"A"), (37, b"O1"), (11, b"B"), (37, b"O2")]
    s.ask(b"J", (70, b"J1"), (71, b"0"), *allocated, (54, b"1"), (55, b"X"), (53, b"100"))
    names = ("list_id", "first_cl_ord_id", "symbol", "order_qty", "cum_qty", "messages", "fills")
    assert shown(orders(s), *names) == [
        ("L", "A", "X", 100, 40, 3, 1),
        ("L", "B", "X", 100, 60, 3, 1),
    ]


def test_the_fills_of_legs_are_executions_and_not_of_the_whole():
    s = Session()
    s.ask(b"AB", (11, b"A"), (38, b"10"))
    for kind, quantity in ((b"3", 10), (b"2", 10), (b"2", 20)):
        s.fill(quantity, 10, (37, b"O"), (11, b"A"), (442, kind))
    assert shown(orders(s), "cum_qty", "fills", "problems") == [(10, 1, None)]
    assert tables(s)["executions"].num_rows == 3


def test_what_a_leg_reports_is_not_said_of_the_whole_in_whatever_order_they_come():
    amounts = {
        b"3": [(38, b"10"), (32, b"4"), (31, b"1"), (14, b"4"), (151, b"6")],
        b"2": [(38, b"20"), (32, b"8"), (31, b"3"), (14, b"8"), (151, b"12"), (55, b"LEG")],
    }
    names = ("order_qty", "cum_qty", "reported_cum_qty", "leaves_qty", "symbol", "ord_status")
    for kinds in ((b"3", b"2"), (b"2", b"3")):
        s = Session()
        s.ask(b"AB", (11, b"A"), (38, b"10"))
        s.report(b"0", b"0", (37, b"O"), (11, b"A"), (442, b"3"))
        for kind in kinds:
            status = b"1" if kind == b"3" else b"2"
            s.report(b"F", status, (37, b"O"), (11, b"A"), (442, kind), *amounts[kind])
        assert shown(orders(s), *names, "problems") == [(10, 4, 4, 6, None, "1", None)]
    # Of a venue that reports the fills of legs alone, they say how the order is.
    s = Session()
    s.ask(b"AB", (11, b"A"), (38, b"10"))
    s.report(b"F", b"2", (37, b"O"), (11, b"A"), (442, b"2"), (32, b"4"))
    assert shown(orders(s), "cum_qty", "ord_status") == [(0, "2")]


def test_an_acknowledgement_after_the_fill_that_ends_an_order_begins_none():
    s = Session()
    s.ask(b"D", (11, b"1"), (38, b"100"))
    s.report(b"A", b"A", (37, b"O"), (11, b"1"))
    s.report(b"F", b"2", (37, b"O"), (11, b"1"), (32, b"100"), (31, b"9"), (14, b"100"))
    s.report(b"0", b"0", (37, b"O"), (11, b"1"))
    names = ("messages", "fills", "ord_status", "leaves_qty", "problems")
    assert shown(orders(s), *names) == [(4, 1, "2", 0, "status")]


def test_a_new_order_with_another_order_id_is_another_one_though_the_first_is_open():
    s = Session()
    for order, quantity in ((b"O1", 10), (b"O2", 100)):
        s.ask(b"D", (11, b"7"), (38, b"100"))
        s.report(b"0", b"0", (37, order), (11, b"7"))
        s.fill(quantity, quantity, (37, order), (11, b"7"))
    s.fill(5, 15, (37, b"O1"), (11, b"7"))
    names = ("order_id", "cum_qty", "messages", "problems")
    assert shown(orders(s), *names) == [("O1", 15, 4, None), ("O2", 100, 3, None)]


def test_new_orders_with_one_cl_ord_id_before_their_reports_are_told_apart_by_these():
    s = Session()
    for quantity in (b"100", b"40", b"70"):
        s.ask(b"D", (11, b"7"), (38, quantity))
    for order in (b"O1", b"O2", b"O1", b"O3"):
        s.report(b"0", b"0", (37, order), (11, b"7"), (14, b"0"))
    for order, quantity in ((b"O2", 11), (b"O1", 10), (b"O3", 12)):
        s.fill(quantity, quantity, (37, order), (11, b"7"))
    s.ask(b"F", (37, b"O1"), (11, b"8"), (41, b"7"))
    s.report(b"4", b"4", (37, b"O1"), (11, b"8"), (41, b"7"), (14, b"10"))
    names = ("order_id", "order_qty", "cum_qty", "ord_status", "messages", "problems")
    assert shown(orders(s), *names) == [
        ("O1", 100, 10, "4", 6, None),
        ("O2", 40, 11, "1", 3, None),
        ("O3", 70, 12, "1", 3, None),
    ]


def test_a_new_order_sent_again_takes_no_report_of_one_that_has_its_cl_ord_id_later():
    s = Session()
    for _ in range(2):
        s.ask(b"D", (11, b"7"), (38, b"100"), (55, b"X"))
    s.report(b"0", b"0", (37, b"O1"), (11, b"7"))
    filled = [(37, b"O1"), (11, b"7"), (17, b"x"), (32, b"100"), (14, b"100"), (151, b"0")]
    s.report(b"F", b"2", *filled)
    s.ask(b"D", (11, b"7"), (38, b"70"), (55, b"Z"))
    s.report(b"0", b"0", (37, b"O3"), (11, b"7"))
    names = ("order_id", "symbol", "order_qty", "messages", "problems")
    assert [row[:4] for row in shown(orders(s), *names)] == [
        ("O1", "X", 100, 4),
        ("O3", "Z", 70, 2),
    ]


def test_what_has_the_order_id_of_the_first_order_is_of_it_before_the_second_is_reported_on():
    s = Session()
    s.ask(b"D", (11, b"7"), (38, b"100"), (55, b"X"))
    s.report(b"A", b"A", (37, b"O1"), (11, b"7"))
    s.ask(b"D", (11, b"7"), (38, b"70"), (55, b"Y"))
    s.report(b"0", b"0", (37, b"O1"), (11, b"7"))
    s.fill(40, 40, (37, b"O1"), (11, b"7"))
    s.report(b"A", b"A", (37, b"O2"), (11, b"7"))
    s.report(b"0", b"0", (37, b"O2"), (11, b"7"))
    s.fill(10, 10, (37, b"O2"), (11, b"7"))
    names = ("order_id", "symbol", "order_qty", "cum_qty", "messages")
    assert shown(orders(s), *names) == [("O1", "X", 100, 40, 4), ("O2", "Y", 70, 10, 4)]


def test_a_new_order_that_is_sent_again_and_reported_on_once_is_one():
    s = Session()
    for _ in range(2):
        s.ask(b"D", (11, b"7"), (38, b"100"))
    # An OrderID of its own for what is pending.
    s.report(b"A", b"A", (37, b"T"), (11, b"7"))
    s.report(b"0", b"0", (37, b"O"), (11, b"7"))
    s.fill(10, 10, (37, b"O"), (11, b"7"))
    names = ("cum_qty", "messages", "problems")
    assert shown(orders(s), *names) == [(10, 5, "duplicate_cl_ord_id")]


def test_a_replace_that_is_asked_for_again_after_a_refusal_is_pending_as_it_is_asked_for_then():
    s = Session()
    s.ask(b"D", (11, b"A"), (38, b"100"))
    s.report(b"0", b"0", (37, b"O"), (11, b"A"), (38, b"100"))
    refused = [(37, b"O"), (11, b"B"), (41, b"A"), (39, b"0"), (434, b"2")]
    for quantity in (b"150", b"200"):
        s.ask(b"G", (11, b"B"), (41, b"A"), (38, quantity))
        s.report(b"E", b"E", (37, b"O"), (11, b"B"), (41, b"A"), (38, quantity))
        s.send(False, b"9", *refused)
    names = ("order_qty", "replaces", "rejects", "ord_status")
    assert shown(orders(s), *names) == [(100, 2, 2, "0")]


def test_a_mass_cancel_report_is_of_the_orders_that_it_names_and_mass_quotes_of_none():
    s = Session()
    for one in (b"A", b"B"):
        s.ask(b"D", (11, one), (38, b"100"))
        s.report(b"0", b"0", (37, b"O" + one), (11, one))
    s.ask(b"q", (11, b"M"), (530, b"7"))
    affected = [(534, b"2"), (41, b"A"), (535, b"OA"), (41, b"B"), (535, b"OB")]
    s.send(False, b"r", (11, b"M"), (37, b"MC"), (530, b"7"), (531, b"7"), *affected)
    s.ask(b"i", (117, b"Q"), (296, b"0"))
    assert shown(orders(s), "first_cl_ord_id", "messages") == [("A", 3), ("B", 3)]


def test_a_mass_cancel_ends_each_of_its_orders_and_joins_none():
    s = Session()
    s.ask(b"D", (11, b"M0"), (38, b"100"))
    alone = orders(s)
    for one in (b"A", b"B", b"C"):
        s.ask(b"D", (11, one), (38, b"100"))
        s.report(b"0", b"0", (37, b"O" + one), (11, one))
        s.fill(10, 10, (37, b"O" + one), (11, one))
    before = tables(s)["orders"]["order_key"].to_pylist()
    s.ask(b"q", (11, b"M"), (530, b"7"))
    for one, named in ((b"A", (41, b"A")), (b"B", (41, b"B")), (b"C", (66, b"L"))):
        s.report(b"6", b"6", (37, b"O" + one), (11, b"M"), named, (14, b"10"))
        s.report(b"4", b"4", (37, b"O" + one), (11, b"M"), named, (14, b"10"))
    found = tables(s)
    names = ("first_cl_ord_id", "order_id", "messages", "cum_qty", "ord_status", "problems")
    assert shown(orders(s)[1:], *names) == [
        (one, "O" + one, 5, 10, "4", None) for one in ("A", "B", "C")
    ]
    assert orders(s)[0] == alone[0]
    # Each is found by the id of the mass cancel, is read again with the others, and keeps its key.
    ids = [one for one in found["order_ids"].to_pylist() if one["id"] == "M"]
    assert (len(ids), len({one["chain"] for one in ids}), ids[0]["chain"] is None) == (3, 1, False)
    assert sorted(found["orders"]["order_key"].to_pylist()) == sorted(before)


def test_a_mass_cancel_report_without_entries_is_of_no_order():
    s = Session()
    s.send(False, b"r", (11, b"M"), (37, b"MC"), (530, b"7"), (531, b"7"), (198, b"S"))
    assert [table.num_rows for table in tables(s).values()] == [0, 0, 0, 0]


def test_one_id_that_a_client_gives_to_the_cancels_of_two_orders_joins_them_not():
    s = Session()
    for one in (b"A", b"B"):
        s.ask(b"D", (11, one), (38, b"100"))
        s.report(b"0", b"0", (37, b"O" + one), (11, one))
    for one in (b"A", b"B"):
        s.ask(b"F", (11, b"X"), (41, one))
        s.send(False, b"9", (37, b"O" + one), (11, b"X"), (41, one), (39, b"0"), (102, b"0"))
    names = ("first_cl_ord_id", "messages", "cancels", "rejects", "ord_status")
    assert shown(orders(s), *names) == [("A", 4, 1, 1, "0"), ("B", 4, 1, 1, "0")]


def test_a_request_about_one_order_under_other_ids_stays_in_it():
    s = Session()
    s.ask(b"D", (11, b"A"), (38, b"100"))
    s.report(b"0", b"0", (37, b"O1"), (11, b"A"))
    s.ask(b"G", (11, b"B"), (41, b"A"), (38, b"50"))
    # A venue that gives another OrderID to what was replaced, and names the first ClOrdID again.
    s.report(b"E", b"0", (37, b"O1"), (11, b"B"), (41, b"A"))
    s.report(b"5", b"0", (37, b"O2"), (11, b"B"), (41, b"A"))
    s.ask(b"F", (11, b"C"), (41, b"B"))
    s.report(b"6", b"6", (37, b"O2"), (11, b"C"), (41, b"B"))
    s.report(b"4", b"4", (37, b"O3"), (11, b"C"), (41, b"A"))
    assert shown(orders(s), "messages", "last_cl_ord_id", "ord_status") == [(8, "C", "4")]


def test_an_order_of_days_keeps_its_fills_when_a_new_one_has_its_cl_ord_id():
    s = Session()
    s.ask(b"D", (11, b"A"), (38, b"100"), (59, b"1"))
    s.report(b"0", b"0", (37, b"O1"), (11, b"A"))
    for day, order in ((4, b"O2"), (5, b"O3")):
        s.day = day
        s.ask(b"D", (11, b"A"), (38, b"100"))
        s.report(b"0", b"0", (37, order), (11, b"A"))
        s.fill(20, 20 * (day - 3), (37, b"O1"), (11, b"A"))
        s.fill(100, 100, (37, order), (11, b"A"))
    assert shown(orders(s), "order_id", "cum_qty", "fills", "problems") == [
        ("O1", 40, 2, None),
        ("O2", 100, 1, None),
        ("O3", 100, 1, None),
    ]


def test_an_order_of_days_keeps_its_fills_when_a_request_has_its_cl_ord_id():
    s = Session()
    for one in (b"1", b"2"):
        s.ask(b"D", (11, one), (38, b"100"), (59, b"1"))
        s.report(b"0", b"0", (37, b"O" + one), (11, one))
    s.day = 4
    s.ask(b"F", (11, b"1"), (41, b"2"), (37, b"O2"))
    s.report(b"4", b"4", (37, b"O2"), (11, b"1"), (41, b"2"), (14, b"0"))
    s.fill(100, 100, (37, b"O1"), (11, b"1"))
    names = ("order_id", "cum_qty", "messages", "ord_status", "problems")
    assert shown(orders(s), *names) == [("O1", 100, 3, "1", None), ("O2", 0, 4, "4", None)]


def test_a_late_fill_is_of_the_order_of_its_order_id_when_its_cl_ord_id_is_used_again():
    s = Session()
    for order in (b"O1", b"O2"):
        s.ask(b"D", (11, b"A"), (38, b"100"))
        s.report(b"0", b"0", (37, order), (11, b"A"))
        s.report(b"4", b"4", (37, order), (11, b"A"), (14, b"0"))
    s.fill(30, 30, (37, b"O1"), (11, b"A"))
    assert shown(orders(s), "order_id", "cum_qty") == [("O1", 30), ("O2", 0)]


def test_order_ids_that_are_those_of_other_orders_every_day_join_no_days():
    s = Session()
    for day, number in ((3, b"12"), (4, b"21")):
        s.day = day
        for one, order in zip((b"A", b"B"), number.decode(), strict=True):
            s.ask(b"D", (11, one), (38, b"100"))
            s.fill(40, 40, (37, order.encode()), (11, one))
    assert shown(orders(s), "first_cl_ord_id", "messages") == [("A", 2), ("B", 2)] * 2


def at_midnight(*reports):
    """Return the log of an order a tenth of a second after midnight, and of reports before it."""
    s = Session()
    for time, kind, *fields in ((b"20250304-00:00:00.100", b"D", (38, b"100")), *reports):
        sender, target = s.ends[kind == b"D"]
        s.numbers[kind == b"D"] += 1
        number = b"%d" % s.numbers[kind == b"D"]
        head = [(35, kind), (49, sender), (56, target), (34, number), (52, time), (11, b"A")]
        s.log.append(encode([*head, *fields]) + b"\n")
    return s


BEFORE = b"20250303-23:59:59.%d"


def test_an_order_after_midnight_is_one_with_what_a_slow_clock_answers_before_it():
    new, fill = [(150, b"0"), (39, b"0"), (37, b"O")], [(150, b"F"), (39, b"1"), (37, b"O")]
    amount = [(32, b"40"), (31, b"9")]
    s = at_midnight(
        (BEFORE % 950, b"8", (17, b"1"), *new),
        (BEFORE % 990, b"8", (17, b"2"), *fill, *amount),
        (b"20250304-00:00:01.100", b"8", (17, b"3"), *fill, *amount),
    )
    names = ("has_beginning", "messages", "cum_qty", "ord_status", "problems")
    assert shown(orders(s), *names) == [(True, 4, 80, "1", None)]
    # Without an acknowledgement, or with a refusal in its place.
    s = at_midnight((BEFORE % 990, b"8", (17, b"2"), *fill, *amount))
    assert shown(orders(s), *names) == [(True, 2, 40, "1", None)]
    reject = [(372, b"D"), (379, b"A"), (380, b"4")]
    s = at_midnight((BEFORE % 990, b"j", *reject))
    s.log[1] = s.log[1].replace(b"\x0111=A", b"")
    assert shown(orders(s), "messages", "rejects") == [(2, 1)]


def test_an_order_that_ends_at_midnight_is_not_the_next_one_with_its_cl_ord_id():
    today = at_midnight((BEFORE % 990, b"8", (17, b"1"), (150, b"C"), (39, b"C"), (37, b"O1")))
    assert shown(orders(today), "has_beginning", "messages", "ord_status") == [
        (False, 1, "C"),
        (True, 1, None),
    ]
    before = Session()
    before.ask(b"D", (11, b"A"), (38, b"100"))
    fill = [(150, b"F"), (39, b"2"), (32, b"100"), (31, b"9")]
    new = [(150, b"0"), (39, b"0"), (37, b"O2")]
    s = at_midnight(
        (BEFORE % 900, b"8", (17, b"1"), (37, b"O1"), *fill), (BEFORE % 950, b"8", (17, b"2"), *new)
    )
    assert shown(orders(before, s), "order_id", "messages", "cum_qty") == [
        ("O1", 2, 100),
        ("O2", 2, 0),
    ]


def test_an_order_that_is_refused_as_business_says_why():
    s = Session()
    s.ask(b"D", (11, b"A"), (38, b"100"))
    s.send(False, b"j", (372, b"D"), (379, b"A"), (380, b"4"), (58, b"closed"))
    names = ("messages", "rejects", "reject_reason", "text", "ord_status")
    assert shown(orders(s), *names) == [(2, 1, "4", "closed", None)]


def test_fills_count_once_over_copies_of_all_kinds():
    s = Session()
    s.ask(b"D", (11, b"A"), (38, b"100"))
    fields = [(37, b"O"), (11, b"A"), (17, b"X1"), (150, b"F"), (39, b"1")]
    fields += [(32, b"10"), (31, b"9.5"), (14, b"10")]
    number, time = s.send(False, b"8", *fields)
    s.send(False, b"8", *fields, number=number, again=time)
    s.send(False, b"8", *fields, head=[(97, b"Y")])
    s.send(False, b"8", *fields)
    other_side = Session()
    other_side.log = list(s.log)
    found = tables(s, other_side)
    assert shown(found["orders"].to_pylist(), "fills", "cum_qty") == [(1, 10)]
    (execution,) = found["executions"].to_pylist()
    assert (execution["last_px"], execution["copies"]) == (Decimal("9.5"), 7)


def test_a_message_without_a_number_that_says_all_the_same_is_a_copy():
    s = Session()
    s.ask(b"D", (11, b"A"), (38, b"100"))
    s.send(False, b"8", (11, b"A"), (150, b"F"), (32, b"5"), (14, b"5"))
    s.send(False, b"8", (11, b"A"), (150, b"F"), (32, b"5"), (14, b"10"))
    lines = [re.sub(rb"\x0134=\d+", b"", line) for line in s.log]
    (order,) = derive(messages(b"".join(lines * 2)))["orders"].to_pylist()
    names = ("messages", "copies", "fills", "cum_qty", "problems")
    assert shown([order], *names) == [(3, 3, 2, 10, None)]


def test_a_copy_that_says_no_time_was_sent_when_it_came():
    for time in (b"00000101-00:00:00", b"-0250303-09:00:00", b"yesterday", b"20250230-09:00:00"):
        s = Session()
        s.ask(b"D", (11, b"A"), (38, b"100"))
        s.send(False, b"8", (37, b"O"), (11, b"A"), (150, b"F"), (32, b"5"), again=time)
        (order,) = orders(s)
        assert (order["cum_qty"], order["last_fill_at"].second) == (5, 2)


def test_what_was_ordered_is_known_though_its_clock_is_after_that_of_the_reports():
    s = Session()
    terms = [(40, b"2"), (59, b"1")]
    for kind, quantity, price in ((b"D", b"100", b"10"), (b"G", b"70", b"11")):
        own, original = (b"A", []) if kind == b"D" else (b"B", [(41, b"A")])
        s.at = at = s.at + 20
        s.ask(kind, (11, own), *original, (38, quantity), (44, price), *terms)
        s.at = at - 9
        exec_type = b"0" if kind == b"D" else b"5"
        s.report(exec_type, b"0", (37, b"O"), (11, own), *original, (38, quantity))
        names = ("order_qty", "price", "ord_type", "time_in_force", "last_cl_ord_id")
        expected = (int(quantity), int(price), "2", "1", own.decode())
        assert shown(orders(s), *names) == [expected]
    # A report says more than what was asked for.
    s.at = 50
    s.report(b"D", b"0", (37, b"O"), (11, b"B"), (44, b"12"))
    assert shown(orders(s), "price") == [(12,)]


def test_an_exec_id_that_comes_again_with_another_quantity_is_told():
    s = Session()
    s.ask(b"D", (11, b"A"), (38, b"100"))
    fields = [(37, b"O"), (11, b"A"), (17, b"X"), (150, b"F"), (31, b"9")]
    number, time = s.send(False, b"8", *fields, (39, b"1"), (32, b"40"), (14, b"40"))
    s.send(False, b"8", *fields, (39, b"1"), (32, b"40"), (14, b"40"))
    s.send(False, b"8", *fields, (39, b"1"), (32, b"60"), (14, b"60"), number=number, again=time)
    assert shown(orders(s), "problems", "ord_status") == [(None, "1")]
    s.send(False, b"8", *fields, (39, b"2"), (32, b"60"), (14, b"100"))
    names = ("problems", "cum_qty", "reported_cum_qty", "fills", "ord_status")
    assert shown(orders(s), *names) == [("cum_qty,duplicate_exec_id", 40, 100, 1, "2")]


def test_a_bust_that_names_no_execution_leaves_fills_without_an_id():
    for fields in ([(17, b"0")], [(17, b"B"), (19, b"NONE")], [(17, b"none"), (19, b"0")]):
        s = Session()
        s.ask(b"D", (11, b"A"), (38, b"100"))
        for quantity in (b"20", b"30"):
            fill = [(11, b"A"), (17, fields[-1][1]), (150, b"F"), (32, quantity), (31, b"1")]
            s.send(False, b"8", *fill)
        s.send(False, b"8", (11, b"A"), (150, b"H"), *fields)
        assert shown(orders(s), "cum_qty", "problems") == [(50, "unknown_exec_ref")]


def test_of_a_field_that_repeats_the_first_value_counts():
    s = Session()
    s.ask(b"D", (11, b"A"), (38, b"100"))
    s.report(b"8", b"8", (11, b"A"), (103, b"1"), (103, b"2"))
    assert shown(orders(s), "reject_reason", "rejects") == [("1", 1)]


def test_what_does_not_fit_together_is_told():
    s = Session()
    s.ask(b"D", (11, b"A"), (38, b"100"))
    s.report(b"0", b"0", (37, b"O"), (11, b"A"), (14, b"0"), (151, b"100"))
    s.fill(60, 60, (37, b"O"), (11, b"A"), (151, b"40"))
    s.fill(60, 130, (37, b"O"), (11, b"A"), (151, b"0"))
    assert shown(orders(s), "problems") == [("cum_qty,leaves_qty,overfilled",)]
    s.report(b"4", b"4", (37, b"O"), (11, b"A"), (14, b"120"))
    s.fill(5, 125, (37, b"O"), (11, b"A"), (151, b"0"))
    s.send(
        False, b"8", (37, b"O"), (11, b"A"), (17, b"H"), (19, b"none"), (150, b"H"), (14, b"125")
    )
    problems = "leaves_qty,overfilled,status,unknown_exec_ref"
    assert shown(orders(s), "problems") == [(problems,)]


def test_an_order_whose_beginning_is_not_in_the_logs_says_so():
    s = Session()
    s.fill(10, 500, (37, b"O"), (11, b"A"), (38, b"1000"), (151, b"500"))
    names = ("has_beginning", "cum_qty", "reported_cum_qty", "leaves_qty", "problems")
    assert shown(orders(s), *names) == [(False, 10, 500, None, None)]


def test_sums_and_averages_are_exact():
    s = Session()
    s.ask(b"D", (11, b"A"), (38, b"10000000000"))
    for quantity, price in (
        (b"0.1", b"3"),
        (b"0.2", b"3"),
        (b"5000000000", b"123456789.123456789"),
    ):
        s.report(b"F", b"1", (37, b"O"), (11, b"A"), (32, quantity), (31, price))
    (order,) = orders(s)
    assert order["cum_qty"] == Decimal("5000000000.3")
    exact = (Decimal("0.9") + Decimal(5000000000) * Decimal("123456789.123456789")) / order[
        "cum_qty"
    ]
    assert abs(order["avg_px"] - exact) <= Decimal("5e-11")


def test_an_order_without_beginstring_has_the_session_that_its_reports_name():
    s = Session()
    s.ask(b"D", (11, b"1"), (38, b"100"))
    s.report(b"0", b"0", (37, b"O"), (11, b"1"))
    table = messages(b"".join(s.log))
    place = table.schema.get_field_index("begin_string")
    for versions, session in (([None, "FIX.4.4"], "FIX.4.4:ANN->BRK"), ([None, None], None)):
        changed = table.set_column(place, "begin_string", pa.array(versions, pa.string()))
        assert derive(changed)["orders"]["session"].to_pylist() == [session]


def test_parties_behind_one_comp_id_that_use_the_same_ids_have_orders_of_their_own():
    s = Session(b"HUB")
    for party, order in ((b"ANN", b"O1"), (b"BOB", b"O2")):
        s.send(True, b"D", (11, b"1"), (38, b"100"), head=[(115, party)])
        s.send(False, b"8", (37, order), (11, b"1"), (17, b"N" + order), (150, b"0"), (39, b"0"),
               head=[(128, party)])  # fmt: skip
    s.fill(30, 30, (37, b"O1"), (11, b"1"))
    s.fill(70, 70, (37, b"O2"), (11, b"1"))
    s.send(True, b"F", (11, b"2"), (41, b"1"), (38, b"100"), head=[(115, b"ANN")])
    s.report(b"4", b"4", (37, b"O1"), (11, b"2"), (41, b"1"), (14, b"30"))
    names = ("order_id", "messages", "cum_qty", "ord_status", "problems")
    assert shown(orders(s), *names) == [("O1", 5, 30, "4", None), ("O2", 3, 70, "1", None)]
    # They are one chain, so that they are always derived together.
    assert len(set(tables(s)["order_ids"]["chain"].to_pylist())) == 1


def test_a_pending_replace_changes_nothing_though_its_report_has_what_is_asked_for():
    s = Session()
    s.ask(b"D", (11, b"1"), (38, b"100"), (44, b"10"))
    s.report(b"0", b"0", (37, b"O"), (11, b"1"), (38, b"100"), (44, b"10"))
    s.ask(b"G", (11, b"2"), (41, b"1"), (38, b"150"), (44, b"12"))
    s.report(b"E", b"E", (37, b"O"), (11, b"2"), (41, b"1"), (38, b"150"), (44, b"12"),
             (14, b"0"), (151, b"150"))  # fmt: skip
    names = ("order_qty", "price", "leaves_qty", "ord_status", "problems")
    assert shown(orders(s), *names) == [(100, 10, 100, "E", None)]
    refused = Session()
    refused.at, refused.log = s.at, list(s.log)
    refused.send(False, b"9", (37, b"O"), (11, b"2"), (41, b"1"), (39, b"0"), (434, b"2"))
    assert shown(orders(refused), *names) == [(100, 10, 100, "0", None)]
    s.report(b"5", b"0", (37, b"O"), (11, b"2"), (41, b"1"), (14, b"0"), (151, b"150"))
    assert shown(orders(s), *names) == [(150, 12, 150, "0", None)]


def test_a_pending_replace_that_a_clock_puts_before_its_request_changes_nothing_either():
    s = Session()
    s.ask(b"D", (11, b"1"), (38, b"100"))
    s.report(b"0", b"0", (37, b"O"), (11, b"1"), (38, b"100"))
    s.report(b"E", b"E", (37, b"O"), (11, b"2"), (41, b"1"), (38, b"150"))
    s.ask(b"G", (11, b"2"), (41, b"1"), (38, b"150"))
    s.report(b"F", b"E", (37, b"O"), (11, b"2"), (41, b"1"), (38, b"150"), (32, b"9"), (14, b"9"))
    s.send(False, b"9", (37, b"O"), (11, b"2"), (41, b"1"), (39, b"1"), (434, b"2"))
    assert shown(orders(s), "order_qty", "leaves_qty", "problems") == [(100, 91, None)]


def test_of_a_pending_replace_whose_request_is_in_no_log_what_is_known_holds():
    s = Session()
    s.report(b"0", b"0", (37, b"O"), (11, b"1"), (38, b"100"))
    s.report(b"E", b"E", (37, b"O"), (11, b"2"), (41, b"1"), (38, b"150"), (44, b"9"))
    assert shown(orders(s), "order_qty", "price", "problems") == [(100, 9, None)]


def test_an_acknowledgement_after_the_replace_of_its_order_brings_nothing_back():
    s = Session()
    s.ask(b"D", (11, b"1"), (38, b"100"))
    s.ask(b"G", (11, b"2"), (41, b"1"), (38, b"150"))
    s.report(b"5", b"5", (37, b"O"), (11, b"2"), (41, b"1"), (38, b"150"))
    s.report(b"0", b"0", (37, b"O"), (11, b"1"), (38, b"100"))
    names = ("order_qty", "last_cl_ord_id", "ord_status", "problems")
    assert shown(orders(s), *names) == [(150, "2", "5", None)]


def test_a_sum_that_no_column_holds_is_null_and_the_rest_is_there():
    most = b"9" * 28
    s = Session()
    s.ask(b"D", (11, b"1"), (38, most))
    for _ in range(2):
        s.report(b"F", b"1", (37, b"O"), (11, b"1"), (32, most), (31, b"10"))
    other = Session(b"BOB")
    other.ask(b"D", (11, b"1"), (38, b"100"))
    names = ("order_qty", "cum_qty", "avg_px", "fills", "problems")
    assert shown(orders(s, other), *names) == [
        (int(most), None, 10, 2, "overfilled"),
        (100, 0, None, 0, None),
    ]


def test_traders_of_one_order_do_not_divide_it():
    s = Session()
    s.send(True, b"D", (11, b"A"), (38, b"100"), head=[(50, b"tom")])
    s.report(b"0", b"0", (37, b"O"), (11, b"A"))
    s.send(True, b"F", (11, b"B"), (41, b"A"), head=[(50, b"liz")])
    s.send(False, b"8", (37, b"O"), (11, b"B"), (41, b"A"), (17, b"X"), (150, b"4"), (39, b"4"),
           head=[(57, b"liz")])  # fmt: skip
    assert shown(orders(s), "messages", "ord_status", "problems") == [(4, "4", None)]
