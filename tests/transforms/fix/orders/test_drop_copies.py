"""Drop copies are of the order that they report on, where the user names their session."""

import random

import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from fixfeed.transforms.fix.orders.derived import Orders, derive
from fixfeed.transforms.fix.orders.drop_copies import DropCopyError, read_drop_copies
from fixfeed.transforms.fix.orders.rows import rows_of as one_by_one
from tests.transforms.fix.messages import encode
from tests.transforms.fix.orders.stored import InMemory, messages

KNOWN = read_drop_copies(["BRK->RISK", "DC->AUDIT=BRK"])


class Day:
    """Orders of two clients of a broker, whose reports come by drop copies as well."""

    def __init__(self):
        self.sent = []
        self.numbers = {}

    def send(self, sender, target, at, kind, *fields, day=3):
        number = self.numbers[sender, target] = self.numbers.get((sender, target), 0) + 1
        time = b"202503%02d-09:%02d:%02d.%03d" % (day, at // 60, at % 60, number % 1000)
        head = [(35, kind), (49, sender), (56, target), (34, b"%d" % number), (52, time)]
        self.sent.append(encode([*head, *fields]) + b"\n")

    def report(self, client, at, order, exec_id, exec_type, status, cum, *fields, one=b"C1"):
        ids = [(37, order), (11, one), (17, exec_id), (150, exec_type), (39, status)]
        state = [(14, cum), (55, b"X"), *fields]
        self.send(b"BRK", client, at, b"8", *ids, *state)
        self.send(b"BRK", b"RISK", at + 1, b"8", *ids, *state, (797, b"Y"))
        self.send(b"DC", b"AUDIT", at - 1, b"8", *ids, *state)


def day():
    found = Day()
    for client, order in ((b"ANN", b"O1"), (b"BOB", b"O2")):
        found.send(client, b"BRK", 10, b"D", (11, b"C1"), (38, b"100"), (55, b"X"))
        found.report(client, 12, order, b"E1" + order, b"0", b"0", b"0")
        fill = [(32, b"40"), (31, b"10")]
        found.report(client, 20, order, b"E2" + order, b"F", b"1", b"40", *fill)
        fill = [(32, b"60"), (31, b"11")]
        found.report(client, 30, order, b"E3" + order, b"F", b"2", b"100", *fill)
    return found


def tables(sent, drop_copies=KNOWN):
    return derive(messages(b"".join(sent)), drop_copies)


def shown(found, *names):
    rows = [tuple(row[name] for name in names) for row in found.to_pylist()]
    return sorted(rows, key=str)


def test_drop_copies_add_copies_alone_to_the_orders_that_they_report_on():
    sent = day().sent
    without = [one for one in sent if b"\x0149=DC\x01" not in one and b"=RISK\x01" not in one]
    alone, both = tables(without), tables(sent)
    same = [name for name in alone["orders"].schema.names if name != "copies"]
    assert shown(both["orders"], *same) == shown(alone["orders"], *same)
    assert both["orders"]["copies"].to_pylist() == [6, 6]
    names = ("exec_id", "stands", "last_qty", "session_pair", "drop_copy", "copies")
    assert shown(both["executions"], *names) == [
        ("E2O1", True, 40, "ANN<->BRK", False, 2),
        ("E2O2", True, 40, "BOB<->BRK", False, 2),
        ("E3O1", True, 60, "ANN<->BRK", False, 2),
        ("E3O2", True, 60, "BOB<->BRK", False, 2),
    ]
    assert both["order_messages"].num_rows == len(sent)


@pytest.mark.parametrize("number", [2, 3, 10])
@pytest.mark.parametrize("both", [(b"cancel",), (b"fill",), (b"new",)])
def test_lost_reports_of_one_second_are_in_the_order_of_their_drop_copies(number, both):
    reports = {
        b"new": ((17, b"x1"), (150, b"0"), (39, b"0"), (14, b"0"), (151, b"100")),
        b"fill": ((17, b"x2"), (150, b"F"), (39, b"1"), (14, b"40"), (151, b"60"),
                  (32, b"40"), (31, b"5")),
        b"cancel": ((17, b"x3"), (150, b"4"), (39, b"4"), (14, b"40"), (151, b"0")),
    }  # fmt: skip

    def sent(sender, target, number, *fields):
        head = [(35, fields[0]), (49, sender), (56, target), (34, b"%d" % number)]
        time = (52, b"20250303-09:00:02")
        return encode([*head, time, (11, b"c1"), (55, b"X"), *fields[1:]]) + b"\n"

    log = [sent(b"CLI", b"BRK", 1, b"D", (38, b"100"))]
    for place, (name, fields) in enumerate(reports.items(), 1):
        log.append(sent(b"BRK", b"RISK", place, b"8", (37, b"o1"), *fields))
        if name in both:
            log.append(sent(b"BRK", b"CLI", number, b"8", (37, b"o1"), *fields))
    names = ("ord_status", "cum_qty", "leaves_qty", "problems")
    assert shown(tables(log)["orders"], *names) == [("4", 40, 0, None)]


def test_a_lost_report_that_is_sent_again_on_another_day_is_as_old_as_its_drop_copy():
    found = day()
    again = [one for one in found.sent if b"\x0117=E1O1\x01" in one and b"\x0156=ANN\x01" in one]
    (lost,) = again
    found.sent.remove(lost)
    resent = lost.replace(b"\x0152=20250303", b"\x0197=Y\x0152=20250304")
    before, after = tables(day().sent)["orders"], tables([*found.sent, resent])["orders"]
    names = ("order_id", "ord_status", "cum_qty", "leaves_qty", "problems")
    assert shown(after, *names) == shown(before, *names)


def test_drop_copies_that_are_sent_on_later_days_add_copies_alone():
    for late in (b"04", b"05"):
        sent = [
            one.replace(b"52=20250303", b"52=202503" + late) if b"=RISK\x01" in one else one
            for one in day().sent
        ]
        found = tables(sent)
        names = ("cum_qty", "fills", "copies", "problems")
        assert shown(found["orders"], *names) == [(100, 2, 6, None)] * 2
        assert found["executions"].num_rows == 4


def test_order_ids_that_others_give_to_the_firm_are_not_those_of_the_firm():
    at_exchange = Day()
    ids = [(37, b"O1"), (11, b"B1")]
    at_exchange.send(b"BRK", b"XCH", 10, b"D", (11, b"B1"), (38, b"70"), (55, b"Y"))
    at_exchange.send(b"XCH", b"BRK", 11, b"8", *ids, (17, b"E2O1"), (150, b"0"), (39, b"0"))
    fill = [(17, b"E3O1"), (150, b"F"), (39, b"1"), (32, b"40"), (31, b"10"), (14, b"40")]
    at_exchange.send(b"XCH", b"BRK", 12, b"8", (37, b"O1"), *fill)
    at_exchange.send(b"BRK", b"XCH", 13, b"G", (37, b"O1"), (11, b"B2"), (38, b"90"))
    at_exchange.send(b"XCH", b"BRK", 14, b"9", (37, b"O1"), (11, b"B2"), (39, b"1"))
    at_exchange.send(b"BRK", b"XCH", 15, b"Q", (37, b"O1"), (17, b"E3O1"))
    at_exchange.send(b"BRK", b"XCH", 16, b"J", (70, b"A"), (73, b"1"), (37, b"O1"))
    at_exchange.send(b"XCH", b"BRK", 17, b"AE", (571, b"T"), (552, b"1"), (54, b"1"), (37, b"O1"))
    sent = day().sent
    apart = [tables(sent), tables(at_exchange.sent, read_drop_copies([]))]
    together = tables([*sent, *at_exchange.sent])
    both = {name: pa.concat_tables([one[name] for one in apart]) for name in together}
    assert content(together) == content(both)
    names = ("session_pair", "messages", "copies", "cum_qty", "problems")
    assert shown(together["orders"], *names) == [
        ("ANN<->BRK", 4, 6, 100, None),
        ("BOB<->BRK", 4, 6, 100, None),
        ("BRK<->XCH", 8, 0, 40, None),
    ]


def test_what_clients_say_of_an_order_id_of_the_firm_is_of_its_order():
    found = day()
    for kind in (b"H", b"Q"):
        found.send(b"ANN", b"BRK", 40, kind, (37, b"O1"))
    found.send(b"ANN", b"BRK", 41, b"F", (37, b"O1"), (11, b"C9"))
    found.send(b"ANN", b"BRK", 42, b"J", (70, b"A"), (73, b"1"), (37, b"O1"))
    found.send(b"BRK", b"ANN", 43, b"AK", (664, b"C"), (73, b"1"), (37, b"O1"))
    found.send(b"BRK", b"ANN", 44, b"AE", (571, b"T"), (552, b"1"), (54, b"1"), (37, b"O1"))
    names = ("session_pair", "messages", "copies", "cum_qty", "cancels")
    assert shown(tables(found.sent)["orders"], *names) == [
        ("ANN<->BRK", 10, 6, 100, 1),
        ("BOB<->BRK", 4, 6, 100, 0),
    ]


def test_without_being_told_drop_copies_have_orders_of_their_own():
    found = tables(day().sent, read_drop_copies([]))
    pairs = ["ANN<->BRK", "AUDIT<->DC", "BOB<->BRK", "BRK<->RISK"]
    assert sorted(set(found["orders"]["session_pair"].to_pylist())) == pairs


def test_what_came_by_drop_copy_alone_is_in_the_order_once():
    found = Day()
    found.send(b"ANN", b"BRK", 10, b"D", (11, b"C1"), (38, b"100"), (55, b"X"))
    found.report(b"ANN", 12, b"O1", b"E1", b"0", b"0", b"0")
    found.report(b"ANN", 20, b"O1", b"E2", b"F", b"1", b"40", (32, b"40"), (31, b"10"))
    sent = [one for one in found.sent if b"=ANN\x01" not in one or b"17=E2" not in one]
    made = tables(sent)
    names = ("session", "session_pair", "first_cl_ord_id", "cum_qty", "ord_status", "problems")
    assert shown(made["orders"], *names) == [("FIX.4.4:ANN->BRK", "ANN<->BRK", "C1", 40, "1", None)]
    assert shown(made["executions"], "exec_id", "drop_copy", "copies") == [("E2", True, 1)]


def test_an_order_that_is_known_by_drop_copies_alone_is_found_by_all_of_its_ids():
    sent = [one for one in day().sent if b"=RISK\x01" in one and b"O1" in one]
    made = tables(sent)
    names = ("session", "session_pair", "cum_qty", "has_beginning", "drop_copy")
    assert shown(made["orders"], *names) == [("FIX.4.4:RISK->BRK", "BRK<->RISK", 100, False, True)]
    assert shown(made["order_ids"], "id", "kind", "session_pair") == [
        ("C1", "ClOrdID", "BRK<->RISK"),
        ("O1", "OrderID", "BRK"),
    ]


def random_day(rng):
    """Orders with reports that are lost here or there, of some days, with ids that come again."""
    found = Day()
    for _ in range(6):
        client, order = rng.choice((b"ANN", b"BOB")), b"O%d" % rng.randrange(4)
        at, cum = 10 + rng.randrange(100), 0
        cl_ord_id = (11, b"C%d" % rng.randrange(4))
        one_day = rng.randrange(3, 5)
        if rng.random() < 0.8:
            found.send(client, b"BRK", at, b"D", cl_ord_id, (38, b"100"), day=one_day)
        for _ in range(rng.randrange(4)):
            at += rng.randrange(3)
            cum += 10
            exec_type, status = rng.choice(((b"F", b"1"), (b"4", b"4"), (b"0", b"0")))
            ids = [(37, rng.choice((order, order, b"NONE"))), cl_ord_id]
            ids += [(17, b"E%d" % rng.randrange(9)), (150, exec_type), (39, status)]
            ids += [(32, b"10"), (31, b"9"), (14, b"%d" % cum)]
            if rng.random() < 0.1:
                one_day = 4
            for sender, target in ((b"BRK", client), (b"BRK", b"RISK"), (b"DC", b"AUDIT")):
                if rng.random() < 0.7:
                    found.send(sender, target, at, b"8", *ids, day=one_day)
    return found.sent


def content(found, without=("message_id",)):
    return {
        name: sorted(
            str({key: value for key, value in row.items() if key not in without})
            for row in table.to_pylist()
        )
        for name, table in found.items()
        if name != "order_messages"
    }


tried = settings(deadline=None, max_examples=30, phases=(Phase.explicit, Phase.generate))


@tried
@given(st.randoms(use_true_random=False))
def test_messages_give_the_same_tables_in_any_order_and_parts_one_by_one_and_at_once(rng):
    sent = random_day(rng)
    whole = messages(b"".join(sent))
    expected = content(derive(whole, KNOWN))
    assert content(one_by_one(whole, KNOWN)) == expected
    rng.shuffle(sent)
    stored = InMemory(Orders(KNOWN))
    shuffled = messages(b"".join(sent))
    at = 0
    while at < shuffled.num_rows:
        size = rng.randrange(1, 9)
        stored.replace(shuffled.slice(at, size))
        at += size
    assert content(stored.derived) == expected
    gone = rng.sample(shuffled["message_id"].to_pylist(), shuffled.num_rows // 3)
    stored.replace(shuffled.slice(0, 0), gone)
    assert content(stored.derived) == content(derive(stored.all, KNOWN))


def test_many_messages_are_told_at_once_as_they_are_one_by_one():
    found = Day()
    for number in range(100):
        one, order, exec_id = (b"%c%d" % (kind, number) for kind in b"COE")
        found.send(b"ANN", b"BRK", number, b"D", (11, one), (38, b"100"), (55, b"X"))
        fill = [(32, b"40"), (31, b"10")]
        found.report(b"ANN", number + 5, order, exec_id, b"F", b"1", b"40", *fill, one=one)
        ids = [(37, order), (11, b"B" + one), (17, b"F" + exec_id), (150, b"F"), (39, b"1")]
        found.send(b"BRK", b"BOB", number, b"8", *ids[1:], *fill)
    rng = random.Random(4)
    sent = [*found.sent, *(line for _ in range(9) for line in random_day(rng))]
    whole = messages(b"".join(sent))
    assert content(derive(whole, KNOWN)) == content(one_by_one(whole, KNOWN))


def test_parties_may_have_any_bytes_in_their_names():
    found = Day()
    for number in range(500):
        one = b"C%d" % number
        found.send(b"A\0NN", b"BRK", number, b"D", (11, one), (38, b"100"), (55, b"X"))
        found.report(b"A\0NN", number + 5, b"O" + one, b"E" + one, b"F", b"1", b"40", one=one)
    whole = messages(b"".join(found.sent))
    assert content(derive(whole, KNOWN)) == content(one_by_one(whole, KNOWN))


@pytest.mark.parametrize("text", ["RISK", "->RISK", "BRK->", "BRK->RISK=", "FIX.4.4:A->B"])
def test_what_is_no_session_of_drop_copies_is_told(text):
    with pytest.raises(DropCopyError, match="expected one such as BROKER->RISK"):
        read_drop_copies([text])


def test_blanks_around_a_session_of_drop_copies_are_none_of_it():
    assert read_drop_copies([" BRK -> RISK = BRK "]) == read_drop_copies(["BRK->RISK=BRK"])
