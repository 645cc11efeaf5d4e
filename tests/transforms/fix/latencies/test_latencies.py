"""How long requests waited, whatever the order in which messages came."""

import datetime
import random
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixfeed.transforms.fix.latencies.derived import Latencies, latencies
from fixfeed.transforms.fix.latencies.requests import merged_times, request_times
from fixfeed.transforms.fix.latencies.schema import CLOCKS, COLUMNS, KINDS, MSG_TYPES
from fixfeed.transforms.fix.schema import MESSAGES
from tests.transforms.fix.in_memory import InMemory

SCHEMA = pa.schema([MESSAGES.field(name) for name in COLUMNS])
MORNING = datetime.datetime(2025, 1, 2, 9, tzinfo=datetime.UTC)


def message(kind, at, cl_ord_id="C1", *, back=False, lag=0.001, **columns):
    """A message sent `at` seconds after 09:00 and captured a little later."""
    sent = MORNING + datetime.timedelta(seconds=at)
    captured = sent + datetime.timedelta(seconds=lag)
    row = dict.fromkeys(COLUMNS) | {
        "session": "FIX.4.4:B->A" if back else "FIX.4.4:A->B",
        "msg_type": kind,
        "cl_ord_id": cl_ord_id,
        "sending_time": sent,
        "captured_at": captured,
    }
    return row | columns


def table(*rows):
    return pa.Table.from_pylist(list(rows), SCHEMA)


def waited(*rows):
    """The counts by kind and clock, with the upper end of their buckets in seconds."""
    found = latencies(request_times(table(*rows))).to_pylist()
    return {(row["kind"], row["clock"]): (float(row["up_to"]), row["requests"]) for row in found}


def report(at, exec_type="0", cl_ord_id="C1", **columns):
    return message("8", at, cl_ord_id, back=True, exec_type=exec_type, **columns)


def test_an_order_waits_for_its_acknowledgement_and_its_first_fill():
    rows = [message("D", 0), report(0.0005, "A"), report(0.001), report(1, "F"), report(9, "F")]
    assert waited(*rows) == {
        ("acknowledged", "sent"): (0.001024, 1),
        ("acknowledged", "captured"): (0.001024, 1),
        ("filled", "sent"): (1.048576, 1),
        ("filled", "captured"): (1.048576, 1),
    }


@pytest.mark.parametrize("kind", ["F", "G"])
@pytest.mark.parametrize("answer", [report(2, "4", "C2"), message("9", 2, "C2", back=True)])
def test_a_request_to_cancel_or_replace_waits_for_a_report_or_a_reject(kind, answer):
    pending = report(1, "6", "C2")
    found = waited(message(kind, 0, "C2"), pending, answer)
    assert found["answered", "sent"] == (2.097152, 1)
    assert ("acknowledged", "sent") not in found


def test_each_log_measures_by_its_own_clock():
    rows = [
        message("D", 0, direction="out", lag=0.001),
        message("D", 0, direction="in", lag=0.5),
        report(1, direction="out", lag=0.002),
        report(1, direction="in", lag=3.001),
    ]
    assert waited(*rows) == {
        ("acknowledged", "sent"): (1.048576, 1),
        ("acknowledged", "captured by sender"): (4.194304, 1),
        ("acknowledged", "captured by receiver"): (0.524288, 1),
    }


def test_status_reports_busts_and_repeats_are_no_answers():
    rows = [
        message("D", 0),
        report(1, "I"),
        report(1, None, exec_trans_type="3", ord_status="0"),
        report(1, "0", poss_dup_flag=True),
        report(2, "F", exec_trans_type="1"),
    ]
    assert ("filled", "sent") not in waited(*rows)
    assert waited(*rows[:4]) == {}


def test_ids_of_other_sessions_days_and_directions_do_not_mix():
    day = 86400
    rows = [
        message("D", 0),
        report(1, session="FIX.4.4:C->A"),
        report(1, session="FIX.4.4:A->B"),
        report(day, "0"),
        message("D", day + 10),
        report(day + 11),
    ]
    found = latencies(request_times(table(*rows))).to_pylist()
    # The report of the next day comes before that day's order: a latency below 0 by these clocks.
    assert {(row["minute"].day, row["bucket"]) for row in found} == {(3, -1)}


def test_counts_are_by_the_minute_of_the_request_and_add_up():
    rows = []
    for number in range(100):
        sent = number * 3
        rows += [message("D", sent, f"C{number}"), report(sent + 0.010, cl_ord_id=f"C{number}")]
    found = latencies(request_times(table(*rows))).to_pylist()
    sent = [row for row in found if row["clock"] == "sent"]
    assert [row["requests"] for row in sent] == [20] * 5
    assert {row["minute"].minute for row in sent} == {0, 1, 2, 3, 4}
    assert {row["up_to"] for row in sent} == {Decimal("0.010624")}


def test_a_bucket_ends_within_a_tenth_above_what_it_holds():
    for taken in (0.000001, 0.0003, 0.0071, 0.5, 12.0, 3000.0):
        ((up_to, _),) = waited(
            message("D", 0, captured_at=None), report(taken, captured_at=None)
        ).values()
        assert taken <= up_to <= taken * 1.0906


RANDOM = st.lists(
    st.builds(
        lambda kind, at, number, back, way, exec_type, dup: message(
            kind, at, f"C{number}", back=back, direction=way, exec_type=exec_type,
            poss_dup_flag=dup,
        ),
        st.sampled_from(MSG_TYPES),
        st.floats(0, 200).map(lambda at: round(at, 3)),
        st.one_of(st.integers(1, 3)),
        st.booleans(),
        st.sampled_from(["in", "out", None]),
        st.sampled_from(["0", "A", "F", "4", None]),
        st.sampled_from([None, None, True]),
    ),
    max_size=25,
)  # fmt: skip


def of_all(rows):
    times = request_times(table(*rows))
    found = {"request_times": times, "latencies": latencies(times)}
    return {name: sorted(map(str, one.to_pylist())) for name, one in found.items()}


@settings(max_examples=60, deadline=None)
@given(rows=RANDOM, size=st.integers(1, 8), seed=st.integers(0, 999))
def test_whatever_comes_goes_and_comes_again_the_tables_are_those_of_the_messages(rows, size, seed):
    rng = random.Random(seed)
    mixed = [*rows, *(rng.choices(rows, k=5) if rows else [])]
    rng.shuffle(mixed)
    known = list(enumerate(mixed))
    database = InMemory(Latencies(), schema=SCHEMA)
    for start in range(0, len(known), size):
        database.change(dict(known[start : start + size]))
    assert database.content() == of_all(rows)
    gone = rng.sample(range(len(mixed)), len(mixed) // 2)
    replaced = {number: rng.choice(rows) for number in gone[: len(gone) // 2]}
    database.change(replaced, gone[len(gone) // 2 :])
    assert database.content() == of_all(database.everything())
    database.change({}, list(database.all))
    assert not any(database.content().values())
    halves = [request_times(table(*part)) for part in (mixed[::2], mixed[1::2])]
    assert merged_times(*halves).equals(request_times(table(*rows)))


def test_kinds_and_clocks_are_all_there_are():
    rows = [message("D", 0), report(1, "F"), message("F", 2, "C2"), report(3, "4", "C2")]
    found = waited(*(row | {"direction": way} for row in rows for way in ("in", "out", None)))
    assert {kind for kind, _ in found} == set(KINDS)
    assert {clock for _, clock in found} <= set(CLOCKS)
