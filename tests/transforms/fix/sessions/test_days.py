"""Days of sessions, as a function of the set of messages."""

import datetime
import json
import random
from decimal import Decimal

import pytest
from hypothesis import given, settings

from fixfeed.transforms.fix.sessions.days import session_days
from fixfeed.transforms.fix.sessions.schema import SESSION_DAYS
from tests.transforms.fix.sessions.logs import MORNING, message, of_both_sides, table
from tests.transforms.fix.sessions.test_sequences import RANDOM


def one(*rows):
    (day,) = session_days(table(*rows)).to_pylist()
    return day


def test_a_day_has_what_its_sender_sent():
    rows = [
        message(1, 0, "A", HeartBtInt="30", ResetSeqNumFlag="Y"),
        message(2, 1, "D"),
        message(3, 31, "0"),
        message(4, 62, "0"),
        message(5, 70, "1", TestReqID="T"),
        message(6, 71, "0", TestReqID="T"),
        message(7, 75, "2", BeginSeqNo="3", EndSeqNo="0"),
        message(8, 80, "3", SessionRejectReason="1"),
        message(9, 81, "3", SessionRejectReason="1"),
        message(10, 82, "j", BusinessRejectReason="4"),
        message(11, 83, "j", text="no such thing"),
        message(2, 84, "D", dup=True),
        message(9, 85, "4", GapFillFlag="Y", NewSeqNo="12"),
        message(12, 86, "4", NewSeqNo="20"),
        message(20, 186, "8"),
        message(21, 190, "5", text="end of day"),
    ]
    assert one(*rows) == {
        "session_day": "FIX.4.4:A->B 2025-01-02",
        "session": "FIX.4.4:A->B",
        "day": MORNING.date(),
        "first_time": MORNING,
        "last_time": MORNING + datetime.timedelta(seconds=190),
        "messages": 16,
        "app_messages": 5,
        "poss_dups": 1,
        "logons": 1,
        "logouts": 1,
        "logout_reasons": '{"end of day":1}',
        "resets": 2,
        "gap_fills": 1,
        "heartbeats": 3,
        "heart_bt_int": 30,
        "longest_silence": Decimal(100),
        "silent_since": MORNING + datetime.timedelta(seconds=86),
        "silences": 1,
        "test_requests": 1,
        "resend_requests": 1,
        "rejects": 4,
        "reject_reasons": json.dumps(
            {"Application not available": 1, "Required tag missing": 2, "no such thing": 1},
            separators=(",", ":"),
        ),
    }


def test_a_night_between_logout_and_logon_is_no_silence():
    rows = [
        message(1, 0, "A", HeartBtInt="10"),
        message(2, 5, "5"),
        message(1, 3600, "A", HeartBtInt="1000"),
        message(2, 3700, "0"),
    ]
    day = one(*rows)
    found = (day["longest_silence"], day["silences"], day["heart_bt_int"])
    assert found == (Decimal(100), 0, 1000)
    # By the interval of the first Logon it would be one.
    assert one(*rows[:1], message(2, 100, "0"))["silences"] == 1


@pytest.mark.parametrize(("interval", "silences"), [("30", 1), ("31", 0), ("1", 1), (None, 1)])
def test_a_silence_is_more_than_twice_the_interval_and_more_than_a_minute(interval, silences):
    first = message(1, 0, "A", **({"HeartBtInt": interval} if interval else {}))
    assert one(first, message(2, 61), message(3, 121))["silences"] == silences


def test_the_longest_silence_may_be_within_a_minute_or_between_two():
    assert one(message(1, 0), message(2, 50.25), message(3, 61))["longest_silence"] == Decimal(
        "50.25"
    )
    assert one(message(1, 0), message(2, 20), message(3, 61.5))["longest_silence"] == Decimal(
        "41.5"
    )
    assert one(message(1, 0))["longest_silence"] is None


@pytest.mark.parametrize("interval", ["", "x", "-5", "9" * 30, "²"])
def test_an_interval_that_is_no_number_is_none(interval):
    assert one(message(1, 0, "A", HeartBtInt=interval))["heart_bt_int"] is None


def test_messages_without_a_session_or_a_number_are_counted_each_once():
    rows = [message(None, 0, session=None), message(None, 0, session=None, Text="other")]
    found = session_days(table(*rows, *rows, message(None, None))).to_pylist()
    assert [(row["session"], row["session_day"], row["messages"]) for row in found] == [
        (None, " 2025-01-02", 2)
    ]


def test_feeds_of_several_applids_are_one_session():
    rows = [message(None, n, "X", ApplID=f"F{n % 2}", ApplSeqNum=str(n)) for n in range(1, 7)]
    day = one(*rows)
    assert (day["messages"], day["longest_silence"]) == (6, 1)


def test_no_messages_give_no_days():
    assert session_days(table()).equals(SESSION_DAYS.empty_table())


@settings(max_examples=100, deadline=None)
@given(rows=RANDOM)
def test_any_order_any_repetition_and_both_logs_give_the_same_days(rows):
    expected = session_days(table(*rows))
    rng = random.Random(len(rows))
    timed = [row for row in rows if row["sending_time"] and row["msg_seq_num"]]
    mixed = [*rows, *of_both_sides(timed), *(rng.choices(rows, k=5) if rows else [])]
    rng.shuffle(mixed)
    assert session_days(table(*mixed)).equals(expected)
