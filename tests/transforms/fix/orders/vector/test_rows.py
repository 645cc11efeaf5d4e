"""Orders that are told all at once are those that are told one by one."""

import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from fixfeed.pipelines.sample.command import write_sample
from fixfeed.transforms.fix.orders.rows import rows_of as one_by_one
from fixfeed.transforms.fix.orders.vector import rows
from fixfeed.transforms.fix.orders.vector.events import Events
from fixfeed.transforms.fix.orders.vector.ids import ids_of
from tests.transforms.fix.orders.odd_days import made
from tests.transforms.fix.orders.stored import messages
from tests.transforms.fix.orders.test_venues import Session
from tests.transforms.fix.orders.vector.usual_days import usual

START = 1740994200_000000
tried = settings(deadline=None, max_examples=60, phases=(Phase.explicit, Phase.generate))


def at_once(found):
    events = Events(found)
    return rows.rows_of(found, events, ids_of(events))


def content(tables):
    return {name: sorted(map(repr, table.to_pylist())) for name, table in tables.items()}


def check(found):
    expected, told = one_by_one(found), at_once(found)
    assert content(told) == content(expected)
    assert [t.schema for t in told.values()] == [t.schema for t in expected.values()]


@tried
@given(st.integers(0, 1 << 30))
def test_days_with_all_that_is_odd(seed):
    check(messages(b"".join(made(seed))))


@tried
@given(st.integers(0, 1 << 30))
def test_usual_days(seed):
    check(messages(b"".join(usual(seed))))


@tried
@given(st.integers(0, 1 << 30), st.randoms(use_true_random=False))
def test_days_in_the_logs_of_both_sides(seed, rng):
    log = usual(seed)
    other = rng.sample(log, len(log) * 4 // 5)
    found = pa.concat_tables(
        [messages(b"".join(log)), messages(b"".join(other), first=1 << 40)]
    ).combine_chunks()
    captured = [rng.choice((None, START + rng.randrange(9), 5)) for _ in range(found.num_rows)]
    place = found.schema.get_field_index("captured_at")
    field = found.schema.field(place)
    check(found.set_column(place, field, pa.array(captured, pa.int64()).cast(field.type)))


def test_of_usual_days_most_orders_are_told_at_once(monkeypatch):
    log = b"".join(usual(1, orders=200))
    found = pa.concat_tables([messages(log), messages(log, first=1 << 40)])
    one = []
    monkeypatch.setattr(
        rows, "rows_one_by_one", lambda odd, *more: one.append(odd) or one_by_one(odd, *more)
    )
    orders = at_once(found)["orders"].num_rows
    assert 0 < one_by_one(one[0])["orders"].num_rows < orders / 2


def test_reports_of_the_time_of_their_requests_follow_them_all_at_once(monkeypatch):
    usually = messages(b"".join(usual(3, orders=150)))
    place = usually.schema.get_field_index("sending_time")
    # All within two seconds: requests and reports of an order have one time, in any order of sides.
    times = pc.bit_wise_and(usually["sending_time"].cast(pa.int64()), 1 << 20)
    times = pc.add(times, START).cast(usually.schema.field(place).type)
    found = usually.set_column(place, usually.schema.field(place), times)
    check(found)
    one = []
    monkeypatch.setattr(
        rows, "rows_one_by_one", lambda odd, *more: one.append(odd) or one_by_one(odd, *more)
    )
    at_once(usually)
    at_once(found)
    odd, odd_at_one_time = (one_by_one(of)["orders"].num_rows for of in one)
    assert odd_at_one_time < 1.1 * odd


def test_the_sample_day(tmp_path):
    write_sample(tmp_path, messages=2000, layouts=["quickfix"])
    logs = sorted(tmp_path.glob("*.log*"))
    assert logs
    check(messages(b"".join(log.read_bytes() for log in logs)))


def test_no_messages():
    check(messages(b""))


def test_an_id_of_an_entry_that_no_column_holds_is_none():
    long = b"Y" * 251
    s = Session()
    affected = [(534, b"2"), (41, long), (535, long), (41, b"A"), (535, b"O")]
    sides = [(552, b"2"), (54, b"1"), (37, long), (11, b"A"), (54, b"2"), (37, b"O"), (198, long)]
    s.send(False, b"r", (37, b"M"), *affected)
    s.send(False, b"r", (37, b"M"), (11, b"M2"))  # without entries, of no order
    s.send(False, b"AE", (571, b"T"), *sides)
    found = messages(b"".join(s.log))
    check(found)
    assert {len(one) for one in one_by_one(found)["order_ids"]["id"].to_pylist()} == {1}


def test_a_bust_that_names_no_execution_takes_away_none():
    s = Session()
    s.ask(b"D", (11, b"A"), (38, b"100"))
    s.send(False, b"8", (11, b"A"), (17, b"none"), (150, b"F"), (32, b"20"), (31, b"1"))
    s.send(False, b"8", (11, b"A"), (17, b"B"), (19, b"none"), (150, b"H"))
    found = messages(b"".join(s.log))
    check(found)
    assert one_by_one(found)["executions"]["stands"].to_pylist() == [True]


def test_a_guarantee_of_an_execution_is_none():
    for exec_type in ([(150, b"1"), (20, b"0")], [(20, b"0")]):
        s = Session(version="FIX.4.2")
        s.ask(b"D", (11, b"A"), (38, b"100"))
        for exec_id, cum_qty in ((b"E1", b"0"), (b"E2", b"20")):
            amounts = [(32, b"20"), (31, b"9"), (14, cum_qty)]
            s.send(False, b"8", (11, b"A"), (17, exec_id), *exec_type, (39, b"7"), *amounts)
        found = messages(b"".join(s.log))
        check(found)
        assert one_by_one(found)["executions"]["exec_id"].to_pylist() == ["E2"]


def test_a_correction_has_of_its_fill_what_it_leaves_out():
    s = Session()
    s.ask(b"D", (11, b"A"), (38, b"100"))
    s.fill(20, 20, (11, b"A"))
    for own, of, said in ((b"G1", b"E3-2", (32, b"30")), (b"G2", b"G1", (31, b"7"))):
        s.send(False, b"8", (11, b"A"), (17, own), (19, of), (150, b"G"), said)
    found = messages(b"".join(s.log))
    check(found)
    last = one_by_one(found)["executions"].to_pylist()[-1]
    assert (last["last_qty"], last["last_px"], last["stands"]) == (30, 7, True)
