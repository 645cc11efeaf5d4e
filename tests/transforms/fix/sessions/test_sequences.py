"""Stretches of sequence numbers, as a function of the set of messages."""

import datetime
import random
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixfeed.transforms.fix.sessions.days import days_of, sequences
from fixfeed.transforms.fix.sessions.minutes import minutes_of
from fixfeed.transforms.fix.sessions.schema import BEGINNINGS, SEQUENCES
from tests.transforms.fix.sessions.logs import MORNING, message, of_both_sides, table


def logon(number, at, **fields):
    return message(number, at, "A", HeartBtInt="30", **fields)


def reset(number, new, at, *, fill=None, dup=False):
    how = {} if fill is None else {"GapFillFlag": fill}
    return message(number, at, "4", dup=dup, NewSeqNo=str(new), **how)


def shown(*rows):
    """What matters of the stretches of these messages."""
    names = ("first_number", "last_number", "began", "missing", "messages", "duplicates")
    return [tuple(row[name] for name in names) for row in sequences(table(*rows)).to_pylist()]


def at(second):
    return MORNING + datetime.timedelta(seconds=second)


def test_numbers_without_a_hole_are_one_stretch_from_its_logon_on():
    (row,) = sequences(table(logon(1, 0), *(message(n, n) for n in range(2, 40)))).to_pylist()
    assert row == {
        "session_day": "FIX.4.4:A->B 2025-01-02",
        "session": "FIX.4.4:A->B",
        "day": MORNING.date(),
        "appl_id": None,
        "numbers_since": MORNING,
        "first_number": 1,
        "last_number": 39,
        "began": "logon",
        "missing": 0,
        "messages": 39,
        "duplicates": 0,
        "first_time": MORNING,
        "last_time": at(39),
    }


def test_a_gap_is_what_lies_between_stretches():
    assert shown(message(5, 0), message(6, 1), message(9, 2), message(10, 3), message(12, 4)) == [
        (5, 6, "continued", 0, 2, 0),
        (9, 10, "gap", 2, 2, 0),
        (12, 12, "gap", 1, 1, 0),
    ]


def test_a_logon_with_number_1_or_resetseqnumflag_begins_the_numbers_anew():
    day = [logon(1, 0), message(2, 1), message(3, 2)]
    assert shown(*day, logon(1, 60), message(2, 61)) == [
        (1, 3, "logon", 0, 3, 0),
        (1, 2, "logon", 0, 2, 0),
    ]
    assert shown(*day, logon(2, 60, ResetSeqNumFlag="Y"), message(3, 61)) == [
        (1, 3, "logon", 0, 3, 0),
        (2, 3, "logon", 0, 2, 0),
    ]
    assert shown(*day, logon(4, 60), message(5, 61)) == [(1, 5, "logon", 0, 5, 0)]
    assert shown(*day, logon(6, 60))[1] == (6, 6, "gap", 2, 1, 0)


def test_each_numbering_says_since_when_it_holds():
    rows = sequences(table(logon(1, 0), message(2, 1), logon(1, 60), message(3, 61))).to_pylist()
    assert [(row["numbers_since"], row["missing"]) for row in rows] == [
        (at(0), 0),
        (at(60), 0),
        (at(60), 1),
    ]


def test_a_reset_says_which_number_comes_next_and_has_none_itself():
    day = [message(1, 0), message(2, 1)]
    assert shown(*day, reset(3, 50, 2), message(50, 3), message(51, 4)) == [
        (1, 2, "continued", 0, 2, 0),
        (50, 51, "reset", 0, 2, 0),
    ]
    assert shown(*day, reset(3, 50, 2), message(53, 3))[1] == (53, 53, "reset", 3, 1, 0)
    assert shown(*day, reset(3, 1, 2, fill="N"), message(1, 3))[1] == (1, 1, "reset", 0, 1, 0)
    assert shown(*day, reset(3, 50, 2)) == [(1, 2, "continued", 0, 2, 0)]


def test_what_is_resent_of_numbers_before_the_first_one_of_a_day_leaves_no_gap_to_it():
    again = [message(3, 1, dup=True), message(4, 2, dup=True)]
    assert shown(message(7, 0), *again, message(8, 3)) == [
        (3, 4, "resent", 0, 2, 0),
        (7, 8, "continued", 0, 2, 0),
    ]


def test_a_gap_fill_stands_for_the_numbers_up_to_the_next_one():
    assert shown(message(1, 0), message(8, 1), reset(2, 8, 2, fill="Y", dup=True)) == [
        (1, 1, "continued", 0, 1, 0),
        (2, 7, "gap_fill", 0, 0, 0),
        (8, 8, "gap", 0, 1, 0),
    ]
    # In its turn it leaves no gap.
    assert shown(message(1, 0), reset(2, 8, 2, fill="Y"), message(8, 3)) == [
        (1, 1, "continued", 0, 1, 0),
        (2, 7, "gap_fill", 0, 0, 0),
        (8, 8, "filled", 0, 1, 0),
    ]


def test_a_gap_fill_over_messages_that_are_there_changes_nothing():
    day = [message(n, n) for n in range(1, 9)]
    assert shown(*day, reset(2, 8, 20, fill="Y", dup=True)) == [(1, 8, "continued", 0, 8, 0)]


def test_between_repeats_of_numbers_before_the_first_one_of_a_day_nothing_is_missing():
    again = [message(n, 60 + n, dup=True) for n in (2, 4, 6)]
    expected = [(2, 2, "resent", 0, 1, 0), (4, 4, "resent", 0, 1, 0)]
    assert shown(*again[:2]) == expected
    assert shown(message(6, 0), message(9, 9), *again) == [
        *expected,
        (6, 6, "continued", 0, 2, 1),
        (9, 9, "gap", 2, 1, 0),
    ]
    # Where the numbers began that day, they are of the day.
    assert shown(logon(1, 0), message(6, 1), *again[:2]) == [
        (1, 1, "logon", 0, 1, 0),
        (2, 2, "resent", 0, 1, 0),
        (4, 4, "resent", 1, 1, 0),
        (6, 6, "gap", 1, 1, 0),
    ]


def test_numbers_that_came_as_repeats_alone_are_a_stretch_of_their_own():
    late = [message(n, 60 + n, dup=True) for n in (6, 7)]
    rows = sequences(table(message(5, 5), message(9, 9), *late)).to_pylist()
    assert [(r["first_number"], r["last_number"], r["began"], r["missing"]) for r in rows] == [
        (5, 5, "continued", 0),
        (6, 7, "resent", 0),
        (9, 9, "gap", 1),
    ]
    assert (rows[1]["first_time"], rows[1]["last_time"]) == (at(66), at(67))


def test_repeats_of_numbers_that_came_are_duplicates():
    day = [message(n, n) for n in range(1, 9)]
    again = [message(n, 60 + n, dup=True) for n in (3, 4)]
    assert shown(*day, *again, message(3, 90, dup=True)) == [(1, 8, "continued", 0, 11, 3)]


def test_messages_that_clocks_have_mixed_up_are_in_one_stretch():
    assert shown(message(1, 0), message(3, 1.0), message(2, 1.2), message(4, 1.4)) == [
        (1, 4, "continued", 0, 4, 0)
    ]
    # A number that was missing and comes later, without PossDupFlag.
    assert shown(message(1, 0), message(3, 1), message(2, 60), message(4, 61)) == [
        (1, 4, "continued", 0, 4, 0)
    ]


def test_numbers_that_are_used_again_without_a_reason_have_fallen():
    day = [message(n, n) for n in range(1, 9)]
    restart = [message(n, 600 + n) for n in range(2, 5)]
    assert shown(*day, *restart) == [(1, 8, "continued", 0, 8, 0), (2, 4, "fell", 0, 3, 0)]


def test_a_number_that_is_damaged_does_not_end_the_numbers():
    assert shown(message(5, 0), message(10**17, 5), message(6, 10), message(7, 20)) == [
        (5, 7, "continued", 0, 3, 0),
        (10**17, 10**17, "gap", 10**17 - 8, 1, 0),
    ]


def test_a_reset_within_the_same_second_as_the_last_message_before_it():
    """SendingTime may have whole seconds only."""
    assert shown(message(7, 0), message(8, 5, "5"), logon(1, 5), message(2, 5), message(3, 6)) == [
        (7, 8, "continued", 0, 2, 0),
        (1, 3, "logon", 0, 3, 0),
    ]


def test_what_is_stamped_shortly_before_its_logon_comes_after_it():
    late = logon(1, 0.1, ResetSeqNumFlag="Y")
    after = [message(number, number) for number in (4, 5)]
    whole = (1, 5, "logon", 0, 5, 0)
    assert shown(message(2, 0), late, message(3, 0.2), *after) == [whole]
    before = [message(number, number - 500) for number in range(490, 499)]
    old = (490, 498, "continued", 0, 9, 0)
    assert shown(*before, message(2, 0), message(3, 0.05), late, *after) == [old, whole]
    # A second before it is a Logon's own that is not there.
    assert shown(message(2, -1.5), late)[0] == (2, 2, "continued", 0, 1, 0)
    # What goes on from the numbers before it is of these.
    again = [logon(1, -0.5), message(2, 0)]
    assert shown(*again, late, *after) == [
        (1, 2, "logon", 0, 2, 0),
        (1, 1, "logon", 0, 1, 0),
        (4, 5, "gap", 2, 2, 0),
    ]


def test_directions_sessions_and_days_are_apart():
    other = message(7, 0, session="FIX.4.4:B->A")
    tomorrow = message(3, 86400)
    rows = sequences(table(message(1, 0), tomorrow, other, message(2, 1))).to_pylist()
    assert [(r["session"][-4:], r["day"].day, r["first_number"], r["began"]) for r in rows] == [
        ("A->B", 2, 1, "continued"),
        ("A->B", 3, 3, "continued"),
        ("B->A", 2, 7, "continued"),
    ]


def test_a_feed_without_msgseqnum_is_known_by_applseqnum():
    def feed(number, at, name="F1", **more):
        fields = {"ApplID": name, "ApplSeqNum": str(number), **more}
        return message(None, at, "X", session=None, **fields)

    rows = [feed(1, 0), feed(2, 1), feed(5, 2), feed(3, 60, ApplResendFlag="Y"), feed(1, 0, "F2")]
    found = sequences(table(*rows, message(None, 3, "X"))).to_pylist()
    assert [(r["appl_id"], r["first_number"], r["began"], r["missing"]) for r in found] == [
        ("F1", 1, "continued", 0),
        ("F1", 3, "resent", 0),
        ("F1", 5, "gap", 1),
        ("F2", 1, "continued", 0),
    ]
    # A message with MsgSeqNum counts by that.
    both = message(9, 0, "X", ApplID="F1", ApplSeqNum="700")
    assert [row["appl_id"] for row in sequences(table(both)).to_pylist()] == [None]


@pytest.mark.parametrize("bad", ["", "x", "-1", "1" * 30, "²"])
def test_numbers_in_the_fields_that_are_none_say_nothing(bad):
    assert shown(message(1, 0), message(4, 1, "4", NewSeqNo=bad, GapFillFlag="Y")) == [
        (1, 1, "continued", 0, 1, 0),
        (4, 4, "gap_fill", 2, 0, 0),
    ]
    assert shown(message(1, 0), message(4, 1, "4", NewSeqNo=bad), message(9, 2))[1][:3] == (
        9, 9, "reset",
    )  # fmt: skip
    assert shown(message(None, 0, ApplSeqNum=bad)) == []


def test_messages_without_a_time_are_left_out_and_those_captured_have_that_time():
    captured = message(3, None) | {"captured_at": at(2)}
    assert shown(message(2, 0), message(9, None), captured) == [(2, 3, "continued", 0, 2, 0)]


def test_no_messages_give_no_rows():
    assert sequences(table()).equals(SEQUENCES.empty_table())


KINDS = st.sampled_from(["8", "D", "0", "A", "5", "4", "3"])
RANDOM = st.lists(
    st.builds(
        lambda number, second, kind, dup, new, flag, session: message(
            number,
            second,
            kind,
            session=session,
            dup=dup,
            **({"NewSeqNo": str(new), "GapFillFlag": flag} if kind == "4" else {}),
            **({"ResetSeqNumFlag": flag} if kind == "A" else {}),
        ),
        st.one_of(st.integers(1, 12), st.none()),
        st.one_of(st.integers(0, 4), st.floats(0, 100).map(lambda s: round(s, 1)), st.none()),
        KINDS,
        st.booleans(),
        st.integers(1, 15),
        st.sampled_from("YN"),
        st.sampled_from(["FIX.4.4:A->B", "FIX.4.4:B->A", None]),
    ),
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(rows=RANDOM, seed=st.integers(0, 2**20))
def test_any_order_any_repetition_and_both_logs_give_the_same_rows(rows, seed):
    expected = sequences(table(*rows))
    rng = random.Random(seed)
    # Without SendingTime the two logs have only their times of capture, which differ.
    timed = [row for row in rows if row["sending_time"]]
    others = of_both_sides(timed)[len(timed) :]
    mixed = [*rows, *others, *rng.choices(rows, k=5)] if rows else []
    rng.shuffle(mixed)
    found = sequences(table(*mixed))
    assert found.equals(expected)


@settings(max_examples=150, deadline=None)
@given(rows=RANDOM)
def test_minutes_may_be_computed_apart_and_every_message_is_counted(rows):
    found = sequences(table(*rows))
    timed = [row for row in rows if row["sending_time"]]
    units = {}
    for row in timed:
        units.setdefault((row["session"], row["sending_time"].minute), []).append(row)
    apart = [minutes_of(table(*own)) for own in units.values()]
    apart.reverse()
    together = pa.concat_tables([minutes_of(table()), *apart])
    assert days_of(together)["sequences"].equals(found)
    plain = [row for row in timed if row["msg_seq_num"] is not None and row["msg_type"] != "4"]
    names = ("session", "msg_type", "msg_seq_num", "poss_dup_flag", "sending_time")
    once = {tuple(row[name] for name in names) for row in plain}
    assert sum(found["messages"].to_pylist()) == len(once)
    numbers, anew = {}, 0
    for row in found.to_pylist():
        assert row["began"] in BEGINNINGS
        assert row["missing"] >= 0
        span = row["last_number"] - row["first_number"] + 1
        assert span > 0
        assert row["began"] == "gap_fill" or row["messages"] == span + row["duplicates"]
        if row["began"] in ("logon", "reset", "fell"):
            anew += 1  # two may begin at the same time
        one = numbers.setdefault((row["session"], row["numbers_since"], anew), [])
        one.append((row["first_number"], row["last_number"]))
    for spans in numbers.values():
        assert all(before[1] < after[0] for before, after in pairwise(spans))


def test_a_log_out_of_order_is_soon_known():
    """No step takes time with the square of their number: this one would not end."""
    rng = random.Random(1)
    numbers = list(range(1, 60_001))
    for place in range(0, len(numbers) - 3, 3):
        if rng.random() < 0.5:
            numbers[place], numbers[place + 1] = numbers[place + 1], numbers[place]
    rows = table(*(message(n, place / 100) for place, n in enumerate(numbers)))
    (row,) = sequences(rows).to_pylist()
    assert (row["first_number"], row["last_number"], row["messages"]) == (1, 60_000, 60_000)
    assert isinstance(rows, pa.Table)
