"""The tables of sessions, kept up to date, are those of all messages."""

import random

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from fixfeed.transforms.fix.sessions.days import days_of
from fixfeed.transforms.fix.sessions.derived import Sessions
from fixfeed.transforms.fix.sessions.minutes import minutes_of
from tests.transforms.fix.in_memory import InMemory
from tests.transforms.fix.sessions.logs import MORNING, SCHEMA, message, of_both_sides, table
from tests.transforms.fix.sessions.test_sequences import RANDOM


def of_all(messages):
    minutes = minutes_of(pa.Table.from_pylist(list(messages), SCHEMA))
    tables = {"session_minutes": minutes, **days_of(minutes)}
    return {name: sorted(map(str, rows.to_pylist())) for name, rows in tables.items()}


@settings(max_examples=40, deadline=None)
@given(rows=RANDOM, size=st.integers(1, 8), seed=st.integers(0, 999))
def test_whatever_comes_goes_and_comes_again_the_tables_are_those_of_the_messages(rows, size, seed):
    rng = random.Random(seed)
    rows = of_both_sides(rows)
    rng.shuffle(rows)
    known = list(enumerate(rows))
    database = InMemory(Sessions(), schema=SCHEMA)
    for start in range(0, len(known), size):
        database.change(dict(known[start : start + size]))
    assert database.content() == of_all(rows)
    gone = rng.sample(range(len(rows)), len(rows) // 2)
    replaced = {number: rng.choice(rows) for number in gone[: len(gone) // 2]}
    database.change(replaced, gone[len(gone) // 2 :])
    assert database.content() == of_all(database.everything())
    database.change({}, list(database.all))
    assert not any(database.content().values())


def test_a_log_that_comes_in_order_is_not_read_again():
    database = InMemory(Sessions(), schema=SCHEMA)
    for minute in range(30):
        rows = [message(60 * minute + n, 60 * minute + n) for n in range(60)]
        database.change({row["msg_seq_num"]: row for row in rows})
    assert database.read == 0
    (row,) = database.tables["sequences"].to_pylist()
    assert (row["first_number"], row["last_number"]) == (0, 1799)


def test_what_comes_within_a_minute_reads_that_minute_alone():
    database = InMemory(Sessions(), schema=SCHEMA)
    database.change({n: message(n, n) for n in range(1800)})
    database.change({1800: message(1800, 1799.5)})
    assert database.read == 61
    assert database.tables["session_days"]["messages"].to_pylist() == [1801]
    assert database.tables["session_days"]["day"].to_pylist() == [MORNING.date()]


def test_of_messages_with_one_number_and_time_the_same_one_counts_in_any_order():
    rows = [message(4, 2) | {"exec_type": one} for one in ("8", "0", None)]
    expected = of_all(rows)
    for _ in range(3):
        rows.append(rows.pop(0))
        assert of_all(rows) == expected


def test_messages_of_two_sub_ids_with_one_number_and_time_are_two():
    rows = [message(n, n, "0") | {"sender_sub_id": one} for n in (1, 2) for one in ("X", "Y")]
    (row,) = days_of(minutes_of(table(*rows, *rows)))["session_days"].to_pylist()
    assert (row["messages"], row["heartbeats"]) == (4, 4)
