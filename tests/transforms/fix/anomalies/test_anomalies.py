"""What is out of the ordinary, rule by rule, and whatever the order in which messages came."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pyarrow as pa
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from fixfeed.transforms.at_once import derived_tables
from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.anomalies.derived import Anomalies
from fixfeed.transforms.fix.anomalies.rules import KINDS, read_rules
from fixfeed.transforms.fix.latencies.derived import Latencies
from fixfeed.transforms.fix.orders.derived import Orders
from fixfeed.transforms.fix.parser import parse_block
from fixfeed.transforms.fix.sessions.derived import Sessions
from tests.transforms.fix.in_memory import InMemory
from tests.transforms.fix.messages import encode

MORNING = datetime(2025, 1, 2, 9, tzinfo=UTC)
STRICT = """
reject_burst: {at_least: 2, within: 60}
cancel_storm: {at_least: 2, within: 60}
silent_session: {heartbeats: 0, seconds: 60}
price_off: {percent: 1}
slow_acknowledgement: {seconds: 0.1}
slow_answer: {seconds: 0.1}
"""


def derived(rules):
    return [Orders(), Sessions(), Latencies(), Anomalies(read_rules(rules))]


COLUMNS = list(dict.fromkeys(name for one in derived("") for name in one.columns))


def messages(data):
    rows = pa.Table.from_batches([parse_block(Block("file:key", 0, data)).messages])
    return rows.select(["position", *COLUMNS]).rename_columns(["message_id", *COLUMNS])


class Log:
    """Messages of A and B, each with the time and fields that are given."""

    def __init__(self):
        self.lines = []
        self.numbers = {}

    def send(self, at, kind, *fields, sender=b"A", number=None, day=0, pair=b"AB"):
        target = pair.replace(sender, b"")
        number = number or self.numbers.get((pair, sender), 0) + 1
        self.numbers[pair, sender] = number
        sent = f"{MORNING + timedelta(days=day, seconds=at):%Y%m%d-%H:%M:%S.%f}"[:-3].encode()
        head = [(35, kind), (49, sender), (56, target), (34, b"%d" % number), (52, sent)]
        self.lines.append(encode([*head, *fields]) + b"\n")

    def fill(self, at, cl_ord_id, price, *, quantity=b"10", symbol=b"X", more=(), **where):
        ids = [(37, b"O" + cl_ord_id), (11, cl_ord_id), (17, b"E%d" % len(self.lines))]
        state = [(150, b"F"), (39, b"1"), (55, symbol), (32, quantity), (31, price)]
        self.send(at, b"8", *ids, *state, *more, sender=b"B", **where)

    def anomalies(self, rules="", *kinds):
        found = derived_tables(derived(rules), messages(b"".join(self.lines)))["anomalies"]
        rows = sorted(found.to_pylist(), key=lambda row: (row["happened_at"], row["rule"]))
        return [row for row in rows if not kinds or row["kind"] in kinds]


def shown(rows, *names):
    return [tuple(row[name] for name in names) for row in rows]


def at(seconds):
    return MORNING + timedelta(seconds=seconds)


def test_rejects_of_all_kinds_in_a_few_seconds_are_a_burst():
    log = Log()
    log.send(0, b"8", (150, b"8"), (39, b"8"), (11, b"C"), sender=b"B")
    for number, kind in enumerate((b"3", b"9", b"j", b"8", b"8")):
        log.send(56 + number, kind, (39, b"8"), (11, b"C"), sender=b"B")
    log.send(57, b"8", (150, b"0"), (39, b"0"), (11, b"C"), sender=b"B")
    (row,) = log.anomalies("reject_burst: {at_least: 5}", "reject_burst")
    assert row == {
        "scope": "minute FIX.4.4:B->A 2025-01-02 09:01",
        "happened_at": at(60),
        "kind": "reject_burst",
        "severity": "warning",
        "session": "FIX.4.4:B->A",
        "order_key": None,
        "symbol": None,
        "seen": "5 rejects within 10 s",
        "expected": "less than 5",
        "rule": "reject_burst",
    }
    assert log.anomalies("reject_burst: {at_least: 6}", "reject_burst") == []
    assert log.anomalies("reject_burst: {at_least: 5, within: 4}", "reject_burst") == []


def test_requests_to_cancel_in_a_few_seconds_are_a_storm_and_their_copies_are_not():
    log = Log()
    for number in range(3):
        log.send(number, b"F", (11, b"C%d" % number), (41, b"D"))
    for number in range(5):
        log.send(number, b"F", (43, b"Y"), (11, b"C%d" % number), (41, b"D"))
    log.lines += log.lines
    assert log.anomalies("cancel_storm: {at_least: 4}", "cancel_storm") == []
    found = log.anomalies("cancel_storm: {at_least: 3}", "cancel_storm")
    assert shown(found, "session", "happened_at", "seen") == [
        ("FIX.4.4:A->B", at(2), "3 requests to cancel within 10 s")
    ]


def test_numbers_that_never_came_are_a_gap():
    log = Log()
    for number in (1, 2, 7, 9):
        log.send(number, b"D", (11, b"C"), number=number)
    found = log.anomalies("", "sequence_gap")
    assert shown(found, "severity", "happened_at", "seen", "expected") == [
        ("critical", at(7), "4 missing: 3 to 6", "3"),
        ("critical", at(9), "1 missing: 8", "8"),
    ]
    assert len(log.anomalies("sequence_gap: {at_least: 2}", "sequence_gap")) == 1
    log.send(10, b"D", (43, b"Y"), number=8)
    assert len(log.anomalies("", "sequence_gap")) == 1


def test_a_session_is_silent_after_three_heartbeats_if_it_sends_them():
    log = Log()
    log.send(0, b"A", (108, b"30"))
    log.send(30, b"0")
    log.send(121, b"0")
    found = log.anomalies("", "silent_session")
    assert shown(found, "session", "happened_at", "seen", "expected") == [
        ("FIX.4.4:A->B", at(30), "silent for 91 s", "a message every 90 s at the latest")
    ]
    assert log.anomalies("silent_session: {heartbeats: 4}", "silent_session") == []
    without = Log()
    without.send(0, b"A", (108, b"30"))
    without.send(300, b"D")
    assert without.anomalies("", "silent_session") == []
    assert len(without.anomalies("silent_session: {heartbeats: 0}", "silent_session")) == 1


def test_an_order_that_was_filled_beyond_its_quantity_is_told_with_its_key():
    log = Log()
    log.send(0, b"D", (11, b"C"), (38, b"100"), (55, b"X"))
    log.fill(1, b"C", b"10", quantity=b"60")
    assert log.anomalies("", "overfilled") == []
    log.fill(2, b"C", b"10", quantity=b"60.5")
    (row,) = log.anomalies("", "overfilled")
    assert shown([row], "severity", "happened_at", "session", "symbol", "seen", "expected") == [
        ("critical", at(2), "FIX.4.4:A->B", "X", "120.5 filled", "at most 100")
    ]
    orders = derived_tables(derived(""), messages(b"".join(log.lines)))["orders"]
    assert [row["order_key"]] == orders["order_key"].to_pylist()
    most = b"9" * 28
    log = Log()
    log.send(0, b"D", (11, b"C"), (38, most), (55, b"X"))
    for second in (1, 2):
        log.fill(second, b"C", b"10", quantity=most)
    (row,) = log.anomalies("", "overfilled")
    assert row["seen"] == "more than a column holds filled"


def test_a_price_is_held_against_the_fill_before_of_the_same_security_session_and_day():
    log = Log()
    log.fill(0, b"C", b"10")
    log.fill(1, b"D", b"11")
    log.fill(2, b"C", b"9.8", symbol=b"Y")
    log.fill(3, b"E", b"12.2", day=1)
    log.fill(4, b"F", b"30", pair=b"BC")
    log.fill(5, b"C", b"9.8", more=[(442, b"2")])
    assert log.anomalies("", "price_off") == []
    log.fill(6, b"G", b"9.8")
    found = log.anomalies("", "price_off")
    assert shown(found, "happened_at", "symbol", "seen", "expected") == [
        (at(6), "X", "9.8, -10.9 %", "11, as in the fill before, within 10 %")
    ]
    assert len(log.anomalies("price_off: {percent: 9.9}", "price_off")) == 2


def test_a_minute_in_which_requests_waited_for_too_long_is_told_with_the_clock_of_the_rule():
    log = Log()
    for number, waited in enumerate((0.9, 1.04, 1.2, 3)):
        log.send(number, b"D", (11, b"C%d" % number))
        answer = [(11, b"C%d" % number), (150, b"0"), (39, b"0")]
        log.send(number + waited, b"8", *answer, sender=b"B")
    found = log.anomalies("", "latency")
    assert shown(found, "rule", "happened_at", "session", "seen", "expected") == [
        (
            "slow_acknowledgement",
            MORNING,
            "FIX.4.4:A->B",
            "2 waited longer, up to 3.234251 s",
            "acknowledged within 1 s",
        )
    ]
    assert log.anomalies("slow_acknowledgement: {clock: captured}", "latency") == []
    assert log.anomalies("slow_acknowledgement: {seconds: 4}", "latency") == []


def test_a_rule_for_other_sessions_says_nothing():
    log = Log()
    for number in (1, 5):
        log.send(number, b"D", (11, b"C"), number=number)
    assert len(log.anomalies('sequence_gap: {session: "A->*"}', "sequence_gap")) == 1
    assert log.anomalies('sequence_gap: {session: "B->*"}', "sequence_gap") == []


def random_day(rng, orders):
    """Orders of a few minutes in which much is out of the ordinary."""
    log = Log()
    for number in range(orders):
        begin = rng.randrange(600_000) / 1000
        one, pair = b"C%d" % number, rng.choice((b"AB", b"AC"))
        peer = pair[1:]
        more = {"pair": pair, "number": rng.choice((None, None, rng.randrange(60)))}
        log.send(begin, b"D", (11, one), (38, b"20"), (55, b"X"), **more)
        for _ in range(rng.randrange(4)):
            begin += rng.choice((0, 0.05, 1, 70))
            ids = [(37, b"O" + one), (11, one), (17, b"E%d" % rng.randrange(40))]
            price = [(31, b"%d.5" % rng.randrange(9, 12)), (32, b"12")]
            what = rng.randrange(6)
            if what == 0:
                log.send(begin, b"F", (11, one + b"c"), (41, one), pair=pair)
            elif what == 1:
                log.send(begin, b"8", (150, b"8"), (39, b"8"), *ids, sender=peer, pair=pair)
            elif what == 2:
                bust = [(150, b"H"), (39, b"0"), (19, b"E%d" % rng.randrange(40))]
                log.send(begin, b"8", *ids, *bust, sender=peer, pair=pair)
            else:
                state = [(150, b"F"), (39, b"1"), (55, b"X"), *price]
                log.send(begin, b"8", *ids, *state, sender=peer, pair=pair)
    return log.lines


# A smaller seed is no simpler day.
tried = settings(deadline=None, max_examples=10, phases=(Phase.explicit, Phase.generate))


def content(tables):
    return {name: sorted(map(str, tables[name].to_pylist())) for name in Anomalies.tables}


@tried
@given(rng=st.randoms(use_true_random=False))
def test_whatever_comes_goes_and_comes_again_the_anomalies_are_those_of_the_messages(rng):
    rows = messages(b"".join(random_day(rng, 8))).to_pylist()
    other = messages(b"".join(random_day(rng, 3))).to_pylist()
    rng.shuffle(rows)
    known = {number: {**row, "message_id": number} for number, row in enumerate(rows)}
    schema = messages(b"").schema
    of = derived(STRICT)
    database = InMemory(*of, schema=pa.schema(list(schema)[1:]))
    left = list(known)
    while left:
        part, left = left[: (size := rng.randrange(1, 12))], left[size:]
        database.change({number: known[number] for number in part})
    whole = derived_tables(of, pa.Table.from_pylist(list(known.values()), schema))
    assert content(database.tables) == content(whole)
    # Some go, and others come in the place of some.
    gone = rng.sample(list(known), len(known) // 3)
    come = {number: {**rng.choice(other), "message_id": number} for number in gone[::2]}
    database.change(come, gone[1::2])
    rest = pa.Table.from_pylist(list(database.all.values()), schema)
    assert content(database.tables) == content(derived_tables(of, rest))
    database.change({}, list(database.all))
    assert not any(content(database.tables).values())


def test_a_burst_is_found_when_what_began_it_comes_last_and_is_gone_when_that_goes():
    log = Log()
    for seconds in (58, 61):
        log.send(seconds, b"3", sender=b"B")
    first, second = messages(b"".join(log.lines)).to_pylist()
    of = derived("reject_burst: {at_least: 2}")
    database = InMemory(*of, schema=pa.schema(list(messages(b"").schema)[1:]))
    database.change({second["message_id"]: second})
    assert database.tables["anomalies"].num_rows == 0
    database.change({first["message_id"]: first})
    assert database.tables["anomalies"]["kind"].to_pylist() == ["reject_burst"]
    database.change({}, [first["message_id"]])
    assert database.tables["anomalies"].num_rows == 0


def test_messages_in_any_order_give_the_same_anomalies_of_all_kinds():
    log = random_day(random.Random(3), 50)
    of = derived(STRICT)
    expected = derived_tables(of, messages(b"".join(log)))["anomalies"].to_pylist()
    counts = Counter(row["kind"] for row in expected)
    assert set(counts) == set(KINDS)
    for seed in range(3):
        random.Random(seed).shuffle(log)
        again = derived_tables(of, messages(b"".join([*log, *log[:20]])))["anomalies"]
        assert sorted(map(str, again.to_pylist())) == sorted(map(str, expected))
